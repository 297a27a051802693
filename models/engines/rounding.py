"""Beside which noise the rounding of bfloat16 is small."""

from noisevote.models.card import Card
from noisevote.models.noise import VoteNoise

LEAST_RELATIVE_SIGMA = 0.1
"""Least sigma, over the signal, of noise whose votes may be computed in bfloat16."""


def hides_rounding(noise: VoteNoise, card: Card) -> bool:
    """Return whether a noise is so large that the rounding of bfloat16 is small beside it.

    At a tenth of the signal rounding moves the outputs of ``mnist_cnn`` and ``densenet40`` by 5 and
    7 % of what the noise does, and factors of that noise deviate by 0.02 % more once they are
    rounded (tested). How many votes that moves is in ``docs/results.md``.
    """
    signal = [1.0 if noise.kind.is_factor else card.rms_at(point) for point in card.noise_points]
    if noise.is_silent:
        return False
    return all(
        of is not None and (sigma == 0 or sigma >= LEAST_RELATIVE_SIGMA * of)
        for sigma, of in zip(noise.sigma.tolist(), signal, strict=True)
    )
