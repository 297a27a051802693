"""CIFAR-10 in its binary version: 50,000 and 10,000 colour pictures of ten classes.

A file holds records of 3,073 bytes: the class, then 32 x 32 values of red, of green and of blue,
row by row. Five files hold the training pictures, one the test pictures. They lie in a folder
``cifar-10-batches-bin``, as the official archive ``cifar-10-binary.tar.gz`` unpacks, or in that
archive.

Two contents are known. The official one, and a copy whose pictures were compressed as JPEG once
(quality about 75, a mean PSNR of 30.5 dB; its test pictures are sorted by class). Beside the copy
may lie ``test_lossless_1000.bin``: the first 1,000 official test pictures with exact pixels.

Source: A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009;
https://www.cs.toronto.edu/~kriz/cifar.html (layout, MD5 of the archive).
"""

import hashlib
import io
import tarfile
import zlib
from pathlib import Path

import numpy as np

from noisevote.models.data.dataset import Dataset, Examples, LoadedDataset
from noisevote.models.data.files import DATA_DIR_VARIABLE, download, is_there
from noisevote.models.errors import DataError

FOLDER = "cifar-10-batches-bin"
ARCHIVE = "cifar-10-binary.tar.gz"
MIRRORS = ("https://www.cs.toronto.edu/~kriz/",)
TRAIN_FILES = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
TEST_FILE = "test_batch.bin"
FILES = (*TRAIN_FILES, TEST_FILE)
EXACT_TEST_FILE = "test_lossless_1000.bin"

CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
SHAPE = (3, 32, 32)
RECORD_BYTES = 1 + 3 * 32 * 32

OFFICIAL = "official files"
JPEG_COPY = "JPEG copy"
UNKNOWN = "unknown"

KNOWN_MD5 = {
    OFFICIAL: {
        "data_batch_1.bin": "5dd7e06a14cb22eb9f671a540d1b7c25",
        "data_batch_2.bin": "5ea93a67294ea407fff1d09f752e9692",
        "data_batch_3.bin": "942cd6a4bcdd0dd3c604fbe906cb4421",
        "data_batch_4.bin": "ae636b3ba5c66a11e91e8cb52e771fcb",
        "data_batch_5.bin": "53f37980c15c3d472c316c40844f3f0d",
        TEST_FILE: "803d5f7f4d78ea53de84dbe85f74fb6d",
        EXACT_TEST_FILE: "371f65da31ad652f5e24b3699a3e6515",
    },
    JPEG_COPY: {
        "data_batch_1.bin": "5a5142663b2c457eb7edf61944cf14cd",
        "data_batch_2.bin": "a03813b579934887e19fffa24f57e096",
        "data_batch_3.bin": "9338b8beb58f9f053aa7e7f6d2ca26a1",
        "data_batch_4.bin": "5d6a4b059305fb3437429da7d5355351",
        "data_batch_5.bin": "b543e7acd6f6cab339de5ace5ae323ae",
        TEST_FILE: "e550e8d8d18f948fe2eac3edebf8eb9a",
        EXACT_TEST_FILE: "371f65da31ad652f5e24b3699a3e6515",
    },
}
"""MD5 of the files of each known copy. The official archive's is
c32a1d4ab5d03f1284b67883e8d87530; it does not hold :data:`EXACT_TEST_FILE`."""


def read_cifar10(about: Dataset, directory: Path, allow_unknown: bool) -> LoadedDataset:
    """Read CIFAR-10 from ``directory`` or its folder ``cifar10``; download it if it is absent.

    Args:
        about: its row.
        directory: holds the folder :data:`FOLDER` or the archive :data:`ARCHIVE`.
        allow_unknown: accept other contents than the two known ones.

    Raises:
        DataError: the files are absent and cannot be downloaded, are damaged, or are unknown.
    """
    contents, where = find_contents(directory)
    copy = copy_of(contents, where, allow_unknown)
    note = "" if copy == OFFICIAL else f" ({copy})"
    exact = contents.pop(EXACT_TEST_FILE, None)
    parts = {name: parse_records(content, where / name) for name, content in contents.items()}
    train = [parts[name] for name in TRAIN_FILES]
    return LoadedDataset(
        about,
        Examples(
            np.concatenate([part.inputs for part in train]),
            np.concatenate([part.labels for part in train]),
        ),
        parts[TEST_FILE],
        digests={
            f"{name}{note}": hashlib.sha256(content).hexdigest()
            for name, content in contents.items()
        },
        is_official=copy == OFFICIAL,
        exact_test=None if exact is None else parse_records(exact, where / EXACT_TEST_FILE),
    )


def seems_there(_: Dataset, directory: Path) -> bool:
    """Return whether the folder or the archive lies in a directory."""
    return any(
        (place / FOLDER).is_dir() or is_there(place / ARCHIVE)
        for place in (directory / "cifar10", directory)
    )


def find_contents(directory: Path) -> tuple[dict[str, bytes], Path]:
    """Return the contents of the files by name, and where they were found."""
    nested = directory / "cifar10"
    for place in (nested, directory):
        folder = place / FOLDER
        if folder.is_dir():
            return read_folder(folder), folder
        archive = place / ARCHIVE
        if is_there(archive):
            return read_archive(archive.read_bytes(), archive), archive
    kept_as = (nested if nested.is_dir() else directory) / ARCHIVE

    def official_contents(packed: bytes) -> dict[str, bytes]:
        contents = read_archive(packed, kept_as)
        if copy_of(contents, kept_as, allow_unknown=False) != OFFICIAL:
            raise DataError("these are not the official contents")
        return contents

    try:
        return download([f"{mirror}{ARCHIVE}" for mirror in MIRRORS], official_contents, kept_as), (
            kept_as
        )
    except DataError as error:
        raise DataError(
            f"neither {FOLDER} nor {ARCHIVE} is in {directory} or its folder cifar10, nor can the "
            f"archive be downloaded ({error}). Put one of them there, or name its folder with "
            f"--data-dir or {DATA_DIR_VARIABLE}"
        ) from error


def read_folder(folder: Path) -> dict[str, bytes]:
    """Read the six files of an unpacked archive, and the exact test pictures if they are there."""
    absent = [name for name in FILES if not is_there(folder / name)]
    if absent:
        raise DataError(f"{folder} lacks {', '.join(absent)}; unpack {ARCHIVE} again")
    names = [*FILES, EXACT_TEST_FILE]
    return {name: (folder / name).read_bytes() for name in names if is_there(folder / name)}


def read_archive(packed: bytes, path: Path) -> dict[str, bytes]:
    """Read the six files from the archive; nothing is unpacked to disk."""
    contents = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(packed), mode="r:gz") as archive:
            for name in FILES:
                file = archive.extractfile(f"{FOLDER}/{name}")
                contents[name] = b"" if file is None else file.read()
    except (OSError, EOFError, KeyError, tarfile.TarError, zlib.error) as error:
        raise DataError(
            f"{path} is not the complete archive of CIFAR-10's binary version ({error}); delete it "
            "to have it downloaded again"
        ) from error
    return contents


def copy_of(contents: dict[str, bytes], where: Path, allow_unknown: bool) -> str:
    """Return which known copy the contents are; unknown ones must be allowed."""
    found = {
        name: hashlib.md5(content, usedforsecurity=False).hexdigest()
        for name, content in contents.items()
    }
    closest = max(KNOWN_MD5, key=lambda copy: len(found.items() & KNOWN_MD5[copy].items()))
    wrong = [name for name, md5 in found.items() if md5 != KNOWN_MD5[closest][name]]
    if not wrong:
        return closest
    if allow_unknown:
        return UNKNOWN
    name = wrong[0]
    raise DataError(
        f"{where / name} is corrupt or of another copy: its MD5 is {found[name]}, that of the "
        f"{closest} {KNOWN_MD5[closest][name]}. Delete {where} to have the archive downloaded, or "
        "pass --allow-unknown-data to use it as it is"
    )


def parse_records(content: bytes, path: Path) -> Examples:
    """Parse the records of one file.

    Raises:
        DataError: its length is not that of whole records, or a class is above 9.
    """
    if len(content) == 0 or len(content) % RECORD_BYTES:
        raise DataError(f"{path} holds {len(content)} bytes, not records of {RECORD_BYTES}")
    records = np.frombuffer(content, np.uint8).reshape(-1, RECORD_BYTES)
    labels = records[:, 0].astype(np.int64)
    if labels.max() >= len(CLASSES):
        raise DataError(f"{path} holds the class {labels.max()}; the classes are 0 to 9")
    return Examples(records[:, 1:].reshape(-1, *SHAPE), labels)
