"""Evaluation: accuracies over votes from the votes themselves, whatever shares a forward pass."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import softmax

from noisevote.models.checkpoint import SHIPPED, Checkpoint, CheckpointStore
from noisevote.models.data.dataset import Examples, LoadedDataset, as_inputs
from noisevote.models.errors import DataError, InputError
from noisevote.models.noise import Noise, NoiseKind
from noisevote.models.specs import IMAGES
from noisevote.models.stopping import Full, mode_of
from noisevote.models.study.seeds import request_seed
from noisevote.models.voting import VoteRequest
from noisevote.training.measure.evaluate import (
    Caster,
    NumberedExamples,
    Rule,
    accuracies,
    numbered,
    rows_of_pass,
    votes_from,
)
from tests.models.casting import vote

MULTIPLICATIVE = NoiseKind.MULTIPLICATIVE

outputs_of_images = st.lists(
    st.lists(st.lists(st.integers(-2, 2), min_size=4, max_size=4), min_size=6, max_size=6),
    min_size=1,
    max_size=10,
)


@given(outputs_of_images, st.data())
def test_answer_of_t_votes_is_that_of_the_first_t(
    rows: list[list[list[int]]], data: st.DataObject
) -> None:
    outputs = np.array(rows, np.float32)
    labels = data.draw(st.lists(st.integers(0, 3), min_size=len(rows), max_size=len(rows)))
    votes = votes_from(outputs, np.array(labels))
    for count in range(1, 7):
        first = outputs[:, :count].astype(np.float64)
        modes = [mode_of(np.bincount(row, minlength=4)) for row in first.argmax(axis=2)]
        assert votes.answers[Rule.MODE][:, count - 1].tolist() == modes
        # Sums of small integers are exact, so ties of the means fall on the lowest class in both.
        means = first.sum(axis=1).argmax(axis=1)
        assert votes.answers[Rule.MEAN_OUTPUT][:, count - 1].tolist() == means.tolist()
        probabilities = softmax(first, axis=2).sum(axis=1)
        chosen = votes.answers[Rule.MEAN_PROBABILITY][:, count - 1]
        of_chosen = np.take_along_axis(probabilities, chosen[:, np.newaxis].astype(int), axis=1)
        assert (of_chosen[:, 0] >= probabilities.max(axis=1) - 1e-9).all()


def test_accuracies_are_those_of_the_mode_with_exact_intervals() -> None:
    fell_on = np.array([[0, 1, 1], [2, 2, 0], [1, 1, 1]])
    outputs = np.eye(3, dtype=np.float32)[fell_on]
    noise = Noise(NoiseKind.ADDITIVE, 0.3)
    entries = accuracies(votes_from(outputs, np.array([1, 2, 0])), noise, asked=3)
    assert [(entry.votes, entry.correct) for entry in entries] == [(1, 1), (2, 1), (3, 2)]
    assert all(entry.interval[0] <= entry.accuracy <= entry.interval[1] for entry in entries)


def test_votes_are_those_of_the_request_with_the_images_seed(dataset: LoadedDataset) -> None:
    checkpoint = CheckpointStore(SHIPPED).find("mnist_cnn-mult-1.0")
    images = numbered(dataset.test.first(5))
    noise = Noise(MULTIPLICATIVE, 0.7)
    votes = Caster(checkpoint, seed=100, threads=2).cast(images, noise, 11)
    runtime = checkpoint.runtime(noise.kind)
    for index, image in enumerate(as_inputs(images.examples.inputs)):
        request = VoteRequest(
            {IMAGES: image[np.newaxis]},
            noise.at(checkpoint.card.point_names),
            11,
            Full(),
            100 * 2**20 + index,
        )
        (result,) = vote(runtime, request, classes=10, tile=8)
        counts = np.bincount(votes.fell_on[index], minlength=10)
        assert counts.tolist() == list(result.vote_counts)
        assert votes.answers[Rule.MODE][index, -1] == result.mode


def made_up(checkpoint: Checkpoint, count: int) -> NumberedExamples:
    """Random inputs in a checkpoint's range."""
    low, high = checkpoint.card.input.limits
    shape = (count, *checkpoint.card.input.shape)
    inputs: NDArray[np.float32] = (
        np.random.default_rng(0).uniform(low, high, shape).astype(np.float32)
    )
    return numbered(Examples(inputs, np.zeros(count, np.int64)))


@pytest.mark.parametrize("name", ["mnist_cnn-mult-1.0", "stroke_lstm-mult-1.0"])
def test_images_that_share_a_forward_pass_change_no_output(name: str) -> None:
    checkpoint = CheckpointStore(SHIPPED).find(name)
    images = made_up(checkpoint, 21)
    noise = Noise(MULTIPLICATIVE, 1.0)
    caster = Caster(checkpoint, seed=3)
    assert 3 * len(images) > rows_of_pass(checkpoint.card) > 3
    together = caster.outputs(images, noise, 3)
    for place in (0, 13, 20):
        alone = caster.outputs(images.chosen(np.array([place])), noise, 3)
        assert np.array_equal(alone[0], together[place])


def test_repeats_divide_sigma_by_their_root_at_their_point_alone() -> None:
    checkpoint = CheckpointStore(SHIPPED).find("mnist_cnn-mult-1.0")
    card = checkpoint.card
    repeated = Noise(MULTIPLICATIVE, 0.8, {"fc2": 16})
    assert repeated.at(card.point_names).sigma.tolist() == [0.8] * 5 + [0.2]
    images = made_up(checkpoint, 3)
    quieter = {point.name: 0.8 for point in card.noise_points} | {"fc2": 0.2}
    caster = Caster(checkpoint, seed=0)
    assert np.array_equal(
        caster.outputs(images, repeated, 2),
        caster.outputs(images, Noise(MULTIPLICATIVE, quieter), 2),
    )


def test_points_left_out_of_a_map_get_no_noise_and_unknown_ones_are_refused() -> None:
    points = CheckpointStore(SHIPPED).find("mnist_cnn-mult-1.0").card.point_names
    at_fc1 = Noise(MULTIPLICATIVE, {"fc1": 0.5}).at(points)
    assert at_fc1.sigma.tolist() == [0, 0, 0, 0, 0.5, 0]
    with pytest.raises(InputError, match="'fc3' is no noise point; there are: conv1"):
        Noise(MULTIPLICATIVE, 1.0, {"fc3": 2}).at(points)


def test_outputs_that_overflow_are_refused() -> None:
    checkpoint = CheckpointStore(SHIPPED).find("mnist_cnn-mult-1.0")
    with pytest.raises(DataError, match="overflow"):
        Caster(checkpoint, seed=0).cast(made_up(checkpoint, 1), Noise(MULTIPLICATIVE, 1e30), 1)


def test_spread_images_keep_their_numbers_and_leave_the_others() -> None:
    images = numbered(Examples(np.zeros((10, 1, 1, 1), np.uint8), np.arange(10)))
    some, others = images.spread(4)
    assert some.numbers.tolist() == [0, 2, 5, 7] == some.examples.labels.tolist()
    assert sorted([*some.numbers, *others.numbers]) == list(range(10))
    assert len(images.spread(99)[0]) == 10


def test_evaluations_with_different_seeds_share_no_noise() -> None:
    seeds = [{request_seed(seed, image) for image in range(70_000)} for seed in range(3)]
    assert len(set.union(*seeds)) == 3 * 70_000
