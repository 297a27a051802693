"""Evaluation: accuracies over votes from the votes themselves, and results that resume."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.progress import Progress

from models.checkpoint import SHIPPED, CheckpointStore
from models.datasets import Dataset
from models.errors import DataError
from models.noise import NoiseKind
from models.stopping import StopRule, mode_of
from models.voting import VoteRequest, vote
from training.evaluate import (
    EvaluationPlan,
    accuracies,
    as_inputs,
    cast_votes,
    evaluate,
    read_results,
    write_results,
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
    for index, image in enumerate(as_inputs(checkpoint, examples.inputs)):
        request = VoteRequest(
            image[np.newaxis], plan.kind, np.full(6, 0.7), 11, StopRule.FULL, 100 + index, 0.05
        )
        (result,) = vote(runtime, request, classes=10, tile=8)
        assert np.bincount(votes[index], minlength=10).tolist() == list(result.vote_counts)


def test_interrupted_evaluation_goes_on_with_the_sigmas_that_are_left(
    dataset: Dataset, tmp_path: Path
) -> None:
    checkpoint = CheckpointStore(SHIPPED).find("mnist_cnn-mult-1.0")
    plan = EvaluationPlan(NoiseKind.MULTIPLICATIVE, (0.0, 1.0), votes=3, seed=0, threads=1)
    path = tmp_path / "results.csv"
    with Progress(disable=True) as progress:
        first = next(evaluate(checkpoint, dataset.test.first(4), plan, progress))
    write_results(path, first, {"command": "noisevote-train evaluate"})
    assert read_results(path) == first
    assert {entry.sigma for entry in read_results(path)} == {0.0}


def test_file_that_holds_no_results_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    path.write_text("kind,sigma\nadditive,loud\n")
    with pytest.raises(DataError, match="is not a results file"):
        read_results(path)
