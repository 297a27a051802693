"""Two accuracies on the same images."""

import math

import numpy as np
from numpy.typing import NDArray

Z_95 = 1.959964


def paired(is_right: NDArray[np.bool_], is_reference_right: NDArray[np.bool_]) -> dict[str, object]:
    """Return the difference of two accuracies on the same images, with its 95 % interval.

    Source: A. Agresti and Y. Min, Statistics in Medicine 24 (2005), 729-740 (half a pair added to
    each cell).

    Args:
        is_right: for each image ``[images]``.
        is_reference_right: for each image, of the reference.
    """
    images = len(is_right)
    gained = int((is_right & ~is_reference_right).sum())
    lost = int((is_reference_right & ~is_right).sum())
    centre = (gained - lost) / (images + 2)
    variance = (gained + lost + 1) - (gained - lost) ** 2 / (images + 2)
    half = Z_95 * math.sqrt(variance) / (images + 2)
    return {
        "reference_correct": int(is_reference_right.sum()),
        "only_this_right": gained,
        "only_reference_right": lost,
        "difference": (gained - lost) / images,
        "difference_low": centre - half,
        "difference_high": centre + half,
    }
