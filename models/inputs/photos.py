"""Photographs of one thing, brought into the form of CIFAR-10.

CIFAR-10's pictures were collected by searching the web for the name of each class, and shrunk to
32 x 32 colour pixels with the thing filling most of the picture. A photograph is cut to the square
in its middle and shrunk to that size.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 32
WHITE = (255, 255, 255, 255)

REDUCING_GAP = 3.0
"""How much larger than 32 x 32 a picture is left by the fast, coarse step of shrinking. At 3 the
result can hardly be told from shrinking in one fine step, says Pillow's documentation."""


def cifar_picture(picture: Image.Image) -> NDArray[np.float32]:
    """Turn a photograph into a picture as in CIFAR-10.

    A picture of 32 x 32 pixels keeps its levels.

    Args:
        picture: upright, of mode ``L``, ``RGB`` or ``RGBA``; grey stands for equal colours, and
            what is transparent shows white.

    Returns:
        Red, green and blue ``[3, 32, 32]`` in 0..1.
    """
    square = on_white(middle_square(picture))
    small = square.resize((SIDE, SIDE), Image.Resampling.LANCZOS, reducing_gap=REDUCING_GAP)
    levels = np.asarray(small, dtype=np.float32) / np.float32(255)
    return np.ascontiguousarray(levels.transpose(2, 0, 1))


def middle_square(picture: Image.Image) -> Image.Image:
    """Cut the longer side so that a square is left in the middle."""
    width, height = picture.size
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    return picture.crop((left, top, left + side, top + side))


def on_white(picture: Image.Image) -> Image.Image:
    """Return a picture of mode ``RGB``, laid on white where it is transparent."""
    if picture.mode != "RGBA":
        return picture.convert("RGB")
    ground = Image.new("RGBA", picture.size, WHITE)
    return Image.alpha_composite(ground, picture).convert("RGB")
