"""The data sets, read from their official files.

Files are looked for in a data directory and downloaded when absent. What is read is the
decompressed content, and its SHA-256 must be in the table of known contents: compressed wrappers
differ between mirrors, contents do not.
"""

import math
import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.cifar10 import OFFICIAL, LabelledPictures, read_cifar10
from models.data_files import DATA_DIR_VARIABLE, DatasetFile, check_digest, read_or_download
from models.errors import DataError
from models.stroke_archive import SPLITS, read_stroke_archive


@dataclass(frozen=True, slots=True)
class Examples:
    """Labelled inputs.

    Attributes:
        inputs: pictures as stored ``[n, channels, height, width]``, uint8, or sequences as the
            networks take them ``[n, T, features]``, float32.
        labels: class of each ``[n]``, int64.
    """

    inputs: NDArray[np.uint8] | NDArray[np.float32]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def first(self, count: int) -> "Examples":
        """Return the first ``count`` examples, or all if there are fewer."""
        return Examples(self.inputs[:count], self.labels[:count])


def as_inputs(stored: NDArray[np.uint8] | NDArray[np.float32]) -> NDArray[np.float32]:
    """Return stored inputs as networks take them, in training and in service.

    Pictures are stored as 0..255 and taken as 0..1; sequences are stored as they are taken.
    """
    if stored.dtype == np.uint8:
        return stored.astype(np.float32) / np.float32(255)
    return stored.astype(np.float32, copy=False)


@dataclass(frozen=True, slots=True)
class Dataset:
    """Train and test examples, and what they were read from.

    Attributes:
        name: name in :data:`DATASETS`.
        train: the official training examples, in the official order.
        test: the official test examples, in the official order unless the copy has another.
        digests: SHA-256 of the decompressed content of each file.
        is_official: whether all digests are those of the official files.
        licence: under which the data may be used.
        exact_test: where ``test`` is a lossy copy, those official test examples that are at hand
            with exact pixels; else None.
    """

    name: str
    train: Examples
    test: Examples
    digests: dict[str, str]
    is_official: bool
    licence: str
    exact_test: Examples | None = None


MNIST_MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
MNIST_LICENCE = "MNIST (Y. LeCun, C. Cortes, C. J. C. Burges), CC BY-SA 3.0"
MNIST_TRAIN_IMAGES = DatasetFile(
    "train-images-idx3-ubyte", "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"
)
MNIST_TRAIN_LABELS = DatasetFile(
    "train-labels-idx1-ubyte", "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"
)
MNIST_TEST_IMAGES = DatasetFile(
    "t10k-images-idx3-ubyte", "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"
)
MNIST_TEST_LABELS = DatasetFile(
    "t10k-labels-idx1-ubyte", "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"
)

STROKES_ARCHIVE = DatasetFile(
    "sequences.tar.gz", "f981fbeab1c5cfd9ce225ac58695175655be53d7d262404c6fd99c0fa5fc1f74"
)
STROKES_COPY = "recomputed copy"
STROKES_SOURCE = "https://github.com/edwin-de-jong/mnist-digits-stroke-sequence-data"
STROKES_LICENCE = "MNIST digits stroke sequence data (E. D. de Jong, 2016), CC BY-SA"

CLASSES = 10
"""Of every data set."""

MNIST_SHAPE = (28, 28)

MAX_DIMENSIONS = 3
"""Of the array in an IDX file."""

CIFAR10_LICENCE = (
    "CIFAR-10 (A. Krizhevsky, 2009), no licence stated; its page asks to cite the technical report"
)


def data_dir(given: Path | None = None) -> Path:
    """Return the data directory: the given one, ``$NOISEVOTE_DATA_DIR``, or a cache folder.

    Without a home that is the folder ``data`` here.
    """
    if given is not None:
        return given
    if set_by_user := os.environ.get(DATA_DIR_VARIABLE):
        return Path(set_by_user)
    try:
        return Path.home() / ".cache" / "noisevote" / "data"
    except RuntimeError:
        return Path("data")


def load_dataset(name: str, directory: Path, allow_unknown: bool = False) -> Dataset:
    """Load a data set from ``directory``, downloading what is absent.

    Args:
        name: one of :data:`DATASETS`.
        directory: folder that holds the files, plain or gzipped, or a subfolder of the set's name.
        allow_unknown: accept contents whose digest is not the official one.

    Raises:
        DataError: the name is unknown, or a file is missing and cannot be downloaded, is corrupt,
            cannot be read, or has an unknown digest.
    """
    if name not in DATASETS:
        raise DataError(f"there is no data set {name!r}; known are: {', '.join(DATASETS)}")
    try:
        dataset = DATASETS[name](directory, allow_unknown)
    except OSError as error:
        raise DataError(
            f"the data set {name} cannot be read from {directory}: {error.strerror or error}"
        ) from error
    for part in (dataset.train, dataset.test):
        check_labels(part, f"the data set {name} in {directory}")
    return dataset


def check_labels(examples: Examples, where: str) -> None:
    """Refuse labels that are no class.

    Raises:
        DataError: there is one.
    """
    lowest, highest = examples.labels.min(), examples.labels.max()
    if lowest < 0 or highest >= CLASSES:
        raise DataError(
            f"{where} has labels from {lowest} to {highest}; they must be 0 to {CLASSES - 1}"
        )


def load_mnist(directory: Path, allow_unknown: bool = False) -> Dataset:
    """Load MNIST: 60,000 and 10,000 pictures ``[1, 28, 28]`` of the digits 0 to 9."""
    files = (MNIST_TRAIN_IMAGES, MNIST_TRAIN_LABELS, MNIST_TEST_IMAGES, MNIST_TEST_LABELS)
    folder = directory / "mnist" if (directory / "mnist").is_dir() else directory
    contents = {}
    digests = {}
    for file in files:
        content = read_or_download(folder, file, MNIST_MIRRORS)
        digests[file.name] = check_digest(folder, file, content, allow_unknown)
        contents[file.name] = parse_idx(content, folder / file.name)
    train = mnist_examples(contents, MNIST_TRAIN_IMAGES, MNIST_TRAIN_LABELS)
    test = mnist_examples(contents, MNIST_TEST_IMAGES, MNIST_TEST_LABELS)
    is_official = all(digests[file.name] == file.sha256 for file in files)
    return Dataset("mnist", train, test, digests, is_official, MNIST_LICENCE)


def load_mnist_strokes(directory: Path, allow_unknown: bool = False) -> Dataset:
    """Load E. D. de Jong's pen strokes: 60,000 and 10,000 sequences ``[T, 2]`` of digits.

    No digest of his archive is known to this project, only that of a copy.
    """
    name = STROKES_ARCHIVE.name
    candidates = [directory / "strokes" / name, directory / name]
    path = next((path for path in candidates if path.is_file()), None)
    if path is None:
        raise DataError(
            f"{name} is neither in {directory} nor in its folder strokes; download it from "
            f"{STROKES_SOURCE} (other contents than the known copy need --allow-unknown-data), "
            f"or name its folder with --data-dir or {DATA_DIR_VARIABLE}"
        )
    archive = read_stroke_archive(path)
    is_known = archive.sha256 == STROKES_ARCHIVE.sha256
    if not is_known and not allow_unknown:
        raise DataError(
            f"{path} is not the known copy: the SHA-256 of its contents is {archive.sha256}, that "
            f"of the copy {STROKES_ARCHIVE.sha256}. Pass --allow-unknown-data to use it as it is"
        )
    examples = {
        split: Examples(archive.sequences[split], archive.labels[split]) for split in SPLITS
    }
    return Dataset(
        "mnist_strokes",
        examples["train"],
        examples["test"],
        digests={f"{name} ({STROKES_COPY if is_known else 'unknown'})": archive.sha256},
        is_official=False,
        licence=STROKES_LICENCE,
    )


def load_cifar10(directory: Path, allow_unknown: bool = False) -> Dataset:
    """Load CIFAR-10: 50,000 and 10,000 pictures ``[3, 32, 32]`` of ten classes."""
    read = read_cifar10(directory, allow_unknown)
    is_official = read.copy == OFFICIAL
    note = "" if is_official else f" ({read.copy})"

    def examples(part: LabelledPictures) -> Examples:
        return Examples(part.pictures, part.labels)

    return Dataset(
        "cifar10",
        examples(read.train),
        examples(read.test),
        digests={f"{name}{note}": digest for name, digest in read.digests.items()},
        is_official=is_official,
        licence=CIFAR10_LICENCE,
        exact_test=None if read.exact_test is None else examples(read.exact_test),
    )


DATASETS: dict[str, Callable[[Path, bool], Dataset]] = {
    "cifar10": load_cifar10,
    "mnist": load_mnist,
    "mnist_strokes": load_mnist_strokes,
}


def mnist_examples(
    contents: dict[str, NDArray[np.uint8]], images: DatasetFile, labels: DatasetFile
) -> Examples:
    """Pair the pictures of one IDX file with the labels of another."""
    pictures, classes = contents[images.name], contents[labels.name]
    if pictures.shape[1:] != MNIST_SHAPE or classes.shape != pictures.shape[:1]:
        raise DataError(
            f"{images.name} has the shape {list(pictures.shape)} and {labels.name} "
            f"{list(classes.shape)}; expected [n, 28, 28] and [n]"
        )
    return Examples(pictures[:, np.newaxis], classes.astype(np.int64))


def parse_idx(content: bytes, path: Path) -> NDArray[np.uint8]:
    """Parse an IDX file of unsigned bytes.

    Source: Y. LeCun, "The IDX file format", http://yann.lecun.com/exdb/mnist/.

    Raises:
        DataError: it is not such a file, or its length does not fit its header.
    """
    dimensions = content[3] if content[:3] == b"\x00\x00\x08" and len(content) > 3 else 0
    start = 4 + 4 * dimensions
    if not 1 <= dimensions <= MAX_DIMENSIONS or len(content) < start:
        raise DataError(f"{path} is not an IDX file of unsigned bytes")
    shape = struct.unpack(f">{dimensions}I", content[4:start])
    if not 0 < len(content) - start == math.prod(shape):
        raise DataError(
            f"{path} holds {len(content) - start} values, its header promises {list(shape)}"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)
