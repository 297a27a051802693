"""The command line of training, from data files to a checkpoint that is evaluated."""

import json
from pathlib import Path

import pytest

from noisevote.models.card import Card
from noisevote.models.checkpoint_folders import CARD_FILE
from noisevote.training.recipes.table import find_recipe
from noisevote.training.recipes.vary import train_command, vary
from tests.training.support import run

SMALL = ["--epochs", "1", "--validation-images", "64", "--threads", "1"]


def test_data_files_become_a_checkpoint_that_is_evaluated(
    monkeypatch: pytest.MonkeyPatch, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = ["--data-dir", str(data), "--allow-unknown-data"]
    to = ["--checkpoints", str(tmp_path / "checkpoints")]
    recipe, folder = "mnist_cnn-mult-1.0-marginal", str(tmp_path / "run")
    assert run(monkeypatch, "train", recipe, "--run", folder, *SMALL, *place) == 0
    assert run(monkeypatch, "export", folder, "--name", "small", *to, *place) == 0
    csv = tmp_path / "results.csv"
    arguments = ["small", "--sigma", "0", "--sigma", "1", "--votes", "3", "--images", "10"]
    output = ["--output", str(csv), "--card"]
    half = ["small", "--sigma", "0", *arguments[5:]]
    assert run(monkeypatch, "evaluate", *half, *output[:2], *to, *place) == 0
    first = csv.read_text().splitlines()
    assert run(monkeypatch, "evaluate", *arguments, *output, *to, *place) == 0
    assert [line for line in first if line[0] != "#"] == [
        line for line in csv.read_text().splitlines() if line[0] != "#"
    ][: len(first) - len([line for line in first if line[0] == "#"])]
    assert "accuracy in %, over sigma and votes" in " ".join(capsys.readouterr().out.split())
    card = Card.model_validate_json((tmp_path / "checkpoints" / "small" / CARD_FILE).read_bytes())
    assert card.command == (
        "noisevote-train train mnist_cnn-mult-1.0-marginal --epochs 1 --validation-images 64"
    )
    assert card.devices is not None
    assert card.devices.measured_on == "validation, 64 inputs"
    (evaluation,) = card.evaluations
    assert str(tmp_path) not in json.dumps(card.model_dump(mode="json")) + csv.read_text()
    assert [(a.sigma, a.votes, a.images) for a in evaluation.accuracies] == [
        (sigma, votes, 10) for sigma in (0.0, 1.0) for votes in (1, 2, 3)
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "nothing"], "there is no recipe 'nothing'"),
        (["train", "mnist_cnn-clean", "--sigma-train", "-1"], "hardening.sigma_train is -1"),
        (["export", "nowhere"], "nowhere/state.pt does not exist"),
        (["evaluate", "nobody"], "there is no checkpoint 'nobody'"),
        (["calibrate", "nobody", "--delta", "0.7"], "delta is [0.7]: Input should be less than"),
        (["agreement", "nobody", "--noise", "additive"], "there is no checkpoint 'nobody'"),
        (["experiment", "table11", "nobody"], "there is no pair 'nobody'; known are: mnist,"),
        (["train", "mnist_cnn-clean", "--set", "dataset=cifar10"], "cannot learn cifar10: it"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_exit_code_1(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    assert run(monkeypatch, *arguments) == 1
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1


def test_wrong_usage_is_exit_code_2(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, "train") == 2


def test_command_on_a_card_gives_its_recipe_again() -> None:
    base = find_recipe("mnist_cnn-mult-1.0")
    assert train_command(base) == "noisevote-train train mnist_cnn-mult-1.0"
    varied = vary(base, {"schedule.epochs": 4, "hardening.sigma_train": 0.8})
    assert train_command(varied).endswith("mnist_cnn-mult-1.0 --sigma-train 0.8 --epochs 4")
