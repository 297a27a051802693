"""The command ``noisevote attack`` with a target on an analog device."""

from pathlib import Path

import numpy as np
import pytest

from noisevote.models.devices.presets import DeviceStore
from noisevote.models.robustness.report import Report
from tests.models.robustness.worlds import drawn_samples
from tests.service.jobs.support import SURROGATE
from tests.service.support import CHECKPOINT
from tests.service.test_cli import run_main

MINE = 'profile = 1\nname = "mine"\n[program]\nstd_us = 0.05\n[read]\na = 0.02\n'


@pytest.fixture(scope="module")
def arguments(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("on-devices")
    taken = drawn_samples(2, seed=4)
    np.savez(folder / "digits.npz", inputs=taken.inputs, labels=taken.labels)
    return [
        "attack", CHECKPOINT, f"--samples={folder}/digits.npz",
        f"--surrogate={SURROGATE}", "--epsilon=0.2", "--votes=3", "--steps=2", "--restarts=1",
        "--attack=pgd", "--replies=3",
    ]  # fmt: skip


def test_the_report_says_device_chips_and_age_and_that_the_reference_is_on_none(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "assessment"
    asked = [*arguments, "--device=pcm-hermes-2t", "--chip=4", "--chips=2", "--age=1d"]
    assert run_main(monkeypatch, *asked, f"--output={output}") == 0
    report = Report.model_validate_json((output / "report.json").read_bytes())
    about = report.about.device
    assert about is not None
    digest = DeviceStore().find("pcm-hermes-2t").digest
    assert (about.name, about.digest, about.chips) == ("pcm-hermes-2t", digest, (4, 5))
    assert about.age_s == 86400.0
    page = (output / "report.html").read_text()
    assert f"device pcm-hermes-2t, digest {digest}, chips 4, 5, age 86400 s" in page
    assert "the noiseless target is the clean network, on no device" in page
    assert "No attack knows of the device." in report.threat_model
    reasons = {each.attack: each.reason for each in report.untried}
    assert reasons["eot_pgd"].startswith("it averages gradients over noise, and nothing here can")
    assert report.verdict is not None
    assert report.verdict.answer != "helps"


def test_a_file_is_a_device_and_another_one_is_another_assessment(
    arguments: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(MINE)
    asked = [*arguments, f"--device={file}", "--chip=fresh", f"--output={tmp_path}/a"]
    assert run_main(monkeypatch, *asked) == 0
    assert "other chips in each request" in (tmp_path / "a" / "report.html").read_text()
    assert run_main(monkeypatch, *asked) == 0
    file.write_text(MINE.replace("0.05", "0.5"))
    capsys.readouterr()
    assert run_main(monkeypatch, *asked) == 1
    assert "holds the steps of another assessment" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (["--device=none-such"], "there is no device 'none-such'"),
        (["--device=reram-wan", "--sigma=0.5"], "device and sigma both say what noise there is"),
        (["--device=reram-wan", "--sigmas=0,0.5"], "a device has no sigma to sweep over"),
        (["--device=reram-wan", "--chips=4"], "chips is 4; allowed are 1 to 3"),
        (["--chips=2"], "chips is that of a device; give a device, too"),
        (["--device=reram-wan", "--age=10y"], "age_s is 3.15576e+08; device reram-wan is known"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    asked: list[str],
    message: str,
    arguments: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run_main(monkeypatch, *arguments, *asked, f"--output={tmp_path}/a") == 1
    assert capsys.readouterr().err.startswith(f"error: {message}")
