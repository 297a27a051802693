"""All votes of a request, cast in the plainest way: what any backend must agree with."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from noisevote.models.measured import Threshold
from noisevote.models.noise import TABLE_SIZE, Distribution, NoiseKind
from noisevote.models.runtime import Runtime, rows_of, votes_of
from noisevote.models.voting import Poll, VoteRequest, VoteResult

THRESHOLD = Threshold(
    kind=NoiseKind.ADDITIVE,
    sigma=0.5,
    votes=20,
    delta=0.01,
    confidence=0.95,
    margin=4,
    changed=0,
    inputs=5000,
    mean_votes=5.0,
    seed=0,
    noise_scheme="any",
    command="any",
)
"""A threshold as cards have them."""


@cache
def uniform() -> NDArray[np.float64]:
    values = (np.arange(TABLE_SIZE) + 0.5) / TABLE_SIZE - 0.5
    values /= np.sqrt(np.mean(values**2))
    return values


UNIFORM = Distribution("uniform", uniform)
"""Another distribution than the one that ships."""


def vote(runtime: Runtime, request: VoteRequest, classes: int, tile: int) -> list[VoteResult]:
    """Cast all votes of a request one tile after another and return the answers."""
    poll = Poll(request, classes)
    while keys := poll.take(tile):
        outputs = runtime.outputs(rows_of([(request, keys)]))
        for key, fell_on in zip(keys, votes_of(outputs).tolist(), strict=True):
            poll.cast(key, fell_on)
    return poll.results()
