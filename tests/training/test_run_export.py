"""A finished run in its place: what was measured of other weights is not lost unasked."""

import shutil
from pathlib import Path

import pytest
from rich.console import Console

from noisevote.models.checkpoint import Checkpoint
from noisevote.models.data.dataset import LoadedDataset
from noisevote.models.errors import ExportError, TrainingError
from noisevote.models.measured import Evaluation
from noisevote.training.export.card_file import write_card
from noisevote.training.export.run import ExportPlan, export_run, keep_measured
from noisevote.training.fit.loop import fit
from noisevote.training.fit.sources import finished_run
from noisevote.training.fit.state import read_state
from noisevote.training.recipes.recipe import Recipe
from noisevote.training.recipes.vary import vary
from tests.training.support import run

quiet = Console(quiet=True)
EVALUATION = Evaluation(split="test", seed=0, noise_scheme="any", command="any", accuracies=())


@pytest.fixture(scope="module")
def finished(
    recipe: Recipe, dataset: LoadedDataset, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The folder of a finished run."""
    folder = tmp_path_factory.mktemp("run")
    short = vary(recipe, {"schedule.epochs": 1, "validation_images": 16})
    fit(short, dataset.train.first(208), folder, quiet)
    return folder


@pytest.fixture(scope="module")
def exported(
    finished: Path, dataset: LoadedDataset, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The folder of its checkpoint."""
    folder = tmp_path_factory.mktemp("checkpoints") / "small"
    lines = export_run(finished_run(finished), dataset, ExportPlan(folder, parity_images=8))
    found = [line.split(" votes")[0] for line in lines]
    assert found == ["multiplicative: 8 of 8", "additive: 8 of 8"]
    return folder


def with_card(folder: Path, to: Path, **fields: object) -> Checkpoint:
    """A copy of a checkpoint with other fields on its card."""
    shutil.copytree(folder, to)
    write_card(Checkpoint(to).card.model_copy(update=fields), to)
    return Checkpoint(to)


def other_digests(folder: Path) -> dict[str, str]:
    return dict.fromkeys(Checkpoint(folder).card.digests, "0" * 64)


def test_exported_run_verifies_names_its_device_and_leaves_nothing_beside(
    exported: Path, finished: Path
) -> None:
    checkpoint = Checkpoint(exported)
    checkpoint.verified()
    assert checkpoint.card.trained.accelerators == tuple(read_state(finished)["devices"])
    assert [path.name for path in exported.parent.iterdir()] == ["small"]


def test_what_was_measured_of_the_same_weights_stays(exported: Path, tmp_path: Path) -> None:
    made = with_card(exported, tmp_path / "made" / "small")
    there = with_card(exported, tmp_path / "small", evaluations=(EVALUATION,))
    keep_measured(made.folder, ExportPlan(there.folder))
    assert Checkpoint(made.folder).card.evaluations == (EVALUATION,)


def test_other_weights_are_refused_with_what_would_be_lost(exported: Path, tmp_path: Path) -> None:
    made = with_card(exported, tmp_path / "made" / "small")
    measured = {"evaluations": (EVALUATION,), "digests": other_digests(exported)}
    there = with_card(exported, tmp_path / "small", **measured)
    message = r"other weights; .* lost: evaluations \(1\), thresholds \(0\), .* or give --replace"
    with pytest.raises(ExportError, match=message):
        keep_measured(made.folder, ExportPlan(there.folder))


def test_other_weights_are_replaced_if_told(
    finished: Path, exported: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = {"evaluations": (EVALUATION,), "digests": other_digests(exported)}
    there = with_card(exported, tmp_path / "small", **measured)
    place = ["--data-dir", str(data), "--allow-unknown-data", "--checkpoints", str(tmp_path)]
    assert run(monkeypatch, "export", str(finished), "--name", "small", "--replace", *place) == 0
    replaced = Checkpoint(there.folder)
    replaced.verified()
    assert replaced.card.evaluations == ()


def test_unfinished_run_is_not_exported(
    recipe: Recipe, dataset: LoadedDataset, tmp_path: Path
) -> None:
    fit(recipe, dataset.train, tmp_path / "run", quiet, minutes=0)
    with pytest.raises(TrainingError, match=r"has done 0 of 2 epochs; go on with: .* --run "):
        export_run(finished_run(tmp_path / "run"), dataset, ExportPlan(tmp_path / "small"))
