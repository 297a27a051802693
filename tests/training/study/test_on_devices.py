"""Studies on devices: of every preset, and what the report says of chips."""

from pathlib import Path

import numpy as np
import pytest

from noisevote.models.devices.presets import DeviceStore
from noisevote.models.study.store import StudyStore
from tests.drawing import draw_digit
from tests.training.study.support import report
from tests.training.support import run

CHECKPOINT = "mnist_cnn-mult-1.0"
PRESETS = DeviceStore().names()
NOISELESS = "ideal-8-8"


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of drawn digits, in the shape and range of MNIST's."""
    labels = np.arange(40) % 10
    drawn = [
        np.asarray(draw_digit(int(label), size=28, stroke=2 + 0.04 * place, ink=255, paper=0))
        for place, label in enumerate(labels)
    ]
    path = tmp_path_factory.mktemp("digits") / "drawn.npz"
    np.savez(path, inputs=(np.stack(drawn)[:, np.newaxis] / 255).astype(np.float32), labels=labels)
    return path


@pytest.mark.parametrize(
    "device", [NOISELESS, *(pytest.param(name, marks=pytest.mark.slow) for name in PRESETS)]
)
def test_a_study_comes_to_its_end_on_every_device(
    monkeypatch: pytest.MonkeyPatch, digits: Path, tmp_path: Path, device: str
) -> None:
    folder = tmp_path / "study"
    more = ["--device", device, "--chips", "2", "--seeds", "2", "--votes", "3", "--budget", "9000"]
    place = ["--samples", str(digits), "--output", str(folder), "--processes", "1"]
    assert run(monkeypatch, "study", CHECKPOINT, *place, *more) == 0
    found = StudyStore(folder).conclusions
    assert found is not None
    assert {of.costs.unit for of in found.options} == {
        "passes" if DeviceStore().find(device).cost is None else "J"
    }
    answers = report(folder)["answers"]
    assert f"On {device}" in answers["How much noise?"]
    profile = DeviceStore().find(device)
    has_chips = "chips" in report(folder)["tables"]
    assert has_chips == profile.differs_by_chip


def test_a_budget_without_room_is_refused_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    digits: Path,
    tmp_path: Path,
) -> None:
    folder = tmp_path / "study"
    place = ["--samples", str(digits), "--output", str(folder), "--processes", "1"]
    assert run(monkeypatch, "study", CHECKPOINT, *place, "--budget", "1000", "--seeds", "2") == 1
    assert "the budget is 1,000 passes; a study of" in capsys.readouterr().err
    assert not folder.exists()


def test_samples_that_settings_are_chosen_on_are_not_reported_on(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    digits: Path,
    tmp_path: Path,
) -> None:
    given = ["--samples", str(digits), "--test", str(digits), "--output", str(tmp_path / "study")]
    assert run(monkeypatch, "study", CHECKPOINT, *given) == 1
    assert "40 of the samples of drawn.npz are among those" in capsys.readouterr().err
