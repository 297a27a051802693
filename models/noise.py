"""Analog noise: where it acts, its distribution and strength.

A vote's noise is the finished tensor of each noise point: the factor ``1 + sigma z`` or the
summand ``sigma z``, with ``z`` standard normal. The stream of ``z`` is keyed by (seed, input
position in the request, vote index) and by nothing else: not by the batch in which the vote is
computed, the stop rule, sigma or the checkpoint. How ``z`` follows from the key is a scheme with a
name (``models.draws.schemes``).

Source: Qin & Vucinic, arXiv 1811.10649, section 2 (noise models, signal-to-noise ratio).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from statistics import NormalDist
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from noisevote.models.errors import InputError

MAX_SEED = 2**53 - 1
"""Largest seed: every JSON reader can hold it exactly."""

MAX_SIGMA = 1000.0
"""Largest standard deviation of any noise, in units of the signal or absolute."""

MAX_REPEATS = 1_000_000
"""Most reads of a noise point that are averaged."""

MIN_SNR_DB = -60.0
MAX_SNR_DB = 300.0
"""Of requests; the sigma of the first is :data:`MAX_SIGMA`."""

MAX_KEY_INDEX = 2**32 - 1
"""Largest input position and vote index."""

TABLE_SIZE = 65_536

Numbers = TypeVar("Numbers", bound=Any)
"""A number, or a tensor of NumPy or torch: all have the same operators."""


class NoiseKind(StrEnum):
    """How noise meets the signal: ``y = act((Wx + b) * n)`` or ``y = act(Wx + b + n)``."""

    MULTIPLICATIVE = "multiplicative"
    ADDITIVE = "additive"

    @property
    def is_factor(self) -> bool:
        """Whether the noise is a factor; else it is a summand."""
        return self is NoiseKind.MULTIPLICATIVE

    @property
    def operation(self) -> str:
        """The ONNX operator by which a graph lets it meet the signal."""
        return "Mul" if self.is_factor else "Add"

    @property
    def neutral(self) -> float:
        """What the noise is without noise."""
        return 1.0 if self.is_factor else 0.0

    def finished(self, deviation: Numbers) -> Numbers:
        """Return the factor or summand of a deviation ``sigma z``."""
        finished: Numbers = deviation + 1.0 if self.is_factor else deviation
        return finished

    def meet(self, signal: Numbers, noise: Numbers) -> Numbers:
        """Return the noisy signal of a finished factor or summand."""
        noisy: Numbers = signal * noise if self.is_factor else signal + noise
        return noisy


class VoteKey(NamedTuple):
    """What a vote's noise depends on.

    Attributes:
        seed: seed of the request, 0 to 2^53 - 1.
        position: position of the input in its request, from 0.
        vote: index of the vote, from 0.
    """

    seed: int
    position: int
    vote: int


def sigma_text(sigma: float | Mapping[str, float]) -> str:
    """Return a sigma as people read it: a number, or one for each noise point."""
    if isinstance(sigma, Mapping):
        return ", ".join(f"{point} {value:g}" for point, value in sigma.items())
    return f"{sigma:g}"


def snr_db_from_sigma(sigma: float) -> float:
    """Return the signal-to-noise power ratio in dB of multiplicative noise of ``sigma``.

    The ratio is ``1 / sigma^2``: sigma 1 is 0 dB, 0.1 is 20 dB, 0 is infinite.
    """
    return math.inf if sigma == 0 else -20 * math.log10(sigma) + 0.0


def sigma_from_snr_db(snr_db: float) -> float:
    """Return the sigma of multiplicative noise with a signal-to-noise power ratio in dB."""
    return float(10 ** (-snr_db / 20))


@lru_cache(maxsize=1)
def standard_normal_table() -> NDArray[np.float64]:
    """Return 65,536 equally likely values of a standard normal, in rising order.

    Each is the mean of the normal distribution over one of 65,536 slices of equal probability;
    all are then scaled to a variance of 1, and rounded to single precision, which swallows what
    mathematical libraries differ in. The table is antisymmetric, so the mean is 0.
    """
    half = TABLE_SIZE // 2
    quantile = NormalDist().inv_cdf  # needs no library: clients read this module, too
    edges = np.array([quantile(edge / TABLE_SIZE) for edge in range(half, TABLE_SIZE)])
    density = np.append(np.exp(-(edges**2) / 2) / math.sqrt(2 * math.pi), 0.0)
    upper = TABLE_SIZE * (density[:-1] - density[1:])
    table = np.concatenate([-upper[::-1], upper])
    table /= math.sqrt(float(np.mean(table**2)))
    table = table.astype(np.float32).astype(np.float64)
    table.flags.writeable = False
    return table


@dataclass(frozen=True, slots=True)
class Distribution:
    """How the noise is spread, as data: 65,536 equally likely values of mean 0 and variance 1.

    Attributes:
        name: name of the distribution.
        values: returns them ``[65536]``, always the same array; single precision holds each.
        is_gaussian: whether the mean of several draws has the same distribution again.
    """

    name: str
    values: Callable[[], NDArray[np.float64]]
    is_gaussian: bool = False


NORMAL = Distribution("normal", standard_normal_table, is_gaussian=True)

DISTRIBUTIONS = {row.name: row for row in (NORMAL,)}
"""Those that there are, by name; graphs and exports do not depend on them."""


@dataclass(frozen=True, slots=True, eq=False)
class VoteNoise:
    """The noise of the votes on one network.

    Attributes:
        kind: how it meets the signal.
        sigma: standard deviation at each noise point, in graph order ``[points]``.
        distribution: how it is spread.
    """

    kind: NoiseKind
    sigma: NDArray[np.float64]
    distribution: Distribution = NORMAL

    @property
    def is_silent(self) -> bool:
        """Whether there is none at any point."""
        return not self.sigma.any()

    @property
    def chip_count(self) -> int:
        """How many chips cast the votes."""
        return 1

    def chip_index(self, key: VoteKey) -> int:  # noqa: ARG002 - here all are cast on one
        """Return which of the chips casts a vote, from 0."""
        return 0

    @property
    def overflow(self) -> InputError:
        """What is to be said of outputs that are not finite under it."""
        if self.is_silent:
            return InputError(
                "the outputs overflow single precision without noise; use smaller inputs", "inputs"
            )
        return InputError(
            "the outputs overflow single precision under this noise; use a smaller sigma", "sigma"
        )

    def is_measured_at(self, kind: NoiseKind, sigma: float) -> bool:
        """Return whether it is the normal noise of one sigma at all points, as cards have it."""
        is_normal = self.kind is kind and self.distribution is NORMAL
        return is_normal and all(math.isclose(at, sigma) for at in self.sigma.tolist())


@dataclass(frozen=True, slots=True)
class Noise:
    """Noise as it is asked for, of any network.

    Attributes:
        kind: how it meets the signal.
        sigma: standard deviation of one read, at all noise points or by name; points left out get
            no noise.
        repeats: reads that are averaged before the activation, by name; 1 where none are given.
        distribution: how one read is spread.
    """

    kind: NoiseKind
    sigma: float | dict[str, float]
    repeats: dict[str, int] = field(default_factory=dict)
    distribution: Distribution = NORMAL

    def at(self, points: Sequence[str]) -> VoteNoise:
        """Return what this is at the noise points of a network, in graph order.

        Averaging r independent reads divides sigma by the square root of r, and leaves Gaussian
        noise Gaussian.

        Raises:
            InputError: a name is no noise point, or reads are averaged that are not Gaussian.
        """
        if not self.repeats and not isinstance(self.sigma, dict):
            return VoteNoise(self.kind, np.full(len(points), float(self.sigma)), self.distribution)
        sigma = self.sigma if isinstance(self.sigma, dict) else dict.fromkeys(points, self.sigma)
        for name in (*sigma, *self.repeats):
            if name not in points:
                raise InputError(f"{name!r} is no noise point; there are: {', '.join(points)}")
        if not self.distribution.is_gaussian and any(reads > 1 for reads in self.repeats.values()):
            raise InputError(
                f"the mean of several reads of {self.distribution.name} noise is not "
                f"{self.distribution.name} again; leave out repeats",
                "repeats",
            )
        reads = np.array([self.repeats.get(name, 1) for name in points], np.float64)
        of_read = np.array([sigma.get(name, 0.0) for name in points], np.float64)
        return VoteNoise(self.kind, of_read / np.sqrt(reads), self.distribution)

    @property
    def snr_db(self) -> float | None:
        """Signal-to-noise power ratio of one read; None unless one number of a factor above 0."""
        if not self.kind.is_factor or isinstance(self.sigma, dict) or self.sigma == 0:
            return None
        return snr_db_from_sigma(self.sigma)

    @property
    def text(self) -> str:
        """What it is, for people."""
        shape = "" if self.distribution is NORMAL else f"{self.distribution.name} "
        return f"{shape}{self.kind} noise, sigma {sigma_text(self.sigma)}"


@lru_cache(maxsize=128)
def noise_table(
    kind: NoiseKind, sigma: float, distribution: Distribution = NORMAL
) -> NDArray[np.float32]:
    """Return the 65,536 finished factors ``1 + sigma z`` or summands ``sigma z``.

    256 KiB each; enough are kept for a request that sets every noise point of a deep network.
    """
    table = kind.finished(sigma * distribution.values()).astype(np.float32)
    table.flags.writeable = False
    return table
