"""``fit-devices`` as a shell runs it, and what imports do at their end."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest

from noisevote.models.checkpoint import SHIPPED, Checkpoint
from tests.training.devices.networks import draw_sequence
from tests.training.importing.run_command import command, imported, said

NAME = "mnist_cnn-clean"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one shipped checkpoint that is not ready."""
    copied = Path(shutil.copytree(SHIPPED / NAME, tmp_path / "checkpoints" / NAME))
    card = json.loads((copied / "card.json").read_text())
    for name in (*card["devices"]["graphs"].values(), card["devices"]["scales"]):
        (copied / name).unlink()
        del card["digests"][name]
    del card["devices"]
    (copied / "card.json").write_text(json.dumps(card))
    return copied.parent


@pytest.fixture
def pictures(tmp_path: Path) -> str:
    drawn = np.random.default_rng(0).random((30, 1, 28, 28), np.float32)
    np.savez(tmp_path / "pictures.npz", inputs=drawn)
    return str(tmp_path / "pictures.npz")


@pytest.fixture
def sequences(tmp_path: Path) -> str:
    drawn = np.random.default_rng(0).standard_normal((40, 7, 4), np.float32)
    np.savez(tmp_path / "sequences.npz", inputs=drawn)
    return str(tmp_path / "sequences.npz")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    onnx.save_model(draw_sequence(), tmp_path / "model.onnx")
    return tmp_path / "model.onnx"


def test_a_checkpoint_is_made_ready_and_all_else_stays(
    folder: Path, pictures: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before, shipped = Checkpoint(folder / NAME).card, Checkpoint(SHIPPED / NAME)
    plain = {path.name: path.read_bytes() for path in (folder / NAME).iterdir()}
    options = ["--checkpoints", str(folder), "--samples", pictures, "--images", "20"]
    assert command("fit-devices", NAME, *options) == 0
    made = Checkpoint(folder / NAME)
    assert made.fingerprint == shipped.fingerprint
    devices = made.card.devices
    assert devices is not None
    assert devices.measured_on.startswith("samples pictures.npz (sha256 ")
    assert devices.measured_on.endswith(", 20 inputs")
    assert devices.command == (
        f"noisevote-train fit-devices {NAME} --samples pictures.npz --images 20"
    )
    assert made.card.digests.items() > before.digests.items()
    assert before == made.card.model_copy(update={"devices": None, "digests": before.digests})
    left = {path.name: path.read_bytes() for path in (folder / NAME).iterdir()}
    assert {name: left[name] for name in plain if name != "card.json"} == {
        name: content for name, content in plain.items() if name != "card.json"
    }
    # Graphs and scales hang on no inputs.
    assert made.verified_devices() == shipped.verified_devices()
    assert "conv1" in capsys.readouterr().out


def test_measuring_anew_gives_the_same_and_takes_the_place_of_the_old(
    folder: Path, pictures: str
) -> None:
    options = ["--checkpoints", str(folder), "--samples", pictures]
    assert command("fit-devices", "--all", *options) == 0
    first = {path.name: path.read_bytes() for path in (folder / NAME).iterdir()}
    assert command("fit-devices", "--all", *options) == 0
    assert {path.name: path.read_bytes() for path in (folder / NAME).iterdir()} == first


@pytest.mark.parametrize("names", [[], ["--all", NAME]])
def test_names_or_all_and_nothing_else(
    names: list[str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("fit-devices", *names, "--checkpoints", str(folder)) == 1
    assert "give names of checkpoints, or --all" in said(capsys)


def test_one_that_fails_leaves_the_others_to_be_made_ready(
    folder: Path, pictures: str, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    imported(model, folder)
    assert command("fit-devices", "--all", "--checkpoints", str(folder), "--samples", pictures) == 1
    assert Checkpoint(folder / NAME).card.devices is not None
    assert Checkpoint(folder / "theirs").card.devices is None
    told = said(capsys)
    assert "theirs: " in told
    assert told.endswith("error: 1 of 2 are not ready: theirs")


def test_an_import_with_samples_is_ready_at_once(
    model: Path, sequences: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = imported(model, tmp_path / "mine", "--samples", sequences)
    devices = checkpoint.card.devices
    assert devices is not None
    assert devices.command.startswith("noisevote-train import model.onnx")
    assert devices.measured_on.startswith("samples sequences.npz (sha256 ")
    assert "ready for devices: 3 of 3 noise points lie on arrays" in said(capsys)
    checkpoint.verified_devices()


def test_an_import_without_samples_says_how_it_gets_ready(
    model: Path, sequences: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = imported(model, tmp_path / "mine")
    assert checkpoint.card.devices is None
    hint = f"fit-devices theirs --checkpoints {tmp_path / 'mine'} --samples FILE makes it so"
    assert hint in said(capsys)
    assert hint.replace(str(tmp_path / "mine"), "FOLDER").startswith(checkpoint.card.to_fit[16:])
    place = ["--checkpoints", str(tmp_path / "mine"), "--samples", sequences]
    assert command("fit-devices", "theirs", *place) == 0
    assert Checkpoint(checkpoint.folder).card.devices is not None
