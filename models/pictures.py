"""Pictures as people send them, turned into the arrays that networks take.

Two steps, kept apart: a file becomes an upright picture (:func:`decode_picture`), and a picture
becomes an input (:data:`PREPROCESSINGS`, by the name on a checkpoint's card). Files come from
strangers: whatever the bytes, the outcome is a picture or a :class:`PictureError`.

:func:`mnist_digit` repeats how MNIST was made: "size normalized to fit in a 20x20 pixel box while
preserving their aspect ratio [...] grey levels as a result of the anti-aliasing technique [...]
centered in a 28x28 image by computing the center of mass of the pixels, and translating the image
so as to position this point at the center of the 28x28 field". In the files that centre is pixel
(14, 14), counted from 0, to half a pixel.

Source: Y. LeCun, C. Cortes, C. J. C. Burges, The MNIST database of handwritten digits,
yann.lecun.com/exdb/mnist.
"""

import base64
import binascii
import io
import math
import threading
import warnings
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops

from models.errors import PictureError

ALLOWED_FORMATS = ("PNG", "JPEG")

MAX_PIXELS = 4096 * 4096
"""Most pixels of a picture: 4096 x 4096, or a 12-megapixel photo."""

MIN_SIDE = 8
"""Fewest pixels of a side."""

MAX_SCANS = 100
"""Most scans of a progressive JPEG. Encoders write about 10; each costs a pass over all pixels."""

WORK_SIDE = 1024
"""Side in pixels to which larger pictures are shrunk before anything is measured in them."""

FIELD_SIDE = 28
BOX_SIDE = 20
CENTRE = 14.0
"""The field of an MNIST picture, the box its digit fills and the pixel of its centre of mass."""

OVERSAMPLING = 12
"""Work pixels per pixel of the field, while the pen's width is adjusted."""

MIN_STROKE = 2.0
"""Thinnest pen in pixels of the field; thinner ones are widened. The median of MNIST is 2.4."""

MIN_CONTRAST = 16
"""Least difference of ink and ground, of 255 grey levels, that counts as a drawing."""

FAINT = 0.1
"""Share of the full ink below which a pixel counts as ground: JPEG ringing, uneven paper."""

# Python 3.11 restores warning filters process-wide, so two threads must not do it at once. The
# lock also keeps no more than one full-size picture in memory.
_DECODING = threading.Lock()

_ORIENTATION_TAG = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What sets a picture of each EXIF orientation upright."""
