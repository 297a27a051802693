"""The sections on the paper's other figures, Table 4, and the ablations."""

from pathlib import Path

from training.experiments.ablation import CHANGES
from training.experiments.paper import PAPER_WEIGHTS
from training.measure.results import Table
from training.report.markdown import (
    commands,
    figure,
    find,
    markdown_table,
    names_in,
    open_row,
    shown_difference,
    shown_share,
    stored,
)

GRID = "mnist_cnn-mult-grid"
DISTRIBUTED = ("mnist_cnn-clean", "mnist_cnn-mult-1.0")
VOTED = ("mnist_cnn-mult-1.0", "stroke_lstm-mult-1.0", "densenet40-mult-1.0")

WEIGHTS_TEXT = """## Magnitude of the weights (Table 4)

Mean of |w| over matrices and kernels. A batch norm behind a layer makes the scale of its weights
free, so the absolute values depend on width, initialisation and weight decay; only the trend over
sigma_train compares with the paper.
"""

LEARNING_TEXT = """## Learning curves (Figure 3)

Validation accuracy and loss of one noisy pass at sigma_train over the first mini-batches of 32, at
a constant learning rate; the paper's learning rate and its number of mini-batches are lost.
"""

DISTRIBUTION_TEXT = """## Output distributions of one image (Figures 4 and 5)

The ten probabilities after softmax of the first test image of a 6, over 1,000 noisy passes at each
sigma. Which image of a 6 and how many passes the paper took is lost.
"""

VOTES_TEXT = """## Votes against accuracy (Figure 11)

Mode of the votes, and as baselines the class with the largest mean of the outputs (before softmax)
and of the probabilities (after softmax). The paper has the mode only. One checkpoint, trained at
sigma 1.0, for all sigmas. At few votes the mean of the probabilities is ahead, since a vote drops
how sure it was; two votes decide nothing that one does not.
"""

ABLATION_TEXT = """## What each part of a hardening recipe gains

The recipe of the grid with one change at a time, in short runs on validation images: what helps
early need not help late. One vote on all of these images, 20 votes on a part. Differences are
paired, on the same images and noise, with 95 % intervals over the images; the row `seed` shows how
much another seed of the training moves the same figures. `clean` is a run of 6 epochs without
noise, which comes on top of the epochs of the others.
"""

WIDTH_TEXT = """## Width ablation

One recipe at several widths, short runs of one seed each, on test images, by which nothing was
chosen: the rows compare with each other only.
"""


def weights_section(results: Path) -> list[str]:
    """Return Table 4."""
    table = stored(results / "weights" / f"{GRID}.csv")
    if table is None:
        command = f"noisevote-train experiment weights {GRID}"
        return [WEIGHTS_TEXT, open_row(command, "not measured")]
    layers = list(dict.fromkeys(row["layer"] for row in table.rows))
    rows = []
    for value in dict.fromkeys(row["sigma_train"] for row in table.rows):
        cells = {row["layer"]: row for row in table.rows if row["sigma_train"] == value}
        paper = f"{PAPER_WEIGHTS[round(10 * float(value))]:.3f}"
        rows.append(
            [value, paper, *(f"{float(cells[layer]['mean_magnitude']):.4f}" for layer in layers)]
        )
    names = [layer.removesuffix(".weight") for layer in layers]
    head = ["sigma_train", "paper", *(f"ours, {name}" for name in names)]
    return [WEIGHTS_TEXT, markdown_table(head, rows), commands([table])]


def learning_section(results: Path) -> list[str]:
    """Return Figure 3."""
    table = stored(results / "learning" / f"{GRID}.csv")
    if table is None:
        command = f"noisevote-train experiment learning {GRID}"
        return [LEARNING_TEXT, open_row(command, "not measured")]
    name = f"learning-{GRID}"
    return [LEARNING_TEXT, figure(name, "Accuracy and loss over mini-batches"), commands([table])]


def distribution_section(results: Path) -> list[str]:
    """Return Figures 4 and 5."""
    sections, tables = [DISTRIBUTION_TEXT], []
    for name in names_in(results / "distributions", DISTRIBUTED):
        table = stored(results / "distributions" / f"{name}.csv")
        if table is None:
            command = f"noisevote-train experiment distributions {name}"
            sections.append(open_row(command, f"`{name}` not measured"))
            continue
        tables.append(table)
        sections.append(figure(f"distributions-{name}", f"Output distributions, {name}"))
    return [*sections, commands(tables)] if tables else sections


def votes_section(results: Path) -> list[str]:
    """Return Figure 11."""
    sections = [VOTES_TEXT]
    for name in names_in(results / "votes", VOTED):
        sections.append(f"### `{name}`: votes\n")
        table = stored(results / "votes" / f"{name}.csv")
        if table is None:
            command = f"noisevote-train experiment votes {name}"
            sections.append(open_row(command, "not measured"))
            continue
        sections += [
            votes_table(table),
            figure(f"votes-{name}", f"Accuracy over votes, {name}"),
            commands([table]),
        ]
    return sections


def votes_table(table: Table) -> str:
    """Return the accuracy of each rule at the largest sigma."""
    sigma = max((row["sigma"] for row in table.rows), key=float)
    rules = list(dict.fromkeys(row["rule"] for row in table.rows))
    rows = [
        [votes, *(shown_share(find(table, sigma=sigma, rule=rule, votes=votes)) for rule in rules)]
        for votes in dict.fromkeys(row["votes"] for row in table.rows)
    ]
    return markdown_table([f"votes at sigma {sigma}", *rules], rows)


def ablation_section(results: Path) -> list[str]:
    """Return what each change of the grid's recipe does."""
    table = stored(results / "ablation" / f"{GRID}.csv")
    if table is None:
        return [
            ABLATION_TEXT,
            open_row(f"noisevote-train experiment ablation {GRID}", "not measured"),
        ]
    *single, voted = [
        (row["sigma"], row["votes"])
        for row in table.rows
        if row["change"] == table.rows[0]["change"]
    ]
    rows = []
    for first in (row for row in table.rows if (row["sigma"], row["votes"]) == single[0]):
        found = [
            find(table, change=first["change"], sigma=sigma, votes=votes)
            for sigma, votes in (*single, voted)
        ]
        at_trained = find(table, change=first["change"], sigma=voted[0], votes="1")
        rows.append(
            [
                first["change"],
                f"`{first['settings']}`" if first["settings"] else "the recipe as it is",
                *(shown_share(row) for row in found),
                shown_difference(at_trained) if first["settings"] else "-",
            ]
        )
    head = ["change", "settings", *(f"sigma {sigma}, one vote" for sigma, _ in single)]
    head += [
        f"sigma {voted[0]}, {voted[1]} votes",
        f"difference, sigma {voted[0]}, one vote, points",
    ]
    left = [change for change in CHANGES if find(table, change=change) is None]
    options = " ".join(f"--change {change}" for change in left)
    command = f"noisevote-train experiment ablation {GRID} {options}"
    return [
        ABLATION_TEXT,
        markdown_table(head, rows),
        commands([table]),
        *([open_row(command, f"{', '.join(left)} not measured")] if left else []),
    ]


def width_section(results: Path) -> list[str]:
    """Return the width ablation."""
    table = stored(results / "widths" / f"{GRID}.csv")
    if table is None:
        command = f"noisevote-train experiment widths {GRID}"
        return [WIDTH_TEXT, open_row(command, "not measured")]
    rows = [
        [
            row["units"],
            f"{int(row['macs']) / 1e6:.1f}",
            row["sigma"],
            row["votes"],
            shown_share(row),
        ]
        for row in table.rows
    ]
    head = ["units of fc1", "10^6 multiply-accumulates", "sigma", "votes", "accuracy"]
    return [WIDTH_TEXT, markdown_table(head, rows), commands([table])]
