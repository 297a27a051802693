"""What a chip does to a layer's weights.

Weights are in *array units*, ``[columns, rows]``: a column's, or the layer's, largest magnitude is
1. Cells pass through the steps of the profile in this order:

1. target: ``pair``: ``g+ = max(w, 0) (g_max - g_min) + g_min``, ``g-`` the same of ``-w``;
   ``single``: one cell in the middle of its range plus ``w`` halves of that;
2. written: ``max(g + std(x) z, 0)``, ``x = g / g_max``; stuck cells stay at 0 or at ``g_max``;
   where the profile has tables of ages, ``max(g + shift(x) + std(x) z, 0)`` of the age;
3. drift: ``g ((t + t0) / t0)^-nu``, ``nu = |nu(x) + nu_std(x) z|`` of the target;
4. relaxation: ``g + mean ln t + (s0 + s1 ln t) z``;
5. slow 1/f noise: ``g (1 + q sqrt(ln(t / T)) z)``, q of the written conductance.

Then conductances are clipped at 0. The draws ``z`` do not depend on the age, so one chip's life is
a trajectory: its cells keep their exponents, and its slow noise grows. A true 1/f process also
wanders.

Sources: aihwkit's noise models of PCM, HERMES and ReRAM (Nandakumar et al., ICECS 2019; Le Gallo et
al., Nat. Electron. 2023; Wan et al., Nature 2022), CrossSim's device models.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noisevote.models.devices.aging import Life
from noisevote.models.devices.chips import UNIFORM
from noisevote.models.devices.curves import Floats
from noisevote.models.devices.parts import Program
from noisevote.models.devices.profile import Profile

Draws = Callable[[str], NDArray[Any]]
"""Returns the draws of a part ``[columns, rows]``: uniform on [0, 1) of ``stuck+`` and ``stuck-``,
standard normals of all others."""

BLOCK = 65_536
"""Weights that are worked on at a time: they stay in the cache."""

LEAST_LEFT = 1e-4
"""Share of a mean weight that compensation takes for lost at most, as aihwkit does."""


@dataclass(frozen=True, slots=True)
class AgedWeights:
    """What the cells of a layer hold at an age.

    Attributes:
        weights: in array units, or those of the target ``[columns, rows]``.
        alpha: factor of each column's output that makes up for drift ``[columns]``; 1 without.
        variance: what a fresh read adds to the variance of each column's output, for each unit of
            the sum of squared inputs, both in array units ``[columns]``: fast 1/f noise, read noise
            of cells (``read.cell_std_us``) and of weights (``read.w``), the mean over the rows.
    """

    weights: NDArray[np.float32]
    alpha: NDArray[np.float64]
    variance: NDArray[np.float64]


def parts_of(profile: Profile) -> tuple[str, ...]:
    """Return the parts of which :func:`aged_weights` takes draws."""
    program, has_table = profile.program, bool(profile.aged)
    kinds = {
        "stuck": program.stuck_off + program.stuck_on > 0,
        "program": has_table or program.std_us != 0,
        "nu": profile.drift is not None,
        "relaxation": profile.relaxation is not None,
        "slow": profile.flicker is not None,
    }
    signs = ("+", "-") if profile.array.mapping == "pair" else ("+",)
    return tuple(kind + sign for kind, is_taken in kinds.items() if is_taken for sign in signs)


def aged_weights(
    target: NDArray[Any],
    profile: Profile,
    draws: Draws,
    age_s: float,
    window_s: float = 0.0,
    *,
    largest: NDArray[np.float64] | None = None,
    out: NDArray[np.float32] | None = None,
) -> AgedWeights:
    """Return what the cells of a layer hold at an age.

    Args:
        target: weights that they should hold, in array units ``[columns, rows]``, magnitudes at
            most 1.
        profile: the device.
        draws: the chip's.
        age_s: time since the weights were written, or first read if there is drift.
        window_s: time in which all votes are read, ``votes * vote_gap_s``: slower 1/f noise is the
            same in all of them, faster noise is fresh.
        largest: of each column, what is 1 in array units, where weights to take and to return are
            in others ``[columns]``.
        out: takes the weights, if given ``[columns, rows]``.

    Raises:
        ValueError: the target is no matrix.
    """
    if target.ndim != 2:
        raise ValueError(f"target has the shape {target.shape}; needed is [columns, rows]")
    life = Life.of(profile, age_s, window_s)
    taken = {part: in_single(part, draws(part)) for part in parts_of(profile)}
    columns, rows = target.shape
    weights = np.empty((columns, rows), np.float32) if out is None else out
    written, left, variance = np.empty(columns), np.empty(columns), np.empty(columns)
    unit = np.ones(columns) if largest is None else largest
    units = unit.astype(np.float32)[:, np.newaxis]
    for block in blocks(columns, rows):
        found = life.block(
            np.divide(target[block], units[block], dtype=np.float32),
            {part: values[block] for part, values in taken.items()},
        )
        np.multiply(found.weights, units[block], out=weights[block])
        written[block], left[block], variance[block] = found[1:]
    return AgedWeights(
        weights,
        compensation(profile.compensation, written, left),
        variance + weight_variance(profile, left),
    )


def in_single(part: str, values: NDArray[Any]) -> NDArray[Any]:
    """Return draws in single precision, but the uniform ones, which would be rounded up to 1."""
    return values if part.startswith(UNIFORM) else values.astype(np.float32, copy=False)


def without_errors(profile: Profile, age_s: float) -> tuple[Profile, float]:
    """Return a device whose cells hold what they should, and the age that it is to be asked for.

    Reads are as noisy as those of such cells are. What of 1/f noise is fresh depends on the time
    since writing, of which a drift holds the first part.
    """
    exact = {"program": Program(), "aged": (), "drift": None, "relaxation": None}
    since_writing_s = age_s + (profile.drift.t0_s if profile.drift else 0.0)
    return profile.model_copy(update=exact), since_writing_s


def blocks(columns: int, rows: int) -> Iterator[slice]:
    """Yield slices of columns of about :data:`BLOCK` weights."""
    step = max(1, BLOCK // max(rows, 1))
    for first in range(0, columns, step):
        yield slice(first, min(first + step, columns))


def compensation(kind: str, written: Floats, left: Floats) -> NDArray[np.float64]:
    """Return the factor of each column's output ``[columns]``.

    Args:
        kind: ``none``, ``global`` or ``column``, as in the profile.
        written: mean magnitude of each column's weights when written.
        left: the same at the age.
    """
    if kind == "none" or not written.size:
        return np.ones(written.shape)
    if kind == "global":
        written, left = np.full(written.shape, written.mean()), np.full(left.shape, left.mean())
    least = np.maximum(left, LEAST_LEFT * written)
    return np.asarray(np.divide(written, least, out=np.ones(written.shape), where=least > 0))


def weight_variance(profile: Profile, magnitude: Floats) -> Floats:
    """Return the variance of ``read.w`` of each column, whose weights' mean magnitude is given."""
    variance = profile.read.w**2
    return (
        np.full(magnitude.shape, variance)
        if profile.read.w_form == "norm"
        else (variance * magnitude)
    )
