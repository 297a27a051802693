"""One running app with a checkpoint that is ready for devices."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from noisevote.service.configuration.settings import Settings
from tests.service.on_devices import ready
from tests.service.support import serving


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ready(tmp_path_factory.mktemp("checkpoints"))


@pytest.fixture(scope="module")
async def on_devices(
    checkpoints: Path,
    anyio_backend: str,  # noqa: ARG001
) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(Settings(slots=2, checkpoints=(checkpoints,))) as (_, client):
        yield client
