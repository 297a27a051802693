"""Noise of a device for a shipped checkpoint, and votes on it."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from noisevote.models.checkpoint import Checkpoint
from noisevote.models.devices.noise import DeviceNoise, device_noise
from noisevote.models.devices.profile import Profile
from noisevote.models.devices.setting import DeviceSetting, profiles_at
from noisevote.models.noise import VoteKey, VoteNoise
from noisevote.models.runtime import Rows

NAME = "mnist_cnn-clean"


def noise_on(profile: Profile, checkpoint: Checkpoint, **condition: Any) -> DeviceNoise:
    at = profiles_at(profile, checkpoint.card)
    return device_noise(DeviceSetting(at, **condition), checkpoint.card)


def rows(
    images: np.ndarray[Any, np.dtype[np.float32]], noises: Sequence[VoteNoise], first: int = 0
) -> Rows:
    """A vote on each noise, the images in turns."""
    votes = range(first, first + len(noises))
    return Rows(
        {"images": images},
        np.array([vote % len(images) for vote in votes], np.int64),
        np.stack([noise.sigma for noise in noises]),
        [VoteKey(7, 0, vote) for vote in votes],
        noises=noises,
    )
