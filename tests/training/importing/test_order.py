"""Labels of samples and outputs of a network: names that are not its own, another order."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from noisevote.training.importing.order import order_of_outputs
from tests.training.importing.drawing import FLOAT, Drawing
from tests.training.importing.run_command import NAME, command, imported, said

NAMES = ("ape", "bee", "cat")
NUMBERS = np.tile(np.arange(3), 20)


def which_is_largest(folder: Path, labels: tuple[str, ...]) -> tuple[str, str]:
    """Write a network whose answer is the place of the largest number, and samples for it."""
    draw = Drawing()
    draw("MatMul", "x", draw.constant("w", np.eye(3), "float32"), to="scores")
    model = draw.model({"x": (FLOAT, ["n", 3])}, {"scores": (FLOAT, ["n", 3])})
    onnx.save(model, folder / "model.onnx")
    inputs = np.eye(3, dtype=np.float32)[NUMBERS]
    np.savez(folder / "some.npz", inputs=inputs, labels=np.array(labels)[NUMBERS])
    return str(folder / "model.onnx"), str(folder / "some.npz")


def test_outputs_in_another_order_are_told_by_the_class_that_most_samples_of_each_have() -> None:
    answers = np.array([2, 0, 1])[NUMBERS]
    answers[:3] = NUMBERS[:3]  # some are wrong
    assert order_of_outputs(answers, NUMBERS, NAMES) == ("bee", "cat", "ape")


@pytest.mark.parametrize(
    "answers",
    [NUMBERS, np.zeros(60, np.int64), np.random.default_rng(0).integers(3, size=60)],
    ids=["right", "always the same", "chance"],
)
def test_nothing_is_said_of_the_order_where_nothing_speaks_for_another(
    answers: np.ndarray,
) -> None:
    assert order_of_outputs(answers, NUMBERS, NAMES) is None


def test_labels_that_the_network_lacks_are_refused_before_a_checkpoint_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, samples = which_is_largest(tmp_path, NAMES)
    place = ["--name", NAME, "--checkpoints", str(tmp_path / "mine"), "--samples", samples]
    assert command("import", source, *place) == 1
    line = said(capsys)
    assert f"ape, bee, cat are no labels of checkpoint {NAME}; it has 0, 1, 2; name its" in line
    assert "with --labels" in line
    assert not (tmp_path / "mine").exists()


def test_an_import_names_the_labels_in_the_order_that_the_outputs_seem_to_have(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, samples = which_is_largest(tmp_path, NAMES)
    imported(source, tmp_path / "mine", "--samples", samples, "--labels", "cat,ape,bee")
    assert "it may be --labels ape,bee,cat" in said(capsys)
    imported(source, tmp_path / "ours", "--samples", samples, "--labels", "ape,bee,cat")
    assert "warning" not in said(capsys)
