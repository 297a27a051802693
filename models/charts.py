"""Charts as inline SVG: shares over a setting, or side by side, with their intervals.

They need no script and no file beside the page, follow its colours, and tell curves apart by
marker and dash as well as by colour (the palette of M. Okabe and K. Ito).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from math import floor, log

WIDTH, HEIGHT = 640, 320
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 16, 48
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
DASHES = ("", "6 4", "2 3", "8 3 2 3", "1 4", "10 4")
LINES = (0.0, 0.25, 0.5, 0.75, 1.0)
STEPS = (0.25, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001)
"""Between the lines of shares, where not all from 0 to 1 are shown."""

MOST_LINES = 6
HIGHEST_BOTTOM = 0.99
"""Share at which the vertical axis begins at most."""
LOG_FROM = 20.0
"""From which ratio of the largest to the smallest on values stand by their logarithms."""
LABEL_WIDTH = 64
"""Of the label of a value, with some room."""

KEY_LINE = 20
NAMES, ROW = 168, 30
"""Width of the names of rows, and height of a row."""


@dataclass(frozen=True, slots=True)
class Point:
    """One share with its interval."""

    x: float
    y: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Curve:
    """A named line of points, ascending in x."""

    name: str
    points: Sequence[Point]


def line_chart(
    identity: str,
    title: str,
    x_name: str,
    curves: Sequence[Curve],
    is_close: bool = False,
    x_text: Callable[[float], str] = "{:.4g}".format,
) -> str:
    """Return a chart of shares, drawn as per cent.

    Args:
        identity: identity of the chart, unique on its page.
        title: read out in place of the picture.
        x_name: name of the horizontal axis.
        curves: curves, at least one, with at least one point each.
        is_close: whether the vertical axis begins at the lowest share instead of 0.
        x_text: a value of the horizontal axis as text.
    """
    xs = sorted({point.x for curve in curves for point in curve.points})
    lowest = min(point.low for curve in curves for point in curve.points)
    is_log = xs[0] > 0 and xs[-1] / xs[0] >= LOG_FROM
    scale = Scale(xs[0], xs[-1], lowest if is_close else 0.0, is_log)
    height = HEIGHT + KEY_LINE * len(curves)
    parts = [*opening(identity, title, height), *grid(xs, scale, x_name, x_text)]
    for number, curve in enumerate(curves):
        parts += curve_parts(number, curve, scale)
    return "\n".join([*parts, "</svg>"])


def opening(identity: str, title: str, height: float) -> list[str]:
    """Return the beginning of a chart."""
    return [
        f'<svg viewBox="0 0 {WIDTH} {height:g}" role="img" class="chart" '
        f'aria-labelledby="{escape(identity)}-title">',
        f'<title id="{escape(identity)}-title">{escape(title)}</title>',
    ]


def row_chart(identity: str, title: str, rows: Sequence[str], curves: Sequence[Curve]) -> str:
    """Return shares side by side, a row for each thing that has them, drawn as per cent.

    Args:
        identity: identity of the chart, unique on its page.
        title: read out in place of the picture.
        rows: their names, from the top.
        curves: one a condition; the x of a point is the number of its row.
    """
    bottom = TOP + ROW * len(rows)
    height = bottom + BOTTOM + KEY_LINE * len(curves)
    parts = [*opening(identity, title, height), *row_grid(rows, bottom)]
    for number, curve in enumerate(curves):
        for point in curve.points:
            y = TOP + ROW * (point.x + (number + 1) / (len(curves) + 1))
            parts += row_mark(number, point, y)
        parts += key_line(number, curve.name, bottom + BOTTOM + KEY_LINE * number)
    return "\n".join([*parts, "</svg>"])


def row_grid(rows: Sequence[str], bottom: float) -> list[str]:
    """Return the names of rows, lines between them, and the axis of shares below."""
    parts = []
    for number, name in enumerate(rows):
        y = TOP + ROW * number
        parts += [
            f'<line class="grid" x1="0" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>',
            f'<text x="0" y="{y + ROW / 2 + 4:.1f}">{escape(name)}</text>',
        ]
    for share in LINES:
        x = row_x(share)
        parts += [
            f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{bottom}"/>',
            f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{100 * share:.0f} %</text>',
        ]
    return parts


def row_x(share: float) -> float:
    """Return how far to the right a share stands in a chart of rows."""
    return NAMES + share * (WIDTH - NAMES - RIGHT - 8)


def row_mark(number: int, point: Point, y: float) -> list[str]:
    """Return one share of a row with its interval."""
    colour = COLOURS[number % len(COLOURS)]
    return [
        f'<line x1="{row_x(point.low):.1f}" x2="{row_x(point.high):.1f}" y1="{y:.1f}" '
        f'y2="{y:.1f}" stroke="{colour}"/>',
        marker(number, row_x(point.y), y, colour),
    ]


@dataclass(frozen=True, slots=True)
class Scale:
    """From values to places in the picture."""

    low: float
    high: float
    lowest: float = 0.0
    is_log: bool = False

    def x(self, value: float) -> float:
        """Return how far to the right a value stands; a single one in the middle."""
        low, high, at = (log(of) if self.is_log else of for of in (self.low, self.high, value))
        share = 0.5 if high == low else (at - low) / (high - low)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(self, share: float) -> float:
        """Return how far down a share stands."""
        bottom = self.lines[0]
        return TOP + (1 - share) / (1 - bottom) * (HEIGHT - TOP - BOTTOM)

    @property
    def lines(self) -> Sequence[float]:
        """The shares at which lines are drawn; the first is where the axis begins."""
        lowest = min(self.lowest, HIGHEST_BOTTOM)
        span = 1 - lowest
        step = min(step for step in STEPS if step >= min(span / MOST_LINES, STEPS[0]))
        first = floor(lowest / step + 1e-9) * step
        return [min(first + step * number, 1.0) for number in range(round((1 - first) / step) + 1)]


def grid(
    xs: Sequence[float], scale: Scale, x_name: str, x_text: Callable[[float], str]
) -> list[str]:
    """Return axes, their labels and names."""
    parts = []
    places = 0 if scale.lines[1] - scale.lines[0] >= 0.01 - 1e-9 else 1
    for share in scale.lines:
        y = scale.y(share)
        parts += [
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>',
            f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">'
            f"{100 * share:.{places}f} %</text>",
        ]
    for x in apart(xs, scale):
        is_last = WIDTH - RIGHT - scale.x(x) < LABEL_WIDTH / 2
        at, anchor = (WIDTH, "end") if is_last else (scale.x(x), "middle")
        place = f'x="{at:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="{anchor}"'
        parts.append(f"<text {place}>{escape(x_text(x))}</text>")
    middle = (LEFT + WIDTH - RIGHT) / 2
    name = f'<text x="{middle:.1f}" y="{HEIGHT - 8}" text-anchor="middle">{escape(x_name)}</text>'
    return [*parts, name]


def apart(xs: Sequence[float], scale: Scale) -> list[float]:
    """Return some of the values, so far apart that their labels do not meet."""
    found: list[float] = []
    for x in xs:
        if not found or scale.x(x) - scale.x(found[-1]) >= LABEL_WIDTH:
            found.append(x)
    return found


def curve_parts(number: int, curve: Curve, scale: Scale) -> list[str]:
    """Return one curve with intervals, markers and its line of the key."""
    colour = COLOURS[number % len(COLOURS)]
    places = [(scale.x(point.x), scale.y(point.y)) for point in curve.points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    parts = [f'<polyline points="{path}" {line_style(number)}/>']
    for point, (x, y) in zip(curve.points, places, strict=True):
        parts += [
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{scale.y(point.low):.1f}" '
            f'y2="{scale.y(point.high):.1f}" stroke="{colour}"/>',
            marker(number, x, y, colour),
        ]
    return [*parts, *key_line(number, curve.name, HEIGHT + KEY_LINE * number + 4)]


def line_style(number: int) -> str:
    """Return how the line of a curve is drawn."""
    colour, dash = COLOURS[number % len(COLOURS)], DASHES[number % len(DASHES)]
    return f'stroke="{colour}" stroke-dasharray="{dash}" fill="none" stroke-width="2"'


def key_line(number: int, name: str, y: float) -> list[str]:
    """Return a curve's line of the key."""
    return [
        f'<line x1="{LEFT}" x2="{LEFT + 36}" y1="{y}" y2="{y}" {line_style(number)}/>',
        marker(number, LEFT + 18, y, COLOURS[number % len(COLOURS)]),
        f'<text x="{LEFT + 44}" y="{y + 4}">{escape(name)}</text>',
    ]


def marker(number: int, x: float, y: float, colour: str) -> str:
    """Return the mark of a point: a circle, a square or a diamond."""
    if number % 3 == 0:
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>'
    turned = f' transform="rotate(45 {x:.1f} {y:.1f})"' if number % 3 == 2 else ""
    return f'<rect x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8" fill="{colour}"{turned}/>'
