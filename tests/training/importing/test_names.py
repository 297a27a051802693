"""Names of strangers meet the names of ours, and what the machine is called stays on it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto

from noisevote.models.noise import NoiseKind, VoteKey
from tests.training.importing.drawing import FLOAT, Drawing
from tests.training.importing.run_command import NAME, command, imported, said, votes


def two_inputs(first: str, second: str, output: str = "scores", width: int = 5) -> ModelProto:
    draw = Drawing()
    left = draw("MatMul", first, draw.weight("left.weight", 4, width), to="of_first")
    right = draw("MatMul", second, draw.weight("right.weight", 4, width), to="of_second")
    hidden = draw("Relu", draw("Add", left, right, to="both"), to="hidden")
    draw("MatMul", hidden, draw.weight("head.weight", width, 3), to=output)
    return draw.model(
        {name: (FLOAT, ["n", 4]) for name in (first, second)}, {output: (FLOAT, ["n", 3])}
    )


def test_an_input_may_be_called_as_noise_is(tmp_path: Path) -> None:
    onnx.save_model(two_inputs("noise.x", "../y"), tmp_path / "model.onnx")
    onnx.save_model(two_inputs("a", "b"), tmp_path / "plain.onnx")
    given = np.random.default_rng(0).standard_normal((2, 3, 4), np.float32)
    found = []
    for file, names in (("model", ("noise.x", "../y")), ("plain", ("a", "b"))):
        checkpoint = imported(tmp_path / f"{file}.onnx", tmp_path / file)
        assert checkpoint.card.point_names == ["left", "right", "head"]
        inputs = dict(zip(names, given, strict=True))
        keys = [VoteKey(1, 0, vote) for vote in range(3)]
        found.append(
            votes(checkpoint, NoiseKind.ADDITIVE, inputs, [2, 0, 1], np.full(3, 0.7), keys)
        )
    assert np.array_equal(found[0], found[1])


@pytest.mark.parametrize("names", [("image_of_row", "y"), ("noise.left", "y"), ("x", "noise.head")])
def test_a_name_that_the_inputs_of_votes_need_is_refused_in_a_sentence(
    names: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    onnx.save_model(two_inputs(*names), tmp_path / "model.onnx")
    place = ["--name", NAME, "--checkpoints", str(tmp_path / "mine")]
    assert command("import", str(tmp_path / "model.onnx"), *place) == 1
    taken = next(name for name in names if name not in {"x", "y"})
    assert f"the graph calls a value '{taken}', as an input of votes is to be called" in said(
        capsys
    )
    assert not (tmp_path / "mine" / NAME).exists()


def test_names_of_thousands_of_letters_are_refused_or_cut(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    onnx.save_model(two_inputs("x" * 5000, "y"), tmp_path / "model.onnx")
    assert command("points", str(tmp_path / "model.onnx")) == 1
    assert "has a name of 5,000 letters; allowed are 200" in said(capsys)
    draw = Drawing()
    hidden = draw("MatMul", "x", draw.weight("a" * 5000 + ".one.weight", 4, 5), to="t")
    draw("MatMul", hidden, draw.weight("a" * 5000 + ".two.weight", 5, 3), to="scores")
    model = draw.model({"x": (FLOAT, ["n", 4])}, {"scores": (FLOAT, ["n", 3])})
    onnx.save_model(model, tmp_path / "deep.onnx")
    names = imported(tmp_path / "deep.onnx", tmp_path / "deep").card.point_names
    assert [len(name) for name in names] == [180, 180]
    assert [name[-4:] for name in names] == [".one", ".two"]


@pytest.mark.parametrize("name", ["a" * 201, "a/b", "..", ""])
def test_a_checkpoint_gets_no_name_by_which_it_cannot_be_asked(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    onnx.save_model(two_inputs("x", "y"), tmp_path / "model.onnx")
    place = [f"--name={name}", "--checkpoints", str(tmp_path / "mine")]
    assert command("import", str(tmp_path / "model.onnx"), *place) == 1
    assert "is no name of a checkpoint: up to 200 letters, digits" in said(capsys)


def test_a_card_does_not_tell_where_files_lie_on_the_machine(tmp_path: Path) -> None:
    onnx.save_model(two_inputs("x", "y"), tmp_path / "model.onnx")
    (tmp_path / "labels.txt").write_text("cat\ndog\nowl\n")
    options = [f"--labels={tmp_path}/labels.txt", "--exclude", "/nothing*", "--exclude", "left"]
    place = ["--name", NAME, "--checkpoints", str(tmp_path / "mine")]
    assert command("import", str(tmp_path / "model.onnx"), *place, *options) == 1
    del options[1:3]
    card = imported(tmp_path / "model.onnx", tmp_path / "mine", *options, "--allow-quiet").card
    assert str(tmp_path) not in (tmp_path / "mine" / NAME / "card.json").read_text()
    assert card.command == (
        f"noisevote-train import model.onnx --name {NAME} --labels=labels.txt --exclude left "
        "--allow-quiet"
    )


def test_an_import_that_is_told_to_end_leaves_nothing_behind(tmp_path: Path) -> None:
    model = two_inputs("x", "y", width=400_000)
    onnx.save_model(model, tmp_path / "model.onnx")
    mine = tmp_path / "mine"
    old = mine / ".import-killed"
    old.mkdir(parents=True)
    (old / "weights.safetensors").write_bytes(b"x")
    os.utime(old, (0, 0))
    asked = ["import", str(tmp_path / "model.onnx"), "--name", NAME, "--checkpoints", str(mine)]
    running = subprocess.Popen(
        [sys.executable, "-m", "noisevote.training", *asked],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    while {path.name for path in mine.iterdir()} <= {old.name}:  # which is taken away first
        assert running.poll() is None
    running.send_signal(signal.SIGTERM)
    assert running.wait(60) == 143
    assert list(mine.iterdir()) == []
