"""Samples: labelled inputs of anybody's own, and the built-in data sets; one reader for all.

What is read belongs to no network yet; ``models.data.fitting`` makes it inputs of one. A sample
is known by a digest of its content, which tells on which half of its file it falls, whatever the
order, and however many others there are.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from noisevote.models.data.dataset import Dataset, as_inputs
from noisevote.models.data.datasets import DATASETS, load_dataset
from noisevote.models.data.sample_files import Content, read_content
from noisevote.models.errors import DataError

MOST_SAMPLES = 2**20
"""Their numbers are parts of the seeds of their votes."""

SHOWN_DIGITS = 16
"""Of a digest in the heads of results and on cards."""


@dataclass(frozen=True, slots=True)
class Samples:
    """Some samples of a file, or of a built-in data set.

    Attributes:
        source: name of the file or data set.
        content: what they are.
        numbers: place of each in its file; they decide the noise of its votes.
        digests: SHA-256 of the content of each, but for its label.
        digest: SHA-256 of all that the file holds, in its order, labels too.
        dataset: that they are examples of; None: they are somebody's own.
    """

    source: str
    content: Content
    numbers: tuple[int, ...]
    digests: tuple[str, ...]
    digest: str
    dataset: Dataset | None = None

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def text(self) -> str:
        """What was read, for heads of results and cards."""
        return f"samples {self.source} (sha256 {self.digest[:SHOWN_DIGITS]})"

    def taken(self, places: Sequence[int]) -> "Samples":
        """Return the samples at these places; they keep their numbers."""
        return replace(
            self,
            content=self.content.taken(places),
            numbers=tuple(self.numbers[place] for place in places),
            digests=tuple(self.digests[place] for place in places),
        )

    def parted(self, share: float = 0.5) -> "tuple[Samples, Samples]":
        """Return two parts that have no sample in common.

        Of each sample its own digest decides, so that it stays on its part when others come or
        go, and equal ones lie on the same.

        Args:
            share: of the first part, about.

        Raises:
            DataError: all fall on one part.
        """
        is_first = [int(digest[:8], 16) < share * 2**32 for digest in self.digests]
        if all(is_first) or not any(is_first):
            raise DataError(
                f"the samples of {self.source} cannot be parted: all {len(self)} fall on the same "
                "part; more are needed"
            )
        first = [place for place, belongs in enumerate(is_first) if belongs]
        second = [place for place, belongs in enumerate(is_first) if not belongs]
        return self.taken(first), self.taken(second)

    def spread(self, count: int) -> "Samples":
        """Return ``count`` samples spread evenly over these, or all if there are fewer."""
        count = min(count, len(self))
        return self.taken([place * len(self) // count for place in range(count)])

    def in_turns(self) -> "Samples":
        """Return samples that come class by class, as those of a folder, with classes in turns.

        The first so many are of all classes then. Others stay as they are.
        """
        labels = self.content.labels
        if labels is None:
            return self
        changes = sum(before != after for before, after in pairwise(labels))
        if changes + 1 != len(set(labels)):
            return self
        seen: Counter[str] = Counter()
        turns = []
        for place, label in enumerate(labels):
            turns.append((seen[label], place))
            seen[label] += 1
        return self.taken([place for _, place in sorted(turns)])


def read_samples(
    given: str, directory: Path, allow_unknown: bool = False, to_learn: bool = False
) -> Samples:
    """Read samples.

    Args:
        given: name of a built-in data set, or path of a folder or file
            (``models.data.sample_files``).
        directory: folder of the data sets.
        allow_unknown: accept files of data sets that are not the official ones.
        to_learn: whether they are to be learned from: of a data set the official training examples
            are taken; else its test examples, since a network may have learned the others.

    Raises:
        DataError: there are none, too many, or they cannot be read.
    """
    if given in DATASETS:
        return of_dataset(given, directory, allow_unknown, to_learn)
    path = Path(given)
    if not path.exists() and not path.suffix:
        raise DataError(
            f"{given} is neither a folder or file nor a data set; the data sets are: "
            f"{', '.join(DATASETS)}"
        )
    return samples_of(path.resolve().name, read_content(path))


def of_dataset(name: str, directory: Path, allow_unknown: bool, to_learn: bool) -> Samples:
    """Return the official training or test examples of a data set."""
    loaded = load_dataset(name, directory, allow_unknown)
    examples = loaded.train if to_learn else loaded.test
    labels = [loaded.about.labels[label] for label in examples.labels.tolist()]
    content = Content(
        names=tuple(map(str, range(len(labels)))),
        labels=tuple(labels),
        arrays={"inputs": as_inputs(examples.inputs)},
        has_rows=len(loaded.about.shape) == 1,
    )
    source = f"{name}, {'training' if to_learn else 'test'} examples"
    return replace(samples_of(source, content), dataset=loaded.about)


def samples_of(source: str, content: Content) -> Samples:
    """Return all that a file holds.

    Raises:
        DataError: these are too many, or a picture cannot be read.
    """
    count = len(content.names)
    if count > MOST_SAMPLES:
        raise DataError(f"{source} holds {count:,} samples; allowed are {MOST_SAMPLES:,}")
    digests = tuple(digests_of(content))
    labels = content.labels or [""] * count
    lines = (f"{digest} {label}\n" for digest, label in zip(digests, labels, strict=True))
    whole = hashlib.sha256("".join(lines).encode()).hexdigest()
    return Samples(source, content, tuple(range(count)), digests, whole)


def digests_of(content: Content) -> Iterator[str]:
    """Yield the SHA-256 of each sample: of the file of a picture; of types, shapes and values.

    Names of arrays count where there are several.
    """
    names = sorted(content.arrays)
    for picture in content.pictures:
        try:
            yield hashlib.sha256(picture.read_bytes()).hexdigest()
        except OSError as error:
            raise DataError(f"{picture} cannot be read: {error}") from error
    for place in range(len(content.names) if content.arrays else 0):
        digest = hashlib.sha256()
        for name in names:
            row = content.arrays[name][place]
            head = f"{row.dtype.str} {row.shape}\n"
            digest.update((f"{name} {head}" if len(names) > 1 else head).encode())
            digest.update(row.tobytes())
        yield digest.hexdigest()
