"""The command ``study``: what it measures is what the service answers, wherever it is measured."""

import csv
import json
import shutil
import signal
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from noisevote.models.checkpoint import Checkpoint
from noisevote.models.data.datasets import load_dataset
from noisevote.models.errors import DataError
from noisevote.models.noise import Noise, NoiseKind, VoteKey
from noisevote.models.runtime import Rows, votes_of
from noisevote.models.study.cells import Half, OnNoise
from noisevote.models.study.seeds import request_seed, seed_of
from noisevote.models.study.store import STORE_FILE, StudyStore
from tests.training.study.support import (
    NAME,
    arguments,
    begun,
    classifier,
    first_votes_right,
    measured,
    report,
    same,
)
from tests.training.support import run


def test_votes_of_a_cell_are_those_of_requests_with_its_seeds(
    theirs: Checkpoint, finished: Path
) -> None:
    store = StudyStore(finished)
    test = load_dataset("digits", Path("nowhere")).test
    numbers = store.numbers(Half.REPORT)
    found = next(
        of for of in store.measured()
        if of.cell.half is Half.REPORT and of.cell.sigma == 0.5 and of.cell.seed == 1
        and not of.cell.condition.repeats
    )  # fmt: skip
    places = np.arange(found.cell.samples) * len(numbers) // found.cell.samples
    runtime = theirs.runtime(NoiseKind.MULTIPLICATIVE)
    for row, number in list(enumerate(numbers[places].tolist()))[:5]:
        seed = request_seed(seed_of(0, Half.REPORT, 1), number)
        outputs = runtime.outputs(
            Rows(
                inputs={"x": test.inputs[number : number + 1].astype(np.float32)},
                input_of_row=np.zeros(10, np.int64),
                sigma=np.full((10, 1), 0.5),
                keys=[VoteKey(seed, 0, vote) for vote in range(10)],
            )
        )
        assert votes_of(outputs).tolist() == found.fell_on[row].tolist()


def test_settings_are_chosen_on_one_half_and_reported_on_the_other(finished: Path) -> None:
    store = StudyStore(finished)
    halves = {half: set(store.numbers(half).tolist()) for half in Half}
    assert not halves[Half.CHOICE] & halves[Half.REPORT]
    assert store.head.choice_samples + store.head.report_samples == 899
    bases = {of.cell.half: seed_of(0, of.cell.half, of.cell.seed) for of in store.measured()}
    assert len(set(bases.values())) == 2


def test_the_first_screen_answers_three_questions_with_interval_and_n(finished: Path) -> None:
    answers = report(finished)["answers"]
    assert list(answers) == ["How much noise?", "How many votes?", "At what cost?"]
    for answer in answers.values():
        assert "%" in answer
        assert "[" in answer
    assert "n = " in answers["How much noise?"]
    page = (finished / "report.html").read_text()
    assert page.index("How much noise?") < page.index("Not measured") < page.index("<svg")


def test_the_figures_of_the_report_are_those_of_the_recorded_votes(finished: Path) -> None:
    store = StudyStore(finished)
    labels = store.labels(Half.REPORT)
    runs = [
        of for of in store.measured()
        if of.cell.half is Half.REPORT and of.cell.sigma == 0.5 and not of.cell.condition.repeats
    ]  # fmt: skip
    own = labels[np.arange(runs[0].cell.samples) * len(labels) // runs[0].cell.samples]
    expected = np.mean([(of.fell_on[:, 0] == own).mean() for of in runs])
    (row,) = [
        row for row in report(finished)["tables"]["sweep"]["rows"]
        if row["condition"] == 0.5 and row["votes"] == 1
    ]  # fmt: skip
    assert row["accuracy"]["value"] == pytest.approx(expected)
    assert row["accuracy"]["low"] < expected < row["accuracy"]["high"]
    assert row["runs"] == 2


def test_the_recommended_request_is_one_that_the_service_takes(finished: Path) -> None:
    body = report(finished)["recommended"]
    assert body["checkpoint"] == NAME
    assert body["votes"] >= 1
    with (finished / "options.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert any(int(row["votes"]) == body["votes"] for row in rows)


def test_a_study_goes_on_where_it_was_and_measures_nothing_again(
    monkeypatch: pytest.MonkeyPatch, theirs: Checkpoint, finished: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "study"
    shutil.copytree(finished, folder)
    with sqlite3.connect(folder / STORE_FILE) as connection:
        gone = [key for (key,) in connection.execute("SELECT key FROM cells ORDER BY key")][::3]
        connection.executemany("DELETE FROM cells WHERE key = ?", [(key,) for key in gone])
        connection.execute("UPDATE cells SET machine = 'before'")
    assert run(monkeypatch, *arguments(theirs, folder, "--processes", "1")) == 0
    assert same(folder, finished)
    with sqlite3.connect(folder / STORE_FILE) as connection:
        anew = connection.execute("SELECT count(*) FROM cells WHERE machine != 'before'")
        assert anew.fetchone() == (len(gone),)


@pytest.mark.slow
def test_killed_at_random_and_run_twice_at_once_it_ends_with_the_same_numbers(
    theirs: Checkpoint, finished: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "study"
    generator = np.random.default_rng(0)
    for _ in range(5):
        process = begun(theirs, folder)
        cells = int(generator.integers(1, 12))
        while process.poll() is None and cells_in(folder) < cells:
            pass
        process.send_signal(signal.SIGKILL)
        process.wait()
    both = [begun(theirs, folder), begun(theirs, folder)]
    assert [process.wait() for process in both] == [0, 0]
    assert same(folder, finished)


def cells_in(folder: Path) -> int:
    """Cells that a study has so far."""
    store = StudyStore(folder)
    try:
        return len(store.keys()) if store.exists else 0
    except DataError:  # its tables are being made
        return 0


@pytest.mark.slow
def test_on_ray_the_numbers_are_the_same(
    monkeypatch: pytest.MonkeyPatch, theirs: Checkpoint, finished: Path, tmp_path: Path
) -> None:
    pytest.importorskip("ray")
    assert run(monkeypatch, *arguments(theirs, tmp_path / "study", "--on", "ray")) == 0
    assert same(tmp_path / "study", finished)


@pytest.mark.slow
def test_in_processes_side_by_side_the_numbers_are_the_same(
    monkeypatch: pytest.MonkeyPatch, theirs: Checkpoint, finished: Path, tmp_path: Path
) -> None:
    assert run(monkeypatch, *arguments(theirs, tmp_path / "study", "--processes", "2")) == 0
    assert same(tmp_path / "study", finished)


def test_a_single_vote_can_be_studied(
    monkeypatch: pytest.MonkeyPatch, theirs: Checkpoint, tmp_path: Path
) -> None:
    more = ("--votes", "1", "--seeds", "1", "--sigma", "0.5", "--processes", "1")
    assert run(monkeypatch, *arguments(theirs, tmp_path / "study", *more)) == 0
    found = StudyStore(tmp_path / "study").conclusions
    assert found is not None
    assert {of.option.votes for of in found.options} == {1}
    said = report(tmp_path / "study")["answers"]["How many votes?"]
    assert "More votes were not studied" in said
    assert "buy nothing" not in said  # they were not measured to be the same


def test_a_network_that_is_always_wrong_is_reported_as_that(
    monkeypatch: pytest.MonkeyPatch, theirs: Checkpoint, tmp_path: Path
) -> None:
    inputs = load_dataset("digits", Path("nowhere")).test.inputs[:120].astype(np.float32)
    silent = Rows(
        inputs={"x": inputs},
        input_of_row=np.arange(len(inputs)),
        sigma=np.zeros((len(inputs), 1)),
        keys=[VoteKey(0, number, 0) for number in range(len(inputs))],
    )
    answers = votes_of(theirs.runtime(NoiseKind.MULTIPLICATIVE).outputs(silent))
    np.savez(tmp_path / "wrong.npz", inputs=inputs, labels=(answers + 1) % 10)
    wrong = ("--samples", str(tmp_path / "wrong.npz"), "--processes", "1")
    assert run(monkeypatch, *arguments(theirs, tmp_path / "study", *wrong)) == 0
    assert "without noise, 0.0 %" in report(tmp_path / "study")["answers"]["How much noise?"]


def test_a_conclusion_that_was_damaged_is_drawn_again(
    monkeypatch: pytest.MonkeyPatch, theirs: Checkpoint, finished: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "named [/b]"  # which the console must not take for its markup
    shutil.copytree(finished, folder)
    before = StudyStore(folder).conclusions
    with sqlite3.connect(folder / STORE_FILE) as connection:
        connection.execute("UPDATE conclusions SET content = substr(content, 1, 900)")
    with pytest.raises(DataError, match="damaged"):
        assert StudyStore(folder).conclusions
    assert run(monkeypatch, *arguments(theirs, folder, "--processes", "1")) == 0
    assert StudyStore(folder).conclusions == before


def test_two_studies_are_compared_pair_by_pair(
    monkeypatch: pytest.MonkeyPatch, finished: Path, tmp_path: Path
) -> None:
    assert run(monkeypatch, "study", "--compare", str(finished), str(finished),
               "--output", str(tmp_path)) == 0  # fmt: skip
    page = tmp_path / f"compare-{finished.name}-{finished.name}.html"
    assert "No difference is shown" in page.read_text()


def test_studies_with_other_questions_are_compared_under_the_same_noise(
    monkeypatch: pytest.MonkeyPatch, theirs: Checkpoint, finished: Path, tmp_path: Path
) -> None:
    more = ("--processes", "1", "--sigma", "0.5", "--at", "0.2")
    assert run(monkeypatch, *arguments(theirs, tmp_path / "study", *more)) == 0
    assert run(monkeypatch, "study", "--compare", str(finished), str(tmp_path / "study"),
               "--output", str(tmp_path)) == 0  # fmt: skip
    told = json.loads((tmp_path / f"compare-{finished.name}-study.json").read_text())
    (table,) = told["tables"].values()
    assert all(row["condition"] == row["of_second"] for row in table["rows"])
    assert {row["condition"] for row in table["rows"]} == {0.0, 0.2, 0.5}
    assert "only the first has sigma 0.1" in told["not_measured"][0]


def test_a_network_that_learnt_from_less_is_shown_to_be_worse(
    monkeypatch: pytest.MonkeyPatch, finished: Path, tmp_path: Path
) -> None:
    worse = classifier(tmp_path / "worse", taught=40)
    more = ("--processes", "1", "--sigma", "0.25", "--sigma", "0.5")
    assert run(monkeypatch, *arguments(worse, tmp_path / "study", *more)) == 0
    assert run(monkeypatch, "study", "--compare", str(finished), str(tmp_path / "study"),
               "--output", str(tmp_path)) == 0  # fmt: skip
    told = json.loads((tmp_path / f"compare-{finished.name}-study.json").read_text())
    (table,) = told["tables"].values()
    rows = table["rows"]
    assert {(row["condition"], row["votes"]) for row in rows} >= {(0, 1), (0.5, 1), (0.5, 5)}
    (row,) = (row for row in rows if (row["condition"], row["votes"]) == (0.5, 1))
    theirs, ours = (first_votes_right(of, sigma=0.5) for of in (finished, tmp_path / "study"))
    both = sorted(ours.keys() & theirs.keys())
    first, second = (np.mean([of[number] for number in both]) for of in (theirs, ours))
    assert row["samples"] == len(both) < len(ours)
    assert row["first"] == pytest.approx(first)
    assert row["second"] == pytest.approx(second)
    assert row["gain"]["low"] <= second - first <= row["gain"]["high"] < 0
    assert f"study is better in 0 and worse in {len(rows)}" in told["answers"]["Which is better?"]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--seeds", "9"], "another study"),
        (["--budget", "soon"], "is no budget"),
        (["--device", "pcm-hermes-2t"], "has no graphs for devices"),
        (["--tolerance", "2"], "tolerance"),
        (["--test", "nowhere.csv"], "nowhere.csv"),
    ],
    ids=lambda of: of[0] if isinstance(of, list) else "",
)
def test_what_cannot_be_studied_is_said_in_one_line(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    theirs: Checkpoint,
    finished: Path,
    more: list[str],
    said: str,
) -> None:
    assert run(monkeypatch, *arguments(theirs, finished, *more)) == 1
    assert said in capsys.readouterr().err


def test_sigmas_and_kinds_of_the_cells_are_what_was_asked_for(finished: Path) -> None:
    at = [of.cell.condition.at for of in StudyStore(finished).measured()]
    sigmas = {of.sigma for of in at if isinstance(of, OnNoise) and isinstance(of.sigma, float)}
    assert sigmas == {round(0.1 * step, 1) for step in range(11)}
    assert measured(finished)
    assert Noise(NoiseKind.MULTIPLICATIVE, 1.0).text
