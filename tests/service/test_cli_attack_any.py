"""The command ``noisevote attack`` on imported networks, with and without a surrogate."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from torch import nn

from noisevote.models.data.datasets import load_dataset
from noisevote.models.robustness.report import Report
from tests.foreign import digits_classifier
from tests.models.robustness.assessed import row
from tests.service.test_cli import run_main

MODULE = '''
import torch
from torch import nn

class Probing(nn.Module):
    """A linear classifier of digits that scales its outputs."""

    def __init__(self, classes=10):
        super().__init__()
        self.flat = nn.Linear(64, classes)

    def forward(self, inputs):
        return 4 * self.flat(inputs)

def of_three():
    return Probing(3)

def of_none():
    return [1]
'''

QUICK = [
    "--epsilon=0.6", "--sigma=0.2", "--votes=3", "--steps=5", "--restarts=1", "--replies=3",
    "--sweep-replies=1", "--draws=2", "--dataset=digits", "--images=30",
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an imported classifier of digits, a module and its weights."""
    folder = tmp_path_factory.mktemp("theirs")
    learned = load_dataset("digits", folder).train
    images = learned.inputs.astype(np.float32)
    target = digits_classifier(folder / "checkpoints" / "digits", images, learned.labels)
    weights = load_file(target.folder / "weights.safetensors")
    linear = nn.Linear(64, 10)
    linear.load_state_dict(
        {
            "weight": torch.from_numpy(weights["weights"].T),
            "bias": torch.from_numpy(weights["bias"]),
        }
    )
    state = {f"flat.{name}": tensor for name, tensor in linear.state_dict().items()}
    torch.save(state, folder / "weights.pt")
    (folder / "probing_digits.py").write_text(MODULE)
    return folder


def attacked(
    monkeypatch: pytest.MonkeyPatch, folder: Path, output: Path, *options: str | Path
) -> int:
    monkeypatch.chdir(folder)
    given = ["attack", "digits", f"--checkpoints={folder / 'checkpoints'}", f"--output={output}"]
    return run_main(monkeypatch, *given, *QUICK, *map(str, options))


def report_in(output: Path) -> Report:
    return Report.model_validate_json((output / "report.json").read_bytes())


def test_a_module_of_the_users_own_is_climbed(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = ["--surrogate-module=probing_digits:Probing", "--surrogate-weights=weights.pt"]
    assert attacked(monkeypatch, folder, tmp_path / "a", *given, "--attack=pgd") == 0
    report = report_in(tmp_path / "a")
    assert report.about.surrogate == "probing_digits:Probing"
    pgd, control = row(report, "pgd").noiseless, row(report, "random_noise").noiseless
    assert pgd is not None
    assert control is not None
    assert pgd.robust_accuracy.share < control.robust_accuracy.share - 0.2
    assert row(report, "eot_pgd").noisy is not None
    assert {each.attack: each.reason for each in report.untried}["white_box"] == (
        "it needs the target's own gradients, which are not at hand"
    )
    before = (tmp_path / "a" / "steps" / "pgd-restart_0.npz").stat().st_mtime_ns
    assert attacked(monkeypatch, folder, tmp_path / "a", *given, "--attack=pgd") == 0
    assert (tmp_path / "a" / "steps" / "pgd-restart_0.npz").stat().st_mtime_ns == before
    assert attacked(monkeypatch, folder, tmp_path / "a", given[0], "--attack=pgd") == 1, (
        "other weights are another assessment"
    )


def test_without_a_surrogate_unlabelled_samples_of_a_file_are_attacked_by_queries_alone(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("art")
    inputs = load_dataset("digits", folder).test.inputs[:4].astype(np.float32)
    np.savez(tmp_path / "some.npz", inputs=inputs)
    given = ["--surrogate=none", f"--samples={tmp_path / 'some.npz'}", "--queries=60"]
    assert attacked(monkeypatch, folder, tmp_path / "a", *given) == 1
    assert "some.npz has no labels but inputs; with --labels predicted" in capsys.readouterr().err
    assert attacked(monkeypatch, folder, tmp_path / "a", *given, "--labels=predicted") == 0
    report = report_in(tmp_path / "a")
    assert report.about.surrogate is None
    assert report.about.samples.source == "some.npz"
    assert [each.attack for each in report.attacks] == ["hop_skip_jump", "random_noise"]
    assert "Not tried: pgd, momentum_pgd, eot_pgd, white_box" in capsys.readouterr().out


def test_of_own_samples_so_many_as_asked_are_attacked(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    test = load_dataset("digits", folder).test
    inputs, labels = test.inputs[:100].astype(np.float32), test.labels[:100]
    np.savez(tmp_path / "some.npz", inputs=inputs, labels=labels)
    given = ["--surrogate-module=probing_digits:Probing", f"--samples={tmp_path / 'some.npz'}"]
    assert attacked(monkeypatch, folder, tmp_path / "a", *given, "--attack=pgd") == 0
    assert len(report_in(tmp_path / "a").about.samples.indices) == 30


FAULTS: dict[str, tuple[list[str], str]] = {
    "no word on the attacker": ([], "needed is one of --surrogate NAME, --surrogate none and"),
    "two networks of the attacker": (
        ["--surrogate=none", "--surrogate-module=probing_digits:Probing"], "needed is one of",
    ),
    "weights of no module": (
        ["--surrogate=none", "--surrogate-weights=weights.pt"], "surrogate_weights are those of a",
    ),
    "imported surrogate": (
        ["--surrogate=digits"], "checkpoint digits was imported, so its gradients are not at hand",
    ),
    "gradients without a network": (
        ["--surrogate=none", "--attack=pgd"],
        "the attack pgd needs the gradients of a surrogate, and there is none; allowed without",
    ),
    "other classes": (
        ["--surrogate-module=probing_digits:of_three"],
        "probing_digits:of_three tells 3 classes apart; checkpoint digits has 10",
    ),
    "no module": (
        ["--surrogate-module=probing_digits:of_none"], "probing_digits:of_none gives a list",
    ),
    "no such callable": (
        ["--surrogate-module=probing_digits:nothing"], "probing_digits:nothing cannot be called",
    ),
    "no weights": (
        ["--surrogate-module=probing_digits:Probing", "--surrogate-weights=none.pt"],
        "none.pt cannot be read",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", FAULTS)
def test_what_cannot_be_done_is_said_in_one_line(
    case: str,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given, message = FAULTS[case]
    assert attacked(monkeypatch, folder, tmp_path / "a", *given) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"error: {message}")
    assert "Traceback" not in error
