"""A part of a study's report: its table, and its chart if it has one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from noisevote.models.study.weighed import Option, Reached
from noisevote.models.study.words import points, share

Row = dict[str, Any]
MANY_CLASSES = 20
MOST_LISTED = 3


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        key: of the value in a row.
        label: over it.
        shown: the value, and the row, as text.
    """

    key: str
    label: str
    shown: Callable[[Any], str] = str


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the report.

    Attributes:
        name: of it in the JSON file.
        title: over it.
        text: what it shows, how it was made and what it does not say.
        columns: of its table.
        rows: of its table.
        chart: SVG; empty without one.
    """

    name: str
    title: str
    text: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    chart: str = ""

    @property
    def cells(self) -> list[list[str]]:
        """The table as text."""
        return [[column.shown(row[column.key]) for column in self.columns] for row in self.rows]

    @property
    def head(self) -> list[str]:
        """Labels of the columns."""
        return [column.label for column in self.columns]


def reached_row(reached: Reached) -> Row:
    """Return what was reached as values of a row."""
    runs = np.array(reached.runs)
    return {
        "accuracy": accuracy_row(reached),
        "samples": reached.samples,
        "runs": len(runs),
        "worst": float(runs.min()),
        "best": float(runs.max()),
        "spread": float(runs.std(ddof=1)) if len(runs) > 1 else None,
    }


def accuracy_row(reached: Reached) -> dict[str, float]:
    """Return an accuracy with its interval and number of samples as a value of a row."""
    low, high = reached.interval
    return {"value": reached.accuracy, "low": low, "high": high, "samples": reached.samples}


def with_interval(value: dict[str, float]) -> str:
    """Return an accuracy with its interval."""
    return f"{share(value['value'])} [{100 * value['low']:.1f}, {100 * value['high']:.1f}]"


def with_samples(value: dict[str, float]) -> str:
    """Return an accuracy with its interval and number of samples."""
    return f"{with_interval(value)}, n = {value['samples']:,}"


def spread_text(value: float | None) -> str:
    """Return a standard deviation in points."""
    return "-" if value is None else points(value, digits=2)


ACCURACY = Column("accuracy", "accuracy [95 %]", with_interval)


def run_columns(differ_by: str) -> tuple[Column, ...]:
    """Return the columns of what differs by chip or by seed."""
    return (
        Column("spread", f"sd over {differ_by}s, points", spread_text),
        Column("worst", f"worst {differ_by}", share),
        Column("best", f"best {differ_by}", share),
        Column("runs", f"{differ_by}s"),
        Column("samples", "samples"),
    )


def option_words(option: Option) -> Row:
    """Return an option in words."""
    votes = f"{option.votes} vote{'s' if option.votes > 1 else ''}"
    rule = "" if option.stop == "full" else f", stopped by {rule_words(option)}"
    chips = "" if option.chips == 1 else f", on {option.chips} chips"
    return {
        "ask": f"{votes}{rule}{chips}{reads_words(option.repeats)}",
        **option.model_dump(mode="json"),
    }


def rule_words(option: Option) -> str:
    """Return a stop rule with its chance of another mode, where it has one."""
    return option.stop.value + ("" if option.delta is None else f" with delta {option.delta:g}")


def reads_words(repeats: Mapping[str, int]) -> str:
    """Return layers that are read several times, in words."""
    if not repeats:
        return ""
    counts = set(repeats.values())
    if len(counts) == 1 and len(repeats) > MOST_LISTED:
        return f", {len(repeats)} layers read {counts.pop()} times each"
    told = [f"layer {name} read {count} times" for name, count in repeats.items()]
    return f", {', '.join(told)}"
