"""Line charts as inline SVG: shares over a setting, with their intervals.

They need no script and no file beside the page, follow its colours, and tell curves apart by
marker and dash as well as by colour (the palette of M. Okabe and K. Ito).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 640, 320
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 16, 48
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
DASHES = ("", "6 4", "2 3", "8 3 2 3", "1 4", "10 4")
LINES = (0.0, 0.25, 0.5, 0.75, 1.0)
MOST_TICKS = 8
KEY_LINE = 20


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


def line_chart(identity: str, title: str, x_name: str, curves: Sequence[Curve]) -> str:
    """Return a chart of shares, drawn as per cent.

    Args:
        identity: of the chart, unique on its page.
        title: read out in place of the picture.
        x_name: name of the horizontal axis.
        curves: at least one, with at least one point each.
    """
    xs = sorted({point.x for curve in curves for point in curve.points})
    scale = Scale(xs[0], xs[-1])
    height = HEIGHT + KEY_LINE * len(curves)
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" class="chart" '
        f'aria-labelledby="{escape(identity)}-title">',
        f'<title id="{escape(identity)}-title">{escape(title)}</title>',
        *grid(xs, scale, x_name),
    ]
    for number, curve in enumerate(curves):
        parts += curve_parts(number, curve, scale)
    return "\n".join([*parts, "</svg>"])


@dataclass(frozen=True, slots=True)
class Scale:
    """From values to places in the picture."""

    low: float
    high: float

    def x(self, value: float) -> float:
        """Return how far to the right a value stands; a single one in the middle."""
        span = self.high - self.low
        share = 0.5 if span == 0 else (value - self.low) / span
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(self, share: float) -> float:
        """Return how far down a share stands."""
        return TOP + (1 - share) * (HEIGHT - TOP - BOTTOM)


def grid(xs: Sequence[float], scale: Scale, x_name: str) -> list[str]:
    """Return axes, their labels and names."""
    parts = []
    for share in LINES:
        y = scale.y(share)
        parts += [
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>',
            f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{100 * share:.0f} %</text>',
        ]
    every = -(-len(xs) // MOST_TICKS)
    for x in xs[::every]:
        place = f'x="{scale.x(x):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle"'
        parts.append(f"<text {place}>{x:g}</text>")
    middle = (LEFT + WIDTH - RIGHT) / 2
    name = f'<text x="{middle:.1f}" y="{HEIGHT - 8}" text-anchor="middle">{escape(x_name)}</text>'
    return [*parts, name]


def curve_parts(number: int, curve: Curve, scale: Scale) -> list[str]:
    """Return one curve with intervals, markers and its line of the key."""
    colour, dash = COLOURS[number % len(COLOURS)], DASHES[number % len(DASHES)]
    style = f'stroke="{colour}" stroke-dasharray="{dash}" fill="none" stroke-width="2"'
    places = [(scale.x(point.x), scale.y(point.y)) for point in curve.points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    parts = [f'<polyline points="{path}" {style}/>']
    for point, (x, y) in zip(curve.points, places, strict=True):
        parts += [
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{scale.y(point.low):.1f}" '
            f'y2="{scale.y(point.high):.1f}" stroke="{colour}"/>',
            marker(number, x, y, colour),
        ]
    y = HEIGHT + KEY_LINE * number + 4
    return [
        *parts,
        f'<line x1="{LEFT}" x2="{LEFT + 36}" y1="{y}" y2="{y}" {style}/>',
        marker(number, LEFT + 18, y, colour),
        f'<text x="{LEFT + 44}" y="{y + 4}">{escape(curve.name)}</text>',
    ]


def marker(number: int, x: float, y: float, colour: str) -> str:
    """Return the mark of a point: a circle, a square or a diamond."""
    if number % 3 == 0:
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>'
    turned = f' transform="rotate(45 {x:.1f} {y:.1f})"' if number % 3 == 2 else ""
    return f'<rect x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8" fill="{colour}"{turned}/>'
