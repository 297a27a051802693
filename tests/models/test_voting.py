"""Votes: what is cast, what is counted, and that early stops are prefixes of full runs."""

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from noisevote.models.engines.arithmetic import REFERENCE
from noisevote.models.errors import InputError
from noisevote.models.noise import Noise, NoiseKind, VoteKey
from noisevote.models.runtime import Rows, rows_of, votes_of
from noisevote.models.specs import IMAGES
from noisevote.models.stopping import StopRule
from noisevote.models.voting import NOWHERE, Ballot, Poll, VoteRequest
from tests.models.casting import vote

CLASSES = 4


class KeyedRuntime:
    """A runtime without a network: the vote of a row is a function of its key and image."""

    kind = NoiseKind.MULTIPLICATIVE
    arithmetic = REFERENCE

    def __init__(self) -> None:
        self.rows = 0

    def outputs(self, rows: Rows) -> NDArray[np.float32]:
        self.rows += len(rows.keys)
        outputs = [
            np.random.default_rng(key).normal(size=CLASSES) * rows.sigma[row].sum()
            + rows.inputs[IMAGES][rows.input_of_row[row]]
            for row, key in enumerate(rows.keys)
        ]
        return np.array(outputs, np.float32)


def request_for(
    inputs: int = 3,
    votes: int = 20,
    stop: StopRule = StopRule.FULL,
    seed: int = 7,
    sigma: float = 1.0,
) -> VoteRequest:
    images = np.eye(CLASSES, dtype=np.float32)[np.arange(inputs) % CLASSES]
    return VoteRequest(
        {IMAGES: images},
        Noise(NoiseKind.MULTIPLICATIVE, sigma).at(["conv", "fc"]),
        votes,
        stop.rule(),
        seed,
    )


requests = st.builds(
    request_for,
    inputs=st.integers(1, 5),
    votes=st.integers(1, 30),
    seed=st.integers(0, 1000),
    sigma=st.sampled_from([0.0, 0.2, 1.0]),
)


def stopping(request: VoteRequest, stop: StopRule) -> VoteRequest:
    return replace(request, stop=stop.rule())


@given(requests)
def test_vote_counts_sum_to_the_votes_cast(request: VoteRequest) -> None:
    for result in vote(KeyedRuntime(), request, CLASSES, tile=8):
        assert sum(result.vote_counts) == result.votes_cast == request.votes
        assert result.vote_counts[result.mode] == max(result.vote_counts)
        assert result.agreement == max(result.vote_counts) / request.votes


@given(requests)
def test_exact_has_the_mode_of_full(request: VoteRequest) -> None:
    full = vote(KeyedRuntime(), request, CLASSES, tile=8)
    exact = vote(KeyedRuntime(), stopping(request, StopRule.EXACT), CLASSES, tile=8)
    assert [early.mode for early in exact] == [late.mode for late in full]


@given(requests, st.sampled_from([StopRule.EXACT, StopRule.BOUNDED]))
def test_early_stop_is_a_prefix_of_full(request: VoteRequest, stop: StopRule) -> None:
    early_results = vote(KeyedRuntime(), stopping(request, stop), CLASSES, tile=8)
    for position, early in enumerate(early_results):
        prefix = votes_on(request, position)[: early.votes_cast]
        assert np.array_equal(np.bincount(prefix, minlength=CLASSES), early.vote_counts)


def votes_on(request: VoteRequest, position: int) -> list[int]:
    """Every vote on one input, cast one by one."""
    keys = [VoteKey(request.seed, position, v) for v in range(request.votes)]
    votes: list[int] = votes_of(KeyedRuntime().outputs(rows_of([(request, keys)]))).tolist()
    return votes


@given(requests, st.integers(1, 9), st.sampled_from(list(StopRule)))
def test_results_do_not_depend_on_the_tile(request: VoteRequest, tile: int, stop: StopRule) -> None:
    asked = stopping(request, stop)
    one = vote(KeyedRuntime(), asked, CLASSES, tile)
    other = vote(KeyedRuntime(), asked, CLASSES, tile=64)
    assert one == other


@given(requests, st.sampled_from(list(StopRule)))
def test_no_vote_is_computed_after_the_answer_is_decided(
    request: VoteRequest, stop: StopRule
) -> None:
    runtime = KeyedRuntime()
    results = vote(runtime, stopping(request, stop), CLASSES, tile=1)
    is_noisy = not request.noise.is_silent
    assert runtime.rows == sum(result.votes_cast if is_noisy else 1 for result in results)


def test_without_noise_one_pass_stands_for_all_votes() -> None:
    runtime = KeyedRuntime()
    results = vote(runtime, request_for(inputs=2, votes=20, sigma=0.0), CLASSES, tile=8)
    assert runtime.rows == 2
    assert [result.vote_counts[result.mode] for result in results] == [20, 20]


def ballot_of(votes: int, stop: StopRule, fell_on: list[int]) -> Ballot:
    ballot = Ballot(CLASSES, request_for(1, votes, stop))
    for index, klass in enumerate(fell_on):
        ballot.cast(index, klass)
    return ballot


def test_votes_after_the_decision_are_discarded() -> None:
    ballot = ballot_of(5, StopRule.EXACT, [0, 0, 0, 3, 3])
    assert ballot.vote_counts.tolist() == [3, 0, 0, 0]
    assert ballot.result().stopped_by is StopRule.EXACT


@given(requests, st.sampled_from(list(StopRule)), st.randoms(use_true_random=False))
def test_votes_may_come_back_in_any_order(
    request: VoteRequest, stop: StopRule, random: Random
) -> None:
    asked = stopping(request, stop)
    poll, runtime = Poll(asked, CLASSES), KeyedRuntime()
    under_way: list[tuple[VoteKey, int]] = []
    while (keys := poll.take(random.randint(1, 12))) or under_way:
        if keys:
            fell_on = votes_of(runtime.outputs(rows_of([(asked, keys)]))).tolist()
            under_way += zip(keys, fell_on, strict=True)
        random.shuffle(under_way)
        for _ in range(random.randint(1, len(under_way))):
            poll.cast(*under_way.pop())
    assert poll.results() == vote(KeyedRuntime(), asked, CLASSES, tile=8)


def test_votes_under_way_are_not_handed_out_again() -> None:
    poll = Poll(request_for(inputs=2, votes=10), CLASSES)
    taken = [*poll.take(7), *poll.take(7), *poll.take(7)]
    assert len(taken) == len(set(taken)) == 20
    assert poll.take(7) == []


def test_inputs_take_turns() -> None:
    poll = Poll(request_for(inputs=3, votes=100), CLASSES)
    assert {key.position for key in poll.take(30)} == {0, 1, 2}


def test_early_stop_gives_no_fixed_size_statistics() -> None:
    (result,) = vote(KeyedRuntime(), request_for(1, 20, StopRule.EXACT, sigma=0.01), CLASSES, 8)
    assert result.votes_cast < 20
    assert (result.interval, result.p_value, result.abstain) == (None, None, None)


def test_unanimous_votes_are_decided_and_a_tie_abstains() -> None:
    unanimous = ballot_of(20, StopRule.FULL, [0] * 20).result()
    assert unanimous.abstain is False
    assert unanimous.p_value == pytest.approx(2 * 0.5**20)
    tied = ballot_of(20, StopRule.FULL, [0, 1] * 10).result()
    assert tied.abstain is True
    assert tied.mode == 0


def test_without_noise_nothing_is_left_to_estimate() -> None:
    (result,) = vote(KeyedRuntime(), request_for(1, 1, sigma=0.0), CLASSES, tile=8)
    assert (result.interval, result.p_value, result.abstain) == ((1.0, 1.0), 0.0, False)


def test_vote_whose_outputs_overflow_is_refused_if_it_counts() -> None:
    outputs = np.array([[1.0, np.nan], [1.0, np.inf], [0.0, 1.0]], np.float32)
    assert votes_of(outputs).tolist() == [NOWHERE, NOWHERE, 1]
    with pytest.raises(InputError, match="smaller sigma"):
        ballot_of(3, StopRule.EXACT, [1, NOWHERE])
    assert ballot_of(3, StopRule.EXACT, [1, 1, NOWHERE]).is_decided


def test_images_of_a_tile_are_passed_once() -> None:
    request = request_for(inputs=2, votes=4)
    rows = rows_of([(request, Poll(request, CLASSES).take(8))])
    assert len(rows.inputs[IMAGES]) == 2
    assert rows.input_of_row.tolist() == [0, 0, 0, 0, 1, 1, 1, 1]


def test_rows_hold_every_input_of_a_network_in_its_type_and_once() -> None:
    ids, mask = np.arange(6).reshape(2, 3), np.ones((2, 3), np.uint8)
    request = replace(request_for(2, 20), inputs={"ids": ids, "mask": mask})
    assert request.count == 2
    rows = rows_of([(request, Poll(request, CLASSES).take(16))])
    assert np.array_equal(rows.inputs["ids"], ids)
    assert (rows.inputs["ids"].dtype, rows.inputs["mask"].dtype) == (ids.dtype, mask.dtype)
