"""Results on disk: written, read back, and never taken for those of another evaluation."""

from pathlib import Path

import pytest

from models.errors import DataError
from models.noise import NoiseKind
from training.results_file import accuracy_of, read_results, results_so_far, write_results

ACCURACIES = [accuracy_of(NoiseKind.ADDITIVE, 0.5, votes, 90 + votes, 100) for votes in (1, 3)]
ABOUT = {"checkpoint": "c", "split": "test, 4 images, seed 0", "noise": "additive", "votes": "3"}


def test_written_results_are_read_back(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    assert results_so_far(path, ABOUT) == []
    write_results(path, ACCURACIES, ABOUT)
    assert results_so_far(path, ABOUT) == ACCURACIES
    assert read_results(path).about == ABOUT


@pytest.mark.parametrize("key", list(ABOUT))
def test_results_of_another_evaluation_are_refused(tmp_path: Path, key: str) -> None:
    write_results(tmp_path / "results.csv", [], ABOUT | {key: "other"})
    with pytest.raises(DataError, match=f"another evaluation \\({key}"):
        results_so_far(tmp_path / "results.csv", ABOUT)


def test_file_that_holds_no_results_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    write_results(path, [], ABOUT)
    path.write_text(path.read_text() + "additive,loud\n")
    with pytest.raises(DataError, match="is not a results file"):
        read_results(path)
