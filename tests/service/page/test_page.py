"""The try-it page as people use it, in a real browser: votes, commands, costs, refusals."""

import json
import os
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from playwright.sync_api import Browser, expect

from noisevote.models.stopping import Exact
from noisevote.service.configuration.keys import digest_of
from tests.service.page.browser import DESK, SEVEN, Visit
from tests.service.test_server import Server, started

PICTURE = Path(__file__).parents[2] / "pictures" / "page.png"


def test_votes_on_a_drawn_digit_arrive_one_by_one_with_their_running_interval(
    browser: Browser, server: Server
) -> None:
    with Visit(browser, server, viewport=DESK) as visit:
        visit.page.wait_for_selector("#checkpoint option", state="attached")
        visit.page.fill("#sigma", "0.8")
        visit.watch()
        visit.draw(SEVEN)
        visit.wait_for_answers()
        seen = visit.page.evaluate("window.seen")
        assert visit.text(".mode") == "7"
        assert [sum(visit.counts(ballot)) for ballot in range(3)] == [20, 20, 20]
    numbers = [int(found[1]) for text, *_ in seen if (found := re.match(r"(\d+) of 20", text))]
    assert numbers == sorted(numbers)
    assert len(set(numbers)) > 5, "votes are seen one by one, not all at once"
    intervals = {reading for _, reading, _ in seen if reading}
    assert len(intervals) > 5


def test_the_moment_of_decision_is_the_first_vote_after_which_the_rest_cannot_matter(
    visit: Visit,
) -> None:
    visit.page.get_by_role("button", name="Example of a 4").click()
    visit.wait_for_answers()
    for ballot in range(3):
        tape = visit.tape(ballot)
        tallies = [[tape[: cast + 1].count(kind) for kind in range(10)] for cast in range(20)]
        first = next(
            cast + 1
            for cast, counts in enumerate(tallies)
            if Exact().fewest(np.array(counts), 20) == 0
        )
        verdict = visit.text(".verdict", ballot)
        assert f"decided at vote {first}: the {20 - first} left" in verdict or first == 20
        marked = visit.page.locator(".ballot").nth(ballot).locator(".tape li.decided")
        assert marked.count() == 1
        assert (
            marked.evaluate("item => [...item.parentElement.children].indexOf(item)") == first - 1
        )


def test_the_shown_command_gets_the_shown_votes(visit: Visit) -> None:
    visit.page.get_by_role("button", name="Example of a 8").click()
    visit.wait_for_answers()
    for ballot, name in enumerate(("hardened", "plain", "strokes")):
        visit.page.select_option("#call-of", name)
        command = visit.page.inner_text("#call")
        assert ('"strokes":[[[' in command) == (name == "strokes"), "the pen, not its picture"
        done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
        (prediction,) = json.loads(done.stdout)["predictions"]
        assert prediction["vote_counts"] == visit.counts(ballot)
        assert f"agreement {prediction['agreement']:.2f}" in visit.text(".reading", ballot)
        low, high = prediction["interval"]
        assert f"interval {low:.2f} to {high:.2f}" in visit.text(".reading", ballot)


def test_the_command_can_be_copied(visit: Visit) -> None:
    visit.context.grant_permissions(["clipboard-read", "clipboard-write"])
    visit.page.get_by_role("button", name="Example of a 1").click()
    visit.wait_for_answers()
    visit.page.get_by_role("button", name="Copy").click()
    expect(visit.page.locator("#status")).to_contain_text("copied")
    copied = visit.page.evaluate("navigator.clipboard.readText()")
    assert copied == visit.page.text_content("#call")


def test_settings_are_those_of_the_request(visit: Visit) -> None:
    visit.page.fill("#sigma", "0.4")
    assert visit.page.inner_text("#snr") == "8.0 dB"
    visit.page.fill("#votes", "35")
    visit.page.select_option("#stop", "bounded")
    visit.page.fill("#seed", "11")
    visit.page.get_by_role("button", name="Example of a 0").click()
    visit.wait_for_answers()
    (body,) = re.findall(r"-d '(.*)'", visit.page.inner_text("#call").replace("\n", ""))
    asked = json.loads(body)
    assert (asked["sigma"], asked["votes"], asked["stop"], asked["seed"]) == (
        0.4,
        35,
        "bounded",
        11,
    )
    assert "stopped by the rule bounded" in visit.text(".verdict")
    assert sum(visit.counts()) < 35
    visit.page.fill("#sigma", "0")
    assert visit.page.inner_text("#snr") == "no noise"


def test_the_cost_is_that_of_the_votes_on_the_given_hardware(visit: Visit) -> None:
    visit.page.fill("#latency", "50")
    visit.page.fill("#energy", "1")
    visit.page.get_by_role("button", name="Example of a 5").click()
    visit.wait_for_answers()
    expect(visit.page.locator("#cost-body td").first).to_contain_text("s")
    rows = visit.page.locator("#cost-body tr").all_inner_texts()
    cells = {name: value for name, value, *_ in (row.split("\t") for row in rows)}
    assert cells["One vote after another"] == "6 µs"  # 20 votes x 6 layers x 50 ns
    assert cells["Pipelined, one array a layer"] == "1.25 µs"  # 6 + 19 steps
    assert cells["All at once, a copy a vote"] == "300 ns"
    assert cells["One pass of equal energy, sigma"] == "0.224"  # 1 / sqrt(20)
    before = cells["Energy"]
    visit.page.fill("#energy", "10")
    after = visit.page.locator("#cost-body tr").nth(3).inner_text().split("\t")[1]
    assert float(after.split()[0]) != float(before.split()[0])


def test_a_refusal_and_a_service_that_is_gone_are_shown(browser: Browser) -> None:
    with started({"NOISEVOTE_MAX_VOTES": "30"}) as server, Visit(browser, server) as visit:
        visit.page.wait_for_selector("#checkpoint option", state="attached")
        visit.page.fill("#votes", "40")
        visit.page.get_by_role("button", name="Example of a 3").click()
        problem = visit.page.locator("#problem")
        expect(problem).to_have_text("No answer: votes is 40; allowed are 1 to 30.")
        server.process.kill()
        server.process.wait()
        visit.page.get_by_role("button", name="New noise").click()
        expect(problem).to_have_text("No answer: the service cannot be reached.")


def test_a_service_that_draws_all_seeds_itself_is_asked_without(browser: Browser) -> None:
    settings = {"NOISEVOTE_ALLOW_CLIENT_SEED": "false"}
    with started(settings) as server, Visit(browser, server, reduced_motion="reduce") as visit:
        visit.page.wait_for_selector("#checkpoint option", state="attached")
        visit.page.get_by_role("button", name="Example of a 3").click()
        visit.wait_for_answers()
        assert sum(visit.counts()) == 20
        assert visit.page.locator("#seed").is_disabled()
        assert "seed" not in visit.page.inner_text("#call")


def test_the_reference_works_without_outside_requests(browser: Browser, server: Server) -> None:
    with Visit(browser, server, path="/docs") as visit:
        visit.page.wait_for_selector("#operations-predictions-predict_predict_post, .opblock")
        assert visit.page.locator(".opblock").count() >= 5
        assert visit.outside == []
        assert visit.complaints == []


@pytest.mark.parametrize(
    ("path", "heading", "name"),
    [
        ("/networks?checkpoint=mnist_cnn-mult-1.0", "Accuracy", "network.png"),
        ("/checkpoints/mnist_cnn-mult-1.0/report.html", "The recommended setting", "study.png"),
    ],
)
def test_the_pictures_in_the_docs_are_of_the_pages_as_they_are(
    browser: Browser, server: Server, tmp_path: Path, path: str, heading: str, name: str
) -> None:
    """``WRITE_PICTURES=1`` writes those that are kept."""
    size = {"width": 1100, "height": 800}
    with Visit(browser, server, path, viewport=size, reduced_motion="reduce") as visit:
        expect(visit.page.get_by_role("heading", name=heading).first).to_be_visible()
        if "networks" in path:
            visit.page.get_by_role("heading", name=heading).first.scroll_into_view_if_needed()
        visit.page.screenshot(path=tmp_path / name)
        # What it says goes into the file, by which an old picture is known.
        says = " ".join(visit.page.locator("dl.answers").all_inner_texts())
    kept_at = PICTURE.with_name(name)
    with Image.open(tmp_path / name) as fresh:
        if os.environ.get("WRITE_PICTURES") == "1":
            info = PngInfo()
            info.add_itxt("says", says)
            fresh.convert("RGB").quantize(64).save(kept_at, optimize=True, pnginfo=info)
        with Image.open(kept_at) as kept:
            assert kept.size == fresh.size
            assert kept.info.get("says", "") == says
    assert kept_at.stat().st_size < 120_000


def test_the_picture_of_the_page_is_made_by_driving_it(
    browser: Browser, server: Server, tmp_path: Path
) -> None:
    """``WRITE_PICTURES=1`` writes the one that is kept."""
    size = {"width": 1280, "height": 880}
    with Visit(browser, server, viewport=size, reduced_motion="reduce") as visit:
        visit.page.wait_for_selector("#checkpoint option", state="attached")
        visit.page.fill("#seed", "7")
        visit.page.get_by_role("button", name="Example of a 1").click()
        visit.wait_for_answers()
        visit.page.mouse.move(1, 1)
        visit.page.evaluate("scrollTo(0, 0)")
        visit.page.screenshot(path=tmp_path / "page.png")
    with Image.open(tmp_path / "page.png") as fresh:
        if os.environ.get("WRITE_PICTURES") == "1":
            fresh.convert("RGB").quantize(128).save(PICTURE, optimize=True)
        with Image.open(PICTURE) as kept:
            assert kept.size == fresh.size
    assert PICTURE.stat().st_size < 150_000


def test_a_service_with_keys_lets_its_page_ask_for_one(browser: Browser) -> None:
    key = "a-key-for-this-test"
    keys = {"NOISEVOTE_API_KEYS": json.dumps({"tester": digest_of(key)})}
    with started(keys) as server, Visit(browser, server, viewport=DESK) as visit:
        expect(visit.page.locator("#key-form")).to_be_visible()
        visit.page.get_by_label("This service asks for an API key").fill("another-key")
        visit.page.get_by_role("button", name="Use this key").click()
        expect(visit.page.locator("#problem")).to_contain_text("the API key is not known here")
        visit.page.locator("#key").fill(key)
        visit.page.locator("#key").press("Enter")
        expect(visit.page.locator("#key-form")).to_be_hidden()
        visit.page.get_by_role("button", name="Example of a 4").click()
        visit.wait_for_answers()
        assert key not in visit.page.content()
        call = visit.page.locator("#call").inner_text()
        assert '"Authorization: Bearer $NOISEVOTE_API_KEY"' in call
        script = f"NOISEVOTE_API_KEY={key}; {call}"
        ran = subprocess.run(script, shell=True, capture_output=True, check=True)
        assert json.loads(ran.stdout)["predictions"][0]["vote_counts"] == visit.counts()
        visit.page.reload()
        visit.page.wait_for_selector("#checkpoint option", state="attached")
        assert visit.outside == []
