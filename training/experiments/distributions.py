"""Distributions of the outputs of one image over many noisy passes.

Source: Qin & Vucinic, arXiv 1811.10649, Figures 4 and 5: the ten probabilities (after softmax) of
one image of a 6, for a network trained without noise and one trained with noise, at sigma 0 to 1.
The number of passes is lost; it is 1,000 here.
"""

import math
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Annotated

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pydantic import Field
from scipy.special import softmax

from noisevote.models.errors import InputError
from noisevote.models.noise import Noise
from noisevote.training.experiments.bench import Bench
from noisevote.training.experiments.experiment import Experiment, one_figure_each
from noisevote.training.measure.evaluate import Caster, NumberedExamples
from noisevote.training.measure.plan import Count, NotNegative, Plan
from noisevote.training.measure.results import Row, Table
from noisevote.training.measure.splits import Split
from noisevote.training.report.markdown import commands, figure, names_in, open_row, stored
from noisevote.training.report.style import COLOURS, groups, legend_below, new_figure

BINS = 20
COLUMNS = ("sigma", "class", *(f"from_{edge / BINS:g}" for edge in range(BINS)))
FOLDER = "distributions"
SHOWN = ("mnist_cnn-clean", "mnist_cnn-mult-1.0")

TEXT = """## Output distributions of one image (Figures 4 and 5)

The ten probabilities after softmax of the first test image of a 6, over 1,000 noisy passes at each
sigma. Which image of a 6 and how many passes the paper took is lost.
"""


class DistributionPlan(Plan):
    """What is looked at."""

    label: Annotated[int, Field(ge=0)] = 6
    """Of the image, the first one of the test split with that label."""

    sigma: tuple[NotNegative, ...] = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    """One row of distributions each."""

    passes: Count = 1000
    """Noisy passes at each sigma."""


def run_distributions(bench: Bench, name: str, plan: DistributionPlan) -> None:
    """Write how often each class's probability falls into each of 20 equal bins of 0 to 1.

    Raises:
        InputError: no test image has the label.
    """
    checkpoint = bench.checkpoint(name)
    images = bench.images(checkpoint, Split.TEST)
    places = np.flatnonzero(images.examples.labels == plan.label)
    if not len(places):
        raise InputError(f"no test image has the label {plan.label}", "label")
    image = images.chosen(places[:1])
    file = bench.file(
        f"{FOLDER}/{checkpoint.name}.csv",
        checkpoint,
        COLUMNS,
        image=f"test image {image.numbers[0]}, label {plan.label}",
        passes=str(plan.passes),
    )
    left = [sigma for sigma in plan.sigma if not file.having(sigma=sigma)]
    with bench.caster(checkpoint, Split.TEST, len(left) * plan.passes) as caster:
        for sigma in left:
            counts = histogram(caster, image, sigma, plan.passes)
            file.add(
                {"sigma": sigma, "class": label, **dict(zip(COLUMNS[2:], row, strict=True))}
                for label, row in enumerate(counts.tolist())
            )


def histogram(
    caster: Caster, image: NumberedExamples, sigma: float, passes: int
) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """Return how many passes put each class's probability into each bin ``[classes, bins]``."""
    noise = Noise(caster.checkpoint.card.noise.kind, sigma)
    (outputs,) = caster.outputs(image, noise, passes)
    caster.advance(passes)
    probabilities = softmax(outputs.astype(np.float64), axis=1)
    edges = np.linspace(0, 1, BINS + 1)
    return np.stack([np.histogram(column, edges)[0] for column in probabilities.T])


def distribution_section(results: Path) -> list[str]:
    """Return Figures 4 and 5."""
    sections, tables = [TEXT], []
    for name in names_in(results / FOLDER, SHOWN):
        table = stored(results / FOLDER / f"{name}.csv")
        if table is None:
            command = f"noisevote-train experiment distributions {name}"
            sections.append(open_row(command, f"`{name}` not measured"))
            continue
        tables.append(table)
        sections.append(figure(f"{FOLDER}-{name}", f"Output distributions, {name}"))
    return [*sections, commands(tables)] if tables else sections


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
    legend_below(figure, grid.flat[0], 10)
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


DISTRIBUTIONS = Experiment(
    FOLDER,
    "Output distributions of one image (Figures 4, 5).",
    "checkpoint",
    DistributionPlan(),
    DistributionPlan(sigma=(0.0, 1.0), passes=20),
    run_distributions,
    distribution_section,
    partial(one_figure_each, experiment=FOLDER, draw=distribution_figure),
)
