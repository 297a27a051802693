"""Pen strokes: de Jong's archive, and drawings brought into the form of its sequences."""

import io
import math
import tarfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from noisevote.models.data.datasets import load_dataset
from noisevote.models.data.stroke_archive import read_stroke_archive
from noisevote.models.errors import DataError, InputError
from noisevote.models.inputs.strokes import (
    GRID,
    MAX_POINTS,
    SPAN,
    STEPS,
    sequence_from_strokes,
    thinned,
    tour,
)
from tests.drawing import DIGITS

TWO_STROKES = "3 4 0 0\n1 0 0 0\n0 0 1 0\n5 -2 0 0\n0 0 1 1\n"
LONG = "1 1 0 0\n" + "0 1 0 0\n" * 60 + "0 0 1 1\n"


def files_of(digits: Sequence[str]) -> dict[str, str]:
    """The archive's files; the same digits to train and to test."""
    files = {}
    for split in ("train", "test"):
        files[f"sequences/{split}labels.txt"] = "".join(f"{i}\n" for i in range(len(digits)))
        for number, rows in enumerate(digits):
            files[f"sequences/{split}img-{number}-inputdata.txt"] = rows
    return files


def write_archive(path: Path, files: dict[str, str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    return path


def positions(sequence: NDArray[np.float32]) -> list[tuple[int, int]]:
    """Column and row of the pen points of a sequence without zero steps."""
    steps = sequence[np.abs(sequence).sum(axis=1) > 0].astype(int)
    return [(column, row) for column, row in np.cumsum(steps, axis=0).tolist()]


def test_steps_are_read_without_the_rows_that_end_strokes(tmp_path: Path) -> None:
    archive = read_stroke_archive(write_archive(tmp_path / "a.tar.gz", files_of([TWO_STROKES])))
    sequence = archive.examples["train"].inputs[0]
    assert sequence.dtype == np.float32
    assert sequence[:4].tolist() == [[3, 4], [1, 0], [5, -2], [0, 0]]
    assert not sequence[4:].any()


def test_only_the_first_points_of_a_long_drawing_are_read(tmp_path: Path) -> None:
    digits = [TWO_STROKES, LONG, TWO_STROKES]
    archive = read_stroke_archive(write_archive(tmp_path / "a.tar.gz", files_of(digits)))
    assert archive.examples["test"].inputs.shape == (3, STEPS, 2)
    assert archive.examples["test"].inputs[1].tolist() == [[1, 1]] + [[0, 1]] * (STEPS - 1)
    np.testing.assert_array_equal(*archive.examples["test"].inputs[[0, 2]])
    assert archive.examples["test"].labels.tolist() == [0, 1, 2]


def test_digest_depends_on_the_contents_only(tmp_path: Path) -> None:
    files = files_of([TWO_STROKES, LONG])
    plain = read_stroke_archive(write_archive(tmp_path / "a.tar.gz", files))
    moved = {name.removeprefix("sequences/"): files[name] for name in reversed(files)}
    moved["train-targetdata.txt"] = "1"
    other = read_stroke_archive(write_archive(tmp_path / "b.tar.gz", moved))
    assert other.sha256 == plain.sha256
    files["sequences/testlabels.txt"] = "1\n0\n"
    assert read_stroke_archive(write_archive(tmp_path / "c.tar.gz", files)).sha256 != plain.sha256


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("sequences/trainlabels.txt", "0\n"),
        ("sequences/trainlabels.txt", "0\nfive\n"),
        ("sequences/trainimg-0-inputdata.txt", "3 4 0 0\n1 0 0\n0 0 1 1\n"),
        ("sequences/trainimg-0-inputdata.txt", "3 4 0 0\n"),
        ("sequences/trainimg-0-inputdata.txt", "0 0 1 1\n0 0 1 1\n"),
        ("sequences/trainimg-0-inputdata.txt", "3 4 0 0\nnan 0 1 1\n"),
        ("sequences/trainimg-3-inputdata.txt", TWO_STROKES),
    ],
)
def test_archive_with_wrong_contents_is_refused(tmp_path: Path, name: str, text: str) -> None:
    files = files_of([TWO_STROKES, LONG]) | {name: text}
    with pytest.raises(DataError, match=r"a\.tar\.gz"):
        read_stroke_archive(write_archive(tmp_path / "a.tar.gz", files))


def test_archive_without_labels_is_refused(tmp_path: Path) -> None:
    files = files_of([TWO_STROKES])
    del files["sequences/testlabels.txt"]
    with pytest.raises(DataError, match="testlabels"):
        read_stroke_archive(write_archive(tmp_path / "a.tar.gz", files))


def test_cut_archive_is_refused(tmp_path: Path) -> None:
    path = write_archive(tmp_path / "a.tar.gz", files_of([LONG] * 50))
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DataError):
        read_stroke_archive(path)


def test_unknown_archive_needs_the_flag_and_is_named(tmp_path: Path) -> None:
    write_archive(tmp_path / "strokes" / "sequences.tar.gz", files_of([TWO_STROKES]))
    with pytest.raises(DataError, match="--allow-unknown-data"):
        load_dataset("mnist_strokes", tmp_path)
    dataset = load_dataset("mnist_strokes", tmp_path, allow_unknown=True)
    assert list(dataset.digests) == ["sequences.tar.gz (unknown)"]
    assert not dataset.is_official
    assert "CC BY-SA" in dataset.about.licence


def test_missing_archive_names_its_source(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="edwin-de-jong"):
        load_dataset("mnist_strokes", tmp_path)


@pytest.mark.parametrize(
    "stroke", [[[0, 0], [0, 1]], [[5, 900.0], [5, -300], [5, 1]], [[2, 7], [2, 9]]]
)
def test_size_place_direction_and_sampling_do_not_matter(stroke: list[list[float]]) -> None:
    points = positions(sequence_from_strokes([stroke]))
    assert points == [(15, row) for row in range(points[0][1], points[0][1] + 18)]


def test_order_of_strokes_does_not_matter() -> None:
    strokes = [[list(point) for point in stroke] for stroke in DIGITS[4]]
    turned = [stroke[::-1] for stroke in reversed(strokes)]
    np.testing.assert_array_equal(sequence_from_strokes(strokes), sequence_from_strokes(turned))


def test_drawing_made_of_its_own_sequence_gives_that_sequence() -> None:
    compared = 0
    for digit in DIGITS:
        strokes = [[list(point) for point in stroke] for stroke in digit]
        points = np.array(positions(sequence_from_strokes(strokes)))
        assert points.min() >= 1
        assert points.max() <= GRID
        # Thinning shortens some drawings, and what was cut off or shortened is scaled anew.
        if len(points) == STEPS or np.ptp(points, axis=0).max() < SPAN:
            continue
        again = np.array(positions(sequence_from_strokes([[point] for point in points.tolist()])))
        assert len(again) == len(points)
        assert len(np.unique(again - points, axis=0)) == 1
        compared += 1
    assert compared >= 4


def test_dot_is_one_point_in_the_middle() -> None:
    assert positions(sequence_from_strokes([[[1e-300, -4.0]]])) == [(15, 15)]


def test_line_with_its_mass_at_one_end_stays_in_the_grid() -> None:
    scribble = [[x * 0.01 % 2.0, x * 0.17 % 2.0] for x in range(500)]
    points = positions(sequence_from_strokes([scribble, [[0, 0], [17, 0]]]))
    assert all(1 <= value <= GRID for point in points for value in point)


def test_pen_that_is_lifted_shows_as_a_longer_step() -> None:
    sequence = sequence_from_strokes([[[0, 0], [0, 10]], [[8, 0], [8, 10]]])
    longest = np.abs(sequence[1:]).max(axis=1)
    assert sorted(longest[longest > 0].tolist())[-2:] == [1, 14]


@pytest.mark.parametrize(
    "strokes",
    [
        [],
        [[]],
        [[], []],
        "drawing",
        {"x": 1},
        [1, 2],
        [[1, 2]],
        [[[1, 2, 3]]],
        [[[1]]],
        [[["1", "2"]]],
        [[[True, False]]],
        [[[None, 1]]],
        [[[math.nan, 1]]],
        [[[math.inf, 1]]],
        [[[1e10, 1]]],
        [[[10**400, 1]]],
        [[[0, 0]] * (MAX_POINTS + 1)],
        [[[0, 0]] * 6000, [[0, 0]] * 6000],
        [[]] * (MAX_POINTS + 1),
    ],
)
def test_what_is_no_drawing_is_refused_by_name(strokes: list[list[list[float]]]) -> None:
    with pytest.raises(InputError) as caught:
        sequence_from_strokes(strokes)
    assert caught.value.field == "strokes"
    assert len(str(caught.value)) < 300


def test_largest_drawing_takes_no_more_than_moments() -> None:
    points = np.random.default_rng(0).random((MAX_POINTS, 2)).tolist()
    begin = time.process_time()
    sequence_from_strokes([points])
    assert time.process_time() - begin < 2


def test_thick_lines_are_thinned_to_one_pixel_and_stay_so() -> None:
    picture = np.zeros((GRID, GRID), np.bool_)
    picture[5:20, 10:13] = True
    skeleton = thinned(picture)
    assert skeleton.sum(axis=1).max() == 1
    assert 12 <= skeleton.sum() <= 15
    np.testing.assert_array_equal(thinned(skeleton), skeleton)


def test_thinning_never_erases_a_drawing() -> None:
    picture = np.zeros((GRID, GRID), np.bool_)
    picture[5:7, 10:12] = True
    assert thinned(picture).any()


def test_tour_starts_at_the_end_of_a_line_nearest_to_the_upper_left() -> None:
    hook = np.array([[5, 5], [5, 4], [6, 3], [7, 4], [7, 5], [7, 6]])
    assert tour(hook).tolist() == hook.tolist()


def test_tour_of_a_ring_starts_at_its_upper_left() -> None:
    ring = np.array([[4, 3], [5, 3], [6, 4], [6, 5], [5, 6], [4, 6], [3, 5], [3, 4]])
    order = tour(ring)
    assert order[0].tolist() == [3, 4]
    assert np.abs(np.diff(order, axis=0)).max() == 1


@settings(max_examples=50, deadline=None)
@given(st.sets(st.tuples(st.integers(0, 27), st.integers(0, 27)), min_size=1, max_size=60))
def test_tour_visits_every_pixel_once_in_any_order_given(pixels: set[tuple[int, int]]) -> None:
    array = np.array(sorted(pixels))
    order = tour(array)
    assert {(column, row) for column, row in order.tolist()} == pixels
    assert len(order) == len(pixels)
    np.testing.assert_array_equal(tour(array[::-1]), order)
