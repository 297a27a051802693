"""Ages: when a device is first read, and what an age changes."""

from typing import Any

import numpy as np

from noisevote.models.checkpoint import Checkpoint
from noisevote.models.devices.presets import DeviceStore
from noisevote.models.devices.profile import profile_of
from noisevote.models.devices.runtime import DeviceRuntime
from tests.models.devices.support import noise_on, rows


def test_two_ranges_of_ages_of_one_device_give_two_ages_where_none_is_asked_for(
    checkpoint: Checkpoint, runtime: DeviceRuntime, images: np.ndarray[Any, np.dtype[np.float32]]
) -> None:
    hermes = DeviceStore().find("pcm-hermes-2t")
    young, old = (hermes.model_copy(update={"ages_s": (age, 1e6)}) for age in (60.0, 86_400.0))
    assert young.digest == old.digest  # so that chips are the same
    asked = [
        noise_on(young, checkpoint),
        noise_on(old, checkpoint),
        noise_on(young, checkpoint, age_s=86_400.0),
    ]
    by_default, later, as_late = (runtime.outputs(rows(images[:1], [noise])) for noise in asked)
    assert not np.array_equal(by_default, later)
    assert np.array_equal(later, as_late)
    assert asked[1].places == asked[2].places


DRIFTING: dict[str, Any] = {"profile": 1, "name": "drifting", "drift": {"t0_s": 20.0, "nu": 0.05}}


def test_profiles_that_differ_in_their_first_age_have_chips_and_fingerprints_of_their_own(
    checkpoint: Checkpoint, runtime: DeviceRuntime, images: np.ndarray[Any, np.dtype[np.float32]]
) -> None:
    ages_s = [None, 1e5, 1e8]
    profiles = [
        profile_of(DRIFTING | ({} if age_s is None else {"ages_s": [age_s, 1e9]}))
        for age_s in ages_s
    ]
    assert len({profile.digest for profile in profiles}) == 1
    noises = [noise_on(profile, checkpoint) for profile in profiles]
    assert len({noise.fingerprint for noise in noises}) == 3
    found = [runtime.outputs(rows(images[:1], [noise])) for noise in noises]
    for age_s, outputs in zip(ages_s, found, strict=True):
        named = noise_on(profiles[0], checkpoint, age_s=age_s or 0.0)
        assert np.array_equal(outputs, runtime.outputs(rows(images[:1], [named])))
    assert len({outputs.tobytes() for outputs in found}) == 3


def test_without_frozen_errors_reads_are_as_noisy_at_any_age(
    checkpoint: Checkpoint, runtime: DeviceRuntime, images: np.ndarray[Any, np.dtype[np.float32]]
) -> None:
    profile = DeviceStore().find("pcm-hermes-2t")
    found = [
        runtime.outputs(rows(images, [noise_on(profile, checkpoint, chips=(), age_s=age_s)] * 3))
        for age_s in (0.0, 1e9)
    ]
    assert np.array_equal(found[0], found[1])
