"""Ranges of what enters the layers while a network learns, where its device asks for them.

Of each batch 16,384 inputs of a layer, spread over it, tell the 99.9 percentile of their magnitude.
The running mean over the steps is the range of the array; the card of the checkpoint gets the one
that is measured when all is learned.
"""

from dataclasses import asdict, dataclass
from math import ceil

import torch
from torch import Tensor

from noisevote.models.device_specs import INPUT_SHARE
from noisevote.models.devices.profile import Profile

SAMPLES = 16_384
NEW = 0.05
"""Share of the newest batch in a running mean."""

LEAVES = 0.999
"""What is left of a largest value after a step, so that what the first weights did is forgotten."""


@dataclass(slots=True)
class Range:
    """What enters and leaves a layer.

    Attributes:
        percentile: 99.9 percentile of the magnitude of what enters.
        largest: magnitude of that.
        rms: root mean square of the signal at the noise point.
    """

    percentile: float = 0.0
    largest: float = 0.0
    rms: float = 0.0


class Ranges:
    """Ranges by noise point.

    Args:
        profile: says which are needed.
    """

    def __init__(self, profile: Profile) -> None:
        read, column, dac = profile.read, profile.column, profile.dac
        is_relative = read.unit in {"array", "adc_range"} and bool(read.a or read.c)
        self._reads_inputs = (
            is_relative
            or dac is not None
            or profile.adc is not None
            or bool(column.offset or column.offset_std)
        )
        self._reads_signals = read.unit == "rms"
        self._found: dict[str, Range] = {}

    def of(self, point: str) -> Range | None:
        """Return what is known of a layer; None: nothing yet."""
        return self._found.get(point)

    def note_inputs(self, point: str, inputs: Tensor, is_needed: bool) -> None:
        """Note what enters a layer; of several the largest counts."""
        found = self._found.setdefault(point, Range())
        if self._reads_inputs and (is_needed or not found.largest):
            sizes = sampled(inputs).abs()
            place = max(1, ceil(INPUT_SHARE * len(sizes)))
            found.percentile = max(found.percentile, float(sizes.kthvalue(place).values))
            found.largest = max(found.largest, float(sizes.max()))

    def note_signal(self, point: str, signal: Tensor, is_needed: bool) -> None:
        """Note the signal at a noise point; of several the last counts."""
        found = self._found.setdefault(point, Range())
        if self._reads_signals and (is_needed or not found.rms):
            found.rms = float(signal.detach().float().square().mean().sqrt())

    def take_in(self, newest: "Ranges") -> None:
        """Take in what was seen of a batch."""
        for point, new in newest._found.items():
            old = self._found.setdefault(point, new)
            old.percentile += NEW * (new.percentile - old.percentile)
            old.largest = max(LEAVES * old.largest, new.largest)
            old.rms += NEW * (new.rms - old.rms)

    def state(self) -> dict[str, dict[str, float]]:
        """Return them as plain data."""
        return {point: asdict(found) for point, found in self._found.items()}

    def restore(self, state: dict[str, dict[str, float]]) -> None:
        """Go on from a state."""
        self._found = {point: Range(**found) for point, found in state.items()}


def sampled(values: Tensor) -> Tensor:
    """Return values spread over a tensor, in one dimension."""
    flat = values.detach()
    if flat.dim() == 4 and flat.is_contiguous(memory_format=torch.channels_last):
        flat = flat.permute(0, 2, 3, 1)
    # An odd stride meets all channels, whose numbers are even.
    return flat.reshape(-1)[:: flat.numel() // SAMPLES | 1].float()
