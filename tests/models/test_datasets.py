"""Reading the official files: what is missing, damaged or unknown is named with its remedy."""

import gzip
import hashlib
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from noisevote.models.data.datasets import DATASETS, load_dataset
from noisevote.models.data.files import (
    DATA_DIR_VARIABLE,
    DatasetFile,
    data_dir,
    read_or_download,
    without_downloads,
)
from noisevote.models.data.idx import IdxFiles, parse_idx
from noisevote.models.errors import DataError
from tests.disk import files_of_at_most

MNIST = DATASETS["mnist"].read
assert isinstance(MNIST, IdxFiles)
TRAIN_IMAGES = MNIST.train_images
LABELS = struct.pack(">BBBB1I", 0, 0, 8, 1, 2) + bytes([3, 4])


def change_files(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    """Give MNIST other files or mirrors."""
    row = DATASETS["mnist"]
    assert isinstance(row.read, IdxFiles)
    monkeypatch.setitem(DATASETS, "mnist", replace(row, read=replace(row.read, **changes)))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four small files in MNIST's format, and a mirror that is a folder of this machine."""
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    change_files(monkeypatch, mirrors=(mirror.as_uri() + "/",))
    here = tmp_path / "data"
    here.mkdir()
    for prefix in ("train", "t10k"):
        images = struct.pack(">BBBB3I", 0, 0, 8, 3, 2, 28, 28) + bytes(2 * 28 * 28)
        (here / f"{prefix}-images-idx3-ubyte").write_bytes(images)
        (here / f"{prefix}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(LABELS))
    return here


def test_plain_and_gzipped_files_are_read(folder: Path) -> None:
    dataset = load_dataset("mnist", folder, allow_unknown=True)
    assert dataset.train.inputs.shape == (2, 1, 28, 28)
    assert dataset.test.labels.tolist() == [3, 4]
    assert not dataset.is_official


def test_content_with_an_unknown_digest_is_named_with_both_digests(folder: Path) -> None:
    with pytest.raises(DataError) as caught:
        load_dataset("mnist", folder)
    for part in (TRAIN_IMAGES.name, TRAIN_IMAGES.sha256, "--allow-unknown-data"):
        assert part in str(caught.value)


def test_file_that_is_nowhere_is_named_with_digest_and_remedy(folder: Path) -> None:
    (folder / TRAIN_IMAGES.name).unlink()
    with pytest.raises(DataError) as caught:
        load_dataset("mnist", folder, allow_unknown=True)
    for part in (TRAIN_IMAGES.name, TRAIN_IMAGES.sha256, "--data-dir"):
        assert part in str(caught.value)


@pytest.mark.parametrize(("kind", "said"), [("folder", "a folder"), ("loop", "leads to itself")])
def test_what_is_no_file_in_the_place_of_one_is_said_to_be_so(
    tmp_path: Path, kind: str, said: str
) -> None:
    path = tmp_path / "numbers"
    if kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(path.name)
    with pytest.raises(DataError, match=f"{path} cannot be read: it is .*{said}"):
        read_or_download(tmp_path, DatasetFile("numbers", ""), ())


def test_mirror_with_other_content_is_passed_over(folder: Path) -> None:
    (folder / TRAIN_IMAGES.name).unlink()
    packed = gzip.compress(b"something else")
    (folder.parent / "mirror" / f"{TRAIN_IMAGES.name}.gz").write_bytes(packed)
    with pytest.raises(DataError, match="SHA-256 of the content is"):
        load_dataset("mnist", folder, allow_unknown=True)
    assert not (folder / f"{TRAIN_IMAGES.name}.gz").exists()


def test_absent_file_is_downloaded_and_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = (folder / TRAIN_IMAGES.name).read_bytes()
    (folder / TRAIN_IMAGES.name).unlink()
    (folder.parent / "mirror" / f"{TRAIN_IMAGES.name}.gz").write_bytes(gzip.compress(content))
    known = DatasetFile(TRAIN_IMAGES.name, hashlib.sha256(content).hexdigest())
    change_files(monkeypatch, train_images=known)
    assert len(load_dataset("mnist", folder, allow_unknown=True).train) == 2
    assert (folder / f"{TRAIN_IMAGES.name}.gz").is_file()


def test_a_folder_that_cannot_be_read_is_an_error_of_the_data(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot be read from .*: File name too long"):
        load_dataset("mnist", tmp_path / ("x" * 300))


def test_a_download_that_cannot_be_kept_is_used(
    folder: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "train-labels-idx1-ubyte.gz").rename(
        folder.parent / "mirror" / "train-labels-idx1-ubyte.gz"
    )
    content = gzip.decompress((folder.parent / "mirror/train-labels-idx1-ubyte.gz").read_bytes())
    file = DatasetFile("train-labels-idx1-ubyte", hashlib.sha256(content).hexdigest())
    change_files(monkeypatch, train_labels=file)
    with files_of_at_most(0):
        assert load_dataset("mnist", folder, allow_unknown=True).train.labels.tolist() == [3, 4]
    assert "cannot be kept, and will be downloaded again" in caplog.text
    assert not list(folder.glob("*labels*train*"))


def test_nothing_is_downloaded_where_that_is_switched_off(folder: Path) -> None:
    mirror = folder.parent / "mirror" / f"{TRAIN_IMAGES.name}.gz"
    mirror.write_bytes(gzip.compress((folder / TRAIN_IMAGES.name).read_bytes()))
    (folder / TRAIN_IMAGES.name).unlink()
    with without_downloads(), pytest.raises(DataError, match="downloads are switched off"):
        load_dataset("mnist", folder, allow_unknown=True)
    with pytest.raises(DataError, match="SHA-256 of the content is"):
        load_dataset("mnist", folder, allow_unknown=True)


@pytest.mark.parametrize("kept", [0, 10, 25])
def test_cut_gzip_file_is_named(folder: Path, kept: int) -> None:
    path = folder / "train-labels-idx1-ubyte.gz"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(DataError, match=r"train-labels-idx1-ubyte"):
        load_dataset("mnist", folder, allow_unknown=True)


@pytest.mark.parametrize(
    "content",
    [b"", b"\0\0\x08", b"\0\0\x0d\x01" + bytes(8), b"\0\0\x08\x01" + struct.pack(">I", 9) + b"123"],
    ids=["empty", "no header", "another type", "too short"],
)
def test_file_that_is_no_idx_file_is_refused(content: bytes) -> None:
    with pytest.raises(DataError, match="file"):
        parse_idx(content, Path("file"))


def test_idx_file_gives_its_array() -> None:
    content = b"\0\0\x08\x02" + struct.pack(">II", 2, 3) + bytes(range(6))
    assert np.array_equal(parse_idx(content, Path("file")), [[0, 1, 2], [3, 4, 5]])


@pytest.mark.parametrize("shape", [(0, 28, 28), (4, 2**31, 2**31, 4), (1,) * 255, (2**32 - 1,) * 2])
def test_an_idx_file_of_an_impossible_shape_is_refused(shape: tuple[int, ...]) -> None:
    header = struct.pack(f">BBBB{len(shape)}I", 0, 0, 8, len(shape), *shape)
    with pytest.raises(DataError, match=r"not an IDX file|its header promises"):
        parse_idx(header + bytes(len(shape) == 255), Path("file"))


def test_pictures_of_another_size_are_refused(folder: Path) -> None:
    images = struct.pack(">BBBB3I", 0, 0, 8, 3, 2, 32, 32) + bytes(2 * 32 * 32)
    (folder / "t10k-images-idx3-ubyte").write_bytes(images)
    with pytest.raises(DataError, match=r"\[2, 32, 32\].*expected \[n, 28, 28\]"):
        load_dataset("mnist", folder, allow_unknown=True)


def test_labels_that_are_no_class_are_refused(folder: Path) -> None:
    labels = struct.pack(">BBBB1I", 0, 0, 8, 1, 2) + bytes([3, 10])
    (folder / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels))
    with pytest.raises(DataError, match="labels from 3 to 10; they must be 0 to 9"):
        load_dataset("mnist", folder, allow_unknown=True)


def test_unknown_data_set_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="mnist"):
        load_dataset("fashion", tmp_path)


def test_data_directory_is_the_given_one_then_the_environments_then_a_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(DATA_DIR_VARIABLE, str(tmp_path))
    assert data_dir(Path("given")) == Path("given")
    assert data_dir() == tmp_path
    monkeypatch.delenv(DATA_DIR_VARIABLE)
    assert data_dir().parts[-3:] == (".cache", "noisevote", "data")
