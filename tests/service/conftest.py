"""One running app for all tests that do not change it."""

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI

from noisevote.service.configuration.settings import Settings
from tests.service.imported import serving_imported
from tests.service.support import serving


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
async def served(anyio_backend: str) -> AsyncIterator[tuple[FastAPI, httpx.AsyncClient]]:  # noqa: ARG001
    async with serving(Settings(slots=2)) as app_and_client:
        yield app_and_client


@pytest.fixture(scope="session")
def app(served: tuple[FastAPI, httpx.AsyncClient]) -> FastAPI:
    return served[0]


@pytest.fixture(scope="session")
def client(served: tuple[FastAPI, httpx.AsyncClient]) -> httpx.AsyncClient:
    return served[1]


@pytest.fixture(scope="module")
async def imported(
    anyio_backend: str,  # noqa: ARG001
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a service of networks of others."""
    async with serving_imported(tmp_path_factory.mktemp("checkpoints")) as client:
        yield client
