"""The data sets, one row each.

Files are looked for in a data directory and downloaded when absent. What is read is the
decompressed content, and its SHA-256 must be a known one: compressed wrappers differ between
mirrors, contents do not.
"""

from pathlib import Path

from noisevote.models.data import cifar10, scikit_digits, stroke_archive
from noisevote.models.data.cifar10 import CLASSES, SHAPE, read_cifar10
from noisevote.models.data.dataset import Dataset, Examples, LoadedDataset
from noisevote.models.data.files import DatasetFile
from noisevote.models.data.idx import IdxFiles
from noisevote.models.data.scikit_digits import LEVELS, PIXELS, read_scikit_digits
from noisevote.models.data.stroke_archive import read_strokes
from noisevote.models.errors import DataError
from noisevote.models.inputs import strokes

DIGITS = tuple("0123456789")
BRIGHTNESS = (0.0, 1.0)

MNIST = IdxFiles(
    DatasetFile(
        "train-images-idx3-ubyte",
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    ),
    DatasetFile(
        "train-labels-idx1-ubyte",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    ),
    DatasetFile(
        "t10k-images-idx3-ubyte",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    ),
    DatasetFile(
        "t10k-labels-idx1-ubyte",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
    mirrors=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
)

ROWS = (
    Dataset(
        "cifar10",
        labels=CLASSES,
        shape=SHAPE,
        range=BRIGHTNESS,
        preprocessing="cifar_picture-1",
        licence="CIFAR-10 (A. Krizhevsky, 2009), no licence stated; its page asks to cite the "
        "technical report",
        read=read_cifar10,
        seems_there=cifar10.seems_there,
    ),
    Dataset(
        "digits",
        labels=DIGITS,
        shape=PIXELS,
        range=LEVELS,
        preprocessing=None,
        licence="Optical Recognition of Handwritten Digits (E. Alpaydin, C. Kaynak, 1998), CC BY "
        "4.0, as scikit-learn ships them",
        read=read_scikit_digits,
        seems_there=scikit_digits.seems_there,
    ),
    Dataset(
        "mnist",
        labels=DIGITS,
        shape=(1, 28, 28),
        range=BRIGHTNESS,
        preprocessing="mnist_digit-2",
        licence="MNIST (Y. LeCun, C. Cortes, C. J. C. Burges), CC BY-SA 3.0",
        read=MNIST,
        seems_there=MNIST.seems_there,
    ),
    Dataset(
        "mnist_strokes",
        labels=DIGITS,
        shape=strokes.SHAPE,
        range=strokes.RANGE,
        preprocessing=strokes.PREPROCESSING,
        licence="MNIST digits stroke sequence data (E. D. de Jong, 2016), CC BY-SA",
        read=read_strokes,
        seems_there=stroke_archive.seems_there,
    ),
)

DATASETS = {row.name: row for row in ROWS}


def find_dataset(name: str) -> Dataset:
    """Return the row of a data set.

    Raises:
        DataError: there is none of that name.
    """
    if name not in DATASETS:
        raise DataError(f"there is no data set {name!r}; known are: {', '.join(DATASETS)}")
    return DATASETS[name]


def seems_there(name: str, directory: Path) -> bool:
    """Return whether the files of a data set lie in a directory; they are not read."""
    dataset = find_dataset(name)
    try:
        return dataset.seems_there(dataset, directory)
    except (DataError, OSError):
        return False


def load_dataset(name: str, directory: Path, allow_unknown: bool = False) -> LoadedDataset:
    """Load a data set from ``directory``, downloading what is absent.

    Args:
        name: one of :data:`DATASETS`.
        directory: folder that holds the files, plain or gzipped, or a subfolder of the set's name.
        allow_unknown: accept contents whose digest is not the official one.

    Raises:
        DataError: the name is unknown, or a file is missing and cannot be downloaded, is corrupt,
            cannot be read, or has an unknown digest.
    """
    dataset = find_dataset(name)
    try:
        loaded = dataset.read(dataset, directory, allow_unknown)
    except OSError as error:
        raise DataError(
            f"the data set {name} cannot be read from {directory}: {error.strerror or error}"
        ) from error
    for part in (loaded.train, loaded.test):
        check_labels(part, len(dataset.labels), f"the data set {name} in {directory}")
    return loaded


def check_labels(examples: Examples, classes: int, where: str) -> None:
    """Refuse labels that are no class.

    Raises:
        DataError: there is one.
    """
    lowest, highest = examples.labels.min(), examples.labels.max()
    if lowest < 0 or highest >= classes:
        raise DataError(
            f"{where} has labels from {lowest} to {highest}; they must be 0 to {classes - 1}"
        )
