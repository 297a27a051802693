"""Files of samples: a folder of pictures, a list of pictures, features, or arrays.

* a folder: one folder a class, named by its label, with PNG or JPEG pictures; pictures that lie in
  the folder itself have no labels;
* ``.csv`` of pictures: rows ``file,label``, files relative to the list; a first row with these two
  words is skipped, and with the word ``file`` alone there are no labels;
* ``.csv`` of features: the first row names the columns, the others hold numbers, one row an input;
  the column ``label``, where there is one, holds the labels;
* ``.npz``: the array ``inputs`` ``[n, ...]``, or an array per input by its name, and, where there
  are labels, the array ``labels`` ``[n]``.
"""

import csv
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noisevote.models.errors import DataError

PICTURES = {".png", ".jpg", ".jpeg"}
OTHER_PICTURES = {".bmp", ".gif", ".tif", ".tiff", ".webp"}
FILE, LABEL, LABELS = "file", "label", "labels"

NEEDED = (
    "needed is a folder with one folder of pictures a class, a .csv of file,label or of features "
    "and label, or a .npz of inputs and labels"
)


@dataclass(frozen=True, slots=True)
class Content:
    """What a file of samples holds, in its order: pictures, or arrays.

    Attributes:
        names: of each sample: of its file, or its number.
        labels: of each as text; None: it tells none.
        pictures: PNG or JPEG files.
        arrays: by name ``[n, ...]``.
        has_rows: whether ``arrays`` are rows of numbers, which take the shape of the input.
    """

    names: tuple[str, ...]
    labels: tuple[str, ...] | None
    pictures: tuple[Path, ...] = ()
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    has_rows: bool = False

    def taken(self, places: Sequence[int]) -> "Content":
        """Return the samples at these places."""
        return Content(
            names=tuple(self.names[place] for place in places),
            labels=None if self.labels is None else tuple(self.labels[place] for place in places),
            pictures=tuple(self.pictures[place] for place in places) if self.pictures else (),
            arrays={name: array[list(places)] for name, array in self.arrays.items()},
            has_rows=self.has_rows,
        )


def read_content(path: Path) -> Content:
    """Read a folder or file of samples.

    Raises:
        DataError: it holds none, or cannot be read.
    """
    try:
        content = content_of(path)
    except (OSError, UnicodeDecodeError, csv.Error, zipfile.BadZipFile) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    if not content.names:
        raise DataError(f"{path} holds no samples; {NEEDED}")
    return content


def content_of(path: Path) -> Content:
    """Read a folder or file by its kind."""
    if path.is_dir():
        return from_folder(path)
    if path.suffix.lower() == ".csv":
        return from_csv(path)
    if path.suffix.lower() == ".npz":
        return from_npz(path)
    raise DataError(f"{path} is neither a folder nor a .csv nor a .npz")


def from_folder(folder: Path) -> Content:
    """Read the pictures of a folder."""
    classes = [path for path in visible(folder) if path.is_dir()]
    files = [(file, of_class.name) for of_class in classes for file in pictures_in(of_class)]
    without_class = pictures_in(folder)
    if files and without_class:
        raise DataError(
            f"{folder} holds pictures beside its folders, such as {without_class[0].name}; put "
            "each into the folder of its class"
        )
    if without_class:
        names = tuple(file.name for file in without_class)
        return Content(names, None, pictures=tuple(without_class))
    return Content(
        names=tuple(f"{label}/{file.name}" for file, label in files),
        labels=tuple(label for _, label in files),
        pictures=tuple(file for file, _ in files),
    )


def visible(folder: Path) -> list[Path]:
    """Return what lies in a folder, in order, but for hidden things."""
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def pictures_in(folder: Path) -> list[Path]:
    """Return the pictures that lie in a folder, in order.

    Raises:
        DataError: one is of a format that is not read.
    """
    files = [path for path in visible(folder) if path.is_file()]
    other = next((file for file in files if file.suffix.lower() in OTHER_PICTURES), None)
    if other is not None:
        raise DataError(f"{other} is neither PNG nor JPEG; save it as one of them")
    return [file for file in files if file.suffix.lower() in PICTURES]


def from_csv(path: Path) -> Content:
    """Read a list of pictures, or features."""
    rows = numbered_rows(path)
    if not rows:
        return Content((), None)
    head = [cell.strip() for cell in rows[0][1]]
    if set(head) in ({FILE}, {FILE, LABEL}):
        return from_list(path, head, rows[1:])
    if len(head) == 2 and Path(head[0]).suffix.lower() in PICTURES:
        return from_list(path, [FILE, LABEL], rows)
    if Path(head[0]).suffix.lower() in PICTURES:
        raise DataError(
            f"{path}, row {rows[0][0]}: needed are two columns, {FILE} and {LABEL}; without labels "
            f"a first row with the word {FILE}"
        )
    return from_features(path, head, rows[1:])


def numbered_rows(path: Path) -> list[tuple[int, list[str]]]:
    """Return the rows of a file that hold anything, with the numbers of their lines."""
    with path.open(newline="", encoding="utf-8-sig") as lines:
        reader = csv.reader(lines)
        return [(reader.line_num, row) for row in reader if any(row)]


def from_list(path: Path, head: Sequence[str], rows: Sequence[tuple[int, list[str]]]) -> Content:
    """Read the rows of a list of pictures."""
    for line, row in rows:
        if len(row) != len(head):
            raise DataError(
                f"{path}, row {line} has {len(row)} columns; needed are {' and '.join(head)}"
            )
    names = tuple(row[head.index(FILE)] for _, row in rows)
    pictures = tuple(path.parent / name for name in names)
    for (line, _), picture in zip(rows, pictures, strict=True):
        if not picture.is_file():
            raise DataError(f"{path}, row {line}: {picture} is no file")
    return Content(names, labels_in(path, head, rows), pictures=pictures)


def labels_in(
    path: Path, head: Sequence[str], rows: Sequence[tuple[int, list[str]]]
) -> tuple[str, ...] | None:
    """Return the labels of rows, if there are any."""
    if LABEL not in head:
        return None
    column = head.index(LABEL)
    labels = tuple(row[column].strip() for _, row in rows)
    if "" in labels:
        raise DataError(f"{path}, row {rows[labels.index('')][0]} has no {LABEL}")
    return labels


def from_features(
    path: Path, head: Sequence[str], rows: Sequence[tuple[int, list[str]]]
) -> Content:
    """Read rows of numbers."""
    if all(is_number(cell) for cell in head):
        raise DataError(
            f"{path}: its first row holds numbers; it must name the columns, {LABEL} among them"
        )
    columns = [place for place, name in enumerate(head) if name != LABEL]
    if not columns or len(head) - len(columns) > 1:
        raise DataError(
            f"{path} has the columns {', '.join(head)}; needed are columns of numbers and at most "
            f"one {LABEL}"
        )
    for line, row in rows:
        if len(row) != len(head):
            raise DataError(f"{path}, row {line} has {len(row)} columns; its head has {len(head)}")
        if wrong := [place for place in columns if not is_number(row[place])]:
            raise DataError(
                f"{path}, row {line}: {row[wrong[0]]!r} in column {head[wrong[0]]} is no number"
            )
    values = [np.array([float(row[place]) for place in columns]) for _, row in rows]
    return Content(
        names=tuple(f"row {line}" for line, _ in rows),
        labels=labels_in(path, head, rows),
        arrays={"inputs": np.array(values)},
        has_rows=True,
    )


def is_number(cell: str) -> bool:
    """Return whether a cell holds a number."""
    try:
        float(cell)
    except ValueError:
        return False
    return True


def from_npz(path: Path) -> Content:
    """Read arrays."""
    try:
        with path.open("rb") as file:
            loaded = np.load(file, allow_pickle=False)
            arrays = {} if isinstance(loaded, np.ndarray) else dict(loaded.items())
    # NumPy's for pickled objects, for what is no such file, and for one that is cut or damaged
    except (ValueError, EOFError, NotImplementedError, zlib.error) as error:
        raise DataError(f"{path} needs the arrays inputs and {LABELS}: {error}") from error
    labels = arrays.pop(LABELS, None)
    if not arrays:
        found = "none" if labels is None else f"{LABELS} alone"
        raise DataError(f"{path} needs the arrays inputs and {LABELS}; it has {found}")
    shapes = {name: array.shape for name, array in arrays.items()}
    if labels is not None:
        shapes[LABELS] = labels.shape
    if len({shape[:1] for shape in shapes.values()}) > 1 or () in shapes.values():
        listed = ", ".join(f"{name} {list(shape)}" for name, shape in shapes.items())
        raise DataError(f"{path} has the arrays {listed}; all must have as many rows")
    if labels is not None and labels.ndim != 1:
        raise DataError(
            f"{path} has labels of the shape {list(labels.shape)}; needed are [n], the class of "
            "each sample"
        )
    count = len(next(iter(arrays.values())))
    return Content(
        names=tuple(map(str, range(count))),
        labels=None if labels is None else tuple(texts_of(labels, path)),
        arrays=arrays,
    )


def texts_of(labels: NDArray[Any], path: Path) -> Iterator[str]:
    """Yield labels as text; whole numbers of any type are written alike."""
    if labels.dtype.kind == "U":
        yield from (str(label) for label in labels.tolist())
    elif labels.dtype.kind == "S":
        yield from (label.decode() for label in labels.tolist())
    elif labels.dtype.kind in "iuf" and (np.mod(labels, 1) == 0).all():
        yield from (str(int(label)) for label in labels.tolist())
    else:
        raise DataError(
            f"{path} has labels of the type {labels.dtype}; needed are names or whole numbers"
        )
