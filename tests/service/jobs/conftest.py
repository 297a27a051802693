"""One server with a folder of its own for the tests of a module, or the place of a worker."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from noisevote.service.jobs.folder import JobFolder
from noisevote.service.jobs.store import JobStore
from tests.service.jobs.support import environment, store_of
from tests.service.test_server import Server, started


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("jobs") / "folder"


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    with started(environment(folder)) as running:
        yield running


@pytest.fixture
def store(tmp_path: Path) -> Iterator[JobStore]:
    """The store in the hands of a worker: whoever holds its lock."""
    lock = JobFolder(tmp_path).worker_lock()
    assert lock.acquire(waits=False)
    yield store_of(tmp_path)
    lock.release()
