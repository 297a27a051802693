"""Shapes on a page: connected sets of pixels, and what is measured of them."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from noisevote.models.inputs.rasters import padded_with_ground

Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Shape:
    """One shape.

    Attributes:
        pixels: the shape within its rectangle ``[height, width]``.
        top: row of the page in which its rectangle begins.
        left: column of the page in which its rectangle begins.
        page: height and width of the page.
    """

    pixels: Mask
    top: int
    left: int
    page: tuple[int, int]

    @property
    def height(self) -> int:
        """Rows of its rectangle."""
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        """Columns of its rectangle."""
        return int(self.pixels.shape[1])

    @property
    def bottom(self) -> int:
        """The row after its last."""
        return self.top + self.height

    @property
    def right(self) -> int:
        """The column after its last."""
        return self.left + self.width

    @property
    def side(self) -> int:
        """The longer side of its rectangle."""
        return max(self.height, self.width)

    @cached_property
    def area(self) -> int:
        """Pixels of ink."""
        return int(np.count_nonzero(self.pixels))

    @cached_property
    def thickness(self) -> float:
        """Mean width of the strokes in pixels: twice the area over the outline.

        The outline is counted in steps from pixel to pixel, of which slanted strokes have more
        than their length: 1.27 times as many on average.
        """
        return 2 * 1.13 * self.area / self.outline

    @cached_property
    def outline(self) -> int:
        """Sides of pixels at which it ends."""
        padded = self.surrounded
        down = np.count_nonzero(padded[1:] != padded[:-1])
        right = np.count_nonzero(padded[:, 1:] != padded[:, :-1])
        return int(down + right)

    @property
    def edges(self) -> tuple[int, int, int, int]:
        """Pixels at the upper, lower, left and right edge of the page."""
        return (
            int(self.pixels[0].sum()) if self.top == 0 else 0,
            int(self.pixels[-1].sum()) if self.bottom == self.page[0] else 0,
            int(self.pixels[:, 0].sum()) if self.left == 0 else 0,
            int(self.pixels[:, -1].sum()) if self.right == self.page[1] else 0,
        )

    @cached_property
    def surrounded(self) -> Mask:
        """Its pixels with a row and a column of ground on all sides."""
        return padded_with_ground(self.pixels, (1, 1), (1, 1))

    @cached_property
    def holes(self) -> NDArray[Any]:
        """The number of the hole for each pixel of ``surrounded``, 2 or more; 1 is the outside."""
        labels: NDArray[Any] = ndimage.label(~self.surrounded)[0]
        return labels

    def surrounds(self, other: "Shape") -> bool:
        """Return whether the rectangle of ``other`` lies within this one's."""
        return (
            self.top < other.top
            and other.bottom < self.bottom
            and self.left < other.left
            and other.right < self.right
        )

    def encloses(self, other: "Shape") -> bool:
        """Return whether ``other`` lies in a hole of this shape."""
        if not self.surrounds(other):
            return False
        row, column = np.argwhere(other.pixels)[0]
        return bool(
            self.holes[other.top - self.top + row + 1, other.left - self.left + column + 1] > 1
        )

    @property
    def contacts(self) -> tuple[int, float]:
        """How often it touches the edges of the page, and in how many pixels on average."""
        sides = self.pixels[0], self.pixels[-1], self.pixels[:, 0], self.pixels[:, -1]
        pieces = sum(
            int(np.count_nonzero(np.diff(side.astype(np.int8), prepend=0) == 1))
            for side, touches in zip(sides, self.edges, strict=True)
            if touches
        )
        return pieces, sum(self.edges) / max(pieces, 1)

    @property
    def is_across_page(self) -> bool:
        """Whether it reaches from one edge of the page to the opposite one."""
        upper, lower, left, right = self.edges
        return bool((upper and lower) or (left and right))
