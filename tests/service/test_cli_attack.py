"""The command ``noisevote attack``."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.core import TyperGroup, TyperOption
from typer.main import get_command

from noisevote.models.robustness.plan import AttackOptions
from noisevote.models.robustness.report import Report
from noisevote.service.cli import app
from tests.disk import held_elsewhere
from tests.models.robustness.worlds import drawn_samples
from tests.service.test_cli import run_main

QUICK = [
    "--surrogate=mnist_cnn-clean", "--epsilon=0.2", "--sigma=0.5", "--votes=3", "--steps=2",
    "--restarts=1", "--attack=pgd", "--no-adaptive", "--no-white-box", "--replies=3",
]  # fmt: skip


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    taken = drawn_samples(2, seed=4)
    path = tmp_path / "digits.npz"
    np.savez(path, inputs=taken.inputs, labels=taken.labels)
    return path


def test_writes_a_report_and_resumes_from_its_steps(
    samples: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "assessment"
    arguments = ["attack", "mnist_cnn-mult-1.0", *QUICK, f"--samples={samples}"]
    assert run_main(monkeypatch, *arguments, f"--output={folder}") == 0
    output, log = capsys.readouterr()
    assert "% pgd/restart 0" in log
    report = Report.model_validate_json((folder / "report.json").read_bytes())
    assert report.is_complete
    assert report.verdict is not None
    assert output.splitlines()[: len(report.verdict.sentences)] == list(report.verdict.sentences)
    assert report.about.samples.source == "digits.npz"
    assert report.about.versions["noisevote"]
    assert "<h2>Verdict</h2>" in (folder / "report.html").read_text()
    before = {path: path.stat().st_mtime_ns for path in (folder / "steps").iterdir()}
    assert run_main(monkeypatch, *arguments, f"--output={folder}") == 0
    assert {path: path.stat().st_mtime_ns for path in (folder / "steps").iterdir()} == before
    assert run_main(monkeypatch, *arguments, f"--output={folder}", "--seed=1") == 1
    assert "holds the steps of another assessment" in capsys.readouterr().err


def test_noise_is_drawn_as_the_settings_say_like_that_of_the_service(
    samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOISEVOTE_NOISE_SCHEME", "sfc64x8-icdf4-1")
    asked = ["attack", "mnist_cnn-mult-1.0", *QUICK, f"--samples={samples}", f"--output={tmp_path}"]
    assert run_main(monkeypatch, *asked) == 0
    report = Report.model_validate_json((tmp_path / "report.json").read_bytes())
    assert report.about.target_fingerprint.startswith("sfc64x8-icdf4-1:")


@pytest.mark.parametrize(("wanted", "classes"), [("next", (1, 2)), ("3", (3, 3)), ("5,4", (5, 4))])
def test_a_class_is_wanted_of_all_of_each_or_by_a_rule(
    wanted: str,
    classes: tuple[int, ...],
    samples: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = [*QUICK, f"--samples={samples}", f"--output={tmp_path}/a"]
    asked = ["attack", "mnist_cnn-mult-1.0", *arguments, f"--target-class={wanted}"]
    assert run_main(monkeypatch, *asked) == 0
    report = Report.model_validate_json((tmp_path / "a" / "report.json").read_bytes())
    assert report.targeted is not None
    assert report.targeted.classes == classes
    assert "the target class" in capsys.readouterr().out


def test_a_second_process_with_the_same_folder_is_told_at_once(
    samples: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["attack", "mnist_cnn-mult-1.0", *QUICK, f"--samples={samples}"]
    with held_elsewhere(tmp_path / "a" / "report.json"):
        assert run_main(monkeypatch, *arguments, f"--output={tmp_path / 'a'}") == 1
    assert "another process writes into" in capsys.readouterr().err


FAULTS: dict[str, tuple[list[str], str]] = {
    "unknown target": (["nosuch", *QUICK], "there is no checkpoint 'nosuch'"),
    "other inputs": (
        ["mnist_cnn-mult-1.0", *QUICK, "--surrogate=stroke_lstm-clean"],
        "checkpoint stroke_lstm-clean takes another input than mnist_cnn-mult-1.0: its shape is",
    ),
    "negative epsilon": (["mnist_cnn-mult-1.0", *QUICK, "--epsilon=-1"], "epsilon: "),
    "whole numbers": (
        ["mnist_cnn-mult-1.0", *QUICK, "--vote-numbers=1.5"],
        "vote_numbers is '1.5'; it must be whole numbers",
    ),
    "no number of votes": (
        ["mnist_cnn-mult-1.0", *QUICK, "--vote-numbers=nan"],
        "vote_numbers is 'nan'",
    ),
    "budget above the queries": (
        ["mnist_cnn-mult-1.0", *QUICK, "--budgets=10,500"],
        "budgets: the budget 500 is above the 200",
    ),
    "alpha of one": (["mnist_cnn-mult-1.0", *QUICK, "--alpha=1"], "alpha: "),
    "no sigma": (
        ["mnist_cnn-clean", "--surrogate=mnist_cnn-mult-1.0", "--epsilon=0.2"],
        "sigma is needed",
    ),
    "squares on strokes": (
        ["stroke_lstm-mult-1.0", *QUICK, "--surrogate=stroke_lstm-clean", "--attack=square"],
        "the attack square needs pictures",
    ),
    "undefended with other inputs": (
        ["mnist_cnn-mult-1.0", *QUICK, "--undefended=stroke_lstm-clean"],
        "checkpoint stroke_lstm-clean takes another input than mnist_cnn-mult-1.0",
    ),
    "no sigma that is one": (
        ["mnist_cnn-mult-1.0", *QUICK, "--sigma=a"],
        "'a' is no sigma; write 0.5, or fc1=0.2;fc2=1",
    ),
    "two strengths": (
        ["mnist_cnn-mult-1.0", *QUICK, "--snr-db=3"],
        "sigma and snr_db say the same thing",
    ),
    "unknown noise point": (
        ["mnist_cnn-mult-1.0", *QUICK, "--repeats=fc9=2"],
        '"fc9" is no noise point of checkpoint',
    ),
    "folder that is a file": (
        ["mnist_cnn-mult-1.0", *QUICK, f"--output={__file__}"],
        "the folder ",
    ),
    "no numbers": (["mnist_cnn-mult-1.0", *QUICK, "--sigmas=a,b"], "sigmas is 'a,b'; it must be"),
    "a class that is none": (
        ["mnist_cnn-mult-1.0", *QUICK, "--target-class=10"],
        "10 is no class; the target has 0 to 9",
    ),
    "a rule that is none": (
        ["mnist_cnn-mult-1.0", *QUICK, "--target-class=far"],
        "target_class is 'far'; write a class like 3, classes with commas between",
    ),
    "classes of other samples": (
        ["mnist_cnn-mult-1.0", *QUICK, "--target-class=1,2,3"],
        "there are 2 samples and 3 target classes",
    ),
    "no samples": (["mnist_cnn-mult-1.0", *QUICK, "--samples=nosuch.npz"], "nosuch.npz "),
}


@pytest.mark.parametrize("case", FAULTS)
def test_what_cannot_be_done_is_said_in_one_line(
    case: str,
    samples: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments, message = FAULTS[case]
    given = ["attack", f"--samples={samples}", f"--output={tmp_path}/a", *arguments]
    assert run_main(monkeypatch, *given) == 1
    assert capsys.readouterr().err.startswith(f"error: {message}")


def test_without_torch_it_says_what_to_install(samples: Path, tmp_path: Path) -> None:
    without_torch = (
        "import sys; sys.modules['torch'] = None; from service.cli import main; "
        f"sys.argv = ['noisevote', 'attack', 'mnist_cnn-mult-1.0', *{QUICK}, "
        f"'--samples={samples}', '--output={tmp_path / 'a'}']; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", without_torch], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr == (
        'error: attacks need torch; install it with: pip install ".[attack]", in the folder of '
        "noisevote's source\n"
    )
    assert done.stdout == ""


def test_every_option_of_an_assessment_can_be_given_and_is_explained() -> None:
    group = get_command(app)
    assert isinstance(group, TyperGroup)
    given = {option.name: option for option in group.commands["attack"].params}
    fields = AttackOptions.model_fields
    for name in fields.keys() - {"attacks"}:
        option = given[name]
        assert isinstance(option, TyperOption)
        assert option.help == fields[name].description
        assert option.required == fields[name].is_required()
        assert fields[name].is_required() or option.default in {fields[name].default, ""}
    assert given["attack"].multiple
