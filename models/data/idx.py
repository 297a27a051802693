"""Data sets in MNIST's format: four IDX files, pictures and labels of training and test.

Source: Y. LeCun, "The IDX file format", http://yann.lecun.com/exdb/mnist/.
"""

import math
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from noisevote.models.data.dataset import Dataset, Examples, LoadedDataset
from noisevote.models.data.files import DatasetFile, check_digest, is_there, read_or_download
from noisevote.models.errors import DataError

MAX_DIMENSIONS = 3
"""Of the array in a file."""


@dataclass(frozen=True, slots=True)
class IdxFiles:
    """The files of a data set in MNIST's format; called, it reads them.

    They lie in a directory or in its folder of the data set's name.

    Attributes:
        train_images: pictures to learn from.
        train_labels: their classes.
        test_images: pictures to be judged on.
        test_labels: their classes.
        mirrors: addresses that the names of the gzipped files are put behind.
    """

    train_images: DatasetFile
    train_labels: DatasetFile
    test_images: DatasetFile
    test_labels: DatasetFile
    mirrors: tuple[str, ...]

    def __call__(self, about: Dataset, directory: Path, allow_unknown: bool) -> LoadedDataset:
        """Read the files, or download them where they are absent."""
        files = (self.train_images, self.train_labels, self.test_images, self.test_labels)
        folder = folder_of(about, directory)
        arrays, digests = {}, {}
        for file in files:
            content = read_or_download(folder, file, self.mirrors)
            digests[file.name] = check_digest(folder, file, content, allow_unknown)
            arrays[file.name] = parse_idx(content, folder / file.name)
        return LoadedDataset(
            about,
            paired(about, arrays, self.train_images, self.train_labels),
            paired(about, arrays, self.test_images, self.test_labels),
            digests,
            is_official=all(digests[file.name] == file.sha256 for file in files),
        )

    def seems_there(self, about: Dataset, directory: Path) -> bool:
        """Return whether all files lie in a directory, plain or gzipped."""
        folder = folder_of(about, directory)
        return all(
            is_there(folder / file.name) or is_there(folder / f"{file.name}.gz")
            for file in (self.train_images, self.train_labels, self.test_images, self.test_labels)
        )


def folder_of(about: Dataset, directory: Path) -> Path:
    """Return the folder of the data set's name in a directory, or the directory itself."""
    named = directory / about.name
    return named if named.is_dir() else directory


def paired(
    about: Dataset, arrays: dict[str, NDArray[np.uint8]], images: DatasetFile, labels: DatasetFile
) -> Examples:
    """Pair the pictures of one file with the labels of another."""
    pictures, classes = arrays[images.name], arrays[labels.name]
    _, height, width = about.shape
    if pictures.shape[1:] != (height, width) or classes.shape != pictures.shape[:1]:
        raise DataError(
            f"{images.name} has the shape {list(pictures.shape)} and {labels.name} "
            f"{list(classes.shape)}; expected [n, {height}, {width}] and [n]"
        )
    return Examples(pictures[:, np.newaxis], classes.astype(np.int64))


def parse_idx(content: bytes, path: Path) -> NDArray[np.uint8]:
    """Parse an IDX file of unsigned bytes.

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
