"""The page for everybody: keyboard, finger, screen reader, either light, no motion."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect

from tests.service.page.browser import SEVEN, Visit
from tests.service.test_server import Server


def test_a_drawing_needs_no_mouse(visit: Visit) -> None:
    keyboard = visit.page.keyboard
    visit.page.locator("#pad").focus()
    for _ in range(8):
        keyboard.press("ArrowUp")
    keyboard.press("Space")
    for _ in range(18):
        keyboard.press("ArrowDown")
    keyboard.press("Space")
    visit.wait_for_answers()
    assert visit.text(".mode") == "1"
    keyboard.press("3")
    expect(visit.page.locator(".ballot .mode").first).to_have_text("3", timeout=30_000)
    visit.wait_for_answers()
    keyboard.press("Delete")
    assert visit.text(".verdict") == "Waits for a drawing."


def test_every_control_is_reached_by_the_keyboard_in_the_order_of_the_page(visit: Visit) -> None:
    visit.page.locator("h1").click()
    reached = []
    for _ in range(40):
        visit.page.keyboard.press("Tab")
        reached.append(
            visit.page.evaluate("document.activeElement.id || document.activeElement.tagName")
        )
    assert reached[:5] == ["A"] * 5
    wanted = [
        "pad",
        "undo",
        "clear",
        "vote",
        "file",
        "checkpoint",
        "sigma-slider",
        "sigma",
        "votes",
        "stop",
    ]
    wanted += ["seed", "new-seed", "latency", "energy", "call-of", "call"]
    assert [name for name in reached if name in wanted] == wanted


def test_a_finger_draws_and_does_not_scroll(browser: Browser, server: Server) -> None:
    size = {"width": 400, "height": 800}
    with Visit(browser, server, viewport=size, has_touch=True, is_mobile=True) as visit:
        box = visit.page.locator("#pad").bounding_box()
        assert box is not None
        scale = box["width"] / 280
        at = [(box["x"] + scale * x, box["y"] + scale * y) for x, y in SEVEN]
        touch = visit.context.new_cdp_session(visit.page)
        for index, (x, y) in enumerate(at):
            kind = "touchMove" if index else "touchStart"
            points = [{"x": x, "y": y}]
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        visit.wait_for_answers()
        assert visit.text(".mode") == "7"
        assert visit.page.evaluate("scrollY") == 0
        assert visit.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_keeps_people_out_in_either_light(
    browser: Browser, server: Server, scheme: str
) -> None:
    with Visit(browser, server, color_scheme=scheme, reduced_motion="reduce") as visit:
        visit.page.get_by_role("button", name="Example of a 2").click()
        visit.wait_for_answers()
        found = Axe().run(visit.page)  # WCAG 2 A and AA, contrast included
        assert found.violations_count == 0, found.generate_report()
        ground = visit.page.evaluate("getComputedStyle(document.body).backgroundColor")
        level = sum(int(part) for part in re.findall(r"\d+", ground)[:3])
        assert (level > 3 * 200) == (scheme == "light")


def test_the_answer_is_said_once_to_who_listens(visit: Visit) -> None:
    status = visit.page.locator("#status")
    visit.page.get_by_role("button", name="Example of a 6").click()
    visit.wait_for_answers()
    assert re.match(
        r"Chosen network: \d, agreement [\d.]+\. .*Trained without noise: \d, .*pen strokes",
        status.inner_text(),
    )
    assert status.get_attribute("aria-live") == "polite"


def test_who_wants_no_motion_sees_the_votes_as_soon_as_they_are_there(visit: Visit) -> None:
    visit.watch()
    visit.page.get_by_role("button", name="Example of a 3").click()
    visit.wait_for_answers()
    seen = visit.page.evaluate("window.seen")
    numbers = {found[1] for text, *_ in seen if (found := re.match(r"(\d+) of", text))}
    assert len(numbers) < 10, "as many steps as forward passes, not as votes"
