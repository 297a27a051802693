"""Accuracy against the number of votes, with the mean of the outputs as a baseline.

Source: Qin & Vucinic, arXiv 1811.10649, Figure 11 (mode only). The baselines average what the
passes give before or after the softmax and take the largest: a digital counter of votes is cheaper,
an average keeps what a vote throws away.
"""

from functools import partial
from pathlib import Path

from matplotlib.figure import Figure

from noisevote.models.noise import Noise
from noisevote.training.experiments.bench import SEEDS, Bench
from noisevote.training.experiments.experiment import Experiment, one_figure_each, shown_each
from noisevote.training.measure.evaluate import Rule, reported
from noisevote.training.measure.plan import Count, NotNegative, Plan
from noisevote.training.measure.results import SHARE_COLUMNS, Table, share
from noisevote.training.report.markdown import commands, figure, find, markdown_table, shown_share
from noisevote.training.report.style import (
    draw_errors,
    groups,
    legend_below,
    log_error_axis,
    new_figure,
)

COLUMNS = ("sigma", "rule", "votes", *SHARE_COLUMNS)
FOLDER = "votes"
SHOWN = ("mnist_cnn-mult-1.0", "stroke_lstm-mult-1.0", "densenet40-mult-1.0")

TEXT = """## Votes against accuracy (Figure 11)

Mode of the votes, and as baselines the class with the largest mean of the outputs (before softmax)
and of the probabilities (after softmax). The paper has the mode only. One checkpoint, trained at
sigma 1.0, for all sigmas. At few votes the mean of the probabilities is ahead, since a vote drops
how sure it was; two votes decide nothing that one does not.
"""

RULES = {
    "mode": "mode of the votes",
    "mean_output": "mean of the outputs",
    "mean_probability": "mean of the probabilities",
}


class VotesPlan(Plan):
    """What is measured."""

    sigma: tuple[NotNegative, ...] = (0.4, 0.6, 0.8, 1.0)
    """At which votes are cast."""

    votes: Count = 50
    """On each image."""

    images: Count = 2000
    """Of the test split, spread over it."""


def run_votes(bench: Bench, name: str, plan: VotesPlan) -> None:
    """Write the accuracy of each rule after 1, 2, 3, ... votes."""
    checkpoint = bench.checkpoint(name)
    split = bench.reported(checkpoint)
    images, _ = bench.images(checkpoint, split).spread(plan.images)
    kind = checkpoint.card.noise.kind
    file = bench.file(
        f"{FOLDER}/{checkpoint.name}.csv",
        checkpoint,
        COLUMNS,
        noise=str(kind),
        split=f"{split}, {len(images)} images spread over it, seed {SEEDS[split]}",
        votes=str(plan.votes),
    )
    left = [sigma for sigma in plan.sigma if not file.having(sigma=sigma)]
    with bench.caster(checkpoint, split, len(left) * len(images)) as caster:
        for sigma in left:
            cast = caster.cast(images, Noise(kind, sigma), plan.votes)
            file.add(
                {
                    "sigma": sigma,
                    "rule": rule,
                    "votes": count,
                    **share(cast.correct(count, rule), len(images)),
                }
                for rule in Rule
                for count in reported(plan.votes)
            )


def votes_section(results: Path) -> list[str]:
    """Return the accuracy over votes of each hardened checkpoint."""
    return [TEXT, *shown_each(results, FOLDER, SHOWN, shown)]


def shown(name: str, table: Table) -> list[str]:
    """Return what the page shows of one checkpoint."""
    alternative = f"Accuracy over votes, {name}"
    return [votes_table(table), figure(f"{FOLDER}-{name}", alternative), commands([table])]


def votes_table(table: Table) -> str:
    """Return the accuracy of each rule at the largest sigma."""
    sigma = max((row["sigma"] for row in table.rows), key=float)
    rules = list(dict.fromkeys(row["rule"] for row in table.rows))
    rows = [
        [votes, *(shown_share(find(table, sigma=sigma, rule=rule, votes=votes)) for rule in rules)]
        for votes in dict.fromkeys(row["votes"] for row in table.rows)
    ]
    return markdown_table([f"votes at sigma {sigma}", *rules], rows)


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
    legend_below(figure, grid[0], 3)
    return figure


VOTES = Experiment(
    FOLDER,
    "Accuracy against the number of votes, by mode and by mean (Figure 11).",
    "checkpoint",
    VotesPlan(),
    VotesPlan(sigma=(1.0,), votes=5),
    run_votes,
    votes_section,
    partial(one_figure_each, experiment=FOLDER, draw=votes_figure),
)
