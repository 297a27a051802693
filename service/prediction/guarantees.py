"""Which margin ``calibrated`` stops at, and what each stop rule promises."""

import math

import numpy as np
from numpy.typing import NDArray

from models.card import Card, Threshold
from models.errors import InputError
from models.noise import NoiseKind
from models.stopping import StopRule, bounded_boundary
from service.wire.replies import GuaranteeBody
from service.wire.requests import PredictRequest

ANY_INPUT = "any input"


def threshold_for(
    request: PredictRequest, card: Card, kind: NoiseKind, sigma: NDArray[np.float64]
) -> Threshold | None:
    """Return the threshold that holds for a request; None if its rule needs none.

    One that was chosen for a smaller delta holds, too; of several the largest delta stops soonest.

    Args:
        request: what is asked for.
        card: of the checkpoint.
        kind: of the noise.
        sigma: of each noise point, repeats included ``[points]``.

    Raises:
        InputError: the card has none for this noise, number of votes and delta.
    """
    if request.stop is not StopRule.CALIBRATED or not sigma.any():
        return None
    fitting = [
        threshold
        for threshold in card.thresholds
        if threshold.kind is kind
        and threshold.votes == request.votes
        and threshold.delta <= request.delta
        and all(math.isclose(at_point, threshold.sigma) for at_point in sigma.tolist())
    ]
    if not fitting:
        there_are = "; ".join(map(description, card.thresholds)) or "none"
        raise InputError(
            f"checkpoint {card.name} has no threshold for this noise, votes and delta; there are: "
            f"{there_are}. Use another stop rule, or make one with noisevote-train calibrate",
            "stop",
        )
    return max(fitting, key=lambda threshold: threshold.delta)


def description(threshold: Threshold) -> str:
    """Return in short what a threshold holds for."""
    return (
        f"{threshold.kind} sigma {threshold.sigma:g}, votes {threshold.votes}, "
        f"delta {threshold.delta:g}"
    )


def guarantee_of(request: PredictRequest, threshold: Threshold | None) -> GuaranteeBody | None:
    """Return what a request's stop rule promises; None for ``full``, which stops nothing early."""
    if request.stop is StopRule.FULL:
        return None
    if request.stop is StopRule.BOUNDED:
        bounded_boundary(request.votes, request.delta)  # is kept, so that no slot waits for it
        return GuaranteeBody(delta=request.delta, condition=ANY_INPUT)
    if threshold is None:
        return GuaranteeBody(delta=0.0, condition=ANY_INPUT)
    return GuaranteeBody(
        delta=threshold.delta,
        condition=f"inputs like the {threshold.inputs} validation inputs that the margin was "
        f"chosen on, with confidence {threshold.confidence:g}",
        margin=threshold.margin,
    )
