"""The page with an analog device instead of a sigma: the fields, the request, the costs."""

import json
import shutil
import subprocess
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect

from noisevote.models.checkpoint import SHIPPED
from tests.service.on_devices import as_before
from tests.service.page.browser import DESK, Visit
from tests.service.support import CHECKPOINT
from tests.service.test_server import Server, started


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = as_before(tmp_path_factory.mktemp("checkpoints"), "mnist_cnn-clean")
    shutil.copytree(SHIPPED / CHECKPOINT, folder / CHECKPOINT)
    with started({"NOISEVOTE_CHECKPOINTS": str(folder)}) as running:
        yield running


def on(visit: Visit, device: str) -> None:
    visit.page.select_option("#device", device)


def test_a_device_takes_the_place_of_sigma_with_the_chip_and_age_that_it_has(
    visit: Visit,
) -> None:
    page = visit.page
    fields = {name: page.get_by_label(label, exact=True) for name, label in (
        ("device", "Device"), ("chip", "Chip number"), ("chips", "Chips that vote"),
        ("age", "Age, seconds"), ("warmth", "Temperature, °C"),
        ("sigma", "Noise, sigma"), ("slider", "Noise, sigma, slider"),
    )}  # fmt: skip
    shown = {
        "": {"device", "sigma", "slider"},
        "reram-wan": {"device", "chip", "chips", "age"},
        "pcm-joshi": {"device", "chip", "chips"},
        "ideal-8-8": {"device"},
    }
    for device, expected in shown.items():
        on(visit, device)
        assert {name for name, field in fields.items() if field.is_visible()} == expected
    on(visit, "reram-wan")
    assert fields["age"].input_value() == "1"
    assert fields["age"].get_attribute("max") == "172800"
    on(visit, "pcm-hermes-2t")
    assert fields["age"].input_value() == "0"


def test_the_shown_command_gets_the_shown_votes_on_the_device(visit: Visit) -> None:
    on(visit, "reram-wan")
    visit.page.fill("#chip", "7")
    visit.page.fill("#age", "86400")
    visit.example(8)
    visit.wait_for_answers(1)
    body = visit.sent()
    assert (body["device"], body["chip"], body["age_s"]) == ("reram-wan", 7, 86400)
    assert not {"noise", "sigma"} & body.keys()
    command = visit.page.inner_text("#call")
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    reply = json.loads(done.stdout)
    assert reply["device"]["chips"] == [7]
    assert reply["predictions"][0]["vote_counts"] == visit.counts()
    counts = visit.counts()
    visit.page.fill("#chip", "8")
    visit.wait_for_answers(1)
    assert sum(visit.counts()) == sum(counts)
    on(visit, "")
    visit.wait_for_answers(2)
    assert visit.sent()["sigma"] == 1


def test_the_rules_are_offered_that_hold_on_a_device(visit: Visit) -> None:
    option = visit.page.locator('#stop [value="calibrated"]')
    expect(option).to_be_enabled()
    on(visit, "reram-wan")
    visit.example(4)
    expect(option).to_be_disabled()
    visit.page.select_option("#stop", "exact")
    visit.wait_for_answers(1)
    assert "stopped by the rule exact" in visit.text(".verdict")


def test_the_costs_are_those_of_the_profile_where_it_tells_them(visit: Visit) -> None:
    visit.example(5)
    visit.wait_for_answers(2)
    on(visit, "pcm-hermes-2t")
    visit.wait_for_answers(1)
    assert "hardware" not in visit.sent()
    rows = visit.page.locator("#cost-body tr").all_inner_texts()
    cells = {name: value for name, value, *_ in (row.split("\t") for row in rows)}
    assert cells["One vote after another"] == "5.21 ms"  # 20 votes x 260.8 us
    assert cells["Energy"] == "899 µJ"  # 20 votes x 44.94 uJ
    assert cells["One pass of equal energy, sigma"] == "\N{EN DASH}"
    for name in ("#latency", "#energy"):
        expect(visit.page.locator(name)).to_be_disabled()
    on(visit, "reram-wan")
    expect(visit.page.locator("#latency")).to_be_enabled()
    visit.wait_for_answers(1)
    assert visit.sent()["hardware"] == {"latency": 100}


def test_an_age_that_the_device_is_not_known_for_is_not_asked_for(visit: Visit) -> None:
    on(visit, "reram-wan")
    visit.example(2)
    visit.wait_for_answers(1)
    asked = visit.streams
    visit.page.fill("#age", "1000000")
    expect(visit.page.locator(".ballot .verdict").first).to_have_text(
        "Waits for settings that are allowed."
    )
    assert visit.streams == asked
    on(visit, "ideal-8-8")
    visit.wait_for_answers(1)


def test_the_fields_are_reached_by_the_keyboard_and_keep_nobody_out(
    browser: Browser, server: Server
) -> None:
    with Visit(browser, server, viewport=DESK, reduced_motion="reduce") as visit:
        visit.page.wait_for_selector("#checkpoint option", state="attached")
        on(visit, "reram-wan")
        visit.page.locator("#checkpoint").focus()
        reached = []
        for _ in range(6):
            visit.page.keyboard.press("Tab")
            reached.append(
                visit.page.evaluate("document.activeElement.id || document.activeElement.tagName")
            )
        assert reached == ["device", "chip", "chips", "age", "SUMMARY", "votes"]
        visit.example(2)
        visit.wait_for_answers(1)
        found = Axe().run(visit.page)
        assert found.violations_count == 0, found.generate_report()


def test_a_network_that_is_not_ready_says_so_and_is_offered_no_device(visit: Visit) -> None:
    on(visit, "ideal-8-8")
    visit.example(3)
    visit.wait_for_answers(1)
    assert visit.text(".verdict", 1) == "It is not ready for devices."
    visit.choose("mnist_cnn-clean")
    expect(visit.page.locator("#device")).to_be_hidden()
    expect(visit.page.locator("#sigma")).to_be_visible()
