"""Two studies side by side, paired on the same samples where they have the same."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from noisevote.models.charts import Curve, Point, line_chart
from noisevote.models.errors import DataError
from noisevote.models.files import write_whole
from noisevote.models.statistics import holm_p_values, mcnemar_p_value
from noisevote.models.study.cells import Half
from noisevote.models.study.replay import answered
from noisevote.models.study.results import Results
from noisevote.models.study.seeds import places_of
from noisevote.models.study.store import StudyStore
from noisevote.training.measure.results import paired
from noisevote.training.study.page import page_of
from noisevote.training.study.section import Column, Row, Section
from noisevote.training.study.words import points, share

COMPARED = "compare"
COUNTS = (1, 5, 20)
"""Numbers of votes that are compared, as far as both studies have them."""


class Compared:
    """One of two studies.

    Args:
        folder: of it.

    Raises:
        DataError: it is none, or has not come to its end.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        store = StudyStore(self.folder)
        found = store.conclusions
        if found is None:
            raise DataError(f"the study in {folder} has not come to its end; go on with it")
        self.results, self.found = Results(store), found
        self.head = self.results.head
        self.numbers = store.numbers(Half.REPORT)

    @property
    def name(self) -> str:
        """What tells it from the other: the name of its folder."""
        return self.folder.name

    def right(self, condition: float | None, votes: int) -> NDArray[np.bool_] | None:
        """Return whether the first run is right on each sample that is reported."""
        if condition == 0 and self.head.device is None:
            of = self.results.clean_votes(Half.REPORT)
        else:
            recorded = self.results.settings.get((condition, ()))
            runs = {} if recorded is None else recorded.runs[Half.REPORT]
            if not runs:
                return None
            of = next(iter(runs.values()))
            if of.shape[1] < votes and not self.head.is_silent:
                return None
        modes = answered(of, self.head.classes, votes).modes
        return np.asarray(modes == self.results.labels_of(Half.REPORT, len(of)))

    def sampled(self, count: int) -> NDArray[np.int64]:
        """Return the numbers of so many samples that are spread over the half."""
        return self.numbers[places_of(count, len(self.numbers))]


def write_comparison(first: Path, second: Path, output: Path | None) -> tuple[str, Path]:
    """Write a comparison of two studies as HTML and JSON; return its verdict and the page.

    Args:
        first: folder of a study.
        second: folder of the other, whose gain is told.
        output: folder of the comparison; None: that of the second study.

    Raises:
        DataError: one is no study, or they have no samples in common, or nothing to compare.
    """
    one, other = Compared(first), Compared(second)
    check_comparable(one, other)
    rows = list(rows_of(one, other))
    if not rows:
        raise DataError("the two studies have no condition and number of votes in common")
    corrected = holm_p_values([row["p_value"] for row in rows])
    for row, p_value in zip(rows, corrected, strict=True):
        row["p_holm"] = p_value
    section = section_of(one, other, rows)
    title = f"{one.name} and {other.name}"
    content = {
        "title": title,
        "answers": {"Which is better?": verdict(other, rows)},
        "not_measured": list(unlike(one, other)),
        "recommended": None,
        "made": {"first": made(one), "second": made(other), "samples": one.head.report},
    }
    folder = output or second
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{COMPARED}-{one.name}-{other.name}"
    tables = {section.name: {"title": section.title, "rows": rows}}
    text = json.dumps({**content, "tables": tables}, indent=1, allow_nan=False)
    write_whole(folder / f"{name}.json", f"{text}\n".encode())
    page = folder / f"{name}.html"
    write_whole(page, page_of(content, [section]).encode())
    return verdict(other, rows), page


def check_comparable(one: Compared, other: Compared) -> None:
    """Refuse studies that cannot be compared pair by pair.

    Raises:
        DataError: they are on other samples, or under another kind of noise.
    """
    _, here, there = np.intersect1d(one.numbers, other.numbers, return_indices=True)
    ours, theirs = (of.results.labels[Half.REPORT] for of in (one, other))
    if one.head.report != other.head.report or not np.array_equal(ours[here], theirs[there]):
        raise DataError(
            f"the studies are on other samples ({one.head.report}; {other.head.report}); they are "
            "compared on the same ones"
        )
    if (one.head.device is None) != (other.head.device is None):
        raise DataError(
            "one study is of a device, the other under noise of a strength, which was chosen: "
            "compare two devices, or two networks under the same"
        )
    if one.head.device is None and one.head.kind != other.head.kind:
        raise DataError(
            f"the studies are under {one.head.kind} and {other.head.kind} noise, whose strengths "
            "are not the same thing"
        )


def rows_of(one: Compared, other: Compared) -> Iterator[Row]:
    """Yield the paired comparison of each condition and number of votes."""
    for condition, theirs in pairs_of_conditions(one, other):
        is_clean = condition == 0 and one.head.device is None
        for votes in COUNTS[:1] if is_clean else COUNTS:
            first, second = one.right(condition, votes), other.right(theirs, votes)
            if first is None or second is None:
                continue
            numbers = one.sampled(len(first)), other.sampled(len(second))
            _, here, there = np.intersect1d(*numbers, return_indices=True)
            if len(here) == 0:
                continue
            told = paired(second[there], first[here])
            yield {
                "condition": condition,
                "votes": votes,
                "samples": len(here),
                "first": float(first[here].mean()),
                "second": float(second[there].mean()),
                "gain": {
                    key: float(str(told[name]))
                    for key, name in (
                        ("value", "difference"),
                        ("low", "difference_low"),
                        ("high", "difference_high"),
                    )
                },
                "p_value": mcnemar_p_value(
                    int(str(told["only_this_right"])), int(str(told["only_reference_right"]))
                ),
            }


def pairs_of_conditions(
    one: Compared, other: Compared
) -> Iterator[tuple[float | None, float | None]]:
    """Yield the conditions that are compared: those that both have, and the operating ones."""
    same = {(of, of) for of in one.head.conditions if of in other.head.conditions}
    both = {*same, (one.found.operating, other.found.operating)}
    yield from sorted(both, key=lambda pair: (pair[0] or 0.0, pair[1] or 0.0))


def section_of(one: Compared, other: Compared, rows: list[Row]) -> Section:
    """Return the table and the chart of a comparison."""
    most = max(row["votes"] for row in rows)
    curves = [
        Curve(name, [Point(row["condition"] or 0.0, row[key], row[key], row[key]) for row in rows
                     if row["votes"] == most])
        for key, name in (("first", one.name), ("second", other.name))
    ]  # fmt: skip
    has_curve = len(curves[0].points) > 1
    return Section(
        "compared",
        "Accuracy of both on the same samples",
        "First run of each; the gain is that of the second, with the interval of Agresti and Min. "
        "The p-values are of McNemar's exact test, corrected by Holm for all rows.",
        [
            Column("condition", "sigma or age, s", lambda of: "-" if of is None else f"{of:g}"),
            Column("votes", "votes"),
            Column("first", one.name, share),
            Column("second", other.name, share),
            Column("gain", "gain, points [95 %]", gain_text),
            Column("p_holm", "p, Holm", "{:.2g}".format),
            Column("samples", "samples"),
        ],
        rows,
        line_chart("compared", "Accuracy of both", "sigma", curves) if has_curve else "",
    )


def gain_text(value: dict[str, float]) -> str:
    """Return a difference in points with its interval."""
    return f"{100 * value['value']:+.2f} [{points(value['low'])}, {points(value['high'])}]"


def verdict(other: Compared, rows: list[Row]) -> str:
    """Return which is better, if that is shown."""
    better = sum(row["p_holm"] < 0.05 and row["gain"]["value"] > 0 for row in rows)
    worse = sum(row["p_holm"] < 0.05 and row["gain"]["value"] < 0 for row in rows)
    if not better and not worse:
        return f"No difference is shown in any of {len(rows)} conditions (Holm, 5 %)."
    return (
        f"{other.name} is better in {better} and worse in {worse} of {len(rows)} conditions; in "
        "the others no difference is shown (Holm, 5 %)."
    )


def unlike(one: Compared, other: Compared) -> Iterator[str]:
    """Yield in what the studies differ beside what is compared."""
    for name in ("seed", "noise_scheme", "votes", "kind", "temperature_c"):
        mine, theirs = getattr(one.head, name), getattr(other.head, name)
        if mine != theirs:
            yield f"{name} differs: {mine} and {theirs}"
    for name, of in (("first", one), ("second", other)):
        left = [c for c in of.head.conditions if (c, c) not in {*pairs_of_conditions(one, other)}]
        if left and of.head.device is None:
            yield f"only the {name} has sigma " + ", ".join(f"{c:g}" for c in left if c is not None)


def made(of: Compared) -> str:
    """Return what a study is of."""
    return f"{of.name}, {of.head.fingerprint}"
