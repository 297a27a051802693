"""How many votes a pass is to hold: what they cost in tiles of other sizes, alone and in answers.

A card says how large the tiles of a network are; ``models/networks/registry.py`` has the sizes of
the networks that are trained here.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from noisevote.models.checkpoint import Checkpoint
from tests.load.engine import (
    IMAGES_A_ROUND,
    IMAGES_IN_ALL,
    KIND,
    Bench,
    Row,
    Serving,
    race,
    ratio_row,
    servings_of,
)
from tests.load.inputs import some_inputs

SIZES = (1, 2, 4, 8, 10, 16, 20, 32, 40, 64)
IN_ANSWERS = (4, 8, 10, 20, 40, 64)

MOST_MACS = 10**8
"""Of a vote, up to which answers are timed: what surrounds dearer ones does not count."""


def tile_rows(checkpoint: Checkpoint, seconds: float) -> Iterator[Row]:
    """Measure votes alone, then answers of 20 by each stop rule, in CPU time."""
    inputs, _ = some_inputs(checkpoint.card, IMAGES_IN_ALL)
    bench, card = Bench(checkpoint, inputs), checkpoint.card
    runtime = checkpoint.runtime(KIND)
    votes = {
        size: partial(runtime.outputs, bench.rows(1, size)) for size in with_own(SIZES, card.tile)
    }
    for size, times in raced(votes, seconds):
        measure = f"vote in a tile of {size} / in one of {card.tile}"
        yield ratio_row(card.name, measure, times, str(size), str(card.tile), card.tile / size)
    if card.macs > MOST_MACS:
        return
    sizes = with_own(IN_ANSWERS, card.tile)
    servings = {size: servings_of(bench, size) for size in sizes}
    images = inputs[:IMAGES_A_ROUND]
    for rule in servings[card.tile]:
        answers = {size: answering(servings[size][rule], images) for size in sizes}
        for size, times in raced(answers, seconds):
            measure = f"answer, {rule}, in tiles of {size} / of {card.tile}"
            yield ratio_row(card.name, measure, times, str(size), str(card.tile), 1.0)


def with_own(sizes: Sequence[int], own: int) -> list[int]:
    """Return sizes and the one of the card among them."""
    return sorted({*sizes, own})


def answering(serving: Serving, images: NDArray[np.float32]) -> Callable[[], object]:
    """Return what answers requests that wait at the same time."""
    return lambda: serving.answer(images)


def raced(
    contenders: Mapping[int, Callable[[], object]], seconds: float
) -> Iterator[tuple[int, dict[str, list[float]]]]:
    """Yield each size with the times of all."""
    named = {str(size): run for size, run in contenders.items()}
    times = race(named, seconds, clock=time.process_time)
    for size in contenders:
        yield size, times
