"""What a module is hardened on: samples to learn from, others held back, names of classes."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from noisevote.models.data.dataset import Examples
from noisevote.models.data.sample_files import Content
from noisevote.models.data.samples import samples_of
from noisevote.models.errors import TrainingError
from noisevote.models.specs import InputSpec
from noisevote.training.fit.run import prepare
from noisevote.training.fit.sources import Sources
from noisevote.training.importing.harden import (
    brought_by,
    check_order,
    names_of_classes,
    parts_of,
)
from tests.training.harden.support import labelled, plan, recipe_of


def test_what_is_held_back_is_like_nothing_that_was_learned_from(
    here: Path, digits: Examples, tmp_path: Path
) -> None:
    assert here.exists()
    inputs = np.concatenate([digits.inputs[:200]] * 5)
    samples = labelled([str(label) for label in digits.labels[:200].tolist()] * 5, inputs)
    spec, classes = InputSpec(shape=(64,)), list("0123456789")
    parts = used, held_back = parts_of(samples, spec, classes, "mine")
    learned = {row.tobytes() for row in used.inputs}
    assert len(used) + len(held_back) == 1000
    assert 100 < len(held_back) < 300
    assert not [row for row in held_back.inputs if row.tobytes() in learned]
    recipe = recipe_of(plan(), used, len(held_back))
    run = prepare(recipe, parts, tmp_path, torch.device("cpu"), math.inf, Sources())
    np.testing.assert_array_equal(run.train.inputs, used.inputs)
    np.testing.assert_array_equal(run.validation.inputs, held_back.inputs)
    np.testing.assert_array_equal(run.validation.labels, held_back.labels)


@pytest.mark.parametrize(
    ("given", "labels", "names"),
    [
        (None, ["2", "0"], ["0", "1", "2"]),
        (None, ["02", "00", "01"], ["00", "01", "02"]),
        (None, ["owl", "cat", "dog"], ["cat", "dog", "owl"]),
        (["a", "b", "c"], ["0"], ["a", "b", "c"]),
        (None, ["0", "99999999999"], ["0", "1", "2"]),  # which is told when they are fitted
    ],
)
def test_classes_bear_the_labels_of_the_samples_or_the_numbers_of_the_outputs(
    given: list[str] | None, labels: list[str], names: list[str]
) -> None:
    assert names_of_classes(given, labelled(labels), 3) == names


def test_names_that_are_not_as_many_as_outputs_are_refused_before_anything_is_learned(
    here: Path,
) -> None:
    assert here.exists()
    assert brought_by(plan(), (64,)).classes == 10
    with pytest.raises(TrainingError, match=r"some\.npz has 2 classes; the module has 10 outputs"):
        names_of_classes(None, labelled(["cat", "dog"]), 10)
    with pytest.raises(TrainingError, match="--labels names 2 classes; the module has 10"):
        names_of_classes(["cat", "dog"], labelled(["0"]), 10)
    unlabelled = samples_of("some.npz", Content(("0",), None, arrays={"inputs": np.zeros((1, 1))}))
    with pytest.raises(TrainingError, match=r"some\.npz has no labels"):
        names_of_classes(None, unlabelled, 10)


def test_a_module_that_learned_the_classes_in_another_order_is_refused_with_that_order(
    here: Path,
) -> None:
    assert here.exists()
    network = brought_by(plan(), (64,))
    inputs = 9 * np.random.default_rng(0).standard_normal((500, 64), np.float32)
    with torch.no_grad():
        answers = network.eval()(torch.from_numpy(inputs)).argmax(dim=1).numpy()
    names = list("abcdefghij")
    assert set(answers.tolist()) == set(range(10))
    check_order(network, Examples(inputs, answers), names, is_trained=True)
    with pytest.raises(TrainingError, match="give --labels, it seems b,c,d,e,f,g,h,i,j,a"):
        check_order(network, Examples(inputs, (answers + 1) % 10), names, is_trained=True)
