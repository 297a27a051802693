"""How many digits are read on pages of each kind: ``python -m tests.pages.table``.

The digits are test images of MNIST where its directory is given, else pen strokes.
"""

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from noisevote.models.checkpoint import SHIPPED, CheckpointStore
from noisevote.models.errors import PictureError
from noisevote.models.inputs.pictures import preprocess
from noisevote.models.noise import NoiseKind
from noisevote.models.robustness.checkpoint_target import CheckpointTarget
from noisevote.models.robustness.target import Conditions
from noisevote.models.statistics import clopper_pearson, top_two_p_value
from noisevote.models.stopping import StopRule
from tests.pages import FRESH, SEEN, fresh, name_of
from tests.pages.paper import Kind, Mark, marks, no_mark

PREPROCESSING = "mnist_digit-2"

BLANK = tuple(kind for kind in SEEN + FRESH if kind is not fresh.circled)
"""Kinds that hold no digit when they are blank; a circle is a 0."""

NETWORKS = ("mnist_cnn-mult-1.0", "mnist_cnn-clean")
Counts = NDArray[np.int64]
"""Pages, read, read by the noiseless network, refused, sure, sure and wrong, blank pages read."""


def read(kind: Kind, mark: Mark, *seed: int) -> NDArray[np.float32] | None:
    """Return what a page of a kind becomes, None if it is refused."""
    try:
        return preprocess(PREPROCESSING, kind(np.random.default_rng(seed), mark))
    except PictureError:
        return None


def measured_and_printed(digits: int, blanks: int, seed: int) -> Counts:
    """Print one row for each kind and return the sums."""
    store, console = CheckpointStore(SHIPPED), Console(width=160, highlight=False)
    voted, clean = (
        CheckpointTarget(store.find(name), NoiseKind.MULTIPLICATIVE, seed) for name in NETWORKS
    )
    total = np.zeros(7, dtype=np.int64)
    for group, kinds in (("developed on", SEEN), ("not developed on", FRESH)):
        part = np.zeros(7, dtype=np.int64)
        for kind in kinds:
            counts = measured(kind, voted, clean, digits, seed)
            if kind in BLANK:
                pages = [read(kind, no_mark, seed, digits + index) for index in range(blanks)]
                counts[6] = sum(page is not None for page in pages)
            console.print(row(name_of(kind), counts))
            part += counts
        console.print(row(group, part), style="bold")
        total += part
    console.print(row("all", total), style="bold")
    return total


def measured(
    kind: Kind, voted: CheckpointTarget, clean: CheckpointTarget, digits: int, seed: int
) -> Counts:
    """Return the counts of one kind, without its blank pages."""
    counts = np.zeros(7, dtype=np.int64)
    for index, (digit, mark) in enumerate(marks(digits, seed)):
        field = read(kind, mark, seed, index)
        counts[0] += 1
        if field is None:
            counts[3] += 1
            continue
        votes = voted.vote_counts(field[np.newaxis], Conditions(1.0, 20), StopRule.FULL)[0]
        noiseless = clean.vote_counts(field[np.newaxis], Conditions(0.0, 1), StopRule.FULL)[0]
        is_right, is_sure = votes.argmax() == digit, top_two_p_value(votes) <= 0.05
        counts[1] += is_right
        counts[2] += noiseless.argmax() == digit
        counts[4] += is_sure
        counts[5] += is_sure and not is_right
    return counts


def row(name: str, counts: Counts) -> str:
    """Return shares in per cent with exact 95 % intervals."""
    count, right, clean, refused, sure, wrong, blanks = (int(number) for number in counts)
    low, high = (100 * end for end in clopper_pearson(right, count, 0.05))
    most = 100 * clopper_pearson(wrong, max(sure, 1), 0.05)[1]
    return (
        f"{name:41} n {count:4}  read {100 * right / count:5.1f} ({low:.1f} to {high:.1f})  "
        f"noiseless {100 * clean / count:5.1f}  refused {refused:3}  "
        f"wrong of sure {wrong}/{sure} (at most {most:.1f})  blank pages read {blanks}"
    )


if __name__ == "__main__":
    measured_and_printed(digits=40, blanks=10, seed=5)
