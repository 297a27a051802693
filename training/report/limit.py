"""The limit of one vote: how often the best outputs survive the last layer's noise alone.

With multiplicative noise on K outputs y, one vote is right when ``y_r (1 + sigma z_r)`` of the
right class r is the largest. The best outputs are, by symmetry, the right one positive and all
others equal: zero for strong noise, where the vote is right with probability ``Phi(1 / sigma)``,
and negative for weaker noise, so that they lose even to a right output that was pushed below zero.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from noisevote.models.noise import standard_normal_table


@lru_cache(maxsize=64)
def one_vote_limit(sigma: float, classes: int = 10) -> float:
    """Return the largest chance of a right vote under multiplicative noise.

    Args:
        sigma: standard deviation of the noise on the outputs.
        classes: number of outputs.
    """
    if sigma == 0:
        return 1.0
    depths = np.concatenate([[0.0], np.geomspace(0.01, 10, 100)])
    return max(chance_of_right_vote(sigma, depth, classes) for depth in depths.tolist())


def chance_of_right_vote(sigma: float, depth: float, classes: int) -> float:
    """Return the chance of a right vote when the right output is 1 and all others ``-depth``."""
    right: NDArray[np.float64] = 1 + sigma * standard_normal_table()
    if depth == 0:
        return float((right > 0).mean())
    # Another output -depth (1 + sigma z) lies below the right one.
    below = ndtr((right / depth + 1) / sigma)
    return float((below ** (classes - 1)).mean())
