"""``noisevote-train harden --device``: a module learns on an analog device."""

import re
from pathlib import Path

import pytest

from noisevote.models.checkpoint import Checkpoint
from noisevote.models.data.dataset import Examples
from noisevote.models.errors import NoisevoteError
from tests.training.harden.support import plan, recipe_of
from tests.training.support import run


def test_a_module_learns_on_a_device_and_its_chips_are_told(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = (
        *("harden", "nets_to_harden.mine:make", "--samples", str(here / "digits.npz")),
        *("--checkpoints", str(tmp_path / "mine"), "--name", "mine", "--epochs", "2"),
        *("--runs", str(tmp_path / "runs"), "--device", "pcm-joshi", "--weight-clip", "2.5"),
    )
    monkeypatch.setenv("COLUMNS", "200")
    assert run(monkeypatch, *command) == 0
    told = capsys.readouterr().err
    assert len(re.findall(r"(as given|hardened) │ -", told)) == 4
    assert "10 chips of pcm-joshi" in told
    card = Checkpoint(tmp_path / "mine" / "mine").card
    assert card.devices is not None
    assert "--device pcm-joshi" in card.devices.command


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"device": "pcm-joshi", "recipe": "mult-1.0"}, "leave out --recipe mult-1.0"),
        ({"device": "pcm-josh"}, "there is no device 'pcm-josh'"),
        ({"device": "pcm-joshi", "weight_clip": 0.1}, "hardening.weight_clip is 0.1"),
        ({"device": "pcm-joshi", "age_s": (1.0, 2.0)}, "depends on the age"),
        ({"age_s": (1.0, 2.0)}, "hardening.age_s needs a device"),
    ],
)
def test_what_does_not_go_with_a_device_is_told_before_it_learns(
    here: Path, digits: Examples, changed: dict[str, object], said: str
) -> None:
    assert here.exists()
    with pytest.raises(NoisevoteError, match=re.escape(said)):
        recipe_of(plan(**({"recipe": None} | changed)), digits)  # type: ignore[arg-type]
