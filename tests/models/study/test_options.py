"""Options that were recorded on fewer samples than others are set against these fairly."""

import numpy as np
import pytest

from noisevote.models.errors import DataError
from noisevote.models.stopping import StopRule
from noisevote.models.study.cells import Half
from noisevote.models.study.options import Reference, references_of, rule_of, weighed
from noisevote.models.study.recorded import Recorded
from noisevote.models.study.seeds import places_of
from noisevote.models.study.weighed import Option
from tests.models.study.heads import head_of
from tests.models.study.test_planner import MNIST

SAMPLES, FEWER = 60, 30


def recorded(right: np.ndarray) -> Recorded:
    """A vote on samples of class 0, on the first half alone."""
    labels = {half: np.zeros(SAMPLES, np.int64) for half in Half}
    numbers = {half: np.arange(SAMPLES) for half in Half}
    votes = np.where(right, 0, 1).astype(np.int16)[:, np.newaxis]
    return Recorded(head_of(), labels, numbers, {(Half.CHOICE, None, 0): votes})


def test_an_option_on_easy_samples_is_no_better_for_that() -> None:
    is_hard = np.arange(SAMPLES) % 2 == 1  # every other sample, none of which the fewer ones are
    all_right = recorded(~is_hard)
    references = references_of(all_right, dict.fromkeys(Half, SAMPLES))
    assert list(references) == [Half.CHOICE]  # on the other half nothing was recorded
    on_easy = recorded((~is_hard)[places_of(FEWER, SAMPLES)])
    (found,) = weighed(on_easy, head_of(), MNIST, 1.0, {"fc2": 2}, references)
    assert found.choice.samples == FEWER
    assert found.choice.runs == (1.0,)
    assert found.choice.accuracy == 0.5
    (alone,) = weighed(on_easy, head_of(), MNIST, 1.0, {"fc2": 2}, {})
    assert alone.choice.accuracy == 1.0


def test_an_option_on_the_same_samples_counts_as_it_is() -> None:
    right = np.arange(SAMPLES) % 3 > 0
    (found,) = weighed(
        recorded(right), head_of(), MNIST, 1.0, {}, Reference(right.astype(np.float64), SAMPLES)
    )
    assert found.choice.accuracy == pytest.approx(2 / 3)


def test_what_is_adjusted_errs_less_than_what_is_not() -> None:
    random = np.random.default_rng(1)
    adjusted, plain = [], []
    for _ in range(300):
        easy = random.random(SAMPLES) < 0.8  # both options are right on easy samples, mostly
        both = np.where(random.random((2, SAMPLES)) < 0.9, easy, ~easy)
        fewer = both[1][places_of(FEWER, SAMPLES)].astype(np.float64)
        whole = both[1].mean()
        adjusted.append(Reference(both[0].astype(np.float64), SAMPLES).adjusted(fewer) - whole)
        plain.append(fewer.mean() - whole)
    assert abs(np.mean(adjusted)) < 0.02
    assert np.std(adjusted) < np.std(plain)


def test_the_rule_of_an_option_is_that_of_the_card() -> None:
    threshold = next(of for of in MNIST.thresholds if of.kind == head_of().kind)
    option = Option(
        condition=threshold.sigma, votes=threshold.votes, stop=StopRule.CALIBRATED,
        delta=threshold.delta,
    )  # fmt: skip
    assert rule_of(head_of(), MNIST, option).margin == threshold.margin
    with pytest.raises(DataError, match="cannot be stopped by calibrated as the card is now"):
        rule_of(head_of(), MNIST, option.model_copy(update={"votes": 19}))
