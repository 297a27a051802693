"""Table 11, from its command to its raw results, on made-up data."""

from pathlib import Path

import numpy as np
import pytest

from noisevote.models.robustness.ball import Ball, Norm
from noisevote.training.experiments.page import report
from noisevote.training.experiments.table11 import PAIRS, lines_of, verdicts
from noisevote.training.measure.results import Table, read_table
from tests.training.support import Smoke

OTHERS = ("--surrogate", "mnist_cnn-mult-grid", "--target", "mnist_cnn-mult-grid")
NAME = "mnist_cnn-mult-grid-mnist_cnn-mult-grid"


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Smoke:
    """A folder in which one small network was attacked with its own gradients."""
    smoke = Smoke(tmp_path_factory.mktemp("table11"))
    smoke.run("table11", "mnist", *OTHERS)
    return smoke


def test_all_that_is_shown_is_measured_at_every_sigma(smoke: Smoke) -> None:
    rows = smoke.table(f"table11/{NAME}").rows
    assert {(row["shown"], row["sigma"], row["answer"]) for row in rows} == {
        (shown, sigma, answer)
        for shown in ("submitted", "worst", "clean")
        for sigma in ("0", "0.5")
        for answer in ("one vote", "mode")
    }
    assert {row["images"] for row in rows} == {"16"}


def test_without_noise_runs_and_mode_are_one_and_the_worst_is_no_better(smoke: Smoke) -> None:
    table = smoke.table(f"table11/{NAME}")
    still = [row for row in table.rows if row["sigma"] == "0"]
    assert all(row["p_value"] == "1" for row in still)
    assert all(row["lowest"] == row["highest"] == row["accuracy"] for row in still)
    right = {row["shown"]: int(row["correct"]) for row in still}
    assert right["worst"] <= right["submitted"] <= right["clean"]
    noisy = [row for row in table.rows if row["sigma"] != "0"]
    assert all(
        float(r["lowest"]) <= float(r["mean_accuracy"]) <= float(r["highest"]) for r in noisy
    )


def test_examples_keep_to_the_ball_and_are_made_once(smoke: Smoke) -> None:
    folder = smoke.folder / "runs" / "table11" / "mnist_cnn-mult-grid-16"
    (path,) = folder.glob("*.npz")
    with np.load(path) as file:
        examples = file["examples"]
        losses = file["losses"]
    assert losses.shape == examples.shape[:2] == (2, 16)
    assert examples.min() >= 0
    assert examples.max() <= 1
    assert Ball(Norm.LINF, 0.6, 0.0, 1.0).holds(examples[0], examples[1])
    before = path.stat().st_mtime_ns
    results = smoke.folder / "results" / "table11" / f"{NAME}.csv"
    whole = results.read_text()
    smoke.run("table11", "mnist", *OTHERS)
    assert results.read_text() == whole
    results.write_text("".join(whole.splitlines(keepends=True)[:-6]))
    smoke.run("table11", "mnist", *OTHERS)
    assert results.read_text() == whole
    assert path.stat().st_mtime_ns == before


def test_page_says_what_noise_does_to_the_target_and_names_the_attack(smoke: Smoke) -> None:
    results = smoke.folder / "results"
    table = results / "table11" / f"{NAME}.csv"
    whole = table.read_text()
    (results / "table11" / "madry_cnn-adv-mnist_cnn-adv.csv").write_text(whole)
    page = report(results, results / "studies")
    assert "Attack: L-inf 0.3" in page
    assert "Paper, one vote: 97.40, 97.79, 97.90, 97.71, 97.00" in page
    assert "To fill: `noisevote-train experiment table11 cifar10`" in page


@pytest.mark.parametrize(
    ("p_value", "with_noise", "without", "verdict"),
    [
        ("0.5", "3", "1", ("1", "no difference shown")),
        ("0.006", "30", "1", ("0.012", "no difference shown")),
        ("0.001", "30", "1", ("0.002", "helps")),
        ("0.001", "1", "30", ("0.002", "harms")),
    ],
)
def test_verdict_on_the_noise_allows_for_all_sigmas_of_the_table(
    p_value: str, with_noise: str, without: str, verdict: tuple[str, str]
) -> None:
    row = {"shown": "submitted", "answer": "mode", "right_only_with_noise": with_noise}
    row["right_only_without"] = without
    noisy = [row | {"sigma": sigma, "p_value": p} for sigma, p in (("0.1", p_value), ("0.2", "1"))]
    table = Table({}, [row | {"sigma": "0", "p_value": "1"}, *noisy])
    found = verdicts(table, "mode")
    assert found["0.1"] == verdict
    assert found["0"] == ("-", "-")


def test_papers_rows_stand_below_ours(smoke: Smoke) -> None:
    path: Path = smoke.folder / "results" / "table11" / f"{NAME}.csv"
    lines = list(lines_of(read_table(path).rows, PAIRS["mnist"]))
    assert [line[2] for line in lines[-5:]] == ["97.40", "97.79", "97.90", "97.71", "97.00"]
    assert len(lines) == 8 + 5
