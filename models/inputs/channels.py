"""One channel of a picture, taken so that other threads of a service go on meanwhile."""

import math

from PIL import Image

STRIP_PIXELS = 2**19
"""Pixels that are copied at once: Pillow keeps the interpreter's lock while it copies a channel."""


def channel(picture: Image.Image, name: str) -> Image.Image:
    """Return a channel of a picture, ``R`` or ``A`` for instance, as a picture of mode ``L``."""
    width, height = picture.size
    whole = Image.new("L", picture.size)
    rows = max(1, STRIP_PIXELS // width)
    for top in range(0, height, rows):
        box = (0, top, width, min(top + rows, height))
        whole.paste(picture.crop(box).getchannel(name), box)
    return whole


def is_full(one: Image.Image) -> bool:
    """Return whether all levels of a picture of mode ``L`` are 255."""
    return one.histogram()[255] == math.prod(one.size)
