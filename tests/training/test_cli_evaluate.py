"""The command ``evaluate``: sigma and repeats by noise point, files that go on, cards."""

import shutil
from pathlib import Path

import pytest

from noisevote.models.checkpoint import SHIPPED, CheckpointStore
from noisevote.training.measure.results import accuracies_in, read_table
from tests.training.support import run

NAME = "mnist_cnn-mult-1.0"


def arguments(data: Path, *more: str) -> list[str]:
    place = ["--data-dir", str(data), "--allow-unknown-data", "--threads", "1"]
    return ["evaluate", NAME, "--test", "--images", "6", "--votes", "3", *place, *more]


def test_sigma_and_repeats_by_noise_point_stand_in_the_file(
    monkeypatch: pytest.MonkeyPatch, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    csv = tmp_path / "results.csv"
    noise = ["--sigma", "fc1=0.5,fc2=1", "--sigma", "1", "--repeats", "fc2=20"]
    assert run(monkeypatch, *arguments(data, *noise, "--output", str(csv))) == 0
    assert "fc1=0.5;fc2=1" in capsys.readouterr().out
    entries = accuracies_in(csv, read_table(csv).rows)
    assert [(e.sigma, e.repeats, e.votes) for e in entries] == [
        (sigma, {"fc2": 20}, votes)
        for sigma in ({"fc1": 0.5, "fc2": 1.0}, 1.0)
        for votes in (1, 2, 3)
    ]
    command = read_table(csv).about["command"]
    assert command == (
        f"noisevote-train evaluate {NAME} --test --images 6 --votes 3 --allow-unknown-data "
        "--sigma fc1=0.5,fc2=1 --sigma 1 --repeats fc2=20"
    )


def test_evaluation_goes_on_with_what_its_file_lacks(
    monkeypatch: pytest.MonkeyPatch, data: Path, tmp_path: Path
) -> None:
    csv = tmp_path / "results.csv"
    output = ["--output", str(csv)]
    assert run(monkeypatch, *arguments(data, "--sigma", "0.5", *output)) == 0
    first = read_table(csv).rows
    assert run(monkeypatch, *arguments(data, "--sigma", "0.5", "--sigma", "1", *output)) == 0
    rows = read_table(csv).rows
    assert rows[: len(first)] == first
    assert [row["sigma"] for row in rows] == ["0.5"] * 3 + ["1"] * 3


def test_card_keeps_what_repeats_reach_beside_plain_votes(
    monkeypatch: pytest.MonkeyPatch, data: Path, tmp_path: Path
) -> None:
    shutil.copytree(SHIPPED / NAME, tmp_path / NAME)
    here = ["--checkpoints", str(tmp_path), "--card", "--sigma", "1"]
    assert run(monkeypatch, *arguments(data, *here)) == 0
    assert run(monkeypatch, *arguments(data, *here, "--repeats", "fc2=20")) == 0
    assert run(monkeypatch, *arguments(data, *here, "--repeats", "fc2=20")) == 0
    evaluations = CheckpointStore(tmp_path).find(NAME).card.evaluations
    before = CheckpointStore(SHIPPED).find(NAME).card.evaluations
    added = [entry for entry in evaluations if entry not in before]
    assert {entry.accuracies[0].repeats.get("fc2") for entry in added} == {None, 20}


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (["--sigma", "loud"], "'loud' is no sigma"),
        (["--repeats", "fc2=0"], "each must be at least 1"),
        (["--repeats", "fc9=2"], "'fc9' is no noise point; there are: conv1, conv2"),
        (["--sigma", "gates=1"], "'gates' is no noise point"),
    ],
)
def test_noise_that_cannot_be_is_one_line_and_exit_code_1(
    monkeypatch: pytest.MonkeyPatch,
    data: Path,
    capsys: pytest.CaptureFixture[str],
    option: list[str],
    message: str,
) -> None:
    assert run(monkeypatch, *arguments(data, *option)) == 1
    assert message in capsys.readouterr().err
