"""The figures of the results page, as SVG for the page and PNG for where SVG does not go."""

from training.report.figures.gallery import draw_figures

__all__ = ["draw_figures"]
