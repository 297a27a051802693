"""The target: votes as the service would cast them, fresh or frozen, and what they cost."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noisevote.models.checkpoint import SHIPPED, Checkpoint
from noisevote.models.draws.schemes import NEWEST
from noisevote.models.engines.preference import Preference
from noisevote.models.errors import CancelledError
from noisevote.models.noise import Noise, NoiseKind
from noisevote.models.robustness.aim import vote_margins
from noisevote.models.robustness.ball import Samples
from noisevote.models.robustness.checkpoint_target import CheckpointTarget
from noisevote.models.robustness.pgd import SurrogateNoise
from noisevote.models.robustness.progress import Progress
from noisevote.models.robustness.surrogate import surrogate_from
from noisevote.models.robustness.target import Conditions, Oracle
from noisevote.models.specs import IMAGES
from noisevote.models.stopping import Full, StopRule, mode_of
from noisevote.models.voting import VoteRequest
from tests.models.casting import vote
from tests.models.robustness.worlds import drawn_samples

KIND = NoiseKind.MULTIPLICATIVE
STRONG = Conditions(1.0, 7)


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    return Checkpoint(SHIPPED / "mnist_cnn-clean")


@pytest.fixture(scope="module")
def few() -> Samples:
    return drawn_samples(6, seed=3)


def target_of(checkpoint: Checkpoint, seed: int = 0) -> CheckpointTarget:
    return CheckpointTarget(checkpoint, KIND, seed)


def test_noise_is_fresh_for_every_query_and_the_whole_is_replayable(
    checkpoint: Checkpoint, few: Samples
) -> None:
    def two_calls(seed: int) -> list[list[list[int]]]:
        target = target_of(checkpoint, seed)
        return [target.vote_counts(few.inputs, STRONG, StopRule.FULL).tolist() for _ in range(2)]

    first, second = two_calls(0)
    assert first != second
    assert two_calls(0) == [first, second]
    assert two_calls(1) != [first, second]


def test_frozen_noise_is_that_of_inputs_sent_alone_with_the_seed(
    checkpoint: Checkpoint, few: Samples
) -> None:
    conditions = Conditions(1.0, 7, seed=11)
    counts = target_of(checkpoint).vote_counts(few.inputs, conditions, StopRule.FULL)
    for one, of_one in zip(few.inputs, counts, strict=True):
        noise = Noise(KIND, 1.0).at(checkpoint.card.point_names)
        request = VoteRequest({IMAGES: one[np.newaxis]}, noise, 7, Full(), 11)
        (sent_alone,) = vote(checkpoint.runtime(KIND), request, 10, tile=8)
        assert tuple(of_one) == sent_alone.vote_counts
    again = target_of(checkpoint, 5).vote_counts(few.inputs[::-1], conditions, StopRule.FULL)
    assert np.array_equal(again[::-1], counts)


@pytest.mark.parametrize(
    ("sigma", "repeats"),
    [(1.0, {}), ({"conv2": 1.5, "fc2": 0.5}, {}), (2.0, {"fc2": 20, "conv1": 4})],
)
def test_frozen_surrogate_meets_the_noise_of_the_frozen_target(
    sigma: float | dict[str, float],
    repeats: dict[str, int],
    checkpoint: Checkpoint,
    few: Samples,
) -> None:
    noise = SurrogateNoise(KIND, sigma, draws=7, seed=11, is_frozen=True, repeats=repeats)
    own = surrogate_from(checkpoint).with_noise(noise)
    conditions = Conditions(sigma, 7, seed=11, repeats=repeats)
    oracle = Oracle(target_of(checkpoint), conditions, Progress())
    modes = oracle.modes(few.inputs)
    assert own.predictions(few, turn=0).tolist() == modes.tolist()
    assert own.predictions(few, turn=9).tolist() == modes.tolist()


def test_frozen_surrogate_draws_by_the_scheme_of_the_checkpoint(few: Samples) -> None:
    newest = Checkpoint(SHIPPED / "mnist_cnn-clean", Preference(noise_scheme=NEWEST.id))
    noise = SurrogateNoise(KIND, 2.0, draws=1, seed=11, is_frozen=True)
    own, target = surrogate_from(newest), target_of(newest)
    for seed in range(20):
        of_seed = own.with_noise(replace(noise, seed=seed))
        counts = target.vote_counts(few.inputs, Conditions(2.0, 1, seed=seed), StopRule.FULL)
        assert of_seed.predictions(few, turn=0).tolist() == counts.argmax(axis=1).tolist()


def test_modes_cast_no_vote_that_cannot_count(checkpoint: Checkpoint, few: Samples) -> None:
    conditions = Conditions(0.3, 9)
    full = Oracle(target_of(checkpoint), conditions, Progress())
    early = Oracle(target_of(checkpoint), conditions, Progress())
    modes = [mode_of(counts) for counts in full.vote_counts(few.inputs)]
    assert early.modes(few.inputs).tolist() == modes
    assert (full.bill.queries, full.bill.votes) == (6, 54)
    assert early.bill.queries == 6
    assert 30 <= early.bill.votes < 54


def test_bill_counts_every_input_sent(checkpoint: Checkpoint, few: Samples) -> None:
    oracle = Oracle(target_of(checkpoint), Conditions(0.0, 1), Progress())
    oracle.margins(few.inputs, few.aim)
    oracle.margins(few.inputs[:2], few.take(slice(2)).aim)
    assert (oracle.bill.queries, oracle.bill.votes) == (8, 8)


def test_cancelling_stops_between_calls(checkpoint: Checkpoint, few: Samples) -> None:
    oracle = Oracle(target_of(checkpoint), STRONG, Progress(is_cancelled=lambda: True))
    with pytest.raises(CancelledError):
        oracle.modes(few.inputs)


def test_only_fresh_noise_is_random() -> None:
    assert Conditions(0.5, 3).is_random
    assert not Conditions(0.5, 3, seed=0).is_random
    assert not Conditions(0.0, 3).is_random
    assert Conditions({"fc1": 0.1}, 3).is_random
    assert not Conditions({"fc1": 0.0}, 3).is_random


@given(
    st.lists(st.lists(st.integers(0, 9), min_size=4, max_size=4).filter(any), min_size=1),
    st.integers(0, 3),
)
def test_margin_is_negative_exactly_where_the_mode_is_wrong(
    counts: list[list[int]], label: int
) -> None:
    array = np.array(counts)
    margins = vote_margins(array, np.full(len(array), label))
    assert (margins < 0).tolist() == [mode_of(row) != label for row in array]
    assert (abs(margins) <= 1).all()


def test_margin_spans_from_all_votes_on_the_label_to_all_on_a_rival() -> None:
    counts = np.array([[20, 0, 0], [0, 20, 0], [0, 10, 10], [8, 7, 5]])
    labels = np.zeros(4, np.int64)
    assert vote_margins(counts, labels) == pytest.approx([1, -1, -0.5, 0.05])
