"""Samples become inputs and labels of a checkpoint, or a sentence says why they do not fit."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from noisevote.models.checkpoint import Checkpoint, CheckpointStore
from noisevote.models.data.datasets import load_dataset
from noisevote.models.data.sample_inputs import examples_for
from noisevote.models.data.samples import read_samples
from noisevote.models.errors import DataError
from noisevote.models.inputs.pictures import preprocess
from noisevote.models.inputs.pipelines import prepared
from noisevote.models.specs import InputSpec, PictureSpec
from tests.drawing import draw_digit, png_bytes
from tests.foreign import digits_classifier, foreign

MNIST = "mnist_cnn-mult-1.0"
NOWHERE = Path("nowhere")
CLASSES = ("cat", "dog", "eel")


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    train = load_dataset("digits", NOWHERE).train
    inputs = train.inputs.astype(np.float32)
    return digits_classifier(tmp_path_factory.mktemp("c") / "digits", inputs, train.labels)


def simple(folder: Path, *inputs: InputSpec) -> Checkpoint:
    """A network that answers with the first three of its numbers."""
    size = sum(int(np.prod(tensor.shape)) for tensor in inputs)
    return foreign(folder / "simple", inputs, np.eye(size, 3, dtype=np.float32), CLASSES)


def written(folder: Path, **arrays: NDArray[Any]) -> str:
    np.savez(folder / "given.npz", **arrays)  # type: ignore[arg-type]
    return str(folder / "given.npz")


def fitted(given: str, checkpoint: Checkpoint, has_labels: bool = True) -> Any:
    return examples_for(read_samples(given, NOWHERE), checkpoint.card, has_labels)


def test_pictures_are_prepared_as_the_card_says(tmp_path: Path, store: CheckpointStore) -> None:
    file = png_bytes(draw_digit(3))
    (tmp_path / "3").mkdir()
    (tmp_path / "3" / "a.png").write_bytes(file)
    card = store.find(MNIST).card
    assert card.input.preprocessing is not None
    examples = examples_for(read_samples(str(tmp_path), NOWHERE), card)
    assert np.array_equal(examples.inputs[0], preprocess(card.input.preprocessing, file))
    assert examples.labels.tolist() == [3]


def test_pictures_go_through_the_pipeline_of_a_card(tmp_path: Path) -> None:
    pipeline = PictureSpec(colour="grey", size=(2, 3), scale=1.0, layout="NHWC")
    tensor = InputSpec(name="x", dtype="uint8", shape=(2, 3, 1), range=(0, 255), picture=pipeline)
    theirs = simple(tmp_path, tensor)
    file = png_bytes(draw_digit(3))
    (tmp_path / "dog").mkdir()
    (tmp_path / "dog" / "a.png").write_bytes(file)
    (tmp_path / "list.csv").write_text("file,label\ndog/a.png,dog\n")
    examples = fitted(str(tmp_path / "list.csv"), theirs)
    assert examples.inputs.dtype == np.uint8
    assert np.array_equal(examples.inputs[0], prepared(file, tensor))


def test_digits_by_name_have_the_values_of_scikit_learn(digits: Checkpoint) -> None:
    examples = fitted("digits", digits)
    test = load_dataset("digits", NOWHERE).test
    assert np.array_equal(examples.inputs, test.inputs)
    assert np.array_equal(examples.labels, test.labels)


def test_features_take_the_shape_of_the_input(tmp_path: Path) -> None:
    checkpoint = simple(tmp_path, InputSpec(name="x", shape=(1, 2, 3), range=None))
    (tmp_path / "f.csv").write_text("a,b,c,d,e,f,label\n0,1,2,3,4,5,dog\n")
    examples = fitted(str(tmp_path / "f.csv"), checkpoint)
    assert examples.inputs.tolist() == [[[[0, 1, 2], [3, 4, 5]]]]
    assert examples.inputs.dtype == np.float32
    assert examples.labels.tolist() == [1]


def test_a_network_of_several_inputs_takes_an_array_each(tmp_path: Path) -> None:
    checkpoint = simple(
        tmp_path,
        InputSpec(name="ids", dtype="int64", shape=(3,), range=(0, 99)),
        InputSpec(name="mask", dtype="uint8", shape=(3,), range=(0, 1)),
    )
    ids = np.array([[5.0, 6.0, 7.0], [8.0, 9.0, 99.0]])
    given = written(tmp_path, mask=np.ones((2, 3), bool), ids=ids, labels=np.array([2, 0]))
    examples = fitted(given, checkpoint)
    assert examples.inputs.dtype == np.int64
    assert examples.inputs.tolist() == ids.tolist()
    assert examples.others["mask"].dtype == np.uint8
    assert examples.labels.tolist() == [2, 0]
    assert examples.chosen(np.array([1])).others["mask"].shape == (1, 3)


def test_names_of_classes_go_before_their_numbers(tmp_path: Path) -> None:
    tensor = InputSpec(shape=(3,), range=None)
    labels = ("2", "1", "0")
    checkpoint = foreign(tmp_path / "odd", (tensor,), np.eye(3, dtype=np.float32), labels)
    given = written(tmp_path, inputs=np.zeros((2, 3)), labels=np.array([2, 0]))
    assert fitted(given, checkpoint).labels.tolist() == [0, 2]


def test_labels_of_a_data_set_stand_for_numbers_where_names_differ(tmp_path: Path) -> None:
    tensor = InputSpec(name="x", shape=(64,), range=(0, 16))
    labels = tuple("abcdefghij")
    checkpoint = foreign(tmp_path / "letters", (tensor,), np.eye(64, 10, dtype=np.float32), labels)
    assert fitted("digits", checkpoint).labels.tolist() == [
        int(label) for label in read_samples("digits", NOWHERE).content.labels or ()
    ]


def test_labels_may_be_missing_or_wrong_where_they_are_not_asked_for(tmp_path: Path) -> None:
    checkpoint = simple(tmp_path, InputSpec(shape=(3,), range=None))
    given = written(tmp_path, inputs=np.zeros((2, 3)), labels=np.array(["?", "!"]))
    assert fitted(given, checkpoint, has_labels=False).labels.tolist() == [0, 0]


RANGED = InputSpec(name="x", shape=(3,), range=(0, 1))
IDS = InputSpec(name="x", dtype="int64", shape=(3,), range=(0, 9))
LABELS = np.array([0, 1])


@pytest.mark.parametrize(
    ("tensor", "arrays", "said"),
    [
        (RANGED, {"inputs": np.zeros((2, 3))}, "has no labels but inputs; with --labels predicted"),
        (
            RANGED,
            {"inputs": np.zeros((2, 3)), "labels": np.array(["cat", "cow"])},
            "cow is no label of checkpoint simple; it has cat, dog, eel, or as numbers 0 to 2",
        ),
        (
            RANGED,
            {"inputs": np.zeros((2, 3)), "labels": np.array([1, 3])},
            "^3 is no label of checkpoint simple",
        ),
        (
            RANGED,
            {"inputs": np.zeros((2, 3)), "labels": np.array(["1", "cat"])},
            "^1 is no label of checkpoint simple",
        ),
        (
            RANGED,
            {"data": np.zeros((2, 3)), "labels": LABELS},
            "has the arrays data; checkpoint simple takes x or inputs",
        ),
        (
            RANGED,
            {"inputs": np.zeros((2, 1, 3)), "labels": LABELS},
            r"has x of the shape \[1, 3\]; checkpoint simple takes \[3\] for each sample",
        ),
        (
            RANGED,
            {"inputs": np.array([[0, 1, 0], [0, 255, 0]], np.uint8), "labels": LABELS},
            "sample 1 has 255 in x; checkpoint simple takes 0 to 1, and given.npz holds 0 to 255",
        ),
        (
            InputSpec(name="x", shape=(3,), range=None),
            {"inputs": np.array([[0, 1, 0], [0, np.nan, 0]]), "labels": LABELS},
            "sample 1 has nan in x; checkpoint simple takes finite numbers",
        ),
        (
            InputSpec(name="x", shape=(3,), range=None),
            {"inputs": np.full((2, 3), 1e300), "labels": LABELS},
            "sample 0 has inf in x; checkpoint simple takes finite numbers",
        ),
        (
            RANGED,
            {"inputs": np.full((2, 3), "a"), "labels": LABELS},
            "has x of the type <U1; needed are numbers",
        ),
        (
            IDS,
            {"inputs": np.full((2, 3), 1.5), "labels": LABELS},
            "sample 0 has 1.5 in x; checkpoint simple takes whole numbers",
        ),
        (
            IDS,
            {"inputs": np.full((2, 3), np.inf), "labels": LABELS},
            "sample 0 has inf in x; checkpoint simple takes whole numbers",
        ),
        (
            IDS,
            {"inputs": np.full((2, 3), 10), "labels": LABELS},
            "sample 0 has 10 in x; checkpoint simple takes 0 to 9",
        ),
    ],
)
def test_arrays_that_do_not_fit_are_refused_with_what_would(
    tmp_path: Path, tensor: InputSpec, arrays: dict[str, NDArray[Any]], said: str
) -> None:
    with pytest.raises(DataError, match=said):
        fitted(written(tmp_path, **arrays), simple(tmp_path, tensor))


def test_values_at_the_ends_of_a_range_that_single_precision_rounds_fit(tmp_path: Path) -> None:
    low, high = -0.1, 2.8214867115020752001
    checkpoint = simple(tmp_path, InputSpec(name="x", shape=(3,), range=(low, high)))
    given = written(
        tmp_path, x=np.array([[low, high, 0]], np.float32), labels=np.zeros(1, np.int64)
    )
    assert len(fitted(given, checkpoint)) == 1


def test_features_of_another_number_are_refused(tmp_path: Path) -> None:
    checkpoint = simple(tmp_path, InputSpec(name="x", shape=(1, 2, 3), range=None))
    (tmp_path / "f.csv").write_text("a,b,label\n0,1,dog\n")
    with pytest.raises(
        DataError, match=r"rows of 2 numbers; checkpoint simple takes \[1, 2, 3\], 6 numbers"
    ):
        fitted(str(tmp_path / "f.csv"), checkpoint)


def test_an_array_that_lacks_is_named_with_all_that_are_taken(tmp_path: Path) -> None:
    checkpoint = simple(
        tmp_path,
        InputSpec(name="ids", dtype="int64", shape=(3,), range=(0, 99)),
        InputSpec(name="mask", dtype="uint8", shape=(3,), range=(0, 1)),
    )
    given = written(tmp_path, inputs=np.ones((2, 3)), labels=LABELS)
    with pytest.raises(DataError, match="has the arrays inputs; checkpoint simple takes ids, mask"):
        fitted(given, checkpoint)


def test_pictures_for_a_network_that_takes_none_and_broken_ones_are_refused(
    tmp_path: Path, digits: Checkpoint, store: CheckpointStore
) -> None:
    (tmp_path / "3").mkdir()
    (tmp_path / "3" / "a.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"how they become inputs of .*: say it with --preproc"):
        fitted(str(tmp_path), digits)
    with pytest.raises(DataError, match="nothing tells how they become inputs"):
        fitted(str(tmp_path), store.find("stroke_lstm-clean"))
    with pytest.raises(DataError, match=r", 3/a\.png: the image is not a readable file"):
        fitted(str(tmp_path), store.find(MNIST))


def test_more_than_memory_should_hold_is_refused(tmp_path: Path) -> None:
    checkpoint = simple(tmp_path, InputSpec(name="x", shape=(2**20, 3), range=None))
    (tmp_path / "cat").mkdir()
    for number in range(400):
        (tmp_path / "cat" / f"{number}.png").touch()
    with pytest.raises(DataError, match=r"the 400 samples of .* take 4\.7 GiB as inputs"):
        fitted(str(tmp_path), checkpoint)
