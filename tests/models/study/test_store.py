"""The store of a study: several writers, damage, and what is not believed."""

import sqlite3
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from noisevote.models.errors import DataError
from noisevote.models.noise import NoiseKind
from noisevote.models.study.cells import Cell, Condition, Half, OnNoise, Part
from noisevote.models.study.packing import LABEL, packed, unpacked
from noisevote.models.study.store import STORE_FILE, Measured, StudyStore
from tests.models.study.heads import head_of

HEAD = head_of()
LABELS = np.array([0, 1, 2, 1])
HALVES = {half: (LABELS, np.arange(4)) for half in Half}


def cell(seed: int) -> Cell:
    at = OnNoise(kind=NoiseKind.MULTIPLICATIVE, sigma=1.0)
    return Cell(
        part=Part.SWEEP, half=Half.REPORT, condition=Condition(at=at), seed=seed, votes=2, samples=4
    )


def votes(seed: int) -> Measured:
    return Measured(cell(seed), np.full((4, 2), seed % 3, np.int16), {})


@pytest.fixture
def store(tmp_path: Path) -> StudyStore:
    made = StudyStore(tmp_path / "study")
    made.settle(HEAD)
    made.hold(HALVES)
    return made


def test_what_several_writers_add_at_once_is_all_there(store: StudyStore) -> None:
    def write(first: int) -> None:
        own = StudyStore(store.folder)
        for seed in range(first, 40, 2):
            own.claim(cell(seed))
            own.add(votes(seed), "m")
            own.add(votes(0), "m")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, [0, 1, 0, 1]))
    found = {each.cell.seed: each.fell_on for each in store.measured()}
    assert sorted(found) == list(range(40))
    assert all((of == seed % 3).all() for seed, of in found.items())


def test_a_cell_is_written_once_and_the_first_stays(store: StudyStore) -> None:
    store.add(votes(1), "m")
    store.add(Measured(cell(1), np.zeros((4, 2), np.int16), {}), "other")
    (found,) = store.measured()
    assert (found.fell_on == 1).all()
    assert store.machines == ["m"]


def test_what_a_cell_is_for_does_not_name_it() -> None:
    other = cell(1).model_copy(update={"part": Part.REPEATS})
    assert other.key == cell(1).key != cell(2).key


def test_another_study_in_the_folder_is_refused_by_what_differs(store: StudyStore) -> None:
    other = HEAD.model_copy(update={"seeds": 3})
    with pytest.raises(DataError, match=r"another study \(seeds: 1, now 3\).*--output"):
        StudyStore(store.folder).settle(other)


def test_passes_that_were_settled_hold_when_a_study_goes_on(store: StudyStore) -> None:
    again = HEAD.model_copy(update={"passes": 7})
    assert StudyStore(store.folder).settle(again).passes == 1000


def test_other_samples_in_the_folder_are_refused(store: StudyStore) -> None:
    other = {half: (LABELS[::-1].copy(), np.arange(4)) for half in Half}
    with pytest.raises(DataError, match="is of other samples"):
        StudyStore(store.folder).hold(other)


def test_of_two_that_claim_a_cell_one_gets_it(store: StudyStore) -> None:
    assert store.claim(cell(1))
    assert not StudyStore(store.folder).claim(cell(1))


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE VIEW head AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
        "SELECT 1 AS one, max(i) AS content FROM n",
        "CREATE TRIGGER t AFTER INSERT ON cells BEGIN SELECT 1; END",
        "CREATE TABLE more (x)",
    ],
    ids=["endless view", "trigger", "table"],
)
def test_a_strangers_database_is_refused_before_anything_of_it_runs(
    store: StudyStore, statement: str
) -> None:
    with sqlite3.connect(store.folder / STORE_FILE) as connection:
        if "VIEW head" in statement:
            connection.execute("DROP TABLE head")
        connection.execute(statement)
    with pytest.raises(DataError, match="is no store of a study: it holds"):
        StudyStore(store.folder).head  # noqa: B018


def test_a_value_that_is_too_long_is_refused(store: StudyStore) -> None:
    with sqlite3.connect(store.folder / STORE_FILE) as connection:
        connection.execute("UPDATE head SET content = hex(zeroblob(50000000))")
    with pytest.raises(DataError, match="cannot be read"):
        StudyStore(store.folder).head  # noqa: B018


def test_a_store_that_was_begun_and_holds_nothing_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / STORE_FILE).touch()
    store = StudyStore(tmp_path)
    assert not store.exists
    assert store.settle(HEAD) == HEAD


def test_a_file_that_is_no_store_is_named(tmp_path: Path) -> None:
    (tmp_path / STORE_FILE).write_text("no database at all, but longer than its header" * 20)
    with pytest.raises(DataError, match=r"study\.sqlite cannot be read"):
        StudyStore(tmp_path).head  # noqa: B018


def test_no_study_is_said_without_making_one(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no study in"):
        StudyStore(tmp_path).keys()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "content",
    [b"", b"not compressed", zlib.compress(b"12"), zlib.compress(bytes(2**20)),
     zlib.compress(np.zeros(8, "<i2").tobytes())[:-3]],
    ids=["empty", "no zlib", "too little", "too much", "cut off"],
)  # fmt: skip
def test_votes_that_are_damaged_are_refused(store: StudyStore, content: bytes) -> None:
    store.add(votes(1), "m")
    with sqlite3.connect(store.folder / STORE_FILE) as connection:
        connection.execute("UPDATE cells SET content = ?", (content,))
    with pytest.raises(DataError, match="no store of a study, or damaged"):
        list(store.measured())


@given(arrays(np.int16, (3, 7), elements=st.integers(0, 30_000)))
def test_what_is_packed_comes_back(values: np.ndarray) -> None:
    assert (unpacked(packed(values, LABEL), LABEL, (3, 7), 21) == values).all()


def test_a_file_that_says_the_same_is_not_written_again(store: StudyStore) -> None:
    store.add(votes(1), "m")
    before = (store.folder / STORE_FILE).read_bytes()
    store.settle(HEAD)
    store.hold(HALVES)
    store.add(votes(1), "other")
    assert (store.folder / STORE_FILE).read_bytes() == before


def test_what_could_not_be_measured_is_kept_with_the_reason(store: StudyStore) -> None:
    store.add(Measured(cell(1), np.empty((0, 0), np.int16), {}, "the outputs overflow"), "m")
    (found,) = store.measured()
    assert found.problem == "the outputs overflow"
