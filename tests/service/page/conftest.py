"""A browser and a server for the tests of a module, and the page opened for one of them."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.service.page.browser import DESK, Visit, chromium
from tests.service.test_server import Server, started


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with started() as running:
        yield running


@pytest.fixture
def visit(browser: Browser, server: Server) -> Iterator[Visit]:
    with Visit(browser, server, viewport=DESK, reduced_motion="reduce") as opened:
        opened.page.wait_for_selector("#checkpoint option", state="attached")
        yield opened
        assert opened.outside == []
        assert opened.complaints == []
