"""Files of data sets: found in a directory or downloaded, unpacked, and checked by digest."""

import gzip
import hashlib
import logging
import os
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from noisevote.models.errors import DataError
from noisevote.models.files import place_of, write_whole

DATA_DIR_VARIABLE = "NOISEVOTE_DATA_DIR"

MAX_FILE_BYTES = 256 * 2**20

Unpacked = TypeVar("Unpacked")

log = logging.getLogger("noisevote")


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


@dataclass(frozen=True, slots=True)
class DatasetFile:
    """One official file: its name and the SHA-256 of its decompressed content."""

    name: str
    sha256: str


def read_or_download(folder: Path, file: DatasetFile, mirrors: tuple[str, ...]) -> bytes:
    """Return a file's decompressed content from ``folder``, or from the first mirror that has it.

    Raises:
        DataError: the file is neither there nor to be had, or its compression is damaged.
    """
    for path, is_gzipped in ((folder / file.name, False), (folder / f"{file.name}.gz", True)):
        if is_there(path):
            content = path.read_bytes()
            return decompress(content, path) if is_gzipped else content

    def official_content(packed: bytes) -> bytes:
        content = decompress(packed, Path(f"{file.name}.gz"))
        digest = hashlib.sha256(content).hexdigest()
        if digest != file.sha256:
            raise DataError(f"SHA-256 of the content is {digest}")
        return content

    urls = [f"{mirror}{file.name}.gz" for mirror in mirrors]
    try:
        return download(urls, official_content, folder / f"{file.name}.gz")
    except DataError as error:
        raise DataError(
            f"{file.name} is neither in {folder} (plain or .gz) nor to be downloaded ({error}). "
            f"Put a file whose decompressed SHA-256 is {file.sha256} there, or name its folder "
            f"with --data-dir or {DATA_DIR_VARIABLE}"
        ) from error


def is_there(path: Path) -> bool:
    """Return whether there is a file.

    Raises:
        DataError: something else lies there: a folder, a pipe, a link that leads to itself.
    """
    try:
        return place_of(path).is_file()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error


def decompress(content: bytes, path: Path) -> bytes:
    """Return the gunzipped content of ``path``."""
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"{path} is not a complete gzip file ({error}); delete it to have it downloaded again"
        ) from error


_may_download = ContextVar("may_download", default=True)


@contextmanager
def without_downloads() -> Iterator[None]:
    """Have nothing fetched inside the block: a file that is absent is an error at once."""
    token = _may_download.set(False)
    try:
        yield
    finally:
        _may_download.reset(token)


def download(urls: Iterable[str], unpack: Callable[[bytes], Unpacked], kept_as: Path) -> Unpacked:
    """Fetch a file from the first address whose copy passes; keep it as it came.

    Args:
        urls: addresses to try, in this order.
        unpack: checks and unpacks what came; raises a :class:`DataError` if it is something else.
        kept_as: where a copy that passed is written.

    Returns:
        What ``unpack`` made of the copy.

    Raises:
        DataError: there is none; the message lists what was wrong with each address.
    """
    if not _may_download.get():
        raise DataError("downloads are switched off")
    failures = []
    for url in urls:
        try:
            with urllib.request.urlopen(url, timeout=30) as response:
                packed = response.read(MAX_FILE_BYTES)
            unpacked = unpack(packed)
        except (urllib.error.URLError, OSError, DataError) as error:
            failures.append(f"{url}: {error}")
            continue
        try:
            kept_as.parent.mkdir(parents=True, exist_ok=True)
            write_whole(kept_as, packed)
        except OSError as error:
            log.warning("%s cannot be kept, and will be downloaded again: %s", kept_as, error)
        return unpacked
    raise DataError("; ".join(failures))


def check_digest(folder: Path, file: DatasetFile, content: bytes, allow_unknown: bool) -> str:
    """Return the SHA-256 of ``content``; an unknown one must be allowed."""
    digest = hashlib.sha256(content).hexdigest()
    if digest != file.sha256 and not allow_unknown:
        raise DataError(
            f"{folder / file.name} is corrupt or another copy: its decompressed SHA-256 is "
            f"{digest}, the official one is {file.sha256}. Delete it to have it downloaded again, "
            "or pass --allow-unknown-data to use it as it is"
        )
    return digest
