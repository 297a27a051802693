"""Labelled inputs of a user's own: a folder of pictures, a list of pictures, or arrays.

* a folder: one folder a class, named by its label, with PNG or JPEG pictures;
* ``.csv``: rows ``file,label``, files relative to the list; a first row with these two words is
  skipped;
* ``.npz``: the arrays ``inputs`` ``[n, ...]``, in the checkpoint's shape and range, and ``labels``
  ``[n]``.
"""

import base64
import csv
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from noisevote.models.errors import DataError

PICTURES = {".png", ".jpg", ".jpeg"}


@dataclass(frozen=True, slots=True)
class Labelled:
    """One labelled input.

    Attributes:
        name: name of its file, or its number.
        label: name of its class.
        fields: ``image`` or ``inputs`` of a prediction.
    """

    name: str
    label: str
    fields: dict[str, Any]


def labelled_in(path: Path) -> list[Labelled]:
    """Return the labelled inputs of a folder or file, in order.

    Raises:
        DataError: it holds none, or cannot be read.
    """
    try:
        found = list(read(path))
    except (OSError, UnicodeDecodeError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    if not found:
        raise DataError(
            f"{path} holds no labelled inputs; needed is a folder with one folder a class, a .csv "
            "of file,label or a .npz of inputs and labels"
        )
    return found


def read(path: Path) -> Iterator[Labelled]:
    """Yield what a folder or file holds."""
    if path.is_dir():
        yield from from_folder(path)
    elif path.suffix == ".csv":
        yield from from_list(path)
    elif path.suffix == ".npz":
        yield from from_arrays(path)
    else:
        raise DataError(f"{path} is neither a folder nor a .csv nor a .npz")


def from_folder(folder: Path) -> Iterator[Labelled]:
    """Yield the pictures of each class."""
    for of_class in sorted(path for path in folder.iterdir() if path.is_dir()):
        for file in sorted(of_class.iterdir()):
            if file.suffix.lower() in PICTURES:
                yield picture(file, f"{of_class.name}/{file.name}", of_class.name)


def from_list(path: Path) -> Iterator[Labelled]:
    """Yield the pictures that a list names."""
    with path.open(newline="", encoding="utf-8") as lines:
        for number, row in enumerate(csv.reader(lines), start=1):
            if not row or (number == 1 and row == ["file", "label"]):
                continue
            if len(row) != 2:
                raise DataError(f"{path}, row {number}: needed are two columns, file and label")
            name, label = row
            yield picture(path.parent / name, name, label)


def from_arrays(path: Path) -> Iterator[Labelled]:
    """Yield the inputs of two arrays."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            inputs, labels = arrays["inputs"], arrays["labels"]
    except (KeyError, ValueError) as error:
        raise DataError(f"{path} needs the arrays inputs and labels: {error}") from error
    if inputs.ndim < 2 or labels.shape != (len(inputs),):
        raise DataError(
            f"{path} has inputs of the shape {inputs.shape} and labels of {labels.shape}; needed "
            "are [n, ...] and [n]"
        )
    for number, (array, label) in enumerate(zip(inputs, labels, strict=True)):
        yield Labelled(str(number), str(label), {"inputs": [array.tolist()]})


def picture(file: Path, name: str, label: str) -> Labelled:
    """Return a picture."""
    image = base64.b64encode(file.read_bytes()).decode()
    return Labelled(name, label, {"image": image})
