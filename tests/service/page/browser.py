"""A real browser, the machine's own Chromium, before a real server."""

import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect, sync_playwright

from tests.service.test_server import Server

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")

# As root Chromium runs only without its sandbox; the rest keeps it from looking outside.
OPTIONS = ["--no-sandbox", "--disable-quic", "--disable-background-networking", "--disable-sync"]

DESK: ViewportSize = {"width": 1360, "height": 900}
SEVEN = [(70, 50), (210, 45), (170, 120), (145, 180), (125, 245)]
"""A stroke, in the units of the pad."""

# Records what a ballot says whenever it changes.
WATCH = """() => {
  window.seen = [];
  const ballot = document.querySelector('.ballot');
  new MutationObserver(() => window.seen.push([
    ballot.querySelector('.verdict').textContent,
    ballot.querySelector('.reading').textContent,
    ballot.classList.contains('is-sure'),
  ])).observe(ballot, {subtree: true, childList: true, characterData: true});
}"""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start a browser, or skip the test where there is none."""
    if CHROMIUM is None:
        reason = "no Chromium: install Debian's package chromium, or name one with CHROMIUM="
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield browser
        browser.close()


class Visit:
    """A page that has been opened, and all that it asked for and complained about.

    Args:
        browser: that opens it.
        server: that it comes from.
        path: of the page.
        context: of the browser: size, colour scheme, touch.
    """

    def __init__(self, browser: Browser, server: Server, path: str = "/", **context: Any) -> None:
        self.origin = str(server.client.base_url).rstrip("/")
        self.context = browser.new_context(**context)
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(30_000)
        self.asked: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(self.origin + path)

    def __enter__(self) -> "Visit":
        return self

    def __exit__(self, *_: object) -> None:
        self.context.close()

    @property
    def outside(self) -> list[str]:
        """What was asked of anybody but the server."""
        own = (self.origin + "/", "data:", "blob:")
        return [url for url in self.asked if not url.startswith(own)]

    def wait_for_answers(self, ballots: int = 3) -> None:
        """Wait until every network that is asked has answered."""
        expect(self.page.locator(".ballot.is-done")).to_have_count(ballots, timeout=30_000)
        expect(self.page.locator("#status")).to_contain_text("agreement", timeout=30_000)

    def counts(self, ballot: int = 0) -> list[int]:
        """Return the votes of each class that a ballot shows."""
        shown = self.page.locator(".ballot").nth(ballot).locator(".bars .count").all_inner_texts()
        return [int(text or 0) for text in shown]

    def tape(self, ballot: int = 0) -> list[int]:
        """Return the votes of a ballot in the order in which they came."""
        shown = self.page.locator(".ballot").nth(ballot).locator(".tape li").all_inner_texts()
        return [int(text) for text in shown]

    def text(self, selector: str, ballot: int = 0) -> str:
        """Return what a part of a ballot says."""
        return self.page.locator(".ballot").nth(ballot).locator(selector).inner_text()

    def example(self, digit: int) -> None:
        """Draw an example."""
        self.page.get_by_role("button", name=f"Example of a {digit}").click()

    def choose(self, network: str) -> None:
        """Choose a network."""
        self.page.select_option("#checkpoint", network)

    def sent(self) -> dict[str, Any]:
        """Return the body of the command that is shown."""
        (body,) = re.findall(r"-d '(.*)'", self.page.inner_text("#call").replace("\n", ""))
        found: dict[str, Any] = json.loads(body)
        return found

    @property
    def streams(self) -> int:
        """How many predictions were asked for."""
        return sum(url.endswith("/predict/stream") for url in self.asked)

    def watch(self) -> None:
        """Keep what the first ballot says from now on, in ``window.seen``."""
        self.page.evaluate(WATCH)

    def draw(self, points: list[tuple[int, int]]) -> None:
        """Draw one stroke with the mouse, in the units of the pad."""
        self.page.locator("#pad").scroll_into_view_if_needed()
        box = self.page.locator("#pad").bounding_box()
        assert box is not None
        scale_x, scale_y = box["width"] / 280, box["height"] / 280
        at = [(box["x"] + x * scale_x, box["y"] + y * scale_y) for x, y in points]
        self.page.mouse.move(*at[0])
        self.page.mouse.down()
        for point in at[1:]:
            self.page.mouse.move(*point, steps=8)
        self.page.mouse.up()
