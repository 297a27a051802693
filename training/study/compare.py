"""Two studies side by side, paired on the same samples where they have the same."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from noisevote.models.charts import Curve, Point, line_chart
from noisevote.models.errors import DataError
from noisevote.models.files import write_whole
from noisevote.models.statistics import holm_p_values
from noisevote.models.study.cells import Half
from noisevote.models.study.differences import Differences, OfChips, samples_of
from noisevote.models.study.recorded import accuracies
from noisevote.models.study.replay import FULL
from noisevote.models.study.results import Results
from noisevote.models.study.seeds import places_of
from noisevote.models.study.store import StudyStore
from noisevote.models.study.words import age, points, share
from noisevote.training.study.page import page_of
from noisevote.training.study.section import Column, Row, Section

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

    def right(self, condition: float | None, votes: int) -> OfChips | None:
        """Return the share of right answers on each sample that is reported, by chip."""
        if condition == 0 and self.head.device is None:
            clean = self.results.clean_votes(Half.REPORT)
            right = self.results.clean_right(Half.REPORT, len(clean))
            return {None: right.astype(np.float64)}
        recorded = self.results.settings.get((condition, ()))
        found = None if recorded is None else recorded.replayed(Half.REPORT, votes, FULL)
        return None if found is None else found.of_chips

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
        "remarks": [],
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
        DataError: they are on other samples, of which none need be in common, of a device and under
            noise of a strength, or under other kinds of noise.
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
        is_one = is_clean or (one.head.is_silent and other.head.is_silent)
        for votes in COUNTS[:1] if is_one else COUNTS:
            first, second = one.right(condition, votes), other.right(theirs, votes)
            if first is None or second is None:
                continue
            ours, others = one.sampled(samples_of(first)), other.sampled(samples_of(second))
            shared, here, there = np.intersect1d(ours, others, return_indices=True)
            if len(shared) == 0:
                continue
            right = [of[here] for of in first.values()], [of[there] for of in second.values()]
            means = [np.mean(of, axis=0) for of in right]
            of_chips = tuple(accuracies(of) for of in right)
            found = Differences(means[1] - means[0], of_chips)
            low, high = found.interval
            yield {
                "condition": condition,
                "of_second": theirs,
                "votes": votes,
                "samples": len(shared),
                "first": float(means[0].mean()),
                "second": float(means[1].mean()),
                "gain": {"value": found.mean, "low": low, "high": high},
                "p_value": found.p_value,
            }


def pairs_of_conditions(
    one: Compared, other: Compared
) -> Iterator[tuple[float | None, float | None]]:
    """Yield the conditions that are compared: those that both have.

    Of two devices also the smallest age of each, which may be another one or none.
    """
    pairs = {(of, of) for of in one.head.conditions if of in other.head.conditions}
    if one.head.device is not None:
        pairs.add((one.found.operating, other.found.operating))
    yield from sorted(pairs, key=lambda pair: (pair[0] or 0.0, pair[1] or 0.0))


def section_of(one: Compared, other: Compared, rows: list[Row]) -> Section:
    """Return the table and the chart of a comparison."""
    most = max(row["votes"] for row in rows)
    curves = [
        Curve(name, [Point(row["condition"] or 0.0, row[key], row[key], row[key]) for row in rows
                     if row["votes"] == most])
        for key, name in (("first", one.name), ("second", other.name))
    ]  # fmt: skip
    has_curve = len(curves[0].points) > 1
    differ = any(row["condition"] != row["of_second"] for row in rows)
    return Section(
        "compared",
        "Accuracy of both on the same samples",
        f"Means over chips and seeds; the chart has {most} votes. The gain is that of the second, "
        "with its interval at 95 % over samples, and over chips where these differ. The p-values "
        "are of Student's t, corrected by Holm for all rows.",
        [
            Column("condition", *condition_column(one)),
            *([Column("of_second", f"age, {other.name}", age_text)] if differ else []),
            Column("votes", "votes"),
            Column("first", one.name, share),
            Column("second", other.name, share),
            Column("gain", "gain, points [95 %]", gain_text),
            Column("p_holm", "p, Holm", "{:.2g}".format),
            Column("samples", "samples"),
        ],
        rows,
        line_chart("compared", "Accuracy of both", condition_column(one)[0], curves, is_close=True)
        if has_curve
        else "",
    )


def condition_column(of: Compared) -> tuple[str, Callable[[float | None], str]]:
    """Return the label of a condition, and how it is written."""
    return ("sigma", "{:g}".format) if of.head.device is None else ("age", age_text)


def age_text(value: float | None) -> str:
    """Return an age; a dash where it is no matter."""
    return "-" if value is None else age(value)


def gain_text(value: dict[str, float]) -> str:
    """Return a difference in points with its interval."""
    low, high = (points(value[end], digits=2) for end in ("low", "high"))
    return f"{points(value['value'], '+', 2)} [{low}, {high}]"


def verdict(other: Compared, rows: list[Row]) -> str:
    """Return which is better, if that is shown."""
    better = sum(row["p_holm"] < 0.05 and row["gain"]["value"] > 0 for row in rows)
    worse = sum(row["p_holm"] < 0.05 and row["gain"]["value"] < 0 for row in rows)
    if not better and not worse:
        reach = max(max(-row["gain"]["low"], row["gain"]["high"]) for row in rows)
        return (
            f"No difference is shown in any of {len(rows)} conditions (Holm, 5 %); one of up to "
            f"{points(reach)} points is not ruled out."
        )
    return (
        f"{other.name} is better in {better} and worse in {worse} of {len(rows)} conditions; in "
        "the others no difference is shown (Holm, 5 %)."
    )


def unlike(one: Compared, other: Compared) -> Iterator[str]:
    """Yield in what the studies differ beside what is compared."""
    for of in (one, other):
        if of.head.device is not None and of.head.device.differs_by_chip and of.head.chips == 1:
            yield f"{of.name} has one chip: what is shown holds for it, not for the device"
    for name in ("seed", "seeds", "chips", "noise_scheme", "votes", "kind", "temperature_c"):
        mine, theirs = getattr(one.head, name), getattr(other.head, name)
        if mine != theirs:
            yield f"{name} differs: {mine} and {theirs}"
    for name, of in (("first", one), ("second", other)):
        taken = {pair[name == "second"] for pair in pairs_of_conditions(one, other)}
        left = [condition for condition in of.head.conditions if condition not in taken]
        if left:
            label, written = condition_column(of)
            yield f"only the {name} has {label} " + ", ".join(written(c) for c in left)


def made(of: Compared) -> str:
    """Return what a study is of."""
    return f"{of.name}, {of.head.fingerprint}"
