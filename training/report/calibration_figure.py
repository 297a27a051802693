"""The figure of a calibration: read noise over the signal, as measured and as fitted."""

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from noisevote.training.report.style import COLOURS, new_figure

BINS = 16
SMALLEST_BIN = 2
MOST_SHOWN = 4000
"""Points that are drawn."""


@dataclass(frozen=True, slots=True)
class ReadNoisePoints:
    """Read noise of vectors and columns ``[n]``.

    Attributes:
        signal: expected reading.
        measured: variance over the repeats.
        fitted: variance that the fit gives.
    """

    signal: NDArray[np.float64]
    measured: NDArray[np.float64]
    fitted: NDArray[np.float64]


def read_noise_figure(points: ReadNoisePoints, name: str, unit: str) -> Figure:
    """Draw the deviation of each vector and column, means over bins of the signal, and the fit.

    Args:
        points: what was measured.
        name: of the device.
        unit: of signal and deviation.
    """
    size = np.abs(points.signal)
    figure = new_figure(5.2, 3.4)
    axes = figure.subplots()
    shown = slice(None, None, max(1, len(size) // MOST_SHOWN))
    axes.plot(
        size[shown], np.sqrt(np.maximum(points.measured[shown], 0)), ".", markersize=1.5,
        color="#BBBBBB", label="one vector and column", zorder=1,
    )  # fmt: skip
    groups = [
        group for group in np.array_split(np.argsort(size), BINS) if len(group) >= SMALLEST_BIN
    ]
    centres = [float(size[group].mean()) for group in groups]
    for values, label, style in (
        (
            points.measured,
            "mean of them",
            {"color": COLOURS[4], "marker": "o", "linestyle": "none"},
        ),
        (points.fitted, "fit", {"color": COLOURS[5], "linestyle": "-"}),
    ):
        heights = [float(np.sqrt(max(values[group].mean(), 0))) for group in groups]
        axes.plot(centres, heights, label=label, **style)  # type: ignore[arg-type]
    axes.set_xlabel(f"magnitude of the signal, {unit}")
    axes.set_ylabel(f"standard deviation of a read, {unit}")
    axes.set_ylim(bottom=0)
    axes.set_title(f"Read noise of {name}")
    axes.legend()
    return figure
