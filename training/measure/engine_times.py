"""How long a noisy vote takes in each arithmetic that this machine has, for the engine ``auto``."""

import time
from collections.abc import Callable

import numpy as np

from noisevote.models.checkpoint import Checkpoint
from noisevote.models.engines.arithmetic import REFERENCE
from noisevote.models.engines.preference import arithmetics_here
from noisevote.models.noise import VoteKey
from noisevote.models.runtime import Rows

SIGMA = 0.5
"""Of the noise; how long it takes to meet does not depend on it."""

DIGITS = 3
"""Of a ratio on a card."""


def relative_times(checkpoint: Checkpoint, rounds: int) -> dict[str, float]:
    """Return the CPU time of a vote by arithmetic, over that of the reference.

    On one thread, in tiles of the card, drawing included: the median over rounds, in which all take
    turns. What does not serve the network is left out.

    Args:
        checkpoint: that votes.
        rounds: of measurements.
    """
    kind, rows = checkpoint.card.noise.kind, tile_of(checkpoint)
    runtimes = {one: checkpoint.runtime(kind, one) for one in arithmetics_here()}
    serving = {one: runtime for one, runtime in runtimes.items() if runtime.arithmetic == one}
    times = np.empty((rounds, len(serving)))
    for each in times:
        for place, runtime in enumerate(serving.values()):
            runtime.outputs(rows)  # its buffers are in the caches then, as when it serves
            each[place] = seconds(lambda runtime=runtime: runtime.outputs(rows))  # type: ignore[misc]
    ratios = np.median(times / times[:, [list(serving).index(REFERENCE)]], axis=0)
    return {str(one): round(float(of), DIGITS) for one, of in zip(serving, ratios, strict=True)}


def tile_of(checkpoint: Checkpoint) -> Rows:
    """Return the votes of a tile on one input."""
    card, generator = checkpoint.card, np.random.default_rng(0)
    return Rows(
        inputs={tensor.name: tensor.trial(generator, 1) for tensor in card.inputs},
        input_of_row=np.zeros(card.tile, np.int64),
        sigma=np.full((card.tile, len(card.noise_points)), SIGMA),
        keys=[VoteKey(0, 0, row) for row in range(card.tile)],
    )


def seconds(work: Callable[[], object]) -> float:
    """Return the CPU time of this process that work takes."""
    began = time.process_time()
    work()
    return time.process_time() - began
