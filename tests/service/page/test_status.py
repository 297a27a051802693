"""The status page in a real browser: figures that move, keys, a service that is gone."""

import json

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, expect

from noisevote.service.configuration.keys import digest_of
from tests.service.page.browser import DESK, Visit
from tests.service.support import CHECKPOINT, array
from tests.service.test_server import Server, started

PHONE = {"width": 360, "height": 740}


def tile(visit: Visit, name: str) -> Locator:
    """Return the value of a figure."""
    return visit.page.locator(".tiles > div", has_text=name).locator(".value")


def cells(visit: Visit, row: str) -> Locator:
    """Return the cells of a row."""
    return visit.page.get_by_role("row", name=row).get_by_role("cell")


def test_figures_move_when_the_service_is_asked(browser: Browser, server: Server) -> None:
    with Visit(browser, server, "/status", viewport=DESK) as visit:
        expect(visit.page.locator("#ready")).to_have_text("Ready", timeout=30_000)
        expect(cells(visit, "Answered").last).to_have_text("0")
        expect(tile(visit, "Latency, p95")).to_have_text("\N{EN DASH}")
        body = {"inputs": [array(7)], "votes": 30}
        for _ in range(3):
            assert server.client.post("/predict", json=body).status_code == 200
        assert server.client.post("/predict", json={"votes": 0}).status_code == 422
        expect(cells(visit, "Answered").first).to_have_text("3")
        expect(cells(visit, "Answered").last).to_have_text("3")
        expect(cells(visit, "Wrong requests").last).to_have_text("1")
        expect(cells(visit, "invalid_input").last).to_have_text("1")
        for place, text in enumerate(["3", "90", "3", "90"]):  # the last one tells time
            expect(cells(visit, CHECKPOINT).nth(place)).to_have_text(text)
        expect(tile(visit, "Latency, p95")).to_contain_text("ms")
        assert float(tile(visit, "Votes a second").inner_text()) > 0
        assert float(tile(visit, "Slots busy").inner_text()) > 0
        expect(tile(visit, "Memory")).to_contain_text("iB")
        expect(tile(visit, "Worker processes")).to_have_text("1")
        expect(visit.page.locator("#tables")).to_contain_text("none refused")
        visit.page.get_by_role("button", name="Pause").press("Enter")
        assert visit.outside == []
        # The browser tells of a service that is asked while it is not ready yet.
        assert [one for one in visit.complaints if "503" not in one] == []


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_keeps_people_out_of_the_figures(
    browser: Browser, server: Server, scheme: str
) -> None:
    size = DESK if scheme == "light" else PHONE
    with Visit(browser, server, "/status", color_scheme=scheme, viewport=size) as visit:
        expect(visit.page.locator("#tables section")).to_have_count(5)
        found = Axe().run(visit.page)
        assert found.violations_count == 0, found.generate_report()
        assert visit.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.slow
def test_a_key_opens_both_pages_and_a_service_that_is_gone_is_told(browser: Browser) -> None:
    key = "a-key-for-this-test"
    keys = {"NOISEVOTE_API_KEYS": json.dumps({"tester": digest_of(key)})}
    with started(keys) as server, Visit(browser, server, "/status", viewport=DESK) as visit:
        form, problem = visit.page.locator("#key-form"), visit.page.get_by_role("alert")
        expect(form).to_be_visible()
        visit.page.get_by_label("This service asks for an API key").fill("another-key")
        visit.page.get_by_role("button", name="Use this key").click()
        expect(problem).to_contain_text("the API key is not known here")
        visit.page.locator("#key").fill(key)
        visit.page.locator("#key").press("Enter")
        expect(form).to_be_hidden()
        expect(tile(visit, "Memory")).to_contain_text("iB")
        visit.page.goto(f"{visit.origin}/networks?checkpoint={CHECKPOINT}")
        command = visit.page.get_by_role("group", name="With curl")
        expect(command).to_contain_text('"Authorization: Bearer $NOISEVOTE_API_KEY"')
        program = visit.page.get_by_role("group", name="In Python")
        expect(program).to_contain_text('api_key=os.environ["NOISEVOTE_API_KEY"]')
        assert key not in visit.page.content()
        visit.page.go_back()
        expect(tile(visit, "Memory")).to_contain_text("iB")
        server.process.kill()
        server.process.wait()
        expect(problem).to_contain_text("The service cannot be reached", timeout=30_000)
        expect(tile(visit, "Memory")).to_contain_text("iB")
