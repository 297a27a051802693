"""Evaluation: accuracies over votes from the votes themselves, and results that resume."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from rich.progress import Progress

from models.checkpoint import SHIPPED, CheckpointStore
from models.datasets import Dataset, as_inputs
from models.noise import NoiseKind
from models.stopping import StopRule, mode_of
from models.voting import VoteRequest
from tests.models.casting import vote
from training.evaluate import (
    EvaluationPlan,
    accuracies,
    cast_votes,
    request_seed,
)

votes_of_images = st.lists(
    st.lists(st.integers(0, 3), min_size=6, max_size=6), min_size=1, max_size=20
)


@given(votes_of_images, st.data())
def test_accuracy_of_t_votes_is_that_of_the_mode_of_the_first_t(
    rows: list[list[int]], data: st.DataObject
) -> None:
    labels = data.draw(st.lists(st.integers(0, 3), min_size=len(rows), max_size=len(rows)))
    results = accuracies(np.array(rows), np.array(labels), NoiseKind.ADDITIVE, 0.3, asked=6)
    for entry in results:
        modes = [mode_of(np.bincount(row[: entry.votes], minlength=4)) for row in rows]
        assert entry.correct == sum(m == label for m, label in zip(modes, labels, strict=True))
        assert entry.interval[0] <= entry.accuracy <= entry.interval[1]
    assert [entry.votes for entry in results] == [1, 2, 3, 5, 6]


def test_votes_are_those_of_the_request_with_the_images_seed(dataset: Dataset) -> None:
    checkpoint = CheckpointStore(SHIPPED).find("mnist_cnn-mult-1.0")
    examples = dataset.test.first(5)
    plan = EvaluationPlan(NoiseKind.MULTIPLICATIVE, (0.7,), votes=11, seed=100, threads=2)
    with Progress(disable=True) as progress:
        votes = cast_votes(checkpoint, examples, plan, 0.7, progress, progress.add_task("votes"))
    runtime = checkpoint.runtime(plan.kind)
    for index, image in enumerate(as_inputs(examples.inputs)):
        request = VoteRequest(
            image[np.newaxis], plan.kind, np.full(6, 0.7), 11, StopRule.FULL, 100 * 2**20 + index
        )
        (result,) = vote(runtime, request, classes=10, tile=8)
        assert np.bincount(votes[index], minlength=10).tolist() == list(result.vote_counts)


def test_evaluations_with_different_seeds_share_no_noise() -> None:
    seeds = [{request_seed(seed, image) for image in range(70_000)} for seed in range(3)]
    assert len(set.union(*seeds)) == 3 * 70_000
