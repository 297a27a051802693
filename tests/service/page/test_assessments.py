"""The page of assessments, from the form to the report, in a real browser."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, FilePayload, expect

from noisevote.models.robustness.plan import AttackOptions
from noisevote.service.client import Client
from noisevote.service.client.attacks import Attacks
from tests.service.jobs.support import ENDLESS, KEY, body_of, environment, request_of
from tests.service.page.browser import DESK, Visit
from tests.service.processes import server_running
from tests.service.test_server import Server, started

PATH = "/assessments"
PHONE = {"width": 360, "height": 780}

WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None
from noisevote.service.cli import app
app(["serve", "--port", "0"])
"""


def settings_of(folder: Path) -> dict[str, str]:
    jobs, data = str(folder / "jobs"), str(folder / "data")
    return {
        "NOISEVOTE_JOBS_DIR": jobs,
        "NOISEVOTE_DATA_DIR": data,
        "NOISEVOTE_SLOTS": "1",
        "NOISEVOTE_ATTACK_THREADS": "1",
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("assessments")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    with started(settings_of(folder)) as running:
        yield running


@pytest.fixture(scope="module")
def done(server: Server) -> str:
    """The id of a small assessment that is done."""
    with Client(str(server.client.base_url)) as client:
        attacks = Attacks(client)
        job = attacks.submit(request_of(body_of()))
        *_, last = attacks.watch(job.id)
    assert last.state == "done", last.error
    return job.id


@pytest.fixture
def visit(browser: Browser, server: Server) -> Iterator[Visit]:
    with Visit(browser, server, PATH, viewport=DESK, reduced_motion="reduce") as opened:
        expect(opened.page.locator("#settings")).to_be_visible()
        yield opened
        assert opened.outside == []


def samples_file() -> FilePayload:
    body = body_of()
    content = json.dumps({name: body[name] for name in ("inputs", "labels")})
    return {"name": "some.json", "mimeType": "application/json", "buffer": content.encode()}


def fill_small(visit: Visit) -> None:
    """Ask for a small assessment of a file."""
    page = visit.page
    page.set_input_files("#inputs", samples_file())
    page.select_option("#surrogate", "mnist_cnn-clean")
    for label in ("momentum_pgd", "square"):
        page.uncheck(f"#attack-{label}")
    page.get_by_text("More settings").click()
    for name in ("adaptive", "white_box"):
        page.uncheck(f"#{name}")
    small = {"sigma": 0.5, "votes": 3, "epsilon": 0.2, "steps": 1, "restarts": 2, "replies": 3}
    for name, value in (small | {"seed": 5}).items():
        page.fill(f"#{name}", f"{value}")


def test_a_filled_form_becomes_a_job_that_is_followed_to_its_report(visit: Visit) -> None:
    page = visit.page
    fill_small(visit)
    page.get_by_role("button", name="Start the assessment").click()
    page.wait_for_url("**/assessments?job=*")
    expect(page.locator("#job-state")).to_have_text("done", timeout=60_000)
    assert any(url.endswith("/events") for url in visit.asked)
    assert page.locator("#job-progress").evaluate("bar => bar.value") == 1
    expect(page.locator(".verdict-box p").first).not_to_be_empty()
    expect(page.get_by_role("status")).to_contain_text("It is done. Verdict:")
    plan = page.locator("#job-plan").inner_text()
    assert "multiplicative, sigma 0.5" in plan
    assert "1 of 0.0333, 2 restarts" in plan
    expect(page.get_by_role("button", name="Cancel")).to_be_hidden()
    page.get_by_role("link", name="All assessments").click()
    row = page.get_by_role("row", name="mnist_cnn-mult-1.0").first
    expect(row).to_contain_text("100 %")
    row.get_by_role("link").click()
    page.get_by_role("link", name="Report", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Robustness of mnist_cnn-mult-1.0")
    assert visit.complaints == []


@pytest.mark.slow
def test_the_form_shows_the_defaults_of_the_interface(visit: Visit) -> None:
    fields = AttackOptions.model_fields
    for name in ("votes", "steps", "restarts", "draws", "queries", "query_samples", "replies"):
        assert visit.page.input_value(f"#{name}") == str(fields[name].default)
    assert visit.page.input_value("#seed") == str(fields["seed"].default)
    assert visit.page.input_value("#norm") == fields["norm"].default
    checked = visit.page.locator('[name="attacks"]:checked')
    assert checked.evaluate_all("boxes => boxes.map(box => box.value)") == [
        *fields["attacks"].default
    ]
    assert visit.page.is_checked("#adaptive")
    assert visit.page.is_checked("#white_box")
    missing = visit.page.locator("#no-data")
    expect(missing).to_contain_text("the data set mnist is not in")
    expect(missing).to_contain_text("NOISEVOTE_DATA_DIR")


def test_what_is_refused_is_said_at_its_field_also_where_it_is_folded_away(visit: Visit) -> None:
    page = visit.page
    start = page.get_by_role("button", name="Start the assessment")
    fill_small(visit)
    page.fill("#epsilon", "2")
    start.click()
    epsilon = page.locator("#epsilon")
    expect(page.locator("#epsilon-wrong")).to_contain_text("farther apart than 1")
    expect(epsilon).to_be_focused()
    assert epsilon.get_attribute("aria-invalid") == "true"
    assert "epsilon-wrong" in str(epsilon.get_attribute("aria-describedby"))
    page.fill("#epsilon", "0.2")
    expect(page.locator("#epsilon-wrong")).to_have_count(0)
    page.fill("#step_size", "3")
    page.get_by_text("More settings").click()
    start.click()
    expect(page.locator("#step_size-wrong")).to_contain_text("farther apart than 1")
    expect(page.locator("#step_size")).to_be_focused()
    page.fill("#step_size", "")
    page.uncheck("#attack-pgd")
    page.check("#attack-square")
    start.click()
    expect(page.locator("#attacks-wrong")).to_contain_text("pgd is missing")
    page.fill("#votes", "0")
    start.click()
    expect(page.locator("#votes")).to_be_focused()
    expect(page.locator("#votes-wrong")).not_to_be_empty()
    assert page.url.endswith(PATH)


@pytest.mark.slow
def test_a_job_is_cancelled_resumed_and_deleted_by_the_keyboard(
    visit: Visit, server: Server
) -> None:
    page, keyboard = visit.page, visit.page.keyboard
    status = server.client.post("/attack", json=body_of(**ENDLESS)).json()
    page.goto(f"{visit.origin}{PATH}?job={status['id']}")
    state = page.locator("#job-state")
    for again in ("resume", "delete"):
        expect(page.locator("#cancel")).to_be_visible()
        page.locator("#cancel").press("Enter")
        expect(state).to_have_text("cancelled", timeout=60_000)
        expect(page.get_by_role("status")).to_contain_text("It was cancelled")
        page.locator(f"#{again}").press("Enter")
    expect(page.locator("#keep")).to_be_focused()
    keyboard.press("Escape")
    expect(page.locator("#ask-delete")).to_be_hidden()
    expect(page.locator("#delete")).to_be_focused()
    keyboard.press("Enter")
    keyboard.press("Tab")
    keyboard.press("Enter")
    page.wait_for_url(f"**{PATH}")
    expect(page.locator("#settings")).to_be_visible()
    expect(page.locator(f'#jobs a[href$="{status["id"]}"]')).to_have_count(0)
    assert server.client.get(status["status_url"]).status_code == 404


@pytest.mark.slow
def test_a_job_whose_events_do_not_come_through_is_asked_for(visit: Visit, done: str) -> None:
    visit.context.route("**/events", lambda route: route.abort())
    visit.page.goto(f"{visit.origin}{PATH}?job={done}")
    expect(visit.page.locator("#job-state")).to_have_text("done")
    assert visit.asked[-1].endswith(f"/attack/{done}")
    expect(visit.page.get_by_role("alert")).to_be_empty()


def check(visit: Visit) -> None:
    """Look at what is shown for whatever keeps somebody out."""
    found = Axe().run(visit.page)
    assert found.violations_count == 0, found.generate_report()
    assert visit.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scheme", "size"),
    [("light", PHONE), ("dark", DESK)],
    ids=["a phone in the light", "a desk in the dark"],
)
def test_nothing_keeps_people_out_in_either_light_or_on_a_phone(
    browser: Browser, server: Server, done: str, scheme: str, size: dict[str, int]
) -> None:
    with Visit(browser, server, PATH, color_scheme=scheme, viewport=size) as visit:
        page = visit.page
        expect(page.locator("#jobs tr").first).to_be_visible()
        page.get_by_text("More settings").click()
        page.locator("#submit").click()  # epsilon is missing, and it says so
        expect(page.locator("#epsilon-wrong, #inputs-wrong").first).to_be_visible()
        check(visit)
        page.goto(f"{visit.origin}{PATH}?job={done}")
        expect(page.locator(".verdict-box")).to_be_visible()
        page.get_by_text("All settings").click()
        check(visit)
        page.locator("#delete").click()
        check(visit)
        assert visit.complaints == []


@pytest.mark.slow
def test_with_keys_a_report_opens_in_its_own_style(
    browser: Browser, folder: Path, done: str
) -> None:
    with (
        started(settings_of(folder) | environment(folder / "jobs")) as server,
        Visit(browser, server, f"{PATH}?job={done}", viewport=DESK) as visit,
    ):
        page = visit.page
        expect(page.get_by_role("alert")).to_contain_text("This needs an API key")
        visit.complaints.clear()
        page.get_by_label("This service asks for an API key").fill(KEY)
        page.get_by_role("button", name="Use this key").click()
        expect(page.locator("#job-state")).to_have_text("done")
        expect(page.get_by_role("alert")).to_be_empty()
        expect(page.get_by_role("link", name="Report")).to_have_count(0)
        with page.expect_popup() as opening:
            page.get_by_role("button", name="Open the report").click()
        report = opening.value
        expect(report.get_by_role("heading", level=1)).to_contain_text("Robustness of")
        border = "node => getComputedStyle(node).borderLeftWidth"
        assert report.locator(".verdict").evaluate(border) != "0px"
        assert visit.complaints == []


@pytest.mark.slow
def test_what_has_to_be_installed_is_said_before_anything_is_filled_in(
    browser: Browser, folder: Path
) -> None:
    with (
        server_running(settings_of(folder), ("-c", WITHOUT_TORCH)) as running,
        httpx.Client(base_url=running.url) as client,
        Visit(browser, Server(running.process, client, running.log), PATH) as visit,
    ):
        expect(visit.page.locator("#missing")).to_contain_text('pip install ".[attack]"')
        expect(visit.page.locator("#settings")).to_be_hidden()
        expect(visit.page.locator("#list")).to_be_visible()
        assert visit.complaints == []
