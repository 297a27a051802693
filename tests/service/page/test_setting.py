"""Settings of the page: by layer, what they promise, and the address that keeps them."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect

from noisevote.models.checkpoint import SHIPPED
from tests.service.page.browser import DESK, SEVEN, Visit
from tests.service.support import CHECKPOINT, POINTS
from tests.service.test_server import Server, started

NONE = "No accuracy was measured at this setting."
WARM = 'profile = 1\nname = "warm"\nread.a = 0.02\ntemperature.gain_per_k = -0.001\n'


def card(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((SHIPPED / name / "card.json").read_text())
    return content


def open_layers(visit: Visit) -> None:
    visit.page.locator("#layers").evaluate("part => part.open = true")


def test_sigma_and_reads_by_layer_are_those_of_the_request(visit: Visit, server: Server) -> None:
    visit.page.locator("#layers summary").click()
    visit.page.fill("#sigma", "0.5")
    visit.page.get_by_label("Sigma at conv2").fill("0.25")
    visit.page.get_by_label("Reads at fc1").fill("4")
    visit.example(4)
    visit.wait_for_answers(2)
    body = visit.sent()
    assert body["sigma"] == dict.fromkeys(POINTS, 0.5) | {"conv2": 0.25}
    assert body["repeats"] == {"fc1": 4}
    reply = server.client.post("/predict", json=body).json()
    assert reply["predictions"][0]["vote_counts"] == visit.counts()
    assert visit.text(".promise") == NONE
    assert visit.text(".verdict", 2) == "It has other layers."
    assert visit.page.inner_text("#snr") == "differs by layer"
    assert visit.page.inner_text("#layers-set") == "2 of 6 set"
    visit.page.get_by_role("button", name="Reset").click()
    visit.wait_for_answers(3)
    assert visit.sent()["sigma"] == 0.5
    assert "repeats" not in visit.sent()


@pytest.mark.slow
def test_of_many_layers_those_are_listed_whose_name_is_searched_for(visit: Visit) -> None:
    visit.choose("densenet40-mult-1.0")
    open_layers(visit)
    rows = visit.page.locator("#layer-rows li:visible")
    assert rows.count() == 40
    asked = visit.page.url
    names = [point["name"] for point in card("densenet40-mult-1.0")["noise_points"]]
    visit.page.get_by_label("Filter layers").fill(names[7])
    assert rows.count() == sum(names[7] in name for name in names)
    assert visit.page.url == asked


@pytest.mark.slow
def test_the_promise_is_the_figure_of_the_card(visit: Visit) -> None:
    (evaluation,) = card(CHECKPOINT)["evaluations"]
    at = {(of["sigma"], of["votes"]): of for of in evaluation["accuracies"]}

    def words(sigma: float, votes: int) -> str:
        of = at[sigma, votes]
        low, high = (f"{100 * share:.2f}" for share in of["interval"])
        number = f"{votes} vote{'s' if votes > 1 else ''}"
        return (
            f"Measured accuracy {100 * of['accuracy']:.2f} % [{low}, {high}] with {number} "
            f"(n {of['images']:,}, {evaluation['split']})."
        )

    assert visit.text(".promise") == words(1.0, 20)
    visit.page.fill("#votes", "6")
    assert visit.text(".promise") == words(1.0, 5)
    visit.page.fill("#votes", "1")
    visit.page.fill("#sigma", "0.6")
    assert visit.text(".promise") == words(0.6, 1)
    visit.page.fill("#sigma", "0.61")
    assert visit.text(".promise") == NONE


@pytest.mark.slow
def test_on_a_device_the_promise_is_the_mean_over_its_chips(visit: Visit) -> None:
    of = card("mnist_cnn-reram-cmo")["on_devices"][0]["accuracies"][1]
    visit.choose("mnist_cnn-reram-cmo")
    visit.page.select_option("#device", of["device"])
    visit.page.fill("#age", str(of["age_s"]))
    visit.page.fill("#votes", str(of["votes"]))
    assert visit.text(".promise").startswith(f"Measured accuracy {100 * of['mean']:.2f} % [")
    assert f"mean of {len(of['correct'])} chips" in visit.text(".promise")
    visit.page.fill("#age", str(of["age_s"] + 1))
    assert visit.text(".promise") == NONE


def test_the_address_restores_the_state_with_its_votes(browser: Browser, server: Server) -> None:
    context: dict[str, Any] = {"viewport": DESK, "reduced_motion": "reduce"}
    with Visit(browser, server, **context) as visit:
        visit.page.wait_for_selector("#checkpoint option", state="attached")
        visit.choose("mnist_cnn-mult-0.6")
        open_layers(visit)
        visit.page.get_by_label("Sigma at fc2").fill("0.3")
        visit.page.get_by_label("Reads at conv1").fill("3")
        for field, value in (("votes", "31"), ("seed", "11"), ("sigma", "0.8")):
            visit.page.fill(f"#{field}", value)
        visit.page.select_option("#stop", "exact")
        visit.draw(SEVEN)
        visit.wait_for_answers(2)
        body, counts = visit.sent(), visit.counts()
        expect(visit.page).to_have_url(re.compile("strokes="))
        address = visit.page.url.removeprefix(visit.origin)
    with Visit(browser, server, address, **context) as visit:
        visit.wait_for_answers(2)
        assert visit.sent() == body
        assert visit.counts() == counts
        assert visit.page.inner_text("#layers-set") == "2 of 6 set"


@pytest.mark.slow
def test_a_device_and_its_chips_stand_in_the_address(browser: Browser, server: Server) -> None:
    address = (
        "/#checkpoint=mnist_cnn-mult-1.0&device=reram-wan&chip=3&chips=4&age=60&votes=10&seed=5"
    )
    with Visit(browser, server, address, viewport=DESK, reduced_motion="reduce") as visit:
        visit.page.wait_for_selector("#checkpoint option", state="attached")
        visit.example(7)
        visit.wait_for_answers(1)
        body = visit.sent()
        assert (body["chip"], body["chips"], body["age_s"]) == (3, 4, 60)
        reply = server.client.post("/predict", json=body).json()
        (prediction,) = reply["predictions"]
        chips = visit.page.locator(".ballot").first.locator(".chips li").all_inner_texts()
        assert [text.split(":")[0] for text in chips] == [f"chip {chip}" for chip in (3, 4, 5, 6)]
        most = [max(counts) for counts in prediction["per_chip"]]
        assert [int(text.split(", ")[1].split(" of ")[0]) for text in chips] == most
        assert "no test is made" in visit.text(".verdict")
        assert "interval" not in visit.text(".reading")
        found = Axe().run(visit.page)
        assert found.violations_count == 0, found.generate_report()


@pytest.mark.slow
def test_an_address_of_a_network_that_is_not_served_says_so(
    browser: Browser, server: Server
) -> None:
    with Visit(browser, server, "/#checkpoint=gone&votes=5") as visit:
        expect(visit.page.locator("#problem")).to_have_text(
            "The address names gone, which is not served here."
        )
        assert visit.page.input_value("#votes") == "5"


@pytest.mark.slow
def test_votes_can_be_cast_on_every_device_with_the_fields_that_it_has(
    browser: Browser, tmp_path: Path
) -> None:
    (tmp_path / "warm.toml").write_text(WARM)
    with (
        started({"NOISEVOTE_DEVICES": str(tmp_path)}) as server,
        Visit(browser, server, viewport=DESK, reduced_motion="reduce") as visit,
    ):
        visit.page.wait_for_selector("#checkpoint option", state="attached")
        visit.page.fill("#votes", "4")
        visit.example(2)
        fields = {"chip": "frozen", "age_s": "ages", "temperature_c": "temperature"}
        for device in server.client.get("/devices").json()["devices"]:
            visit.page.select_option("#device", device["name"])
            if "temperature" in device["effects"]:
                visit.page.get_by_label("Temperature, °C").fill("60")
            expect(visit.page.locator("#call")).to_contain_text(f'"device":"{device["name"]}"')
            visit.wait_for_answers()
            wanted = {name for name, effect in fields.items() if effect in device["effects"]}
            assert fields.keys() & visit.sent().keys() == wanted
            assert visit.page.inner_text("#problem") == ""
        assert visit.complaints == []


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_many_layers_keep_nobody_out_in_either_light(
    browser: Browser, server: Server, scheme: str
) -> None:
    context: dict[str, Any] = {"viewport": DESK, "color_scheme": scheme, "reduced_motion": "reduce"}
    with Visit(browser, server, "/#checkpoint=densenet40-mult-1.0", **context) as visit:
        visit.page.wait_for_selector("#checkpoint option", state="attached")
        open_layers(visit)
        found = Axe().run(visit.page)
        assert found.violations_count == 0, found.generate_report()
