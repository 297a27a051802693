"""Quantisation-aware against noisy training, over absolute and over relative noise.

Source: Wang et al., arXiv 2501.14531: additive noise of an absolute sigma at every noise point, on
a logarithmic grid, for networks trained in several ways. A network with larger signals stands more
absolute noise without being more robust, so the same networks are also measured under noise of the
same ratio to the root mean square of the signal at each noise point (measured without noise on
validation images).
"""

from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from noisevote.models.checkpoint import Checkpoint
from noisevote.models.data.dataset import as_inputs
from noisevote.models.networks.noise_points import NoisePoint, noise_from
from noisevote.models.networks.trained import load_network
from noisevote.models.noise import Noise, NoiseKind
from noisevote.models.noise_setting import Sigma
from noisevote.models.statistics import difference_interval
from noisevote.training.experiments.bench import SEEDS, Bench
from noisevote.training.experiments.experiment import Experiment, NamedFigures
from noisevote.training.measure.evaluate import NumberedExamples
from noisevote.training.measure.plan import Count, NotNegative, Plan, Positive
from noisevote.training.measure.results import SHARE_COLUMNS, Row, Table, read_table, share
from noisevote.training.measure.splits import Split
from noisevote.training.recipes.table import RECIPES
from noisevote.training.report.markdown import (
    by_network,
    commands,
    figure,
    find,
    markdown_table,
    open_row,
    shown_share,
)
from noisevote.training.report.style import legend_below, new_figure, series_style

COLUMNS = ("view", "sigma", *SHARE_COLUMNS)
RMS_COLUMNS = ("point", "rms")
FOLDER = "quantisation"
ABSOLUTE, RELATIVE = "absolute", "relative"
RMS_IMAGES = 1000
RMS_BATCH = 250

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


class QuantisationPlan(Plan):
    """What one pass over each image is measured under."""

    sigma: tuple[NotNegative, ...] = tuple(np.geomspace(1e-2, 1e2, 17).tolist())
    """Absolute, at all noise points."""

    ratio: tuple[Positive, ...] = tuple(np.geomspace(1e-1, 1e1, 13).tolist())
    """Of sigma to the root mean square of the signal at each noise point."""

    images: Count = 2000
    """Of the test split, spread over it."""


def run_quantisation(bench: Bench, name: str, plan: QuantisationPlan) -> None:
    """Measure the network of one recipe, trained if it is missing.

    Args:
        bench: where.
        name: name of a shipped checkpoint, of one in the folder of runs, or of a recipe.
        plan: what is measured.
    """
    checkpoint = bench.found_or_trained(name)
    images, _ = bench.images(checkpoint, Split.TEST).spread(plan.images)
    rms = signal_rms(bench, checkpoint)
    file = bench.file(
        f"{FOLDER}/{name}.csv",
        checkpoint,
        COLUMNS,
        noise=f"{NoiseKind.ADDITIVE}, one pass",
        split=f"test, {len(images)} images spread over it, seed {SEEDS[Split.TEST]}",
    )
    settings: list[tuple[str, float, Sigma]] = [(ABSOLUTE, s, s) for s in (0.0, *plan.sigma)]
    settings += [
        (RELATIVE, ratio, {point: ratio * value for point, value in rms.items()})
        for ratio in plan.ratio
    ]
    left = [entry for entry in settings if not file.having(view=entry[0], sigma=entry[1])]
    with bench.caster(checkpoint, Split.TEST, len(left) * len(images)) as caster:
        for view, value, sigma in left:
            votes = caster.cast(images, Noise(NoiseKind.ADDITIVE, sigma), 1)
            file.add([{"view": view, "sigma": value, **share(votes.correct(1), len(images))}])


def signal_rms(bench: Bench, checkpoint: Checkpoint) -> dict[str, float]:
    """Return the root mean square of each noise point's signal, and store it."""
    file = bench.file(
        f"{FOLDER}/{checkpoint.name}-rms.csv",
        checkpoint,
        RMS_COLUMNS,
        split=f"validation, {RMS_IMAGES} images spread over it, without noise",
    )
    if not file.rows:
        images, _ = bench.images(checkpoint, Split.VALIDATION).spread(RMS_IMAGES)
        measured = rms_of(checkpoint, images)
        file.add({"point": point, "rms": value} for point, value in measured.items())
    return {row["point"]: float(row["rms"]) for row in file.rows}


def rms_of(checkpoint: Checkpoint, images: NumberedExamples) -> dict[str, float]:
    """Return the root mean square of each noise point's signal without noise."""
    network = load_network(checkpoint.folder, checkpoint.card)
    squares: dict[str, float] = {}
    elements: dict[str, int] = {}

    def listen(point: NoisePoint, signal: Tensor, _: int | None) -> Tensor:
        squares[point.name] = squares.get(point.name, 0.0) + float(signal.double().square().sum())
        elements[point.name] = elements.get(point.name, 0) + signal.numel()
        return signal

    inputs = torch.from_numpy(as_inputs(images.examples.inputs))
    with torch.inference_mode(), noise_from(network, listen):
        for first in range(0, len(inputs), RMS_BATCH):
            network(inputs[first : first + RMS_BATCH])
    return {name: (squares[name] / elements[name]) ** 0.5 for name in squares}


def quantisation_section(results: Path) -> list[str]:
    """Return the comparison of the second paper's ways of training, network by network."""
    folder = results / FOLDER
    found = by_network(folder)
    sections = [TEXT]
    for network in sorted(found, reverse=True):
        sections += network_section(folder, network, found[network])
    return [*sections, *unmeasured({name for tables in found.values() for name in tables})]


def network_section(folder: Path, network: str, tables: Mapping[str, Table]) -> list[str]:
    """Return the accuracies of one network's ways of training, and what they gain."""
    head = ["trained as", *(f"{view} {float(sigma):.3g}" for view, sigma in columns())]
    shares = [
        [f"`{name}`", *(shown_share(find(table, view=v, sigma=s)) for v, s in columns())]
        for name, table in tables.items()
    ]
    plain = tables.get(f"{network}-clean")
    gains = [
        [f"`{name}`", *(gain(table, plain, v, s) for v, s in columns())]
        for name, table in tables.items()
        if plain is not None and table is not plain
    ]
    return [
        f"### `{network}`\n",
        markdown_table(head, shares),
        *([markdown_table([f"gain over `{network}-clean`", *head[1:]], gains)] if gains else []),
        rms_table(folder, list(tables)),
        figure(f"{FOLDER}-{network}", "Accuracy over absolute and relative noise"),
        commands(list(tables.values())),
    ]


def columns() -> list[tuple[str, str]]:
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


def quantisation_figures(results: Path) -> NamedFigures:
    """Yield the figure of each network."""
    for network, tables in by_network(results / FOLDER).items():
        yield f"{FOLDER}-{network}", quantisation_figure(tables)


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
    legend_below(figure, panels[0], 3)
    return figure


QUANTISATION = Experiment(
    FOLDER,
    "Quantisation-aware against noisy training, over absolute and relative noise.",
    "checkpoint or recipe",
    QuantisationPlan(),
    QuantisationPlan(sigma=(0.1, 1.0), ratio=(0.1, 1.0)),
    run_quantisation,
    quantisation_section,
    quantisation_figures,
)
