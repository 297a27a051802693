"""The results page stands on stored results, and the limit of one vote on its theory."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from noisevote.models.errors import InputError
from noisevote.models.noise import Noise, NoiseKind
from noisevote.models.study.folders import REPORT_JSON
from noisevote.training.cli.options import changed
from noisevote.training.experiments import EXPERIMENTS
from noisevote.training.experiments.experiment import Experiment
from noisevote.training.experiments.grid import COLUMNS, GridPlan
from noisevote.training.experiments.grid_results import read_grid
from noisevote.training.experiments.page import (
    FIGURES,
    PAGE,
    RESULTS,
    draw_figures,
    report,
)
from noisevote.training.experiments.studies import (
    SHIPPED_STUDIES,
    energy_figure,
    reports_in,
    study_sections,
)
from noisevote.training.measure.results import (
    ACCURACY_COLUMNS,
    ResultsFile,
    accuracy_of,
    accuracy_row,
    read_table,
    share,
)
from noisevote.training.recipes.vary import shown
from noisevote.training.report.limit import one_vote_limit
from noisevote.training.report.paper import SIGMAS
from noisevote.training.report.style import errors_of
from tests.training.support import run

ABOUT = {
    "command": "noisevote-train evaluate mnist_cnn-mult-1.0 --test",
    "checkpoint": "mnist_cnn-mult-1.0, print",
    "trained by": "noisevote-train train mnist_cnn-mult-1.0",
    "split": "test, 100 images, seed 0",
    "noise": "multiplicative",
    "votes": "20",
    "machine": "m",
    "libraries": "l",
}
GRID = "mnist_cnn-mult-grid"


def cells_of(page: str, begin: str) -> list[str]:
    """The cells of the only row that begins so."""
    (row,) = [line for line in page.splitlines() if line.startswith(begin)]
    return [cell.strip() for cell in row.strip("|").split("|")]


def write_grid(folder: Path, *more: tuple[str, int]) -> None:
    """A grid of two networks: the one that is better in validation is worse in the test."""
    for sigma_train, validation, test in ((0.0, 60, 70), (1.0, 80, 65)):
        about = ABOUT | {"command": f"noisevote-train experiment grid {GRID}"}
        file = ResultsFile(folder / "grid" / GRID / f"{shown(sigma_train)}.csv", about, COLUMNS)
        file.add(
            {"split": split, "sigma": sigma, "votes": votes, **share(correct, 100)}
            for split, correct in (("validation", validation), ("test", test), *more)
            for sigma in (0.0, 1.0, 1 / 20**0.5)
            for votes in (1, 20)
        )


def test_committed_page_is_what_the_stored_results_give() -> None:
    assert (RESULTS / PAGE).read_text() == report(RESULTS, SHIPPED_STUDIES)


def test_every_figure_of_the_committed_page_is_there_and_small() -> None:
    page = (RESULTS / PAGE).read_text()
    shown_figures = {part.split(".svg")[0] for part in page.split(f"]({FIGURES}/")[1:]}
    stored = {path.stem for path in (RESULTS / FIGURES).glob("*.svg")}
    assert shown_figures == stored
    for name in stored:
        assert (RESULTS / FIGURES / f"{name}.svg").stat().st_size < 150_000


def test_page_sets_one_checkpoint_beside_the_papers_envelope(tmp_path: Path) -> None:
    accuracies = [
        accuracy_of(Noise(NoiseKind.MULTIPLICATIVE, sigma), votes, correct, 100)
        for sigma, votes, correct in ((0.0, 1, 90), (1.0, 1, 80), (1.0, 20, 99))
    ]
    file = tmp_path / "evaluations" / "mnist_cnn-mult-1.0.csv"
    ResultsFile(file, ABOUT, ACCURACY_COLUMNS).add(accuracy_row(entry) for entry in accuracies)
    page = report(tmp_path, tmp_path)
    cells = cells_of(page, "| 1 | 0.0 |")
    assert cells[2:5] == ["21.1", "77.7 (1.0)", "80.00 [70.82, 87.33]"]
    assert cells[5:] == ["84.1", "99.5 (0.9)", "99.00 [94.55, 99.97]"]
    assert "sigma 0.2, 0.4, 0.6, 0.8 not measured" in page
    assert f"`{ABOUT['command']}`" in page


def test_best_of_a_grid_is_chosen_on_validation_and_reported_on_test(tmp_path: Path) -> None:
    write_grid(tmp_path)
    page = report(tmp_path, tmp_path)
    cells = cells_of(page, "| 1 | 0.0 |")
    low, high = (100 * float(share(65, 100)[key]) for key in ("low", "high"))
    ours = f"65.00 [{low:.2f}, {high:.2f}] (1)"
    assert cells[4:] == [
        "77.7 (1.0)", ours, f"{100 * one_vote_limit(1.0) * 0.65:.1f}", "99.5 (0.9)", ours, ours,
    ]  # fmt: skip
    assert cells[3].startswith("70.00")
    values = " ".join(f"--sigma-train {value:g}" for value in SIGMAS[1:-1])
    assert f"noisevote-train experiment grid {GRID} {values}" in page


def test_test_images_with_exact_pixels_have_a_table_of_their_own(tmp_path: Path) -> None:
    write_grid(tmp_path, ("exact_test", 55))
    page = report(tmp_path, tmp_path)
    assert "on official test images with exact pixels" in page
    cells = cells_of(page, "| 1 | 77.7 (1.0) | 55.00")
    assert cells[2].endswith("(1)")
    assert len(cells) == 5


def test_of_two_equals_in_validation_the_quieter_training_is_taken(tmp_path: Path) -> None:
    write_grid(tmp_path)
    path = tmp_path / "grid" / GRID / "1.0.csv"
    path.write_text(path.read_text().replace(",80,100,", ",60,100,").replace("0.8000", "0.6000"))
    grid = read_grid(tmp_path / "grid" / GRID)
    assert grid is not None
    best = grid.best(1.0, 20)
    assert best is not None
    assert best.sigma_train == 0.0


def test_missing_results_are_open_rows_with_the_command_that_fills_them(tmp_path: Path) -> None:
    page = report(tmp_path, tmp_path)
    for command in (
        "grid mnist_cnn-mult-grid", "grid mnist_cnn-add-grid", "grid densenet40-mult-grid",
        "grid stroke_lstm-mult-grid", "weights mnist_cnn-mult-grid", "votes mnist_cnn-mult-1.0",
    ):  # fmt: skip
        assert f"To fill: `noisevote-train experiment {command}`" in page
    assert "To fill: `noisevote-train study stroke_lstm-mult-1.0`" in page
    assert "To fill: `noisevote-train experiment quantisation mnist_cnn-qat4-learned-clean " in page


def test_figures_are_the_same_byte_for_byte(tmp_path: Path) -> None:
    write_grid(tmp_path)
    names = draw_figures(tmp_path, SHIPPED_STUDIES, tmp_path / "one")
    assert names == draw_figures(tmp_path, SHIPPED_STUDIES, tmp_path / "two")
    assert names[:2] == [f"grid-{GRID}", "studies-mnist_cnn-mult-1.0"]
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_a_study_is_shown_as_it_reports_and_only_of_the_network_that_ships(tmp_path: Path) -> None:
    named = "mnist_cnn-mult-1.0"
    told = json.loads((SHIPPED_STUDIES / named / REPORT_JSON).read_text())
    of_others = {**told, "of": {**told["of"], "fingerprint": "that of other weights"}}
    unknown = {**told, "of": {**told["of"], "checkpoint": "nobody's"}}
    studies = {named: told, "stroke_lstm-mult-1.0": of_others, "unknown": unknown}
    for name, content in studies.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / REPORT_JSON).write_text(json.dumps(content))
    (tmp_path / "begun").mkdir()
    assert list(reports_in(tmp_path)) == [named]
    page = "\n".join(study_sections(tmp_path))
    assert told["answers"]["At what cost?"] in page
    for table in ("front", "layers"):
        for cells in told["tables"][table]["shown"]["cells"]:
            assert " | ".join(cells) in page
    for name in ("stroke_lstm-mult-1.0", "densenet40-mult-1.0"):
        assert f"To fill: `noisevote-train study {name}`" in page
    (axes,) = energy_figure(told).axes
    labels = axes.get_legend_handles_labels()[1]
    assert labels == [
        "votes alone", "one vote, every layer read as often", "best of votes, rules and reads",
    ]  # fmt: skip
    votes = told["tables"]["votes"]["rows"]
    drawn = axes.lines[0].get_xydata()
    wrong = [100 * (1 - row["accuracy"]["value"]) for row in votes]
    assert drawn == pytest.approx(np.transpose([[row["energy"] for row in votes], wrong]))


@pytest.mark.parametrize("name", ["votes", "voted_images", "images"])
def test_options_of_an_experiment_are_checked(name: str) -> None:
    with pytest.raises(
        InputError, match=f"{name} is 0: Input should be greater than or equal to 1"
    ):
        changed(GridPlan(), {name: 0})


def test_errors_in_figures_are_the_shares_that_are_not_right() -> None:
    rows = [share(90, 100), share(100, 100)]
    errors, intervals = errors_of(rows)
    assert errors.tolist() == pytest.approx([10, 0.5])
    low, high = (100 * (1 - float(rows[0][key])) for key in ("high", "low"))
    assert intervals[:, 0] == pytest.approx([10 - low, high - 10])
    assert (intervals >= 0).all()


def test_stored_evaluations_hold_what_they_say() -> None:
    for path in RESULTS.rglob("*.csv"):
        about = read_table(path).about
        assert about["command"].startswith("noisevote-train ")
        assert not any(part.startswith("/") for part in about["command"].split())


@pytest.mark.parametrize(
    ("sigma", "limit"), [(0.0, 1.0), (0.4, 0.998), (0.6, 0.955), (0.8, 0.894), (1.0, 0.841)]
)
def test_limit_of_one_vote_is_the_known_one(sigma: float, limit: float) -> None:
    assert one_vote_limit(sigma) == pytest.approx(limit, abs=6e-4)


def test_no_outputs_beat_the_limit() -> None:
    # Random outputs with the right class largest, 20,000 draws each; a chance above the limit by
    # five standard errors of 0.0026 would have a probability below 1e-6.
    generator = np.random.default_rng(0)
    for _ in range(30):
        outputs = generator.normal(size=10) * generator.uniform(0, 1)
        outputs[0] = 1.0
        noisy = outputs * (1 + generator.normal(size=(20_000, 10)))
        assert (noisy.argmax(axis=1) == 0).mean() <= one_vote_limit(1.0) + 5 * 0.0026


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda experiment: experiment.name)
def test_every_experiment_is_a_command_with_its_options_and_a_section(
    experiment: Experiment[Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert run(monkeypatch, "experiment", experiment.name, "--help") == 0
    said = capsys.readouterr().out
    for name, field in type(experiment.plan).model_fields.items():
        assert f"--{name.replace('_', '-')} " in said
        assert field.description
    title, *others = experiment.section(tmp_path)
    assert title.startswith("## ")
    assert experiment.name == "quantisation" or any("*Open:*" in part for part in others)
    assert not list(experiment.figures(tmp_path))


def test_no_two_experiments_share_a_name() -> None:
    assert len({experiment.name for experiment in EXPERIMENTS}) == len(EXPERIMENTS)
