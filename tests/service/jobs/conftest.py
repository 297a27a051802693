"""One server with a folder of its own for the tests of a module."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service.jobs.support import environment
from tests.service.test_server import Server, started


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("jobs") / "folder"


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    with started(environment(folder)) as running:
        yield running
