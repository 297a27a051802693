"""Digits on pages of 40 kinds: they are read, or the page is refused; a blank one always is."""

from collections import Counter

import numpy as np
import pytest
from rich.console import Console

from models.checkpoint import SHIPPED, CheckpointStore
from models.errors import PictureError
from models.noise import NoiseKind
from models.pictures import preprocess
from models.robustness.target import CheckpointTarget, Conditions
from models.statistics import top_two_p_value
from models.stopping import StopRule, mode_of
from tests import pages
from tests.pages import Kind

READING = "mnist_digit-2"
KINDS = pages.SEEN + pages.HELD_OUT
SEED = 77
ALPHA = 0.05
console = Console(width=200)


def read(kind: Kind, count: int) -> Counter[str]:
    """Count what a default request makes of ``count`` digits on pages of a kind."""
    found, inputs, labels = Counter(asked=count), [], []
    for number, (digit, mark) in enumerate(pages.marks(count, SEED)):
        data = kind(np.random.default_rng([SEED, number]), mark)
        try:
            inputs.append(preprocess(READING, data))
            labels.append(digit)
        except PictureError:
            found["refused"] += 1
    store = CheckpointStore(SHIPPED)
    for name, sigma, votes in (("mnist_cnn-mult-1.0", 1.0, 20), ("mnist_cnn-clean", 0.0, 1)):
        target = CheckpointTarget(store.find(name), NoiseKind.MULTIPLICATIVE, seed=0)
        conditions = Conditions(sigma, votes, SEED)
        for digit, counts in zip(
            labels, target.vote_counts(np.stack(inputs), conditions, StopRule.FULL), strict=True
        ):
            is_right = mode_of(counts) == digit
            found[f"right, {name}"] += is_right
            if sigma and top_two_p_value(counts) <= ALPHA:
                found["sure"] += 1
                found["sure and wrong"] += not is_right
    return found


def blank_ones_answered(kind: Kind, count: int) -> int:
    """Return how many blank pages of a kind are taken for a digit."""
    answered = 0
    for number in range(count):
        data = kind(np.random.default_rng([SEED, 1000 + number]), pages.no_mark)
        try:
            preprocess(READING, data)
            answered += 1
        except PictureError:
            pass
    return answered


def test_digits_are_read_or_refused_and_seldom_mistaken() -> None:
    # The bounds are those of the whole measurement below; here with room for two digits a kind.
    found = sum((read(kind, 2) for kind in KINDS), Counter())
    assert found["right, mnist_cnn-mult-1.0"] >= 0.9 * found["asked"]
    assert found["sure and wrong"] <= 0.03 * found["sure"]


def test_blank_pages_are_refused() -> None:
    answered = {pages.name_of(kind): blank_ones_answered(kind, 2) for kind in KINDS}
    assert sum(answered.values()) <= 2, answered


@pytest.mark.slow
def test_forty_digits_on_pages_of_each_kind() -> None:
    total: Counter[str] = Counter()
    for kind in KINDS:
        found = read(kind, 40)
        found["blank, answered"] = blank_ones_answered(kind, 10)
        console.print(f"{pages.name_of(kind)}: {dict(found)}")
        total += found
    console.print(f"all kinds: {dict(total)}")
    assert total["right, mnist_cnn-mult-1.0"] >= 0.85 * total["asked"]
    assert total["sure and wrong"] <= 0.03 * total["sure"]
    assert total["blank, answered"] <= 0.02 * 10 * len(KINDS)
