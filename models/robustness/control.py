"""The control: random noise of the same size, which an attack must beat to be one."""

import numpy as np
from numpy.typing import NDArray

from models.robustness.ball import Ball
from models.robustness.samples import Purpose, Samples, generator_for
from models.robustness.square import MarginOracle, QueryResult


def random_control(
    oracle: MarginOracle, samples: Samples, ball: Ball, tries: int, seed: int
) -> QueryResult:
    """Return for each sample the random point at full distance with the lowest margin.

    Source: N. Carlini et al., arXiv 1902.06705, section 4.3, "try random noise".

    Args:
        oracle: that is asked once a try.
        samples: that are perturbed.
        ball: on whose surface points are drawn.
        tries: points drawn per sample.
        seed: of the draws.
    """
    generators = [generator_for(seed, Purpose.CONTROL, i) for i in samples.indices.tolist()]
    best = samples.inputs.copy()
    margins: NDArray[np.float64] = np.full(len(samples), np.inf)
    for _ in range(tries):
        points = ball.random_on_surface(samples.inputs, generators)
        found = oracle.margins(points, samples.labels)
        lower = found < margins
        best[lower], margins[lower] = points[lower], found[lower]
    queries = np.full(len(samples), tries)
    return QueryResult(best, margins, queries, best[np.newaxis][:0])
