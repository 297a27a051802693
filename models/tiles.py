"""From votes to the rows of one forward pass, and from its outputs back to votes."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.noise import VoteKey
from models.runtime import Rows
from models.voting import NOWHERE, VoteRequest


def rows_of(parts: Sequence[tuple[VoteRequest, Sequence[VoteKey]]]) -> Rows:
    """Return the rows of some votes of some requests, each image once.

    Args:
        parts: requests for the same runtime and distribution of noise, and the votes of each.
    """
    images: list[NDArray[np.float32]] = []
    image_of_row: list[int] = []
    for request, keys in parts:
        index_of: dict[int, int] = {}
        for key in keys:
            if key.position not in index_of:
                index_of[key.position] = len(images)
                images.append(request.inputs[key.position])
            image_of_row.append(index_of[key.position])
    sigma = np.stack([request.noise.sigma for request, _ in parts])
    return Rows(
        images=np.stack(images),
        image_of_row=np.array(image_of_row, np.int64),
        sigma=np.repeat(sigma, [len(keys) for _, keys in parts], axis=0),
        keys=[key for _, keys in parts for key in keys],
        distribution=parts[0][0].noise.distribution,
    )


def votes_of(outputs: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the class of the largest output of each row ``[rows]``; of several, the lowest.

    A row whose outputs are not all finite falls on :data:`NOWHERE`.

    Args:
        outputs: ``[rows, classes]``.
    """
    is_finite = np.isfinite(outputs).all(axis=1)
    return np.where(is_finite, outputs.argmax(axis=1), NOWHERE)
