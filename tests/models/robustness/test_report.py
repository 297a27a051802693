"""Figures, verdict and page of a report."""

import re
import tomllib
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noisevote.models.charts import Curve, Point, line_chart, row_chart
from noisevote.models.noise import NoiseKind
from noisevote.models.robustness.counted import Paired, Share
from noisevote.models.robustness.page import html_report
from noisevote.models.robustness.plan import Plan
from noisevote.models.robustness.report import (
    About,
    AboutSamples,
    Check,
    CleanAccuracy,
    Report,
    WorstCase,
)
from noisevote.models.robustness.scores import is_clearly_more_often_right, paired_of, share_of
from noisevote.models.robustness.target import Bill
from noisevote.models.robustness.verdict import verdict_of
from noisevote.models.statistics import mcnemar_p_value

HOSTILE = "<script>alert(1)</script>\"&'<img src=x onerror=alert(1)>"


def share(count: int, of: int = 1000) -> Share:
    return share_of(np.arange(of) < count, 0.05)


def paired(noisy_only: int, noiseless_only: int, samples: int = 1000) -> Paired:
    return Paired(
        noisy_only=noisy_only,
        noiseless_only=noiseless_only,
        samples=samples,
        gain=(noisy_only - noiseless_only) / samples,
        p_value=mcnemar_p_value(noisy_only, noiseless_only),
    )


def report_with(worst: Paired, check: bool | None = True, text: str = "a name") -> Report:
    return Report(
        is_complete=True,
        steps_done=3,
        steps=3,
        about=About(
            target=text,
            target_fingerprint="f",
            surrogate=text,
            surrogate_fingerprint="f",
            undefended=text,
            labels=(text,),
            samples=AboutSamples(source=text, indices=(0,), digest="d"),
            interface=text,
            versions={text: text},
        ),
        plan=Plan(kind=NoiseKind.ADDITIVE, sigma=0.1, epsilon=0.1),
        threat_model=(text,),
        clean=CleanAccuracy(
            noiseless=share(990),
            one_vote=share(900),
            voted=share(985),
            mean_voted=0.985,
            stably_right=share(980),
            benign_flip_probability=0.01,
            benign_flip_interval=(0.001, 0.03),
            abstained=share(30),
            benign_fooled=share(1),
            paired=paired(1, 6),
            bill=Bill(),
        ),
        worst_case=WorstCase(attacks=(text,), noiseless=share(900), noisy=share(910), paired=worst),
        checks=(Check(name=text, question=text, passed=check, detail=text),),
    )


def test_share_has_the_exact_interval_and_none_is_none() -> None:
    assert share(9, 10).interval == pytest.approx((0.555, 0.9975), abs=1e-3)
    empty = share_of(np.zeros(0, np.bool_), 0.05)
    assert (empty.count, empty.of, empty.interval) == (0, 0, (0.0, 1.0))


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_pairs_are_counted_by_who_alone_is_right(outcomes: list[tuple[bool, bool]]) -> None:
    noisy, noiseless = (np.array(column) for column in zip(*outcomes, strict=True))
    result = paired_of(noisy, noiseless)
    assert result.gain == pytest.approx(noisy.mean() - noiseless.mean())
    assert result.noisy_only == sum(a and not b for a, b in outcomes)
    assert paired_of(noiseless, noisy).p_value == result.p_value
    assert not (
        is_clearly_more_often_right(noisy, noiseless)
        and is_clearly_more_often_right(noiseless, noisy)
    )


@pytest.mark.parametrize(
    ("noisy_only", "noiseless_only", "answer"),
    [(20, 2, "helps"), (2, 20, "harms"), (7, 0, "no evidence"), (8, 0, "helps"),
     (60, 40, "no evidence"), (0, 0, "no evidence")],
)  # fmt: skip
def test_verdict_claims_only_what_the_test_shows(
    noisy_only: int, noiseless_only: int, answer: str
) -> None:
    verdict = verdict_of(report_with(paired(noisy_only, noiseless_only)))
    assert verdict.answer == answer
    assert any("no gain below 0.8 points" in sentence for sentence in verdict.sentences)
    assert any("falls by 0.5 points" in sentence for sentence in verdict.sentences)


def test_failed_check_takes_the_verdict_away_and_a_skipped_one_is_named() -> None:
    assert verdict_of(report_with(paired(20, 0), check=False)).answer == "no verdict"
    skipped = verdict_of(report_with(paired(20, 0), check=None))
    assert skipped.answer == "helps"
    assert skipped.sentences[-1] == "Not checked: a name."


def test_a_gain_that_no_number_of_right_answers_could_reach_is_not_named() -> None:
    few = verdict_of(report_with(paired(2, 0, samples=5)))
    assert (
        "With 5 samples no gain, however large, can reach p < 0.01: that takes 8 samples at least."
        in few.sentences
    )
    for samples in (1, 7, 8, 100):
        said = " ".join(verdict_of(report_with(paired(0, 0, samples))).sentences)
        assert all(float(points) <= 100 for points in re.findall(r"below ([\d.]+) points", said))


@pytest.mark.parametrize("field", ["noiseless", "stably_right"])
def test_nothing_is_judged_where_no_sample_could_be_attacked(field: str) -> None:
    report = report_with(paired(20, 0))
    assert report.clean is not None
    clean = report.clean.model_copy(update={field: share(0)})
    verdict = verdict_of(report.model_copy(update={"clean": clean}))
    assert verdict.answer == "no verdict"
    (sentence,) = verdict.sentences
    assert "so none could be attacked" in sentence


class Page(HTMLParser):
    """Collects tags and checks that they are closed in order."""

    VOID = ("meta", "img", "br")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(re.sub(r"<svg.*?</svg>", "", page, flags=re.DOTALL))
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_page_escapes_whatever_names_hold() -> None:
    page = Page(html_report(report_with(paired(3, 1), text=HOSTILE)))
    tags = {tag for tag, _ in page.tags}
    assert "script" not in tags
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert not any(attributes.get("src") == "x" for _, attributes in page.tags)
    assert HOSTILE in "".join(page.text)


def test_page_needs_nothing_from_outside_and_forbids_it() -> None:
    page = Page(html_report(report_with(paired(3, 1))))
    policy = [a["content"] for _, a in page.tags if "http-equiv" in a]
    assert policy == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'"]
    assert all((a.get("src") or "data:").startswith("data:") for _, a in page.tags)
    assert not any("href" in a for _, a in page.tags)
    assert [a["lang"] for tag, a in page.tags if tag == "html"] == ["en"]


def test_page_of_an_unfinished_assessment_says_so() -> None:
    partial = report_with(paired(3, 1)).model_copy(
        update={"is_complete": False, "steps_done": 2, "clean": None, "worst_case": None}
    )
    assert "Not complete: 2 of 3 steps" in html_report(partial)


@given(
    st.lists(
        st.lists(
            st.tuples(st.floats(0, 1), st.floats(0, 1)),
            min_size=1,
            max_size=4,
            unique_by=lambda p: p[0],
        ),
        min_size=1,
        max_size=8,
    )
)
def test_chart_is_whole_and_has_a_title_and_a_mark_for_every_point(
    curves: list[list[tuple[float, float]]],
) -> None:
    drawn = [
        Curve(HOSTILE, [Point(x, y, max(0, y - 0.1), min(1, y + 0.1)) for x, y in sorted(points)])
        for points in curves
    ]
    svg = ElementTree.fromstring(line_chart("chart", HOSTILE, "x & y", drawn))
    assert svg.attrib["role"] == "img"
    assert svg[0].tag == "title"
    assert svg[0].text == HOSTILE
    marks = [part for part in svg.iter() if part.tag in {"circle", "rect"}]
    assert len(marks) == sum(map(len, curves)) + len(curves)
    numbers = re.findall(
        r'(?:x|y|x1|x2|y1|y2|cx|cy)="([-\d.]+)"', ElementTree.tostring(svg, "unicode")
    )
    assert all(0 <= float(number) <= 1000 for number in numbers)


def test_chart_of_rows_marks_each_share_level_with_its_row() -> None:
    points = [Point(0, 0.9, 0.8, 1.0), Point(1, 0.2, 0.1, 0.3)]
    curves = [Curve("without", points), Curve("with", points[1:])]
    svg = ElementTree.fromstring(row_chart("rows", HOSTILE, ("none", HOSTILE), curves))
    assert svg[0].text == HOSTILE
    names = [part.text for part in svg.iter("text")]
    assert names[:2] == ["none", HOSTILE]
    first, second = [float(mark.attrib["cy"]) for mark in svg.iter("circle")][:2]
    between = [float(line.attrib["y1"]) for line in svg.iter("line")][1]
    assert first < between < second
    assert float(svg.attrib["viewBox"].split()[-1]) > second


def test_the_template_of_the_page_is_part_of_the_package() -> None:
    root = Path(__file__).parents[3]
    with (root / "pyproject.toml").open("rb") as file:
        patterns = tomllib.load(file)["tool"]["setuptools"]["package-data"]["noisevote.models"]
    packed = {path for pattern in patterns for path in (root / "models").glob(pattern)}
    assert set((root / "models").rglob("*.j2")) <= packed
