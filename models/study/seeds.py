"""How the noise of a study is seeded, so that any answer in it can be asked for again over HTTP.

Sample number i of a half is the request of one input with the seed ``base * 2^20 + i``; the base of
each half and number of the seed is another one, so that nothing is confirmed on the noise that it
was chosen on.
"""

import numpy as np
from numpy.typing import NDArray

from noisevote.models.study.cells import Half
from noisevote.models.study.head import MOST_SEEDS

SAMPLES_A_SEED = 2**20


def seed_of(seed: int, half: Half, number: int) -> int:
    """Return the base of the seeds of a half's samples.

    Args:
        seed: of the study.
        half: of the samples.
        number: of the noise's seed, from 0.
    """
    return (2 * seed + (half is Half.REPORT)) * MOST_SEEDS + number


def request_seed(base: int, sample: int) -> int:
    """Return the seed of the request that votes on a sample."""
    return base * SAMPLES_A_SEED + sample


def places_of(count: int, of: int) -> NDArray[np.int64]:
    """Return the places of ``count`` samples that are spread evenly over ``of``."""
    return np.arange(count) * of // max(count, 1)


def shared_places(
    one: int, other: int, of: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the places that two spreads over ``of`` share, and those in each of the two."""
    places, here, there = np.intersect1d(
        places_of(one, of), places_of(other, of), assume_unique=True, return_indices=True
    )
    return places, here, there
