"""A study on the pages: its answers beside the card, its figures beside the votes."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect

from tests.service.page.browser import DESK, Visit
from tests.service.test_server import Server, started
from tests.training.study.support import NAME, arguments, classifier
from tests.training.support import run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of checkpoints, with a study beside it."""
    place = tmp_path_factory.mktemp("studied")
    theirs = classifier(place)
    with pytest.MonkeyPatch.context() as patch:
        more = ("--budget", "20000", "--processes", "1")
        assert run(patch, *arguments(theirs, place / "studies" / "one", *more)) == 0
    return place


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    settings = {
        "NOISEVOTE_CHECKPOINTS": str(folder / "checkpoints"),
        "NOISEVOTE_DEFAULT_CHECKPOINT": NAME,
    }
    with started(settings) as running:
        yield running


@pytest.mark.slow
def test_a_card_shows_the_answers_of_its_study_and_leads_to_the_report(
    browser: Browser, server: Server, folder: Path
) -> None:
    report = json.loads((folder / "studies" / "one" / "report.json").read_text())
    with Visit(browser, server, f"/networks?checkpoint={NAME}", viewport=DESK) as visit:
        for answer in report["answers"].values():
            expect(visit.page.get_by_text(answer)).to_be_visible()
        visit.page.get_by_role("link", name="The study").click()
        expect(visit.page.get_by_role("heading", name=report["title"], level=1)).to_be_visible()
        assert visit.outside == []


def test_the_accuracy_that_a_setting_promises_is_the_one_of_the_study(
    browser: Browser, server: Server, folder: Path
) -> None:
    report = json.loads((folder / "studies" / "one" / "report.json").read_text())
    (row,) = [row for row in report["tables"]["votes"]["rows"] if row["votes"] == 7]
    with Visit(browser, server, "/#sigma=0.5&votes=8", viewport=DESK) as visit:
        shown = visit.page.locator(".promise").first
        expect(shown).to_contain_text(f"{100 * row['accuracy']['value']:.2f} %")
        expect(shown).to_contain_text("with 7 votes")
        expect(shown).to_contain_text("samples of the study")
        assert visit.complaints == []


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_wrong_with_the_report(
    browser: Browser, server: Server, scheme: str
) -> None:
    path = f"/checkpoints/{NAME}/report.html"
    with Visit(browser, server, path, viewport=DESK, color_scheme=scheme, bypass_csp=True) as visit:
        found = Axe().run(visit.page)
        assert found.violations_count == 0, found.generate_report()
