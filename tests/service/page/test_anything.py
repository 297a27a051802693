"""The page for any network: own pictures, samples of numbers, many classes."""

import base64
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, FilePayload, ViewportSize, expect

from tests.drawing import draw_digit, png_bytes
from tests.service.imported import make_imported
from tests.service.page.browser import DESK, Visit
from tests.service.support import CHECKPOINT
from tests.service.test_server import Server, started

# Hands the page a file as a paste or a drop would.
HAND = """([kind, content]) => {
  const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
  const data = new DataTransfer();
  data.items.add(new File([bytes], "own.png", {type: "image/png"}));
  const Kind = kind === "paste" ? ClipboardEvent : DragEvent;
  const field = kind === "paste" ? "clipboardData" : "dataTransfer";
  document.body.dispatchEvent(new Kind(kind, {[field]: data, bubbles: true, cancelable: true}));
}"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("checkpoints")
    make_imported(folder)
    settings = {
        "NOISEVOTE_CHECKPOINTS": str(folder),
        "NOISEVOTE_DEFAULT_CHECKPOINT": CHECKPOINT,
    }
    with started(settings) as running:
        yield running


def by_http(server: Server, visit: Visit, **changes: object) -> list[int]:
    """Return the votes of the shown request, changed."""
    response = server.client.post("/predict", json=visit.sent() | changes)
    counts: list[int] = response.json()["predictions"][0]["vote_counts"]
    return counts


def test_an_own_picture_gets_the_votes_that_it_gets_by_http(visit: Visit, server: Server) -> None:
    page = visit.page
    content = {digit: png_bytes(draw_digit(digit)) for digit in (3, 5, 7)}
    encoded = {digit: base64.b64encode(of).decode() for digit, of in content.items()}
    three: FilePayload = {"name": "3.png", "mimeType": "image/png", "buffer": content[3]}
    page.set_input_files("#file", three)
    visit.wait_for_answers(1)
    assert visit.counts() == by_http(server, visit, image=encoded[3])
    expect(page.get_by_role("img", name="Own picture: 3.png")).to_be_visible()
    expect(page.locator("#pad")).to_be_hidden()
    for kind, digit in (("paste", 5), ("drop", 7)):
        page.evaluate(HAND, [kind, encoded[digit]])
        expect(page.locator(".ballot .mode").first).to_have_text(str(digit))
        visit.wait_for_answers(1)
        assert visit.counts() == by_http(server, visit, image=encoded[digit])
    page.get_by_role("button", name="Clear").click()
    expect(page.locator("#pad")).to_be_visible()
    assert visit.text(".verdict") == "Waits for a drawing."


@pytest.mark.slow
def test_a_picture_that_cannot_be_read_is_told_at_its_field(visit: Visit) -> None:
    no_picture: FilePayload = {"name": "no.png", "mimeType": "image/png", "buffer": b"no picture"}
    visit.page.set_input_files("#file", no_picture)
    expect(visit.page.locator("#input-problem")).to_contain_text("the image is not a readable file")
    visit.complaints.clear()


@pytest.mark.slow
def test_the_command_for_a_large_picture_reads_its_file(visit: Visit, tmp_path: Path) -> None:
    file = tmp_path / "it's large.png"
    noise = np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8)
    Image.fromarray(noise).save(file)
    visit.choose("seen")
    visit.page.set_input_files("#file", file)
    visit.wait_for_answers(1)
    command = visit.page.inner_text("#call")
    assert len(command) < 1000
    done = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, check=True)
    assert f'"vote_counts":{visit.counts()}'.replace(" ", "") in done.stdout.decode()


@pytest.mark.slow
@pytest.mark.parametrize("network", ["text", "plain", "bytes", "birds"])
def test_a_network_of_numbers_gets_a_sample_that_it_takes(
    visit: Visit, server: Server, network: str
) -> None:
    visit.choose(network)
    visit.wait_for_answers(1)
    assert visit.page.locator(".ballot:visible").count() == 1
    response = server.client.post("/predict", json=visit.sent())
    assert response.json()["predictions"][0]["label"] == visit.text(".mode")
    expect(visit.page.locator("#pad")).to_be_hidden()


def test_a_sample_that_is_wrong_is_told_at_its_field(visit: Visit) -> None:
    page = visit.page
    visit.choose("text")
    visit.wait_for_answers(1)
    sample, problem = page.get_by_label("One sample, as JSON"), page.locator("#input-problem")
    example = sample.input_value()
    sample.fill("{")
    expect(problem).to_contain_text("This is no JSON")
    asked = visit.streams
    sample.fill(example.replace("[0,", "[1000,", 1))
    expect(problem).to_have_text(
        "No answer: inputs[0].ids[0] is 1000; allowed is a whole number from 0 to 999."
    )
    assert visit.streams == asked + 1
    assert sample.get_attribute("aria-invalid") == "true"
    page.get_by_role("button", name="Example").click()
    visit.wait_for_answers(1)
    assert sample.input_value() == example
    assert sample.get_attribute("aria-invalid") is None
    visit.complaints.clear()


@pytest.mark.slow
def test_of_many_classes_the_leading_ones_are_shown(visit: Visit, server: Server) -> None:
    visit.choose("birds")
    visit.page.fill("#sigma", "3")
    visit.page.fill("#votes", "60")
    visit.wait_for_answers(1)
    top = server.client.post("/predict", json=visit.sent()).json()["predictions"][0]["top"]
    assert len(top) > 8
    bars = visit.page.locator(".ballot").first.locator(".bars li")
    shown = [tuple(text.split("\n")) for text in bars.all_inner_texts()]
    assert [name for name, *_ in shown[:8]] == [of["label"] for of in top[:8]]
    assert visit.counts() == [of["votes"] for of in top[:8]]
    assert shown[8] == (f"{60 - sum(visit.counts())} on {len(top) - 8} other classes",)


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_samples_keep_nobody_out_in_either_light(
    browser: Browser, server: Server, scheme: str
) -> None:
    address = "/#checkpoint=birds"
    context: dict[str, Any] = {"viewport": DESK, "color_scheme": scheme, "reduced_motion": "reduce"}
    with Visit(browser, server, address, **context) as visit:
        visit.wait_for_answers(1)
        visit.page.locator("#layers summary").click()
        found = Axe().run(visit.page)
        assert found.violations_count == 0, found.generate_report()


@pytest.mark.slow
def test_on_a_phone_nothing_is_wider_than_the_screen(browser: Browser, server: Server) -> None:
    phone: ViewportSize = {"width": 360, "height": 740}
    with Visit(browser, server, "/#checkpoint=text", viewport=phone) as visit:
        visit.wait_for_answers(1)
        for network in ("text", "birds", CHECKPOINT, "seen"):
            visit.choose(network)
            visit.page.locator("#layers").evaluate("part => part.open = true")
            assert visit.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
