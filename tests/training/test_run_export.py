"""A finished run in its place: what was measured of other weights is not lost unasked."""

from pathlib import Path

import pytest
from rich.console import Console

from models.card import Evaluation
from models.checkpoint import Checkpoint
from models.datasets import Dataset
from models.errors import ExportError, TrainingError
from tests.training.test_cli import run
from training.export import write_card
from training.loop import fit
from training.recipes import Recipe
from training.run_export import ExportPlan, export_run
from training.variation import vary

quiet = Console(quiet=True)
EVALUATION = Evaluation(split="test", seed=0, noise_scheme="any", command="any", accuracies=())


@pytest.fixture(scope="module")
def runs(recipe: Recipe, dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two finished runs, which differ in their seed."""
    folder = tmp_path_factory.mktemp("runs")
    for seed in (1, 2):
        short = vary(recipe, {"schedule.epochs": 1, "validation_images": 16, "seed": seed})
        fit(short, dataset.train.first(208), folder / str(seed), quiet)
    return folder


def test_same_weights_keep_what_was_measured_and_others_replace_them_only_if_told(
    runs: Path, dataset: Dataset, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = ExportPlan(tmp_path / "small", parity_images=8)
    lines = export_run(runs / "1", dataset, plan)
    assert [line.split(" votes")[0] for line in lines] == [
        "multiplicative: 8 of 8",
        "additive: 8 of 8",
    ]
    first = Checkpoint(plan.folder)
    assert first.card.training.devices == ("cpu",)
    write_card(first.card.model_copy(update={"evaluations": (EVALUATION,)}), plan.folder)

    export_run(runs / "1", dataset, plan)
    again = Checkpoint(plan.folder)
    assert again.fingerprint == first.fingerprint
    assert again.card.evaluations == (EVALUATION,)

    message = r"other weights; .* lost: evaluations \(1\), thresholds \(0\), .* or give --replace"
    with pytest.raises(ExportError, match=message):
        export_run(runs / "2", dataset, plan)
    kept = Checkpoint(plan.folder)
    assert kept.card == again.card
    kept.verified()
    assert [path.name for path in tmp_path.iterdir()] == ["small"]

    place = ["--data-dir", str(data), "--allow-unknown-data", "--checkpoints", str(tmp_path)]
    assert run(monkeypatch, "export", str(runs / "2"), "--name", "small", "--replace", *place) == 0
    replaced = Checkpoint(plan.folder)
    assert replaced.fingerprint != first.fingerprint
    assert replaced.card.evaluations == ()
    replaced.verified()


def test_unfinished_run_is_not_exported(recipe: Recipe, dataset: Dataset, tmp_path: Path) -> None:
    fit(recipe, dataset.train, tmp_path / "run", quiet, minutes=0)
    with pytest.raises(TrainingError, match=r"has done 0 of 2 epochs; go on with: .* --run "):
        export_run(tmp_path / "run", dataset, ExportPlan(tmp_path / "small"))
