"""Hand-shaped digits to test with: drawn on demand, so that no data set is needed."""

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Point = tuple[float, float]

DIGITS: tuple[tuple[tuple[Point, ...], ...], ...] = (
    (((0.55, 0.12), (0.33, 0.22), (0.25, 0.52), (0.35, 0.83), (0.55, 0.87), (0.73, 0.68),
      (0.74, 0.35), (0.62, 0.14), (0.50, 0.13)),),
    (((0.58, 0.12), (0.53, 0.37), (0.49, 0.62), (0.45, 0.88)),),
    (((0.28, 0.32), (0.38, 0.15), (0.58, 0.12), (0.69, 0.27), (0.62, 0.47), (0.44, 0.68),
      (0.26, 0.86)), ((0.26, 0.86), (0.50, 0.84), (0.76, 0.84))),
    (((0.28, 0.20), (0.46, 0.12), (0.66, 0.20), (0.64, 0.38), (0.45, 0.48)),
     ((0.45, 0.48), (0.66, 0.55), (0.70, 0.73), (0.52, 0.87), (0.27, 0.80))),
    (((0.36, 0.12), (0.32, 0.34), (0.27, 0.56)), ((0.27, 0.56), (0.50, 0.55), (0.76, 0.52)),
     ((0.66, 0.14), (0.63, 0.50), (0.58, 0.88))),
    (((0.70, 0.13), (0.52, 0.14), (0.36, 0.15)), ((0.36, 0.15), (0.34, 0.30), (0.31, 0.45)),
     ((0.31, 0.45), (0.52, 0.42), (0.69, 0.54), (0.66, 0.76), (0.47, 0.87), (0.25, 0.81))),
    (((0.62, 0.12), (0.42, 0.30), (0.31, 0.56), (0.35, 0.80), (0.52, 0.88), (0.67, 0.76),
      (0.63, 0.58), (0.47, 0.54), (0.34, 0.68)),),
    (((0.26, 0.17), (0.48, 0.16), (0.73, 0.14)), ((0.73, 0.14), (0.60, 0.40), (0.51, 0.64),
      (0.44, 0.88))),
    (((0.66, 0.22), (0.50, 0.12), (0.34, 0.22), (0.40, 0.40), (0.58, 0.54), (0.68, 0.72),
      (0.52, 0.88), (0.34, 0.76), (0.42, 0.56), (0.60, 0.40), (0.66, 0.22)),),
    (((0.66, 0.26), (0.50, 0.13), (0.33, 0.25), (0.36, 0.44), (0.54, 0.46), (0.66, 0.28)),
     ((0.66, 0.26), (0.65, 0.50), (0.60, 0.70), (0.54, 0.88))),
)  # fmt: skip
"""Strokes of the digits 0 to 9: points in a unit square, x to the right and y down."""

STEPS = 12

SAME_DIGIT = 0.25
"""Upper bound for two pictures of one drawing. Strokes widened by half differ by 0.3, digits of
different kinds by 0.55 or more."""


def draw_digit(
    digit: int, size: int = 280, stroke: float = 24, ink: int = 0, paper: int = 255
) -> Image.Image:
    """Draw a digit as a round pen would.

    Args:
        digit: which, 0 to 9.
        size: side of the square picture in pixels.
        stroke: width of the pen in pixels.
        ink: grey level of the pen, 0 to 255.
        paper: grey level of the ground, 0 to 255.

    Returns:
        A picture of mode ``L``, antialiased up to a side of 1,024 pixels.
    """
    scale = 4 if size <= 1024 else 1
    canvas = Image.new("L", (size * scale, size * scale), 0)
    pen = ImageDraw.Draw(canvas)
    radius = stroke * scale / 2
    for points in DIGITS[digit]:
        path = [(x * size * scale, y * size * scale) for x, y in smooth(points)]
        pen.line(path, fill=255, width=max(1, round(2 * radius)))
        for x, y in path:
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    coverage = canvas.reduce(scale) if scale > 1 else canvas
    return coverage.point([round(paper + (ink - paper) * level / 255) for level in range(256)])


def smooth(points: Sequence[Point]) -> list[Point]:
    """Return a curve through ``points`` (Catmull-Rom), ``STEPS`` times as many."""
    ends = [points[0], *points, points[-1]]
    curve = []
    for before, start, end, after in zip(ends, ends[1:], ends[2:], ends[3:], strict=False):
        for step in range(STEPS):
            t = step / STEPS
            weights = (
                (-(t**3) + 2 * t**2 - t) / 2,
                (3 * t**3 - 5 * t**2 + 2) / 2,
                (-3 * t**3 + 4 * t**2 + t) / 2,
                (t**3 - t**2) / 2,
            )
            near = (before, start, end, after)
            x = sum(weight * point[0] for weight, point in zip(weights, near, strict=True))
            y = sum(weight * point[1] for weight, point in zip(weights, near, strict=True))
            curve.append((x, y))
    return [*curve, points[-1]]


def png_bytes(picture: Image.Image) -> bytes:
    """Return ``picture`` as a PNG file."""
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def jpeg_bytes(picture: Image.Image, quality: int = 75) -> bytes:
    """Return ``picture`` as a JPEG file."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality)
    return file.getvalue()


def difference(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Return the absolute difference of two fields as a share of the ink."""
    return float(np.abs(one - other).sum() / other.sum())
