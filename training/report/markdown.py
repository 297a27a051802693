"""Markdown out of stored results: tables, shares with intervals, and the commands behind them."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from noisevote.training.measure.results import THEN, Row, Table, read_table

DETAILS = (
    "noise",
    "split",
    "splits",
    "images",
    "votes",
    "image",
    "passes",
    "recipe",
    "engine",
)
"""What the page says of a file beside its command; machine and libraries stand in the file."""


SUFFIXES = ("-rms", "-rounding")
"""Of files that stand beside another of the same measurement."""


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def table_without_empty(head: Sequence[str], rows: Sequence[Sequence[str]], first: int = 0) -> str:
    """Return a Markdown table of the columns that hold more than dashes, from a row on."""
    used = [place for place in range(len(head)) if any(row[place] != "-" for row in rows[first:])]
    return markdown_table(
        [head[place] for place in used], [[row[place] for place in used] for row in rows]
    )


def shown_share(row: Row | None) -> str:
    """Return a share in per cent with its interval, or a dash."""
    if row is None:
        return "-"
    share, low, high = (100 * float(row[key]) for key in ("accuracy", "low", "high"))
    return f"{share:.2f} [{low:.2f}, {high:.2f}]"


def shown_difference(row: Row | None) -> str:
    """Return a paired difference in points with its interval, or a dash."""
    if row is None:
        return "-"
    keys = ("difference", "difference_low", "difference_high")
    difference, low, high = (100 * float(row[key]) for key in keys)
    return f"{difference:+.2f} [{low:+.2f}, {high:+.2f}]"


def commands(entries: Sequence[Table], extra: str = "") -> str:
    """Return what the numbers of a section were made by, each command once.

    Args:
        entries: files that the section reads.
        extra: commands for readers, behind those.
    """
    by_command: dict[str, list[Table]] = {}
    for entry in entries:
        by_command.setdefault(entry.about["command"], []).append(entry)
    lines = []
    for command, tables in by_command.items():
        about = tables[0].about
        details = [f"{key}: {about[key]}" for key in DETAILS if key in about]
        steps = ", then ".join(f"`{step}`" for step in command.split(THEN))
        lines.append(f"- {steps}: {'; '.join(details)}")
        lines += [f"  - {network}" for network in networks(tables)]
    return "\n".join([*lines, extra] if extra else lines) + "\n"


def networks(tables: Sequence[Table]) -> list[str]:
    """Return the checkpoints that some files measure, and how they were trained."""
    found = [
        f"{table.about['checkpoint']}, by `{table.about['trained by']}`"
        for table in tables
        if "checkpoint" in table.about
    ]
    return list(dict.fromkeys(found))


def open_row(command: str, what: str) -> str:
    """Return the line that stands where results are still missing."""
    return f"*Open:* {what}. To fill: `{command}`\n"


def figure(name: str, text: str) -> str:
    """Return the line that shows a figure."""
    return f"![{text}](figures/{name}.svg)\n"


def stored(path: Path) -> Table | None:
    """Return a file's table, or None if there is no such file."""
    return read_table(path) if path.is_file() else None


def names_in(folder: Path, expected: Sequence[str]) -> list[str]:
    """Return the expected names, and behind them all others that have a file in ``folder``."""
    others = [path.stem for path in main_files(folder) if path.stem not in expected]
    return [*expected, *others]


def main_files(folder: Path) -> list[Path]:
    """Return the files of a folder, sorted, without those that stand beside others."""
    return [path for path in sorted(folder.glob("*.csv")) if not path.stem.endswith(SUFFIXES)]


def by_network(folder: Path) -> dict[str, dict[str, Table]]:
    """Return the tables of a folder by the network that their names begin with, then by name."""
    found: dict[str, dict[str, Table]] = {}
    for path in main_files(folder):
        found.setdefault(path.stem.partition("-")[0], {})[path.stem] = read_table(path)
    return found


def find(table: Table | None, **values: str) -> Row | None:
    """Return the first row that holds these values, or None."""
    rows = table.rows if table is not None else []
    return next((row for row in rows if values.items() <= row.items()), None)


def same_number(row: Row, key: str, value: float) -> bool:
    """Return whether a row holds a number, as it was rounded for the file."""
    return abs(float(row[key]) - value) <= 1e-5 * max(1.0, abs(value))
