"""What the ballots of the page show: the right networks, nothing stale, and how sure they are."""

import re

import pytest
from playwright.sync_api import Browser, Locator, expect

from tests.service.page.browser import DESK, Visit
from tests.service.test_server import Server, started

NOT_SERVED = "No such network is served here."


def ballot(visit: Visit, number: int) -> Locator:
    return visit.page.locator(".ballot").nth(number)


def test_the_clean_network_is_trained_without_noise_and_without_examples_and_shown_once(
    visit: Visit,
) -> None:
    clean = ("mnist_cnn-clean, trained without noise", "Waits for a drawing.")
    expected = {
        "mnist_cnn-mult-0.6": clean,
        "mnist_cnn-add-1.0": clean,
        "mnist_cnn-adv": clean,
        "mnist_cnn-adv-mult-0.4": clean,
        "mnist_cnn-clean": ("", "It is the chosen one."),
        "madry_cnn-adv": ("", NOT_SERVED),
    }
    for chosen, (about, verdict) in expected.items():
        visit.choose(chosen)
        assert visit.text(".about").startswith(f"{chosen}, trained ")
        assert ("on adversarial examples" in visit.text(".about")) == ("-adv" in chosen)
        assert (visit.text(".about", 1), visit.text(".verdict", 1)) == (about, verdict)


def test_a_ballot_that_is_not_asked_any_more_is_empty(visit: Visit) -> None:
    visit.example(2)
    visit.wait_for_answers()
    visit.choose("mnist_cnn-add-1.0")
    assert visit.counts(2) == []
    visit.wait_for_answers(2)
    assert visit.text(".verdict", 2) == NOT_SERVED
    assert visit.text(".mode", 2) == visit.text(".reading", 2) == ""
    visit.page.select_option("#call-of", "strokes")
    assert visit.page.inner_text("#call") == NOT_SERVED


def test_votes_on_another_drawing_or_under_other_settings_are_not_left_standing(
    visit: Visit,
) -> None:
    visit.example(2)
    visit.wait_for_answers()
    visit.page.fill("#sigma", "0.3")
    assert [sum(visit.counts(number)) for number in range(3)] == [0, 0, 0]
    visit.wait_for_answers()
    box = visit.page.locator("#pad").bounding_box()
    assert box is not None
    visit.page.mouse.move(box["x"] + 40, box["y"] + 40)
    visit.page.mouse.down()
    assert visit.text(".verdict") == "Waits for the end of the drawing."
    assert visit.page.inner_text("#call") == "Waits for the end of the drawing."
    visit.page.mouse.up()
    visit.wait_for_answers()


def test_settings_that_are_not_allowed_leave_no_votes_and_no_command(visit: Visit) -> None:
    visit.example(2)
    visit.wait_for_answers()
    asked = visit.streams
    visit.page.fill("#votes", "")
    expect(ballot(visit, 0).locator(".verdict")).to_have_text(
        "Waits for settings that are allowed."
    )
    assert visit.page.inner_text("#call") == "Waits for settings that are allowed."
    assert visit.streams == asked


def test_a_tap_is_seen_and_sent(visit: Visit) -> None:
    blank = visit.page.locator("#pad").screenshot()
    visit.draw([(140, 140)])
    assert visit.page.evaluate(
        "document.getElementById('pad').getContext('2d').getImageData(140, 140, 1, 1).data[3]"
    )
    assert visit.page.locator("#pad").screenshot() != blank
    expect(visit.page.locator("#call")).to_contain_text('"image"')
    # A dot is no digit; what was sent is refused for what it shows.
    expect(visit.page.locator("#input-problem")).to_contain_text("filled shapes", timeout=30_000)
    assert all("422" in complaint for complaint in visit.complaints)
    visit.complaints.clear()


def test_a_second_finger_does_not_draw_into_the_stroke_of_the_first(
    browser: Browser, server: Server
) -> None:
    with Visit(browser, server, viewport=DESK, has_touch=True) as visit:
        visit.page.wait_for_selector("#checkpoint option", state="attached")
        box = visit.page.locator("#pad").bounding_box()
        assert box is not None
        first, second = ({"x": box["x"] + at, "y": box["y"] + at, "id": at} for at in (50, 200))
        touch = visit.context.new_cdp_session(visit.page)
        for points in ([first], [first, second], [first, second | {"y": box["y"] + 20}], []):
            kind = "touchEnd" if not points else "touchStart" if len(points) == 1 else "touchMove"
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        visit.page.select_option("#call-of", "strokes")
        expect(visit.page.locator("#call")).to_contain_text('"strokes":')
        assert re.search(r'"strokes":\[\[\[[^\[]*$', visit.page.inner_text("#call")), "one point"


def test_the_rule_calibrated_is_offered_where_the_card_has_margins_for_it(visit: Visit) -> None:
    option = visit.page.locator('#stop [value="calibrated"]')
    expect(option).to_be_enabled()
    visit.page.select_option("#stop", "calibrated")
    visit.example(2)
    visit.wait_for_answers(2)
    assert "stopped by the rule calibrated" in visit.text(".verdict")
    assert "no margins for this network" in visit.text(".verdict", 1)
    assert visit.page.inner_text("#problem") == ""
    visit.page.fill("#sigma", "0.7")
    expect(option).to_be_disabled()
    expect(option).to_have_text("calibrated: for sigma 0.5 with N 20, sigma 1 with N 20")
    assert visit.page.input_value("#stop") == "full"
    visit.choose("mnist_cnn-mult-0.6")
    expect(option).to_have_text("calibrated: no margins for this network")
    expect(option).to_be_disabled()


def test_a_guess_is_grey_and_small_and_a_sure_answer_coloured_whatever_the_rule(
    visit: Visit,
) -> None:
    def look(number: int) -> tuple[str, str]:
        style = "item => [getComputedStyle(item).color, getComputedStyle(item).fontSize]"
        colour, size = ballot(visit, number).locator(".mode").evaluate(style)
        return colour, size

    looks = {}
    for stop in ("full", "exact", "bounded"):
        visit.page.select_option("#stop", stop)
        visit.page.fill("#sigma", "0.1")
        visit.example(4)
        visit.wait_for_answers()
        looks[stop] = look(0)
        assert "may be" not in visit.text(".verdict")
        assert ("decided" in visit.text(".verdict")) == (stop != "bounded")
    assert len(set(looks.values())) == 1
    visit.page.select_option("#stop", "full")
    visit.page.fill("#sigma", "30")
    visit.page.fill("#seed", "3")
    visit.wait_for_answers()
    assert "The top two may be equally likely" in visit.text(".verdict", 1)
    colour, size = look(1)
    assert colour != looks["full"][0]
    assert float(size[:-2]) < float(looks["full"][1][:-2])


def test_too_few_votes_to_be_sure_say_so(visit: Visit) -> None:
    visit.page.fill("#votes", "5")
    visit.page.fill("#sigma", "0.1")
    visit.example(4)
    visit.wait_for_answers()
    assert "Fewer than 6 votes always abstain" in visit.text(".verdict")
    assert not ballot(visit, 0).evaluate("item => item.classList.contains('is-sure')")


def test_ten_steps_of_the_slider_ask_for_votes_once(visit: Visit) -> None:
    visit.example(2)
    visit.wait_for_answers()
    before = visit.streams
    visit.page.locator("#sigma-slider").focus()
    for _ in range(10):
        visit.page.keyboard.press("ArrowLeft")
    assert visit.page.input_value("#sigma") == "0.5"
    visit.wait_for_answers()
    assert visit.streams == before + 3
    assert '"sigma":0.5' in visit.page.inner_text("#call")


def test_who_is_asked_to_come_back_later_does(browser: Browser) -> None:
    limit = {
        "NOISEVOTE_RATE_LIMIT_VOTES_PER_S": "30",
        "NOISEVOTE_RATE_LIMIT_BURST_VOTES": "20",
    }
    with started(limit) as server, Visit(browser, server, reduced_motion="reduce") as visit:
        visit.page.wait_for_selector("#checkpoint option", state="attached")
        visit.example(2)
        expect(
            visit.page.get_by_text("The service is busy; asks again in 1 s.").first
        ).to_be_visible()
        visit.wait_for_answers()
        assert visit.page.inner_text("#problem") == ""


def test_the_noise_of_a_network_is_that_of_its_training_whatever_was_chosen_before(
    visit: Visit,
) -> None:
    for before in ("mnist_cnn-mult-0.6", "mnist_cnn-mult-1.0"):
        visit.choose(before)
        visit.choose("mnist_cnn-clean")
        assert visit.page.input_value("#sigma") == "0"
        assert visit.page.inner_text("#snr") == "no noise"


@pytest.mark.parametrize(("width", "height"), [(360, 740), (390, 800), (820, 1180)])
def test_the_answers_are_in_sight_beside_the_drawing(
    browser: Browser, server: Server, width: int, height: int
) -> None:
    size = {"width": width, "height": height}
    with Visit(browser, server, viewport=size, has_touch=True, is_mobile=True) as visit:
        visit.page.wait_for_selector("#checkpoint option", state="attached")
        visit.example(7)
        visit.wait_for_answers()
        for number in range(3):
            for part in (".mode", ".verdict"):
                box = ballot(visit, number).locator(part).bounding_box()
                assert box is not None
                assert box["y"] + box["height"] <= height
        assert visit.page.evaluate("scrollY") == 0
        assert visit.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
