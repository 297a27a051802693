"""CIFAR-10's files: found, told apart by digest, parsed; what is wrong is named."""

import hashlib
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest

from noisevote.models.data import cifar10
from noisevote.models.data.cifar10 import (
    EXACT_TEST_FILE,
    FOLDER,
    JPEG_COPY,
    KNOWN_MD5,
    OFFICIAL,
    parse_records,
)
from noisevote.models.data.datasets import load_dataset
from noisevote.models.data.files import DATA_DIR_VARIABLE
from noisevote.models.errors import DataError
from tests.photographs import photographs, records, write_cifar10

COUNT = 40


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory with small files, and a mirror that is an empty folder of this machine."""
    (tmp_path / "mirror").mkdir()
    monkeypatch.setattr(cifar10, "MIRRORS", ((tmp_path / "mirror").as_uri() + "/",))
    write_cifar10(tmp_path / "data" / FOLDER, COUNT)
    return tmp_path / "data"


def archive_of(folder: Path) -> bytes:
    """The files as the official archive packs them."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        archive.add(folder / FOLDER, FOLDER)
    return file.getvalue()


def declare_known(folder: Path, copy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the files in ``folder`` count as those of a known copy."""
    digests = {
        path.name: hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
        for path in (folder / FOLDER).iterdir()
    }
    monkeypatch.setitem(KNOWN_MD5, copy, {EXACT_TEST_FILE: "none", **digests})


@pytest.mark.parametrize("nested", [False, True])
def test_files_give_pictures_and_classes_in_order(folder: Path, nested: bool) -> None:
    if nested:
        (folder / "cifar10").mkdir()
        (folder / FOLDER).rename(folder / "cifar10" / FOLDER)
    dataset = load_dataset("cifar10", folder, allow_unknown=True)
    assert dataset.train.inputs.shape == (5 * COUNT, 3, 32, 32)
    for batch in range(5):
        pictures, labels = photographs(COUNT, seed=batch)
        part = slice(batch * COUNT, (batch + 1) * COUNT)
        assert np.array_equal(dataset.train.inputs[part], pictures)
        assert np.array_equal(dataset.train.labels[part], labels)
    assert np.array_equal(dataset.test.inputs, photographs(COUNT, seed=5)[0])
    assert dataset.exact_test is None


def test_archive_is_read_like_the_files(folder: Path) -> None:
    unpacked = load_dataset("cifar10", folder, allow_unknown=True)
    (folder / cifar10.ARCHIVE).write_bytes(archive_of(folder))
    (folder / FOLDER).rename(folder / "elsewhere")
    packed = load_dataset("cifar10", folder, allow_unknown=True)
    assert packed.digests == unpacked.digests
    assert np.array_equal(packed.train.inputs, unpacked.train.inputs)


def test_unknown_content_is_named_with_both_digests_and_must_be_allowed(folder: Path) -> None:
    with pytest.raises(DataError) as caught:
        load_dataset("cifar10", folder)
    official = KNOWN_MD5[OFFICIAL]["data_batch_1.bin"]
    for part in ("data_batch_1.bin", official, "--allow-unknown-data"):
        assert part in str(caught.value)
    allowed = load_dataset("cifar10", folder, allow_unknown=True)
    assert not allowed.is_official
    assert all(name.endswith("(unknown)") for name in allowed.digests)


def test_known_copy_is_read_without_a_flag_and_named_on_the_card(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare_known(folder, JPEG_COPY, monkeypatch)
    dataset = load_dataset("cifar10", folder)
    assert not dataset.is_official
    assert next(iter(dataset.digests)) == "data_batch_1.bin (JPEG copy)"
    content = (folder / FOLDER / "test_batch.bin").read_bytes()
    assert dataset.digests["test_batch.bin (JPEG copy)"] == hashlib.sha256(content).hexdigest()


def test_one_file_of_another_copy_makes_the_whole_unknown(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare_known(folder, OFFICIAL, monkeypatch)
    assert load_dataset("cifar10", folder).is_official
    (folder / FOLDER / "data_batch_3.bin").write_bytes(records(*photographs(1)))
    with pytest.raises(DataError, match=r"data_batch_3\.bin is corrupt or of another copy"):
        load_dataset("cifar10", folder)


def test_exact_test_pictures_beside_a_copy_are_a_split_of_their_own(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures, labels = photographs(7, seed=9)
    (folder / FOLDER / EXACT_TEST_FILE).write_bytes(records(pictures, labels))
    declare_known(folder, JPEG_COPY, monkeypatch)
    dataset = load_dataset("cifar10", folder)
    assert dataset.exact_test is not None
    assert np.array_equal(dataset.exact_test.inputs, pictures)
    assert np.array_equal(dataset.exact_test.labels, labels)
    assert len(dataset.test) == COUNT
    (folder / FOLDER / EXACT_TEST_FILE).write_bytes(records(*photographs(7, seed=8)))
    with pytest.raises(DataError, match=EXACT_TEST_FILE):
        load_dataset("cifar10", folder)


def test_absent_archive_is_downloaded_and_kept(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare_known(folder, OFFICIAL, monkeypatch)
    packed = archive_of(folder)
    (folder.parent / "mirror" / cifar10.ARCHIVE).write_bytes(packed)
    empty = folder.parent / "empty"
    assert load_dataset("cifar10", empty).is_official
    assert (empty / cifar10.ARCHIVE).read_bytes() == packed


def test_mirror_with_other_content_is_passed_over(folder: Path) -> None:
    (folder.parent / "mirror" / cifar10.ARCHIVE).write_bytes(archive_of(folder))
    empty = folder.parent / "empty"
    with pytest.raises(DataError) as caught:
        load_dataset("cifar10", empty, allow_unknown=True)
    for part in ("its MD5 is", "--data-dir", DATA_DIR_VARIABLE):
        assert part in str(caught.value)
    assert not (empty / cifar10.ARCHIVE).exists()


def test_missing_file_of_the_folder_is_named(folder: Path) -> None:
    (folder / FOLDER / "data_batch_4.bin").unlink()
    with pytest.raises(DataError, match=r"lacks data_batch_4\.bin"):
        load_dataset("cifar10", folder, allow_unknown=True)


@pytest.mark.parametrize("kept", [0, 100, -100])
def test_cut_archive_is_named(folder: Path, kept: int) -> None:
    (folder / cifar10.ARCHIVE).write_bytes(archive_of(folder)[:kept])
    (folder / FOLDER).rename(folder / "elsewhere")
    with pytest.raises(DataError, match="not the complete archive"):
        load_dataset("cifar10", folder, allow_unknown=True)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds 0 bytes"),
        (bytes(3072), "not records of 3073"),
        (bytes([10]) + bytes(3072), "the class 10"),
    ],
)
def test_content_that_is_no_records_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        parse_records(content, Path("file"))
