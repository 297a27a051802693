"""Options that were recorded on fewer samples than others are set against these fairly."""

import numpy as np
import pytest
from scipy.stats import norm

from noisevote.models.devices.presets import DeviceStore
from noisevote.models.errors import DataError
from noisevote.models.stopping import StopRule
from noisevote.models.study.cells import Half
from noisevote.models.study.conclusions import recommended
from noisevote.models.study.differences import OfChips
from noisevote.models.study.options import Reference, rule_of, ways_to_ask, weighed
from noisevote.models.study.recorded import Recorded
from noisevote.models.study.replay import Votes
from noisevote.models.study.seeds import places_of
from noisevote.models.study.weighed import Costs, Option, Reached, Weighed
from tests.models.study.heads import head_of
from tests.models.study.test_planner import MNIST

SAMPLES, FEWER, STUDIES = 60, 30, 50


def recorded(right: np.ndarray) -> Recorded:
    """A vote on samples of class 0, on the first half alone."""
    labels = {half: np.zeros(SAMPLES, np.int64) for half in Half}
    numbers = {half: np.arange(SAMPLES) for half in Half}
    votes = np.where(right, 0, 1).astype(np.int16)[:, np.newaxis]
    return Recorded(head_of(), labels, numbers, {(Half.CHOICE, None, 0): votes})


def reference(right: np.ndarray, clean: float = 1.0, votes: int = 20) -> dict[Half, Reference]:
    """All votes without repeats on the half that is chosen on, as right as this."""
    of_chips: OfChips = {None: right.astype(np.float64)}
    return {Half.CHOICE: Reference(votes, of_chips, np.full(SAMPLES, clean), SAMPLES)}


def test_an_option_on_easy_samples_is_no_better_for_that() -> None:
    is_hard = np.arange(SAMPLES) % 2 == 1  # every other sample, none of which the fewer ones are
    on_easy = recorded((~is_hard)[places_of(FEWER, SAMPLES)])
    (found,) = weighed(on_easy, head_of(), MNIST, 1.0, {"fc2": 2}, reference(~is_hard))
    assert found.choice.samples == FEWER
    assert found.choice.runs == (1.0,)
    assert found.choice.accuracy == 0.5
    (alone,) = weighed(on_easy, head_of(), MNIST, 1.0, {"fc2": 2}, {})
    assert alone.choice.accuracy == 1.0
    assert alone.over_votes is alone.over_clean is None


def test_an_option_on_the_same_samples_counts_as_it_is() -> None:
    right = np.arange(SAMPLES) % 3 > 0
    (found,) = weighed(recorded(right), head_of(), MNIST, 1.0, {}, reference(right))
    assert found.choice.accuracy == pytest.approx(2 / 3)


def test_what_is_adjusted_errs_less_than_what_is_not() -> None:
    random = np.random.default_rng(1)
    adjusted, plain = [], []
    for _ in range(300):
        easy = random.random(SAMPLES) < 0.8  # both options are right on easy samples, mostly
        both = np.where(random.random((2, SAMPLES)) < 0.9, easy, ~easy)
        fewer = both[1][places_of(FEWER, SAMPLES)].astype(np.float64)
        whole = both[1].mean()
        adjusted.append(reference(both[0])[Half.CHOICE].adjusted({None: fewer}) - whole)
        plain.append(fewer.mean() - whole)
    assert abs(np.mean(adjusted)) < 0.02
    assert np.std(adjusted) < np.std(plain)


def test_an_option_is_shown_to_lose_no_more_than_its_samples_show() -> None:
    right = np.ones(SAMPLES, bool)
    (single,) = weighed(recorded(right), head_of(), MNIST, 1.0, {}, reference(right))
    assert single.over_votes is not None
    assert -0.06 < single.over_votes < 0  # equal on 60 samples, which shows little
    (same,) = weighed(recorded(right), head_of(), MNIST, 1.0, {}, reference(right, votes=1))
    assert same.over_votes == 0.0  # it is the reference itself
    assert same.over_clean == single.over_clean


def test_the_cheapest_of_many_that_seem_good_enough_is_not_taken_for_good_enough() -> None:
    """Of simulated studies few recommend what loses more than the tolerance in truth."""
    random, tolerance, samples, fewer = np.random.default_rng(3), 0.01, 300, 150
    noise_of_20 = 3.0 / np.sqrt(20)

    def truth(noise: float) -> float:
        return float(norm.cdf(2.0 / np.hypot(1.0, noise)))

    def lose_more(is_shown: bool) -> int:
        found = 0
        for _ in range(STUDIES):
            easy = 2.0 + random.normal(size=samples)

            def right(noise: float, count: int, easy: np.ndarray = easy) -> np.ndarray:
                of = easy[places_of(count, samples)]
                return (random.random(count) < norm.cdf(of / noise)).astype(np.float64)

            of_all = right(noise_of_20, samples)
            reference = Reference(20, {None: of_all}, np.ones(samples), samples)
            noises = {20.0: noise_of_20} | {
                votes * (1 + 0.45 * reads): 3.0 / np.sqrt(votes * (1 + 0.5 * reads))
                for reads in range(1, 16)
                for votes in (1, 2, 3, 5, 7, 10)
            }
            options = []
            for energy, noise in noises.items():
                chips: OfChips = {None: of_all if energy == 20.0 else right(noise, fewer)}
                accuracy = reference.adjusted(chips)
                lower = 0.0 if energy == 20.0 else reference.over_votes(chips).lower
                reached = Reached(
                    accuracy=accuracy, interval=(accuracy, accuracy), samples=fewer,
                    runs=(accuracy,), mean_votes=1, p99_votes=1,
                )  # fmt: skip
                options.append(
                    Weighed(
                        option=Option(
                            condition=1.0, votes=20, repeats={} if energy == 20.0 else {"a": 2}
                        ),
                        choice=reached,
                        report=None,
                        costs=Costs(energy=energy, unit="passes", latency_s=None),
                        over_votes=lower if is_shown else None,
                    )
                )
            chosen = recommended(options, tolerance, clean=0.0)
            assert chosen is not None
            assert chosen.is_shown is is_shown
            noise = noises[chosen.chosen.costs.energy]
            found += truth(noise_of_20) - truth(noise) > tolerance
        return found

    assert lose_more(is_shown=True) < STUDIES / 2
    assert lose_more(is_shown=False) > 0.7 * STUDIES


def test_chips_whose_votes_do_not_differ_cast_one_each() -> None:
    silent = DeviceStore().find("pcm-joshi")
    head = head_of(device=silent, ages_s=(60.0,), chips=3)
    assert head.is_silent
    labels = {half: np.zeros(SAMPLES, np.int64) for half in Half}
    votes = np.zeros((SAMPLES, 1), np.int16)
    runs: dict[tuple[Half, int | None, int], Votes] = {
        (Half.CHOICE, chip, 0): votes for chip in range(3)
    }
    of_chips = Recorded(head, labels, labels, runs)
    asked = {(of, chips) for of, _, chips in ways_to_ask(of_chips, head, MNIST, 60.0, {})}
    assert asked == {(1, 1), (2, 2), (3, 3)}


def test_the_rule_of_an_option_is_that_of_the_card() -> None:
    threshold = next(of for of in MNIST.thresholds if of.kind == head_of().kind)
    option = Option(
        condition=threshold.sigma, votes=threshold.votes, stop=StopRule.CALIBRATED,
        delta=threshold.delta,
    )  # fmt: skip
    assert rule_of(head_of(), MNIST, option).margin == threshold.margin
    with pytest.raises(DataError, match="cannot be stopped by calibrated as the card is now"):
        rule_of(head_of(), MNIST, option.model_copy(update={"votes": 19}))
