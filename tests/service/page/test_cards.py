"""The page of networks in a real browser: the list, cards of every kind, charts, calls."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect

from noisevote.models.checkpoint import SHIPPED
from noisevote.models.specs import InputSpec
from tests.drawing import draw_digit, png_bytes
from tests.foreign import drawn
from tests.service.imported import PLAIN, TEXT
from tests.service.page.browser import DESK, Visit
from tests.service.support import CHECKPOINT, Json
from tests.service.test_server import Server, started

ON_DEVICE = "mnist_cnn-reram-cmo"
STROKES = "stroke_lstm-clean"
LARGE = [InputSpec(name="volume", shape=(3, 20, 20), range=(0, 1))]
PHONE = {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("checkpoints")
    for name in (CHECKPOINT, ON_DEVICE, STROKES):
        shutil.copytree(SHIPPED / name, folder / name)
    drawn(folder / "text", TEXT)
    drawn(folder / "large", LARGE)
    drawn(folder / "birds", PLAIN, [f"bird {number}" for number in range(1200)])
    drawn(folder / "spoilt", PLAIN)
    (folder / "spoilt" / "card.json").write_text("{")
    with started({"NOISEVOTE_CHECKPOINTS": str(folder)}) as running:
        yield running


def opened(browser: Browser, server: Server, name: str = "", **context: Any) -> Visit:
    """Open the card of a network, or the list, and wait until all of it is there."""
    path = f"/networks?checkpoint={name}" if name else "/networks"
    visit = Visit(browser, server, path, **({"viewport": DESK} | context))
    expect(visit.page.locator("#content h2.name")).to_have_text(name or "Networks")
    expect(visit.page.locator("[aria-busy]")).to_have_count(0)
    return visit


def card_of(server: Server, name: str) -> Json:
    card: Json = server.client.get(f"/checkpoints/{name}").json()
    return card


def rows_of(visit: Visit, caption: str) -> list[list[str]]:
    """Return the cells of the table whose caption begins so, row heads included."""
    script = """(caption) => {
        const all = [...document.querySelectorAll("table")];
        const found = all.find((one) => one.caption.textContent.startsWith(caption));
        return [...found.tBodies[0].rows].map((row) =>
            [...row.cells].map((cell) => cell.textContent));
    }"""
    rows: list[list[str]] = visit.page.evaluate(script, caption)
    return rows


def shown(share: float) -> str:
    return f"{100 * share:.2f} %"


def test_the_list_names_all_networks_what_they_reach_and_why_others_are_refused(
    browser: Browser, server: Server
) -> None:
    with opened(browser, server) as visit:
        rows = {row[0]: row for row in rows_of(visit, "6 networks serve")}
        refusals = rows_of(visit, "Checkpoints that do not serve")
        assert set(rows) == {f"{CHECKPOINT} default", ON_DEVICE, STROKES, "text", "large", "birds"}
        best = {
            one["votes"]: one["accuracy"]
            for one in card_of(server, CHECKPOINT)["evaluations"][0]["accuracies"]
            if one["sigma"] == 1
        }
        assert rows[f"{CHECKPOINT} default"][1:4] == [shown(best[1]), shown(best[20]), "20"]
        assert rows["text"][5] == "ids 5, mask 5, age 1"
        assert rows["birds"][1:4] == [*"\N{EN DASH}" * 3]
        assert rows["birds"][6] == "1,200"
        assert refusals == [
            ["spoilt", server.client.get("/checkpoints").json()["refused"]["spoilt"]]
        ]
        visit.page.get_by_role("link", name=ON_DEVICE).click()
        expect(visit.page).to_have_url(f"{visit.origin}/networks?checkpoint={ON_DEVICE}")
        expect(visit.page.get_by_role("heading", name=ON_DEVICE)).to_be_visible()
        visit.page.goto(f"{visit.origin}/networks?checkpoint=spoilt")
        expect(visit.page.locator("#content")).to_contain_text(refusals[0][1])
        assert visit.outside == []


def test_the_figures_are_those_of_the_card(browser: Browser, server: Server) -> None:
    card = card_of(server, CHECKPOINT)
    with opened(browser, server, CHECKPOINT) as visit:
        accuracies = rows_of(visit, "Accuracy on 10,000 test images")
        agreements = rows_of(visit, "Agreement references")
        thresholds = rows_of(visit, "Margins at which")
        points = rows_of(visit, "6 noise points")
        digest = card["digests"]["weights.safetensors"]
        visit.page.get_by_text("Digests of its files").click()
        expect(visit.page.get_by_text(digest)).to_be_visible()
        marks = visit.page.locator(".plot .mark")
        expect(marks).to_have_count(5 * 6 + 5 * 8)  # five lines over sigma, and five over votes
        expect(visit.page.get_by_text(f"noisevote-train study {CHECKPOINT}")).to_be_visible()
        assert visit.complaints == []
    (evaluation,) = card["evaluations"]
    cells = {}
    for row in accuracies:
        for votes, cell in zip((1, 2, 3, 5, 7, 10, 15, 20), row[1:], strict=True):
            cells[float(row[0]), votes] = cell
    assert cells == {
        (one["sigma"], one["votes"]): shown(one["accuracy"])
        + f"{100 * one['interval'][0]:.2f} to {shown(one['interval'][1])}"
        for one in evaluation["accuracies"]
    }
    assert [(float(row[1]), row[2], row[4].split()[0]) for row in agreements] == [
        (one["sigma"], str(one["votes"]), f"{100 * one['agreement_mean']:.1f}")
        for one in card["agreements"]
    ]
    assert [(float(row[3]), int(row[4])) for row in thresholds] == [
        (one["delta"], one["margin"]) for one in card["thresholds"]
    ]
    assert [(row[0], row[3]) for row in points] == [
        (point["name"], f"{point['macs']:,}") for point in card["noise_points"]
    ]


@pytest.mark.slow
def test_accuracies_on_chips_are_shown_with_the_worst_and_the_best(
    browser: Browser, server: Server
) -> None:
    (evaluation,) = card_of(server, ON_DEVICE)["on_devices"]
    with opened(browser, server, ON_DEVICE) as visit:
        rows = rows_of(visit, "Accuracy on chips of reram-cmo")
        expect(visit.page.locator(".plot text", has_text="1 min")).to_have_count(1)
    assert [row[0] for row in rows] == ["1 min", "1 h", "1 d"]
    assert [(row[4].split(" %")[0], row[5], row[6]) for row in rows] == [
        (f"{100 * one['mean']:.2f}", shown(one["worst"]), shown(one["best"]))
        for one in evaluation["accuracies"]
    ]


@pytest.mark.slow
def test_an_axis_tells_accuracies_near_100_percent_apart(browser: Browser, server: Server) -> None:
    cases = [
        ([0.4936, 0.8225, 0.9926, 0.9951], 0.07),
        ([0.99, 0.9926, 0.9951], 0.3),
        ([0.1, 0.6], 0.5),
        ([0.5, 0.99, 1.0], 0.05),
        ([0.9839, 0.9839], -1),
        ([1.0, 1.0], -1),
    ]
    script = """async (shares) => {
        const { shareScale } = await import('/static/scales.js');
        const scale = shareScale(shares);
        return [shares.map(scale.at), scale.ticks.map(({ value }) => scale.at(value))];
    }"""
    with Visit(browser, server, "/networks") as visit:
        found = [visit.page.evaluate(script, shares) for shares, _ in cases]
    for (shares, least), (places, ticks) in zip(cases, found, strict=True):
        assert all(-1e-9 <= place <= 1 + 1e-9 for place in [*places, *ticks]), shares
        assert places == sorted(places)
        assert ticks == pytest.approx(sorted(ticks))
        assert places[-1] - places[-2] > least, shares
        assert 2 <= len(ticks) <= 16


@pytest.mark.slow
def test_the_shown_calls_get_answers_whatever_the_network_takes(
    browser: Browser, server: Server, tmp_path: Path
) -> None:
    (tmp_path / "picture.png").write_bytes(png_bytes(draw_digit(3)))
    programs, names = [], (CHECKPOINT, STROKES, "birds", "text", "large")
    for name in names:
        with opened(browser, server, name) as visit:
            command = visit.page.get_by_role("group", name="With curl").inner_text()
            programs.append(visit.page.get_by_role("group", name="In Python").inner_text())
        done = subprocess.run(
            ["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        reply = json.loads(done.stdout)
        assert reply["checkpoint"] == name, reply
        assert [one["votes_cast"] for one in reply["predictions"]] == [20]
    run = [sys.executable, "-c", "\n".join(programs)]
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, check=True)
    answers = [line.rsplit(maxsplit=2) for line in done.stdout.splitlines()]
    assert [votes for _, votes, _ in answers] == ["20"] * len(names)
    assert all(0 < float(agreement) <= 1 for *_, agreement in answers)
    assert answers[0][0] == "3"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scheme", "pages"),
    [
        ("light", [("", PHONE), ("birds", PHONE), (CHECKPOINT, DESK)]),
        ("dark", [(CHECKPOINT, PHONE), ("text", DESK)]),
    ],
)
def test_nothing_keeps_people_out_and_a_phone_does_not_scroll_sideways(
    browser: Browser, server: Server, scheme: str, pages: list[tuple[str, Any]]
) -> None:
    for name, size in pages:
        with opened(browser, server, name, color_scheme=scheme, viewport=size) as visit:
            for summary in visit.page.locator("summary").all():
                summary.click()
            found = Axe().run(visit.page)
            assert found.violations_count == 0, found.generate_report()
            assert visit.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
            assert visit.outside == []


@pytest.mark.slow
def test_a_table_that_is_too_wide_is_scrolled_by_the_keyboard(
    browser: Browser, server: Server
) -> None:
    with opened(browser, server, CHECKPOINT, viewport=PHONE) as visit:
        table = visit.page.get_by_role("group", name="Accuracy on 10,000 test images")
        table.focus()
        visit.page.keyboard.press("ArrowRight")
        visit.page.wait_for_function("(one) => one.scrollLeft > 0", arg=table.element_handle())
