"""The condition of a layer on a chip, and the weights that it holds there."""

import numpy as np
from numpy.typing import NDArray

from noisevote.models.devices.arrays import LayerArray
from noisevote.models.devices.cells import Draws, aged_weights, without_errors
from noisevote.models.devices.chips import UNIFORM, Chip
from noisevote.models.devices.columns import Condition, spreads_of
from noisevote.models.devices.kept import Kept
from noisevote.models.devices.noise import Placement
from noisevote.models.devices.profile import Profile

DRAWS, WEIGHTS = Kept(), Kept()
"""Of chips that are being made: draws by part, weights by noise point."""


def condition_of(
    point: str,
    layer: LayerArray,
    profile: Profile,
    chip: Chip | None,
    placement: Placement,
    age_s: float | None,
) -> tuple[Condition, NDArray[np.float32] | None]:
    """Return the condition of a layer on a chip, and its weights there if they differ.

    Args:
        point: the noise point of the layer.
        layer: of the checkpoint.
        profile: of the device that holds it.
        chip: which of the devices; None: one without errors.
        placement: that it is part of.
        age_s: since the weights were written; None: the smallest for which the device is known.

    Returns:
        The condition; and weights in units of the network ``[columns, rows]``, whose memory the
        next ones of the point take.
    """
    shape = layer.weights.shape
    age_s = profile.age_range_s[0] if age_s is None else age_s
    if chip is None:
        draws, spreads = nothing_drawn(shape), {}
        cells, age_s = without_errors(profile, age_s)
    else:
        cells = profile
        draws = chip.draws_of(point, shape, DRAWS)
        spreads = {
            part: chip.normals(point, part, shape[:1]).astype(np.float64)
            for part in spreads_of(profile)
        }
    aged = aged_weights(
        layer.weights,
        cells,
        draws,
        age_s,
        placement.votes * (profile.flicker.vote_gap_s if profile.flicker else 0.0),
        largest=layer.largest(profile.array.scale),
        out=WEIGHTS.array(point, shape),
    )
    has_frozen = chip is not None and profile.has_frozen_cells
    alpha = aged.alpha if has_frozen else 1.0
    condition = Condition(placement.temperature_c, spreads, alpha, aged.variance)
    return condition, aged.weights if has_frozen else None


def nothing_drawn(shape: tuple[int, ...]) -> Draws:
    """Return what draws the middle of every distribution: nothing deviates, no cell is stuck."""
    return lambda part: np.full(shape, part.startswith(UNIFORM), np.float32)
