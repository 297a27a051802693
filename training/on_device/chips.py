"""Chips for the training: what a random device holds in the place of a network's weights."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from noisevote.models.devices.arrays import largest_of, magnitudes_of
from noisevote.models.devices.cells import aged_weights
from noisevote.models.devices.chips import Chip
from noisevote.models.devices.columns import Condition, spreads_of
from noisevote.models.devices.profile import Profile
from noisevote.training.on_device.layers import Layer

VOTES = 20
"""On one input, as the service casts by default: how long they last parts 1/f noise in what they
share and what is fresh."""

OWNER = "training"
"""Stands for the digest of the weights in the draws of a chip; those that learn have none."""


@dataclass(frozen=True, slots=True)
class DrawnChip:
    """A network on a chip at an age.

    Attributes:
        age_s: since the weights were written.
        added: what the chip adds to parameters, by name.
        conditions: of the columns, by noise point.
    """

    age_s: float
    added: dict[str, Tensor]
    conditions: dict[str, Condition]

    def state(self) -> dict[str, Any]:
        """Return it as plain data and tensors."""
        conditions = {
            point: {
                "alpha": torch.from_numpy(np.array(of.alpha)),
                "w2": torch.from_numpy(np.array(of.w2)),
                "spreads": {name: torch.from_numpy(z) for name, z in (of.spreads or {}).items()},
            }
            for point, of in self.conditions.items()
        }
        return {"age_s": self.age_s, "added": self.added, "conditions": conditions}

    @classmethod
    def from_state(cls, state: Mapping[str, Any], like: Tensor) -> "DrawnChip":
        """Return the chip of a state, its tensors in the layout and place of the network's."""
        conditions = {
            point: Condition(
                spreads={name: z.numpy() for name, z in of["spreads"].items()},
                alpha=of["alpha"].numpy(),
                w2=of["w2"].numpy(),
            )
            for point, of in state["conditions"].items()
        }
        added = {name: tensor.to(like.device) for name, tensor in state["added"].items()}
        return cls(state["age_s"], added, conditions)


def drawn_chip(
    network: nn.Module,
    layers: Mapping[str, Layer],
    profile: Profile,
    ages_s: tuple[float, float],
    generator: torch.Generator,
) -> DrawnChip:
    """Return a random chip that holds a network's weights at a random age.

    Args:
        network: whose weights the chip should hold.
        layers: on its arrays, by noise point.
        profile: the device.
        ages_s: smallest and largest age, drawn log-uniformly.
        generator: of what is drawn.
    """
    where = generator.device
    number = int(torch.randint(2**53, (1,), generator=generator, device=where))
    age_s = age_between(ages_s, float(torch.rand((), generator=generator, device=where)))
    chip = Chip(profile.digest, OWNER, number)
    parameters = dict(network.named_parameters())
    added: dict[str, Tensor] = {}
    conditions: dict[str, Condition] = {}
    for point, layer in layers.items():
        weights = layer.matrix(parameters).float().cpu().numpy()
        conditions[point], held = on_chip(weights, point, profile, chip, age_s)
        if held is not None:
            change = torch.from_numpy(held - weights).to(where)
            added |= layer.parted(change, parameters)
    return DrawnChip(age_s, added, conditions)


def on_chip(
    weights: NDArray[np.float32], point: str, profile: Profile, chip: Chip, age_s: float
) -> tuple[Condition, NDArray[np.float32] | None]:
    """Return the condition of a layer on a chip, and its weights there if they differ.

    Args:
        weights: ``[columns, rows]``.
        point: its noise point.
        profile: the device.
        chip: of that device.
        age_s: since the weights were written.
    """
    spreads = {
        part: chip.normals(point, part, weights.shape[:1]).astype(np.float64)
        for part in spreads_of(profile)
    }
    read = profile.read
    if not (profile.has_frozen_cells or read.w or read.cell_std_us != 0):
        return Condition(spreads=spreads), None
    window_s = VOTES * profile.flicker.vote_gap_s if profile.flicker else 0.0
    aged = aged_weights(
        weights,
        profile,
        chip.draws_of(point, weights.shape),
        age_s,
        window_s,
        largest=largest_of(magnitudes_of(weights), profile.array.scale),
    )
    has_frozen = profile.has_frozen_cells
    condition = Condition(
        spreads=spreads, alpha=aged.alpha if has_frozen else 1.0, w2=aged.variance
    )
    return condition, aged.weights if has_frozen else None


def age_between(ages_s: tuple[float, float], share: float) -> float:
    """Return the age at a share of the way between two, on a logarithmic scale."""
    low, high = ages_s
    if low == high:
        return low
    return math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
