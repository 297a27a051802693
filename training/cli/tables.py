"""Tables in which commands show what they measured."""

from collections.abc import Iterable

from rich.console import Console
from rich.table import Table

from noisevote.models.measured import Accuracy, AgreementReference, Threshold
from noisevote.models.noise_setting import shown_map, shown_sigma
from noisevote.models.statistics import clopper_pearson
from noisevote.training.measure.calibrate import Outcome


def show_accuracies(results: list[Accuracy]) -> None:
    """Print accuracies as a table, one row a noise setting."""
    columns = sorted({entry.votes for entry in results})
    title = "accuracy in %, over sigma and votes"
    table = Table("sigma", *map(str, columns), title=title, title_justify="left")
    rows: dict[str, dict[int, Accuracy]] = {}
    for entry in results:
        reads = f" ({shown_map(entry.repeats)})" if entry.repeats else ""
        rows.setdefault(shown_sigma(entry.sigma) + reads, {})[entry.votes] = entry
    for setting, cells in rows.items():
        table.add_row(
            setting,
            # Five signs each, so that the table fits 80 columns.
            *(f"{100 * cells[v].accuracy:.2f}"[:5] if v in cells else "" for v in columns),
        )
    Console().print(table)


def show_thresholds(rows: Iterable[tuple[Threshold, Outcome]], images: int) -> None:
    """Print what margins do."""
    table = Table("noise", "sigma", "votes", "delta", "margin", "votes cast", "modes changed")
    for entry, outcome in rows:
        low, high = clopper_pearson(outcome.changed, images, 0.05)
        table.add_row(
            entry.kind,
            f"{entry.sigma:g}",
            str(entry.votes),
            f"{entry.delta:g}",
            str(entry.margin),
            f"{outcome.mean_votes:.2f}",
            f"{outcome.changed} of {images} ({100 * low:.3f} to {100 * high:.3f} %)",
        )
    Console().print(table)


def show_agreements(found: list[AgreementReference]) -> None:
    """Print how much votes agree."""
    table = Table("noise", "sigma", "votes", "inputs", "agreement", "top-two margin")
    for entry in found:
        table.add_row(
            entry.kind,
            f"{entry.sigma:g}",
            str(entry.votes),
            str(entry.inputs),
            f"{entry.agreement_mean:.4f} (sd {entry.agreement_sd:.4f})",
            f"{entry.margin_mean:.4f} (sd {entry.margin_sd:.4f})",
        )
    Console().print(table)
