"""Figures 3 to 5 and 11 of the paper, the midpoints, energy, and the second paper's comparison."""

import math
from itertools import cycle

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from training.measure.results import Row, Table
from training.report.figures.style import (
    COLOURS,
    draw_errors,
    log_error_axis,
    new_figure,
    series_style,
)
from training.report.grid_results import Best

RULES = {
    "mode": "mode of the votes",
    "mean_output": "mean of the outputs",
    "mean_probability": "mean of the probabilities",
}
MOST_CURVES = 8
"""In one panel; more are not told apart."""

WAYS = {
    "votes": "votes only",
    "quieter": "one quieter pass, this network",
    "repeats": "repeats only",
    "both": "repeats and votes",
}


def groups(rows: list[Row], key: str) -> dict[str, list[Row]]:
    """Return rows by the value of a column, in order."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row[key], []).append(row)
    return found


def learning_figure(table: Table) -> Figure:
    """Draw validation accuracy and loss over mini-batches (Figure 3)."""
    figure = new_figure(8.4, 3.4)
    of_accuracy, of_loss = figure.subplots(1, 2)
    for index, (sigma, rows) in enumerate(groups(table.rows, "sigma_train").items()):
        steps = [int(row["step"]) for row in rows]
        style = series_style(index) | {"markersize": 2.5, "label": f"sigma_train {sigma}"}
        of_accuracy.plot(steps, [100 * float(row["accuracy"]) for row in rows], **style)
        of_loss.plot(steps, [float(row["loss"]) for row in rows], **style)
    of_accuracy.set_ylabel("validation accuracy, %")
    of_loss.set_ylabel("validation loss")
    for axes in (of_accuracy, of_loss):
        axes.set_xlabel("mini-batches")
    of_accuracy.legend()
    return figure


def distribution_figure(table: Table) -> Figure:
    """Draw how often each class's probability falls where, one panel a sigma (Figures 4, 5)."""
    panels = groups(table.rows, "sigma")
    columns = min(3, len(panels))
    lines = math.ceil(len(panels) / columns)
    figure = new_figure(2.8 * columns, 2.3 * lines + 0.4)
    grid = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
    passes = int(table.about["passes"])
    for axes, (sigma, rows) in zip(grid.flat, panels.items(), strict=False):
        draw_distributions(axes, rows, passes)
        axes.set_title(f"sigma {sigma}")
    for axes in grid[-1]:
        axes.set_xlabel("probability of the class")
    for axes in grid[:, 0]:
        axes.set_ylabel("passes, %")
    handles, labels = grid.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=10)
    return figure


def draw_distributions(axes: Axes, rows: list[Row], passes: int) -> None:
    """Draw one curve a class; no pass at all is drawn as half a pass on the logarithmic axis."""
    styles = cycle(COLOURS)
    for index, row in enumerate(rows):
        counts = np.array([float(row[key]) for key in row if key.startswith("from_")])
        centres = (np.arange(len(counts)) + 0.5) / len(counts)
        shares = 100 * np.maximum(counts, 0.5) / passes
        line = "-" if index < len(COLOURS) else "--"
        axes.plot(
            centres, shares, label=row["class"], linewidth=1.1, color=next(styles), linestyle=line
        )
    axes.set_yscale("log")
    axes.minorticks_off()
    axes.set_yticks([0.1, 1, 10, 100], ["0.1", "1", "10", "100"])


def votes_figure(table: Table) -> Figure:
    """Draw wrong answers over votes, one panel a sigma, by mode and by means (Figure 11)."""
    panels = groups(table.rows, "sigma")
    figure = new_figure(2.3 * len(panels) + 0.6, 3.2)
    grid = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, (sigma, rows) in zip(grid, panels.items(), strict=True):
        for index, (rule, series) in enumerate(groups(rows, "rule").items()):
            draw_errors(axes, [float(row["votes"]) for row in series], series, RULES[rule], index)
        axes.set_xscale("log")
        ticks = [1, 2, 5, 10, 20, 50]
        axes.set_xticks(ticks, [str(tick) for tick in ticks])
        axes.set_xlabel("votes")
        axes.set_title(f"sigma {sigma}")
    for axes in grid:
        log_error_axis(axes)
    for axes in grid[1:]:
        axes.set_ylabel("")
    handles, labels = grid[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure


def midpoint_figure(sweep: Table, fits: Table) -> Figure:
    """Draw accuracy over the noise of one layer: measured, and fitted with a free floor."""
    figure = new_figure(5.2, 3.6)
    free = {row["point"]: row for row in fits.rows if row["floor_is"] == "free"}
    if len(free) > MOST_CURVES:
        return midpoints_by_layer(figure, list(free.values()))
    axes = figure.subplots()
    for index, (point, rows) in enumerate(groups(sweep.rows, "point").items()):
        noisy = [row for row in rows if float(row["sigma"]) > 0]
        sigmas = np.array([float(row["sigma"]) for row in noisy])
        style = series_style(index)
        axes.plot(
            sigmas, [100 * float(row["accuracy"]) for row in noisy], style["marker"],
            color=style["color"], label=point,
        )  # fmt: skip
        if point in free:
            s50, k, floor, clean = (
                float(free[point][key]) for key in ("s50", "k", "floor", "clean")
            )
            fine = np.geomspace(sigmas[0], sigmas[-1], 60)
            fitted = floor + (clean - floor) / (1 + (fine / s50) ** k)
            axes.plot(fine, 100 * fitted, color=style["color"], linestyle=style["linestyle"])
    axes.set_xscale("log")
    axes.set_xlabel("sigma at this noise point, all others silent")
    axes.set_ylabel("accuracy, %")
    axes.legend(ncols=2)
    return figure


def midpoints_by_layer(figure: Figure, fits: list[Row]) -> Figure:
    """Draw the midpoint of each layer, from the input to the output."""
    axes = figure.subplots()
    values, low, high = (
        np.array([float(row[key]) for row in fits]) for key in ("s50", "s50_low", "s50_high")
    )
    style = {**series_style(0), "linestyle": "none"}
    intervals = np.stack([np.maximum(values - low, 0), np.maximum(high - values, 0)])
    axes.errorbar(
        np.arange(1, len(fits) + 1), values, intervals, elinewidth=0.6, capsize=1.5, **style
    )
    for place, row in enumerate(fits, start=1):
        if "." not in row["point"]:  # not of a block
            axes.annotate(
                row["point"], (place, values[place - 1]), (4, -10), textcoords="offset points"
            )
    axes.set_yscale("log")
    axes.set_xlabel("noise point, from input to output")
    axes.set_ylabel("midpoint: sigma at this point alone")
    return figure


def energy_figure(table: Table, quieter: list[tuple[float, Best]]) -> Figure:
    """Draw wrong answers over energy: votes, quieter passes, repeats, and both."""
    figure = new_figure(5.4, 3.8)
    axes = figure.subplots()
    test = [row for row in table.rows if row["split"] != "validation"]
    for index, (way, rows) in enumerate(groups(test, "curve").items()):
        ordered = sorted(rows, key=lambda row: float(row["energy"]))
        draw_errors(axes, [float(row["energy"]) for row in ordered], ordered, WAYS[way], index)
    if quieter:
        energies, best = zip(*quieter, strict=True)
        rows = [entry.row for entry in best]
        draw_errors(axes, list(energies), rows, "one quieter pass, trained for it", len(WAYS))
    axes.set_xscale("log")
    ticks = [1, 2, 5, 10, 20]
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.set_xlabel("energy, passes of the network")
    log_error_axis(axes)
    axes.legend()
    return figure


def quantisation_figure(tables: dict[str, Table]) -> Figure:
    """Draw accuracy over absolute sigma, and over sigma relative to the signal."""
    figure = new_figure(8.8, 4.2)
    panels = figure.subplots(1, 2, sharey=True)
    names = {"absolute": "absolute sigma", "relative": "sigma / rms of the signal"}
    for axes, (view, label) in zip(panels, names.items(), strict=True):
        for index, (name, table) in enumerate(tables.items()):
            rows = [row for row in table.rows if row["view"] == view and float(row["sigma"]) > 0]
            axes.plot(
                [float(row["sigma"]) for row in rows],
                [100 * float(row["accuracy"]) for row in rows],
                label=name,
                **series_style(index),
            )
        axes.set_xscale("log")
        axes.set_xlabel(label)
    panels[0].set_ylabel("accuracy, %")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure
