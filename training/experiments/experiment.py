"""What an experiment is: what it measures, and what the results page shows of it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Generic, TypeVar

from matplotlib.figure import Figure

from noisevote.training.experiments.bench import Bench
from noisevote.training.measure.plan import Plan
from noisevote.training.measure.results import Table, read_table
from noisevote.training.report.markdown import main_files, names_in, open_row, stored

P = TypeVar("P", bound=Plan)
NamedFigures = Iterable[tuple[str, Figure]]


def no_figures(_: Path) -> NamedFigures:
    """Draw nothing."""
    return ()


@dataclass(frozen=True, slots=True)
class Experiment(Generic[P]):
    """One experiment.

    Attributes:
        name: name of its command, of its folder of raw results, and before the names of its
            figures.
        help: help of its command.
        subject: what the command takes a name of, such as a recipe.
        plan: what is measured, unless options say otherwise.
        small: what is measured on made-up data instead.
        run: measures what is missing of the subject of a name.
        section: returns the parts of the results page, from the folder of raw results.
        figures: draws those of the page from the same folder, each with its name.
        default: name of the subject if none is given; None: it must be given.
    """

    name: str
    help: str
    subject: str
    plan: P
    small: P
    run: Callable[[Bench, str, P], None]
    section: Callable[[Path], list[str]]
    figures: Callable[[Path], NamedFigures] = no_figures
    default: str | None = None


def shown_or_open(
    results: Path, experiment: str, name: str, show: Callable[[Table], list[str]]
) -> list[str]:
    """Return what the page shows of a table, or the command that makes it where it is missing."""
    table = stored(results / experiment / f"{name}.csv")
    if table is None:
        return [open_row(f"noisevote-train experiment {experiment} {name}", "not measured")]
    return show(table)


def shown_each(
    results: Path,
    experiment: str,
    expected: Sequence[str],
    show: Callable[[str, Table], list[str]],
) -> Iterator[str]:
    """Yield what the page shows of each checkpoint, under its name.

    Args:
        results: folder of the raw results.
        experiment: experiment whose section it is.
        expected: checkpoints that are shown, or missed; others follow if they are measured.
        show: returns the parts of the page for a checkpoint's name and table.
    """
    for name in names_in(results / experiment, expected):
        yield f"### `{name}`: {experiment}\n"
        yield from shown_or_open(results, experiment, name, partial(show, name))


def one_figure_each(
    results: Path, experiment: str, draw: Callable[[Table], Figure]
) -> Iterator[tuple[str, Figure]]:
    """Yield a figure for each file of raw results."""
    for path in main_files(results / experiment):
        yield f"{experiment}-{path.stem}", draw(read_table(path))
