"""Raw results are read back, go on where they were, and are never taken for others."""

from pathlib import Path

import numpy as np
import pytest

from noisevote.models.errors import DataError, InputError
from noisevote.models.noise import Noise, NoiseKind
from noisevote.models.noise_setting import parse_repeats, parse_sigma, shown_sigma
from noisevote.training.measure.results import (
    ACCURACY_COLUMNS,
    ResultsFile,
    accuracies_in,
    accuracy_of,
    accuracy_row,
    paired,
    read_table,
)
from tests.disk import held_elsewhere

SETTINGS = [
    Noise(NoiseKind.ADDITIVE, 0.5),
    Noise(NoiseKind.ADDITIVE, {"fc1": 0.25, "fc2": 1.0}, {"fc2": 20}),
]
ACCURACIES = [accuracy_of(noise, votes, 90 + votes, 100) for noise in SETTINGS for votes in (1, 3)]
ABOUT = {"checkpoint": "c", "split": "test, 4 images, seed 0", "noise": "additive", "votes": "3"}


def test_accuracies_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "results.csv"
    ResultsFile(path, ABOUT, ACCURACY_COLUMNS).add(accuracy_row(entry) for entry in ACCURACIES)
    table = read_table(path)
    assert accuracies_in(path, table.rows) == ACCURACIES
    assert table.about == ABOUT


def test_rows_of_an_interrupted_experiment_are_there_when_it_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    first = ResultsFile(path, ABOUT | {"command": "a"}, ("sigma", "correct"))
    first.add([{"sigma": 0.1, "correct": 7}, {"sigma": 0.2, "correct": 8}])
    again = ResultsFile(path, ABOUT | {"command": "b"}, ("sigma", "correct"))
    assert again.having(sigma=0.2) == [{"sigma": "0.2", "correct": "8"}]
    assert again.having(sigma=0.3) == []
    again.drop(sigma=0.2)
    again.add([{"sigma": 0.3, "correct": 9}])
    assert [row["sigma"] for row in read_table(path).rows] == ["0.1", "0.3"]
    assert read_table(path).about["command"] == "a; then b"
    ResultsFile(path, ABOUT | {"command": "a"}, ("sigma", "correct")).add([])
    assert read_table(path).about["command"] == "a; then b"


@pytest.mark.parametrize("key", list(ABOUT))
def test_results_of_another_evaluation_are_refused(tmp_path: Path, key: str) -> None:
    path = tmp_path / "results.csv"
    ResultsFile(path, ABOUT | {key: "other"}, ("sigma",)).add([{"sigma": 1}])
    with pytest.raises(DataError, match=f"another evaluation \\({key}"):
        ResultsFile(path, ABOUT, ("sigma",))


def test_a_second_process_is_told_at_once_that_the_file_is_being_written(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    with held_elsewhere(path), pytest.raises(DataError, match="another process writes"):
        ResultsFile(path, ABOUT, ("sigma",))


@pytest.mark.parametrize("place", ["a file/results.csv", "/proc/none/results.csv"])
def test_a_file_that_cannot_be_written_is_refused_before_anything_is_measured(
    tmp_path: Path, place: str
) -> None:
    (tmp_path / "a file").touch()
    with pytest.raises(DataError, match="cannot be written"):
        ResultsFile(tmp_path / place, ABOUT, ("sigma",))


@pytest.mark.parametrize("line", ["additive,loud", "loud,0.5,,3,93,100,,,", "additive,x,,3,9,9,,,"])
def test_file_that_holds_no_results_is_refused(tmp_path: Path, line: str) -> None:
    path = tmp_path / "results.csv"
    ResultsFile(path, ABOUT, ACCURACY_COLUMNS).add([])
    path.write_text(f"{path.read_text()}{line}\n")
    with pytest.raises(DataError, match="is not a results file"):
        accuracies_in(path, read_table(path).rows)


def test_sigma_and_repeats_are_read_as_they_are_shown() -> None:
    for noise in SETTINGS:
        assert parse_sigma(shown_sigma(noise.sigma)) == noise.sigma
    assert parse_repeats("fc1=4, fc2=20") == {"fc1": 4, "fc2": 20}


@pytest.mark.parametrize("text", ["loud", "fc1=x", "fc1=1;fc2", "-1", "fc1=-1", "nan", "inf"])
def test_what_is_no_sigma_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="sigma"):
        parse_sigma(text)


@pytest.mark.parametrize("text", ["fc1", "fc1=0", "fc1=1.5"])
def test_what_are_no_repeats_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="repeats"):
        parse_repeats(text)


def test_interval_of_a_paired_difference_narrows_where_images_agree() -> None:
    generator = np.random.default_rng(1)
    one = generator.random(1000) < 0.9
    same = paired(one, one)
    other = paired(one, generator.random(1000) < 0.9)
    assert same["difference"] == 0.0

    def width(row: dict[str, object]) -> float:
        low, high = row["difference_low"], row["difference_high"]
        assert isinstance(low, float)
        assert isinstance(high, float)
        assert low <= high
        return high - low

    assert width(same) < width(other) / 5
