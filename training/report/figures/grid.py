"""Figures 2 and 6 to 10 of the paper: wrong answers over sigma, one curve a sigma_train."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from models.noise import NoiseKind
from training.experiments.paper import SIGMAS, PaperResult
from training.report.figures.style import draw_errors, log_error_axis, new_figure
from training.report.grid_results import TEST, Grid
from training.report.grids import VOTES
from training.report.limit import one_vote_limit


def grid_figure(paper: PaperResult, grid: Grid) -> Figure:
    """Draw one vote, and 20 votes beside it if they are measured."""
    is_voted = any(
        grid.share(value, TEST, sigma, VOTES) for value in grid.tables for sigma in SIGMAS[1:]
    )
    panels = 2 if is_voted else 1
    figure = new_figure(4.2 * panels, 3.6)
    axes = figure.subplots(1, panels, sharey=True, squeeze=False)[0]
    draw_panel(axes[0], paper, grid, 1)
    if is_voted:
        draw_panel(axes[1], paper, grid, VOTES)
    axes[0].legend(title="sigma_train", ncols=2)
    for panel in axes:
        log_error_axis(panel)
    return figure


def draw_panel(axes: Axes, paper: PaperResult, grid: Grid, votes: int) -> None:
    """Draw all networks for one number of votes, the paper's envelope and the limit."""
    for index, value in enumerate(grid.tables):
        found = [(sigma, grid.share(value, TEST, sigma, votes)) for sigma in SIGMAS]
        known = [(sigma, row) for sigma, row in found if row is not None]
        draw_errors(axes, [s for s, _ in known], [row for _, row in known], f"{value:g}", index)
    of_paper = paper.one_vote if votes == 1 else paper.voted
    if of_paper:
        axes.plot(
            SIGMAS, [100 - value for value in of_paper], "x", color="#000000", markersize=7,
            label="paper's best",
        )  # fmt: skip
    clean = grid.best(0.0, 1)
    if votes == 1 and paper.kind is NoiseKind.MULTIPLICATIVE and clean is not None:
        limits = [100 * (1 - one_vote_limit(s) * float(clean.row["accuracy"])) for s in SIGMAS]
        axes.plot(SIGMAS, limits, color="#7F7F7F", linewidth=2.5, alpha=0.5, label="limit")
    axes.set_xlabel("sigma")
    axes.set_title(f"{votes} vote{'s' if votes > 1 else ''}")
