"""The results page stands on stored results, and the limit of one vote on its theory."""

from pathlib import Path

import numpy as np
import pytest

from models.noise import NoiseKind
from training.limit import one_vote_limit
from training.noise_setting import NoiseSetting
from training.report.page import PAGE, RESULTS, report
from training.results_file import ACCURACY_COLUMNS, ResultsFile, accuracy_of, accuracy_row

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


def test_committed_page_is_what_the_stored_results_give() -> None:
    assert (RESULTS / PAGE).read_text() == report(RESULTS)


def test_page_sets_paper_ours_and_limit_side_by_side_with_their_command(tmp_path: Path) -> None:
    accuracies = [
        accuracy_of(NoiseSetting(NoiseKind.MULTIPLICATIVE, sigma), votes, correct, 100)
        for sigma, votes, correct in ((0.0, 1, 90), (1.0, 1, 80), (1.0, 20, 99))
    ]
    file = tmp_path / "evaluations" / "mnist_cnn-mult-1.0.csv"
    ResultsFile(file, ABOUT, ACCURACY_COLUMNS).add(accuracy_row(entry) for entry in accuracies)
    page = report(tmp_path)
    (row,) = [line for line in page.splitlines() if line.startswith("| 1 | 0.0 |")]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[2:6] == ["21.1", "-", "77.7 (1.0)", "80.00 [70.82, 87.33]"]
    assert cells[6:9] == ["84.1", "99.5 (0.9)", "99.00 [94.55, 99.97]"]
    assert f"`{ABOUT['command']}`" in page


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
