"""What votes cost on analog hardware: latency, energy, and what one quieter pass would cost.

Each layer is an array that evaluates one matrix-vector product at a time. With latencies t of the
layers and N votes (Qin & Vucinic, arXiv 1811.10649, section on voting, for equal layers):

* one after another: ``N sum(t)``,
* pipelined, one array a layer: ``sum(t) + (N - 1) max(t)``,
* on N copies of the chip: ``sum(t)``.

A layer that is passed several times in a vote (the gates of a recurrent network) keeps its array
busy all that time. Reading a layer r times multiplies its latency and its energy by r.

If the power of the noise falls as one over the energy spent, N votes at sigma take the energy of
one pass at ``sigma / sqrt(N)``.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from noisevote.models.specs import PointSpec


@dataclass(frozen=True, slots=True)
class Hardware:
    """What one evaluation of each layer takes, by noise point; units are the caller's.

    Attributes:
        latency: time of one evaluation.
        energy: energy of one evaluation.
    """

    latency: Mapping[str, float]
    energy: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Cost:
    """What the votes of one input cost.

    Attributes:
        sequential_latency: votes one after another on one chip.
        pipelined_latency: a vote enters a layer as soon as the one before has left it.
        parallel_latency: all votes at once, on as many chips.
        energy: energy of all votes.
        passes_of_energy: energy of all votes in units of one pass without repeats.
    """

    sequential_latency: float
    pipelined_latency: float
    parallel_latency: float
    energy: float
    passes_of_energy: float

    def equal_energy_sigma(self, sigma: float) -> float:
        """Return the sigma of one pass that spends the same energy on less noise."""
        return sigma / math.sqrt(self.passes_of_energy)


def energy_by_macs(points: Sequence[PointSpec]) -> dict[str, float]:
    """Return energies of one evaluation that are proportional to its multiply-accumulates."""
    return {point.name: point.macs / point.latency for point in points}


def cost_of(
    votes: int, points: Sequence[PointSpec], hardware: Hardware, repeats: Mapping[str, int]
) -> Cost:
    """Return what votes cost.

    Args:
        votes: cast on one input, at least 1.
        points: the network's noise points.
        hardware: latency and energy of each.
        repeats: averaged reads of a noise point; 1 where none are given.
    """
    evaluations = {point.name: point.latency for point in points}
    reads = {name: count * repeats.get(name, 1) for name, count in evaluations.items()}
    latencies = [hardware.latency[name] * count for name, count in reads.items()]
    plain = sum(hardware.energy[name] * count for name, count in evaluations.items())
    energy = votes * sum(hardware.energy[name] * count for name, count in reads.items())
    return Cost(
        sequential_latency=votes * sum(latencies),
        pipelined_latency=sum(latencies) + (votes - 1) * max(latencies),
        parallel_latency=sum(latencies),
        energy=energy,
        passes_of_energy=energy / plain,
    )
