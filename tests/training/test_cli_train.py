"""The command ``train``: in pieces, varied, from other networks; and what it says."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from noisevote.models.card import Card
from noisevote.models.checkpoint_folders import CARD_FILE
from noisevote.training.fit.sources import Sources, weights_digest
from noisevote.training.fit.state import read_state
from noisevote.training.recipes.recipe import recipe_from_dict
from noisevote.training.recipes.table import find_recipe
from tests.training.support import run

TINY = [
    *("--set", "options.fc_units=8", "--set", "schedule.batch_size=16"),
    *("--epochs", "1", "--validation-images", "336", "--threads", "1"),
]


def test_run_goes_on_in_pieces_and_learns_from_other_runs(
    monkeypatch: pytest.MonkeyPatch, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    place = ["--data-dir", str(data), "--allow-unknown-data"]
    train = ["train", "mnist_cnn-clean", *TINY, *place]
    assert run(monkeypatch, *train, "--minutes", "0") == 3
    assert "stopped after step 1; go on with the same command" in capsys.readouterr().err
    assert run(monkeypatch, "export", "runs/mnist_cnn-clean", *place) == 1
    assert "has done 0 of 1 epochs; go on with: noisevote-train train" in capsys.readouterr().err
    assert run(monkeypatch, *train) == 0
    assert "trained; export it with" in capsys.readouterr().err
    assert read_state(Path("runs/mnist_cnn-clean"))["step"] == 3

    sources = [
        *("--set", "warm_start=run:mnist_cnn-clean"),
        *("--set", 'teacher={"weights": "mnist_cnn-clean", "weight": 0.5}'),
    ]
    assert run(monkeypatch, *train, *sources, "--name", "taught") == 0
    to = ["--checkpoints", str(tmp_path / "checkpoints")]
    assert run(monkeypatch, "export", "runs/taught", *to, *place) == 0
    card = Card.model_validate_json((tmp_path / "checkpoints/taught" / CARD_FILE).read_bytes())
    assert card.trained.sources == {
        name: weights_digest(Sources().network(name))
        for name in ("run:mnist_cnn-clean", "mnist_cnn-clean")
    }
    assert card.command == (
        "noisevote-train train mnist_cnn-clean --name taught --epochs 1 --validation-images 336 "
        "--set schedule.batch_size=16 --set options.fc_units=8 "
        "--set warm_start=run:mnist_cnn-clean "
        """--set 'teacher={"weights": "mnist_cnn-clean", "temperature": 4.0, "weight": 0.5}'"""
    )
    recipe = recipe_from_dict(card.recipe)
    assert recipe.teacher is not None
    assert recipe.teacher.weight == 0.5


def test_option_of_its_own_and_setting_do_the_same(
    monkeypatch: pytest.MonkeyPatch, data: Path, tmp_path: Path
) -> None:
    place = ["--data-dir", str(data), "--allow-unknown-data", "--minutes", "0"]
    for name, given in (
        ("option", ["--sigma-train", "0.3", "--seed", "5"]),
        ("setting", ["--set", "hardening.sigma_train=0.3", "--set", "seed=5"]),
    ):
        folder = str(tmp_path / name)
        arguments = ["train", "mnist_cnn-clean", *TINY, *given, "--run", folder, *place]
        assert run(monkeypatch, *arguments) == 3
    option, setting = (read_state(tmp_path / name) for name in ("option", "setting"))
    assert option["recipe"] == setting["recipe"]
    assert option["recipe"]["hardening"]["sigma_train"] == 0.3
    assert find_recipe("mnist_cnn-clean").hardening.sigma_train == 0


@pytest.mark.parametrize(
    ("recipe", "command"),
    [
        ("mnist_cnn-mult-1.0", "mnist_cnn-mult-1.0-marginal"),
        (
            "mnist_cnn-mult-0.6",
            "mnist_cnn-mult-grid --name mnist_cnn-mult-grid-0.6 --sigma-train 0.6",
        ),
    ],
)
def test_missing_warm_start_is_said_with_the_command_that_trains_it(
    monkeypatch: pytest.MonkeyPatch,
    data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    recipe: str,
    command: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    place = ["--data-dir", str(data), "--allow-unknown-data"]
    assert run(monkeypatch, "train", recipe, *TINY, *place) == 1
    error = capsys.readouterr().err
    assert f"the warm start of recipe {recipe}, run:" in error
    assert error.endswith(f"train it first with: noisevote-train train {command}\n")


@pytest.mark.slow
@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_training_says_what_is_kept(
    data: Path, tmp_path: Path, sent: signal.Signals, code: int
) -> None:
    place = ["--data-dir", str(data), "--allow-unknown-data"]
    train = ["train", "mnist_cnn-clean", *TINY, "--epochs", "100000", *place]
    command = [sys.executable, "-m", "noisevote.training", *train, "--run", str(tmp_path / "run")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("epoch 2 "):
                process.send_signal(sent)
                break
        said = process.stderr.read()
    assert process.returncode == code
    step = read_state(tmp_path / "run")["step"]
    assert step > 0
    assert f"stopped by {sent.name} after step {step} of " in said
    assert f"the same command goes on there: kept is the state after step {step}" in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "mnist_cnn-clean", "--set", "epochs=3"], "epochs: Unexpected keyword"),
        (["train", "mnist_cnn-clean", "--set", "epochs"], "write path=value"),
        (["train", "mnist_cnn-clean", "--epochs", "0"], "schedule.epochs is 0"),
        (["throughput", "nothing"], "there is no network 'nothing'; known are: densenet40"),
        (
            ["throughput", "mnist_cnn", "--accelerator", "nonsense"],
            "no accelerator 'nonsense'",
        ),
    ],
)
def test_wrong_setting_is_one_line_and_exit_code_1(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    assert run(monkeypatch, *arguments) == 1
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1


def test_throughput_says_ratio_and_interval(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small = ["--set", "options.units=4", "--set", "schedule.batch_size=4"]
    few = ["--steps", "1", "--pairs", "2"]
    assert run(monkeypatch, "throughput", "stroke_lstm", *small, *few) == 0
    line = capsys.readouterr().out
    assert "stroke_lstm, multiplicative noise, batch 4, 1 thread, cpu (" in line
    assert "from 2 pairs of 1 steps" in line


def test_every_recipe_is_listed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "recipes") == 0
    listed = capsys.readouterr().out
    assert "mnist_cnn-add-grid: mnist_cnn on mnist, additive noise of sigma 1, marginal" in listed
    before = ", starts from run mnist_cnn-mult-1.0-marginal"
    assert [line.split(":")[0] for line in listed.splitlines() if line.endswith(before)] == [
        "mnist_cnn-mult-1.0"
    ]
