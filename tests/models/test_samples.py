"""Reading samples: folders, lists, features, arrays and data sets, and what is no such thing."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from noisevote.models.data.datasets import load_dataset
from noisevote.models.data.samples import Samples, read_samples
from noisevote.models.errors import DataError
from tests.drawing import draw_digit, png_bytes

NOWHERE = Path("nowhere")


def read(path: Path | str) -> Samples:
    return read_samples(str(path), NOWHERE)


def pictures(folder: Path, *names: str) -> None:
    """Put pictures, each another one, into a folder."""
    for number, name in enumerate(names):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(png_bytes(draw_digit(number, stroke=20 + number)))


def test_a_folder_holds_a_folder_a_class(tmp_path: Path) -> None:
    pictures(tmp_path, "cat/b.png", "cat/a.jpg", "dog/a.JPEG", "dog/._a.png", ".cache/a.png")
    (tmp_path / "readme.txt").write_text("not a class")
    (tmp_path / "dog" / "notes.txt").write_text("not a picture")
    samples = read(tmp_path)
    assert samples.content.names == ("cat/a.jpg", "cat/b.png", "dog/a.JPEG")
    assert samples.content.labels == ("cat", "cat", "dog")
    assert samples.content.pictures[2] == tmp_path / "dog" / "a.JPEG"
    assert samples.source == tmp_path.name


def test_pictures_without_folders_have_no_labels(tmp_path: Path) -> None:
    pictures(tmp_path, "b.png", "a.png")
    assert read(tmp_path).content.labels is None
    assert read(tmp_path).content.names == ("a.png", "b.png")


@pytest.mark.parametrize("head", ["file,label\n", "\ufefffile,label\n", "", "\nfile,label\n\n"])
def test_a_list_names_pictures_beside_it(tmp_path: Path, head: str) -> None:
    pictures(tmp_path, "in/a.png", "in/b, c.png")
    (tmp_path / "list.csv").write_text(f'{head}in/a.png,7\n"in/b, c.png",two words\n')
    content = read(tmp_path / "list.csv").content
    assert content.names == ("in/a.png", "in/b, c.png")
    assert content.labels == ("7", "two words")
    assert content.pictures == (tmp_path / "in/a.png", tmp_path / "in/b, c.png")


def test_a_list_may_have_its_columns_in_any_order_or_no_labels(tmp_path: Path) -> None:
    pictures(tmp_path, "a.png")
    (tmp_path / "list.csv").write_text("label,file\n7,a.png\n")
    assert read(tmp_path / "list.csv").content.labels == ("7",)
    (tmp_path / "list.csv").write_text("file\na.png\n")
    assert read(tmp_path / "list.csv").content.labels is None


def test_features_are_rows_of_numbers_with_named_columns(tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_text("x,label,y\n1,cat,-2.5\n\n3e1,dog,4\n")
    content = read(tmp_path / "f.csv").content
    assert content.labels == ("cat", "dog")
    assert content.names == ("row 2", "row 4")
    assert content.arrays["inputs"].tolist() == [[1, -2.5], [30, 4]]
    assert content.has_rows
    (tmp_path / "f.csv").write_text("x,y\n1,2\n")
    assert read(tmp_path / "f.csv").content.labels is None


@pytest.mark.parametrize(
    ("labels", "read_as"),
    [
        (np.array(["cat", "dog"]), ("cat", "dog")),
        (np.array([b"cat", b"dog"]), ("cat", "dog")),
        (np.array([3, 0], np.uint8), ("3", "0")),
        (np.array([3.0, 0.0]), ("3", "0")),
    ],
)
def test_arrays_may_be_labelled_by_names_or_numbers_of_any_type(
    tmp_path: Path, labels: np.ndarray[tuple[int], np.dtype[np.generic]], read_as: tuple[str, ...]
) -> None:
    np.savez(tmp_path / "a.npz", inputs=np.zeros((2, 3)), labels=labels)
    content = read(tmp_path / "a.npz").content
    assert content.labels == read_as
    assert content.names == ("0", "1")


def test_arrays_may_be_several_and_without_labels(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", ids=np.ones((2, 3), np.int64), mask=np.ones((2, 3), bool))
    content = read(tmp_path / "a.npz").content
    assert sorted(content.arrays) == ["ids", "mask"]
    assert content.labels is None


def test_digits_are_those_of_scikit_learn_and_their_test_half_is_that_of_its_example() -> None:
    theirs = load_digits()
    loaded = load_dataset("digits", NOWHERE)
    assert loaded.is_official
    assert np.array_equal(np.concatenate([loaded.train.inputs, loaded.test.inputs]), theirs.data)
    assert np.array_equal(
        np.concatenate([loaded.train.labels, loaded.test.labels]), theirs.target.astype(np.int64)
    )
    samples = read("digits")
    assert len(samples) == len(loaded.test) == 899
    assert samples.content.labels == tuple(map(str, loaded.test.labels.tolist()))
    assert samples.text.startswith("samples digits, test examples (sha256 ")
    others = read_samples("digits", NOWHERE, to_learn=True)
    assert others.text.startswith("samples digits, training examples (sha256 ")
    assert np.array_equal(others.content.arrays["inputs"], loaded.train.inputs)
    assert not set(others.digests) & set(samples.digests), "nothing that was learned is measured on"


def test_a_sample_stays_on_its_part_whatever_the_order_and_the_others(tmp_path: Path) -> None:
    inputs = np.random.default_rng(0).random((400, 5))
    np.savez(tmp_path / "a.npz", inputs=inputs, labels=np.arange(400))
    order = np.random.default_rng(1).permutation(400)[:300]
    np.savez(tmp_path / "b.npz", inputs=inputs[order], labels=order)
    first, second = read(tmp_path / "a.npz").parted()
    some, others = read(tmp_path / "b.npz").parted()
    assert set(some.content.labels or ()) < set(first.content.labels or ())
    assert set(others.content.labels or ()) < set(second.content.labels or ())
    assert sorted([*first.numbers, *second.numbers]) == list(range(400))
    assert first.content.labels == tuple(map(str, first.numbers)), "they keep their places"
    # Binomial(400, 1/2) lies within 140 to 260 but for a chance of 1e-9; the content is fixed.
    assert 140 < len(first) < 260
    assert len(read(tmp_path / "a.npz").parted(0.9)[0]) > 320


def test_labels_do_not_decide_on_which_part_a_sample_falls(tmp_path: Path) -> None:
    inputs = np.random.default_rng(0).random((50, 5))
    np.savez(tmp_path / "a.npz", inputs=inputs, labels=np.zeros(50, int))
    np.savez(tmp_path / "b.npz", x=inputs)
    labelled, plain = read(tmp_path / "a.npz"), read(tmp_path / "b.npz")
    assert labelled.parted()[0].numbers == plain.parted()[0].numbers
    assert labelled.digest != plain.digest


def test_the_digest_of_all_tells_contents_labels_and_order(tmp_path: Path) -> None:
    pictures(tmp_path, "x/cat/a.png", "x/dog/a.png")
    before = read(tmp_path / "x")
    assert before.digests[0] == hashlib.sha256(before.content.pictures[0].read_bytes()).hexdigest()
    assert read(tmp_path / "x").digest == before.digest == before.taken([1]).digest
    (tmp_path / "x" / "dog").rename(tmp_path / "x" / "bird")
    assert read(tmp_path / "x").digest != before.digest


def test_samples_are_spread_over_all(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", inputs=np.arange(10)[:, np.newaxis], labels=np.arange(10))
    samples = read(tmp_path / "a.npz")
    assert samples.spread(4).numbers == (0, 2, 5, 7)
    assert samples.spread(4).content.arrays["inputs"][:, 0].tolist() == [0, 2, 5, 7]
    assert len(samples.spread(99)) == 10


def test_few_equal_samples_cannot_be_parted(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", inputs=np.zeros((9, 2)), labels=np.zeros(9, int))
    with pytest.raises(DataError, match="all 9 fall on the same part; more are needed"):
        read(tmp_path / "a.npz").parted()


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("none", None, "none is neither a folder or file nor a data set; .* cifar10, digits"),
        ("none.npz", None, "none.npz cannot be read: .*No such file"),
        ("empty", "", r"empty holds no samples; needed is a folder with one folder of pictures"),
        ("empty.csv", "", "empty.csv holds no samples"),
        ("head.csv", "x,label\n", "head.csv holds no samples"),
        ("text.txt", "x", "text.txt is neither a folder nor a .csv nor a .npz"),
        ("wide.csv", "a.png,1,2\n", "row 1: needed are two columns, file and label"),
        ("gone.csv", "file,label\ngone.png,3\n", "row 2: .*gone.png is no file"),
        ("ragged.csv", "file,label\ngone.png\n", "row 2 has 1 columns; needed are file and label"),
        ("bare.csv", "x,label\n1,\n", "row 2 has no label"),
        ("numbers.csv", "1,2,3\n4,5,6\n", "its first row holds numbers; it must name the columns"),
        ("cell.csv", "x,label\n1,a\none,b\n", "row 3: 'one' in column x is no number"),
        ("short.csv", "x,y,label\n1,a\n", "row 2 has 2 columns; its head has 3"),
        ("labels.csv", "label\n1\n", "has the columns label; needed are columns of numbers"),
        ("twice.csv", "label,label,x\n1,1,1\n", "at most one label"),
        ("bytes.csv", b"\xff\xfe", "bytes.csv cannot be read: .*utf-8"),
        ("junk.npz", "junk", "junk.npz needs the arrays inputs and labels"),
        ("cut.npz", b"PK\x03\x04junk", "cut.npz cannot be read"),
        ("nothing.npz", b"", "nothing.npz needs the arrays inputs and labels: No data left"),
    ],
)
def test_what_holds_no_samples_is_refused_with_the_place(
    tmp_path: Path, name: str, text: str | bytes | None, said: str
) -> None:
    path = tmp_path / name
    if isinstance(text, bytes):
        path.write_bytes(text)
    elif text == "" and not path.suffix:
        path.mkdir()
    elif text is not None:
        path.write_text(text)
    with pytest.raises(DataError, match=said):
        read(path)


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"labels": np.zeros(3)}, "it has labels alone"),
        (
            {"inputs": np.zeros((3, 2)), "labels": np.zeros(2)},
            r"has the arrays inputs \[3, 2\], labels \[2\]; all must have as many rows",
        ),
        ({"inputs": np.zeros((3, 2)), "version": np.array(1)}, r"version \[\]; all must have"),
        (
            {"inputs": np.zeros((3, 2)), "labels": np.eye(3)},
            r"labels of the shape \[3, 3\]; needed are \[n\], the class of each sample",
        ),
        (
            {"inputs": np.zeros((2, 2)), "labels": np.array([0.5, 1])},
            "labels of the type float64; needed are names or whole numbers",
        ),
        ({"inputs": np.zeros((0, 2))}, "holds no samples"),
        ({"inputs": np.array([{}, {}])}, "needs the arrays inputs and labels: Object arrays"),
    ],
)
def test_arrays_that_are_no_samples_are_refused(
    tmp_path: Path, arrays: dict[str, np.ndarray[tuple[int], np.dtype[np.generic]]], said: str
) -> None:
    np.savez(tmp_path / "a.npz", **arrays)  # type: ignore[arg-type]
    with pytest.raises(DataError, match=said):
        read(tmp_path / "a.npz")


def test_pictures_beside_folders_and_of_other_formats_are_refused(tmp_path: Path) -> None:
    pictures(tmp_path, "cat/a.png", "b.png")
    with pytest.raises(DataError, match=r"pictures beside its folders, such as b\.png"):
        read(tmp_path)
    (tmp_path / "b.png").rename(tmp_path / "cat" / "b.webp")
    with pytest.raises(DataError, match=r"b\.webp is neither PNG nor JPEG; save it as one"):
        read(tmp_path)


def test_a_single_array_and_a_damaged_archive_are_refused(tmp_path: Path) -> None:
    with (tmp_path / "a.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(DataError, match="needs the arrays inputs and labels; it has none"):
        read(tmp_path / "a.npz")
    np.savez_compressed(tmp_path / "b.npz", inputs=np.random.default_rng(0).random((50, 50)))
    content = bytearray((tmp_path / "b.npz").read_bytes())
    content[5000:5100] = bytes(100)
    (tmp_path / "b.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"b\.npz"):
        read(tmp_path / "b.npz")


def test_classes_take_turns_where_samples_come_class_by_class(tmp_path: Path) -> None:
    pictures(tmp_path, "cat/a.png", "cat/b.png", "cat/c.png", "dog/a.png", "owl/a.png", "owl/b.png")
    by_class = read(tmp_path)
    turns = by_class.in_turns()
    assert turns.content.labels == ("cat", "dog", "owl", "cat", "owl", "cat")
    assert turns.numbers == (0, 3, 4, 1, 5, 2)
    assert turns.in_turns() is turns, "others keep their order"
