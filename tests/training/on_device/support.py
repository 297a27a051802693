"""A device that does everything, and a device before a network in torch."""

import torch
from torch import nn

from noisevote.models.devices.profile import Profile
from noisevote.training.on_device.hardening import OnDevice
from noisevote.training.on_device.layers import layers_of
from noisevote.training.recipes.recipe import Hardening

IMAGE = (1, 28, 28)

FULL = {
    "profile": 1,
    "name": "full",
    "array": {"rows": 64},
    "cell": {"g_max_us": 25.0},
    "program": {"std_us": 0.8, "stuck_off": 0.01},
    "drift": {"t0_s": 20.0, "nu": 0.05, "nu_std": 0.01},
    "compensation": "column",
    "read": {"a": 0.05, "b": 0.03, "c": 0.02, "w": 0.01},
    "column": {"gain": 1.1, "gain_std": 0.02, "offset": 0.05, "offset_std": 0.05},
    "dac": {"bits": 6},
    "adc": {"bits": 6, "bound": 3.0},
}


def device_for(
    network: nn.Module, profile: Profile, shape: tuple[int, ...], **more: object
) -> OnDevice:
    hardening = Hardening(device=profile.name, **more)  # type: ignore[arg-type]
    return OnDevice(profile, layers_of(network, shape, "a device"), hardening)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
