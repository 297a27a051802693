"""The section on the second paper: quantisation-aware against noisy training."""

from collections.abc import Collection, Mapping
from pathlib import Path

from models.statistics import difference_interval
from training.measure.results import Row, Table, read_table
from training.recipes.table import RECIPES
from training.report.markdown import (
    by_network,
    commands,
    figure,
    find,
    markdown_table,
    open_row,
    shown_share,
)

Tables = Mapping[str, Table]

TEXT = """## Quantisation-aware against noisy training (second paper)

Wang et al., arXiv 2501.14531: one pass under additive noise of the same absolute sigma at every
noise point. A network with larger signals stands more absolute noise without being more robust;
so the second group of figures sets sigma at each noise point to the same multiple of the root mean
square of its signal. Their claims: quantisation-aware training with a constant scale helps, noisy
training helps more, and most in complex networks. Networks, data and epochs are ours, the paper's
numbers are lost. `mnist_cnn` is the simple network (the quantised ones had 3 epochs), `densenet40`
the complex one. Below the accuracies stands what each way of training gains over the network
trained without quantisation and noise, in points, with 95 % intervals (Newcombe's, as if of other
images, so rather too wide).
"""

VIEWS = (
    ("absolute", ("0", "0.1", "0.316228", "1", "3.16228", "10")),
    ("relative", ("0.1", "0.316228", "1", "3.16228")),
)
"""Sigmas of the page, of all that are measured, by what they are relative to."""


def quantisation_section(results: Path) -> list[str]:
    """Return the comparison of the second paper's ways of training, network by network."""
    folder = results / "quantisation"
    found = by_network(folder)
    sections = [TEXT]
    for network in sorted(found, reverse=True):
        sections += network_section(folder, network, found[network])
    return [*sections, *unmeasured({name for tables in found.values() for name in tables})]


def network_section(folder: Path, network: str, tables: Tables) -> list[str]:
    """Return the accuracies of one network's ways of training, and what they gain."""
    head = ["trained as", *(f"{view} {float(sigma):.3g}" for view, sigma in settings())]
    shares = [
        [f"`{name}`", *(shown_share(find(table, view=v, sigma=s)) for v, s in settings())]
        for name, table in tables.items()
    ]
    plain = tables.get(f"{network}-clean")
    gains = [
        [f"`{name}`", *(gain(table, plain, v, s) for v, s in settings())]
        for name, table in tables.items()
        if plain is not None and table is not plain
    ]
    return [
        f"### `{network}`\n",
        markdown_table(head, shares),
        *([markdown_table([f"gain over `{network}-clean`", *head[1:]], gains)] if gains else []),
        rms_table(folder, list(tables)),
        figure(f"quantisation-{network}", "Accuracy over absolute and relative noise"),
        commands(list(tables.values())),
    ]


def settings() -> list[tuple[str, str]]:
    """Return the columns of a table: view and sigma."""
    return [(view, sigma) for view, sigmas in VIEWS for sigma in sigmas]


def gain(table: Table, plain: Table, view: str, sigma: str) -> str:
    """Return by how many points a network beats the plain one, with its interval, or a dash."""
    rows = find(table, view=view, sigma=sigma), find(plain, view=view, sigma=sigma)
    if rows[0] is None or rows[1] is None:
        return "-"
    (right, images), (plain_right, plain_images) = counts(rows[0]), counts(rows[1])
    low, high = difference_interval((right, images), (plain_right, plain_images))
    difference = right / images - plain_right / plain_images
    return f"{100 * difference:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]"


def counts(row: Row) -> tuple[int, int]:
    """Return how many images are right, and of how many."""
    return int(row["correct"]), int(row["images"])


def unmeasured(measured: Collection[str]) -> list[str]:
    """Return the line of the quantised recipes that are not measured, if there are any."""
    quantised = [name for name, recipe in RECIPES.items() if recipe.quantisation]
    left = [name for name in quantised if name not in measured]
    if not left:
        return []
    names = ", ".join(f"`{name}`" for name in left)
    command = f"noisevote-train experiment quantisation {' '.join(left)}"
    return [open_row(command, f"{names} not measured")]


def rms_table(folder: Path, names: list[str]) -> str:
    """Return the root mean square of the signal at each noise point of each network."""
    lines = []
    for name in names:
        table = read_table(folder / f"{name}-rms.csv")
        values = ", ".join(f"{row['point']} {float(row['rms']):.3g}" for row in table.rows)
        lines.append([f"`{name}`", values])
    return markdown_table(["network", "root mean square of the signal at each noise point"], lines)
