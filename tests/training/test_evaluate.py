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
    request_seed,
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
            image[np.newaxis], plan.kind, np.full(6, 0.7), 11, StopRule.FULL, 100 * 2**20 + index
        )
        (result,) = vote(runtime, request, classes=10, tile=8)
        assert np.bincount(votes[index], minlength=10).tolist() == list(result.vote_counts)


ABOUT = {"checkpoint": "c", "split": "test, 4 images, seed 0", "noise": "additive", "votes": "3"}


def test_written_results_are_read_back(dataset: Dataset, tmp_path: Path) -> None:
    checkpoint = CheckpointStore(SHIPPED).find("mnist_cnn-mult-1.0")
    plan = EvaluationPlan(NoiseKind.MULTIPLICATIVE, (0.0, 1.0), votes=3, seed=0, threads=1)
    with Progress(disable=True) as progress:
        first = next(evaluate(checkpoint, dataset.test.first(4), plan, progress))
    write_results(tmp_path / "results.csv", first, ABOUT)
    assert read_results(tmp_path / "results.csv", ABOUT) == first
    assert {entry.sigma for entry in first} == {0.0}


@pytest.mark.parametrize("key", list(ABOUT))
def test_results_of_another_evaluation_are_refused(tmp_path: Path, key: str) -> None:
    write_results(tmp_path / "results.csv", [], ABOUT | {key: "other"})
    with pytest.raises(DataError, match=f"another evaluation \\({key}"):
        read_results(tmp_path / "results.csv", ABOUT)


def test_file_that_holds_no_results_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    write_results(path, [], ABOUT)
    path.write_text(path.read_text() + "additive,loud\n")
    with pytest.raises(DataError, match="is not a results file"):
        read_results(path, ABOUT)


def test_evaluations_with_different_seeds_share_no_noise() -> None:
    seeds = [{request_seed(seed, image) for image in range(70_000)} for seed in range(3)]
    assert len(set.union(*seeds)) == 3 * 70_000
