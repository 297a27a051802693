"""A part of a study's report: its table, and its chart if it has one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from noisevote.models.noise_setting import shown_map
from noisevote.models.study.weighed import Option, Reached
from noisevote.training.study.words import points, share

Row = dict[str, Any]
MANY_CLASSES = 20


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
    low, high = reached.interval
    runs = np.array(reached.runs)
    return {
        "accuracy": {"value": reached.accuracy, "low": low, "high": high},
        "samples": reached.samples,
        "runs": len(runs),
        "worst": float(runs.min()),
        "best": float(runs.max()),
        "spread": float(runs.std(ddof=1)) if len(runs) > 1 else None,
    }


def with_interval(value: dict[str, float]) -> str:
    """Return an accuracy with its interval."""
    return f"{share(value['value'])} [{100 * value['low']:.1f}, {100 * value['high']:.1f}]"


def spread_text(value: float | None) -> str:
    """Return a standard deviation in points."""
    return "-" if value is None else points(value)


ACCURACY = Column("accuracy", "accuracy [95 %]", with_interval)
RUNS = (
    Column("spread", "sd over runs, points", spread_text),
    Column("worst", "worst run", share),
    Column("best", "best run", share),
    Column("runs", "runs"),
    Column("samples", "samples"),
)


def option_words(option: Option) -> Row:
    """Return an option in words."""
    votes = f"{option.votes} vote{'s' if option.votes > 1 else ''}"
    rule = "" if option.stop == "full" else f", {option.stop.value}"
    chips = "" if option.chips == 1 else f", on {option.chips} chips"
    counts = set(option.repeats.values())
    reads = shown_map(option.repeats)
    if option.repeats and len(counts) == 1 and len(option.repeats) > 2:
        reads = f"{len(option.repeats)} layers {counts.pop()} times"
    return {
        "ask": f"{votes}{rule}{chips}" + (f"; reads: {reads}" if option.repeats else ""),
        **option.model_dump(mode="json"),
    }
