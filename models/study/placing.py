"""A device under a network: on every layer that can lie on an array, all others digital."""

import glob
from collections.abc import Mapping
from typing import Any

from noisevote.models.card import Card
from noisevote.models.devices.profile import Profile
from noisevote.models.errors import InputError


def placed(device: Profile, card: Card, point: str | None = None) -> dict[str, Profile | None]:
    """Return the profile of each noise point.

    Args:
        device: that is studied.
        card: of the checkpoint.
        point: the only one that lies on it; None: all that can.

    Raises:
        InputError: the checkpoint is not ready for devices, or no layer can lie on one.
    """
    if card.devices is None or not card.devices.arrays:
        raise InputError(
            f"checkpoint {card.name} has no graphs for devices; make them with: {card.to_fit}",
            "device",
        )
    arrays = card.devices.arrays
    return {
        name: device if name in arrays and point in {None, name} else None
        for name in card.point_names
    }


def device_of_request(device: Profile | Mapping[str, Any] | str, card: Card) -> Any:
    """Return the field ``device`` of a request: a map where layers stay digital.

    Args:
        device: its name, or its profile as data.
        card: of the checkpoint.
    """
    arrays = {} if card.devices is None else card.devices.arrays
    if all(name in arrays for name in card.point_names):
        return device
    return {glob.escape(name): device for name in card.point_names if name in arrays}
