"""All figures that the stored results allow."""

from collections.abc import Iterator
from pathlib import Path

from matplotlib.figure import Figure

from training.experiments.paper import PAPER_RESULTS
from training.measure.results import read_table
from training.report.figures.curves import (
    distribution_figure,
    energy_figure,
    learning_figure,
    midpoint_figure,
    quantisation_figure,
    votes_figure,
)
from training.report.figures.grid import grid_figure
from training.report.figures.style import save, settings
from training.report.grid_results import grid_beside, read_grid
from training.report.grids import grid_name
from training.report.markdown import by_network, main_files

BY_FOLDER = {
    "learning": learning_figure,
    "distributions": distribution_figure,
    "votes": votes_figure,
}


def draw_figures(results: Path, folder: Path) -> list[str]:
    """Write every figure that ``results`` allow into ``folder`` and return their names."""
    names = []
    with settings():
        for name, figure in figures_of(results):
            save(figure, folder, name)
            names.append(name)
    return names


def figures_of(results: Path) -> Iterator[tuple[str, Figure]]:
    """Yield name and figure of all that is stored."""
    for paper in PAPER_RESULTS:
        grid = read_grid(results / "grid" / grid_name(paper))
        if grid is not None:
            yield f"grid-{grid_name(paper)}", grid_figure(paper, grid)
    for kind, draw in BY_FOLDER.items():
        for path in main_files(results / kind):
            yield f"{kind}-{path.stem}", draw(read_table(path))
    for path in main_files(results / "energy"):
        curves = read_table(path)
        grid = grid_beside(results, path.stem, curves)
        yield f"energy-{path.stem}", energy_figure(curves, grid.quieter_passes() if grid else [])
    for path in main_files(results / "midpoints"):
        sweep = read_table(path.with_name(f"{path.stem}-sweep.csv"))
        yield f"midpoints-{path.stem}", midpoint_figure(sweep, read_table(path))
    for network, tables in by_network(results / "quantisation").items():
        yield f"quantisation-{network}", quantisation_figure(tables)
