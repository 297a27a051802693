"""Midpoint noise level of each noise point: how much noise it stands while all others are silent.

Noise enters at one point at a time, sigma is swept, and the accuracy is fitted (``sensitivity``):
once with the floor at chance, and once with a free floor, since multiplicative noise, however
strong, leaves half of the signs as they were and a network need not fall to chance. Intervals are
from a bootstrap over the images. All are validation images, since the search for repeats
(``energy_search``) starts from the midpoints.
"""

from collections.abc import Iterable
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from rich.markup import escape
from rich.table import Table as RichTable

from noisevote.models.checkpoint import Checkpoint
from noisevote.models.errors import DataError
from noisevote.models.noise import Noise
from noisevote.training.experiments.bench import SEEDS, Bench
from noisevote.training.experiments.experiment import Experiment, NamedFigures, shown_each
from noisevote.training.measure.plan import Count, Plan, Positive
from noisevote.training.measure.results import SHARE_COLUMNS, Row, Table, read_table, share
from noisevote.training.measure.sensitivity import MOST_STEEP, Floor, Sensitivity, fit_rows
from noisevote.training.measure.splits import Split
from noisevote.training.report.markdown import commands, figure, find, main_files, markdown_table
from noisevote.training.report.style import groups, new_figure, series_style

SWEEP_COLUMNS = ("point", "sigma", *SHARE_COLUMNS)
FIT_COLUMNS = (
    "point", "floor_is", "s50", "s50_low", "s50_high", "k", "k_low", "k_high", "floor", "clean",
    "rms_error",
)  # fmt: skip
FOLDER = "midpoints"
SHOWN = ("mnist_cnn-mult-1.0", "stroke_lstm-mult-1.0", "densenet40-mult-1.0")

TEXT = """## Midpoint noise level of each layer

Noise at one noise point at a time, all others silent; sigma is swept and the accuracy fitted by
acc(s) = floor + (clean - floor) / (1 + (s / s50)^k). s50 is the midpoint (after Walking Noise,
arXiv 2212.10430; the formula is ours). With the floor at chance the fit is poor under
multiplicative noise, which leaves half of the signs as they were: the free floor fits better, and
the search for repeats uses it. Networks trained with noise in all layers can be better with noise
in one than with none. 95 % intervals from a bootstrap over the images; "> 100" stands for a
midpoint beyond the sweep, "> 30" for a step.
"""

MOST_CURVES = 8
"""In one panel; more are not told apart."""


class MidpointPlan(Plan):
    """What is swept."""

    sigma: tuple[Positive, ...] = tuple(np.geomspace(0.1, 100, 19).round(4).tolist())
    """Strengths of the noise at the one point."""

    images: Count = 1000
    """Of the validation split, spread over it."""

    resamples: Count = 200
    """Of the bootstrap."""


def run_midpoints(bench: Bench, name: str, plan: MidpointPlan) -> None:
    """Write the sweep of every noise point and its fit."""
    checkpoint, split = bench.checkpoint(name), Split.VALIDATION
    images, _ = bench.images(checkpoint, split).spread(plan.images)
    kind = checkpoint.card.noise.kind
    about = {
        "noise": f"{kind}, at one noise point at a time",
        "split": f"{split}, {len(images)} images spread over it, seed {SEEDS[split]}",
    }
    path = f"{FOLDER}/{checkpoint.name}"
    sweep = bench.file(f"{path}-sweep.csv", checkpoint, SWEEP_COLUMNS, **about)
    bootstrap = f"{plan.resamples} resamples of the images, seed 0"
    fits = bench.file(f"{path}.csv", checkpoint, FIT_COLUMNS, **about, bootstrap=bootstrap)
    points = [point.name for point in checkpoint.card.noise_points]
    left = [point for point in points if not fits.having(point=point)]
    total = (1 + len(left) * len(plan.sigma)) * len(images)
    with bench.caster(checkpoint, split, total) as caster:
        clean = caster.cast(images, Noise(kind, 0.0), 1).is_correct(1)
        for point in left:
            right = np.stack(
                [
                    caster.cast(images, Noise(kind, {point: sigma}), 1).is_correct(1)
                    for sigma in plan.sigma
                ]
            )
            sweep.drop(point=point)
            sweep.add(
                {"point": point, "sigma": sigma, **share(int(row.sum()), len(images))}
                for sigma, row in zip((0.0, *plan.sigma), [clean, *right], strict=True)
            )
            chance = 1 / len(checkpoint.card.labels)
            rows = fit_rows(np.array(plan.sigma), clean, right, chance, plan.resamples)
            fits.add({"point": point, **row} for row in rows)
    show_midpoints(bench, fits.rows, max(plan.sigma))


def show_midpoints(bench: Bench, fits: Iterable[Row], largest: float) -> None:
    """Print at which sigma each noise point alone costs half of what noise there can cost."""
    table = RichTable("noise point", "midpoint: sigma there alone", "floor: accuracy left, %")
    for row in fits:
        if row["floor_is"] == Floor.FREE:
            midpoint = shown_fit(row, "s50", largest)
            table.add_row(
                escape(row["point"]), escape(midpoint), f"{100 * float(row['floor']):.1f}"
            )
    bench.console.print(table)


def sensitivities_of(bench: Bench, checkpoint: Checkpoint) -> dict[str, Sensitivity]:
    """Return the measured sensitivity of each noise point.

    Raises:
        DataError: they are not measured, or on other weights.
    """
    path = bench.results / FOLDER / f"{checkpoint.name}.csv"
    command = f"noisevote-train experiment midpoints {checkpoint.name}"
    if not path.is_file():
        raise DataError(f"{path} is missing; measure the midpoints first: {command}")
    table = read_table(path)
    if table.about.get("checkpoint") != f"{checkpoint.name}, {checkpoint.fingerprint}":
        raise DataError(f"{path} is of other weights; delete it and run: {command}")
    found = {
        row["point"]: Sensitivity(*(float(row[key]) for key in ("s50", "k", "floor", "clean")))
        for row in table.rows
        if row["floor_is"] == Floor.FREE
    }
    missing = [point.name for point in checkpoint.card.noise_points if point.name not in found]
    if missing:
        raise DataError(f"{path} lacks {', '.join(missing)}; go on with: {command}")
    return found


def midpoint_sections(results: Path) -> list[str]:
    """Return the midpoints of each hardened checkpoint."""
    return [TEXT, *shown_each(results, FOLDER, SHOWN, partial(shown, results))]


def shown(results: Path, name: str, fits: Table) -> list[str]:
    """Return what the page shows of one checkpoint."""
    return [
        midpoint_table(fits, read_table(results / FOLDER / f"{name}-sweep.csv")),
        figure(f"{FOLDER}-{name}", f"Accuracy over the noise of one layer, {name}"),
        commands([fits]),
    ]


def midpoint_table(fits: Table, sweep: Table) -> str:
    """Return both fits of every noise point."""
    largest = max(float(row["sigma"]) for row in sweep.rows)
    rows = []
    for free in (row for row in fits.rows if row["floor_is"] == "free"):
        chance = find(fits, point=free["point"], floor_is="chance") or free
        rows.append(
            [
                f"`{free['point']}`",
                shown_fit(free, "s50", largest),
                shown_fit(free, "k", MOST_STEEP),
                f"{100 * float(free['floor']):.1f}",
                f"{100 * float(free['rms_error']):.1f}",
                shown_fit(chance, "s50", largest),
                f"{100 * float(chance['rms_error']):.1f}",
            ]
        )
    head = [
        "noise point", "s50, free floor", "k", "floor %", "rms error of the fit, points",
        "s50, floor at chance", "rms error, points",
    ]  # fmt: skip
    return markdown_table(head, rows)


def shown_fit(row: Row, key: str, most: float) -> str:
    """Return a fitted value with its interval; ``most`` and all above it are not told apart."""
    values = [float(row[name]) for name in (key, f"{key}_low", f"{key}_high")]
    value, low, high = (f"> {most:g}" if v >= most else f"{v:.3g}" for v in values)
    return f"{value} [{low}, {high}]"


def midpoint_figures(results: Path) -> NamedFigures:
    """Yield the figure of each checkpoint."""
    for path in main_files(results / FOLDER):
        sweep = read_table(path.with_name(f"{path.stem}-sweep.csv"))
        yield f"{FOLDER}-{path.stem}", midpoint_figure(sweep, read_table(path))


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


MIDPOINTS = Experiment(
    FOLDER,
    "Midpoint noise level of each noise point.",
    "checkpoint",
    MidpointPlan(),
    MidpointPlan(sigma=(0.3, 1.0, 3.0, 10.0), resamples=5),
    run_midpoints,
    midpoint_sections,
    midpoint_figures,
)
