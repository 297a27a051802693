"""What the benchmarks vote on: images of the official test sets, or made-up ones without them."""

from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from noisevote.models.card import Card
from noisevote.models.data.dataset import as_inputs
from noisevote.models.data.datasets import load_dataset
from noisevote.models.data.files import data_dir, without_downloads
from noisevote.models.errors import DataError
from noisevote.models.inputs.digits import FIELD_SIDE, mnist_digit
from tests.drawing import draw_digit

DRAWN = "drawn digits"
RANDOM = "random numbers"


def some_inputs(card: Card, count: int) -> tuple[NDArray[np.float32], str]:
    """Return inputs ``[count, *input_shape]`` of a checkpoint, and what they are.

    Test images if the data directory (``NOISEVOTE_DATA_DIR``) has them; nothing is downloaded.
    """
    name = str(card.recipe["dataset"])
    with suppress(DataError), without_downloads():
        test = load_dataset(name, data_dir()).test.first(count)
        return as_inputs(test.inputs), f"test images of {name}"
    if card.input.shape == (1, FIELD_SIDE, FIELD_SIDE):
        pens = 8 + np.arange(count) // 10 % 20
        drawn = [mnist_digit(draw_digit(i % 10, stroke=float(pen))) for i, pen in enumerate(pens)]
        return np.stack(drawn), DRAWN
    low, high = card.input.limits
    values = np.random.default_rng(0).uniform(low, high, (count, *card.input.shape))
    return values.astype(np.float32), RANDOM
