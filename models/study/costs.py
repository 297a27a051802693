"""What answers cost on the study's device, or in passes where it does not tell.

On a device whole tiles are read (``models.devices.cost``); a layer that is read r times costs r
times. Votes that may stop early follow each other, on however many chips; N votes that are all cast
go through one array a layer as through a pipeline, and each of several chips casts its share.
"""

import math
from collections.abc import Mapping
from typing import Literal

from noisevote.models.card import Card
from noisevote.models.cost import Hardware, cost_of, energy_by_macs
from noisevote.models.devices.cost import hardware_of_device
from noisevote.models.study.head import StudyHead
from noisevote.models.study.placing import placed
from noisevote.models.study.weighed import Costs


class CostModel:
    """What votes cost.

    Args:
        head: of a study.
        card: of its checkpoint.
    """

    def __init__(self, head: StudyHead, card: Card) -> None:
        self._points = card.noise_points
        on_device = (
            None if head.device is None else hardware_of_device(placed(head.device, card), card)
        )
        self._hardware = on_device or Hardware(
            dict.fromkeys(card.point_names, 1.0), energy_by_macs(card.noise_points)
        )
        self.unit: Literal["J", "passes"] = "passes" if on_device is None else "J"

    def of(
        self,
        repeats: Mapping[str, int],
        mean_votes: float,
        most_votes: float,
        chips: int = 1,
        stops_early: bool = False,
    ) -> Costs:
        """Return what an answer costs.

        Args:
            repeats: reads that are averaged, by noise point.
            mean_votes: cast on a sample on average.
            most_votes: that 99 % of the answers do not pass.
            chips: that share the votes.
            stops_early: whether each vote waits for the one before.
        """
        one = cost_of(1, self._points, self._hardware, repeats)
        energy = one.passes_of_energy if self.unit == "passes" else one.energy
        if self.unit == "passes":
            return Costs(energy=mean_votes * energy, unit=self.unit, latency_s=None)
        on_each = math.ceil(most_votes / chips)  # a pipeline on each chip
        two = cost_of(2, self._points, self._hardware, repeats)
        step = two.pipelined_latency - one.pipelined_latency
        latency = (
            most_votes * one.sequential_latency
            if stops_early
            else one.sequential_latency + (on_each - 1) * step
        )
        return Costs(energy=mean_votes * energy, unit=self.unit, latency_s=latency)

    @property
    def energy_of_layers(self) -> dict[str, float]:
        """Energy of each layer in a vote, by noise point; in the unit, or as shares of a pass."""
        each = {
            point.name: self._hardware.energy[point.name] * point.latency for point in self._points
        }
        whole = sum(each.values()) if self.unit == "passes" else 1.0
        return {name: energy / whole for name, energy in each.items()}
