"""How all figures look, and how they are saved so that the same results give the same bytes.

Colours are those of Okabe and Ito (https://jfly.uni-koeln.de/color/), which colour-blind readers
can tell apart; every series has a marker and a line style as well, for print in grey.
"""

from io import StringIO
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from noisevote.models.files import write_whole
from noisevote.training.measure.results import Row

COLOURS = (
    "#000000", "#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00", "#CC79A7", "#7F7F7F",
)  # fmt: skip
MARKERS = ("o", "s", "^", "v", "D", "P", "X", "*")
LINES = ("-", "--", "-.", ":")

SETTINGS: dict[Any, Any] = {
    "svg.hashsalt": "noisevote",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # matplotlib's list of others stands at every text
    "font.size": 9,
    "axes.grid": True,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.linewidth": 1.3,
    "lines.markersize": 4,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "figure.constrained_layout.use": True,
}


def series_style(index: int) -> dict[str, Any]:
    """Return colour, marker and line style of a series."""
    return {
        "color": COLOURS[index % len(COLOURS)],
        "marker": MARKERS[index % len(MARKERS)],
        "linestyle": LINES[index // 2 % len(LINES)],
    }


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure, sized in inches."""
    return Figure(figsize=(width, height))


def legend_below(figure: Figure, axes: Axes, columns: int) -> None:
    """Put the legend of one panel, which all share, below the figure."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=columns)


def save(figure: Figure, folder: Path, name: str) -> None:
    """Write a figure as SVG, without dates and versions."""
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / f"{name}.svg", svg_of(figure))


def svg_of(figure: Figure) -> bytes:
    """Return a figure as SVG, without dates, versions and indentation."""
    drawing = StringIO()
    figure.savefig(drawing, format="svg", metadata={"Date": None, "Creator": None})
    lines = (line.strip() for line in drawing.getvalue().splitlines())
    return ("\n".join(lines) + "\n").encode()


def settings() -> Any:
    """Return the block in which figures are made and saved."""
    return mpl.rc_context(SETTINGS)


def errors_of(rows: list[Row]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the share of wrong answers in per cent ``[rows]``, and its interval ``[2, rows]``.

    No wrong answer at all is drawn as half an image, since the axis is logarithmic.

    Args:
        rows: with ``accuracy``, ``low``, ``high`` and ``images``.
    """
    errors = 100 * np.array(
        [max(1 - float(row["accuracy"]), 0.5 / int(row["images"])) for row in rows]
    )
    low = 100 * (1 - np.array([float(row["high"]) for row in rows]))
    high = 100 * (1 - np.array([float(row["low"]) for row in rows]))
    return errors, np.stack([np.maximum(errors - low, 0), np.maximum(high - errors, 0)])


def draw_errors(axes: Axes, x: list[float], rows: list[Row], label: str, index: int) -> None:
    """Draw the errors of a series with their intervals."""
    errors, intervals = errors_of(rows)
    axes.errorbar(
        x, errors, intervals, label=label, elinewidth=0.6, capsize=1.5, **series_style(index)
    )


def log_error_axis(axes: Axes) -> None:
    """Make the vertical axis the share of wrong answers, in plain numbers."""
    axes.set_yscale("log")
    axes.set_ylabel("wrong answers, %")
    low, high = axes.get_ylim()
    ticks = [t for t in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 90) if low <= t <= high]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()


def groups(rows: list[Row], key: str) -> dict[str, list[Row]]:
    """Return rows by the value of a column, in order."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row[key], []).append(row)
    return found
