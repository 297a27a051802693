"""From what a request holds to what is voted with: arrays, pictures, noise, the stop rule."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noisevote.models.card import Card
from noisevote.models.cost import Hardware, energy_by_macs
from noisevote.models.errors import InputError
from noisevote.models.inputs import strokes
from noisevote.models.inputs.pictures import decode_base64
from noisevote.models.inputs.pipelines import prepared
from noisevote.models.measured import Threshold
from noisevote.models.noise import MAX_SIGMA, Noise, NoiseKind, VoteNoise, sigma_from_snr_db
from noisevote.models.stopping import Stopping
from noisevote.service.prediction.arrays import arrays_of, taken
from noisevote.service.wire.requests import PredictRequest
from noisevote.service.wire.shortened import shortened

SHOWN_NAMES = 10
"""Of noise points, in a message."""


def inputs_of(request: PredictRequest, card: Card) -> dict[str, NDArray[Any]]:
    """Return the request's inputs by the names of the network's tensors, ``[inputs, *shape]``.

    Raises:
        InputError: they do not fit the checkpoint; the message says where and what would.
    """
    if request.inputs is not None:
        return arrays_of(request.inputs, card)
    one = (
        input_of_strokes(request.strokes or [], card)
        if request.image is None
        else input_of_picture(request.image, card)
    )
    return {card.input.name: one[np.newaxis]}


def input_of_picture(text: str, card: Card) -> NDArray[Any]:
    """Return the input that the card makes of a picture in base64 ``[*shape]``.

    Raises:
        InputError: the network takes other inputs, or nothing can be seen in this one.
    """
    tensor = card.input
    if tensor.preprocessing is None and tensor.picture is None:
        raise of_arrays_alone(card, "pictures", "image")
    if tensor.preprocessing == strokes.PREPROCESSING:
        raise InputError(
            f"checkpoint {card.name} reads strokes, not pictures; send strokes or inputs", "image"
        )
    return prepared(decode_base64(text), tensor)


def input_of_strokes(drawn: list[Any], card: Card) -> NDArray[np.float32]:
    """Return the input that the card makes of a drawing ``[*shape]``.

    Raises:
        InputError: the network takes other inputs, or this is no drawing.
    """
    tensor = card.input
    if tensor.preprocessing == strokes.PREPROCESSING:
        return strokes.sequence_from_strokes(drawn)
    if tensor.preprocessing is None and tensor.picture is None:
        raise of_arrays_alone(card, "strokes", "strokes")
    raise InputError(
        f"checkpoint {card.name} reads pictures, not strokes; send image or inputs", "strokes"
    )


def of_arrays_alone(card: Card, given: str, field: str) -> InputError:
    """Return an error that says what a network takes that nothing is prepared for."""
    allowed = "; ".join(f"{tensor.name}: {tensor.allowed}" for tensor in card.inputs)
    return InputError(
        f"checkpoint {card.name} has no way to prepare {given}; send inputs: {taken(card)}, "
        f"{allowed}",
        field,
    )


def noise_of(request: PredictRequest, card: Card) -> Noise:
    """Return the noise that the request asks for, or the checkpoint's.

    Raises:
        InputError: another kind than the checkpoint's, without a sigma of its own; an SNR of
            noise that has none; or a name that is no noise point of the checkpoint.
    """
    kind = request.noise or card.noise.kind
    if kind is not card.noise.kind and request.sigma is None and request.snr_db is None:
        raise InputError(
            f"checkpoint {card.name} was trained for {card.noise.kind} noise; for {kind} noise "
            "give a sigma",
            "sigma",
        )
    sigma, repeats = sigma_of(request, card, kind), request.repeats or {}
    check_points(repeats, card, "repeats")
    return Noise(kind, sigma, repeats)


def sigma_at_snr(snr_db: float, kind: NoiseKind, card: Card) -> float | dict[str, float]:
    """Return the sigma of noise of an SNR in dB: of a summand that of each noise point's signal.

    Raises:
        InputError: the card does not know the signals.
    """
    of_signal = sigma_from_snr_db(snr_db)
    if kind.is_factor:
        return of_signal
    rms = {point.name: card.rms_at(point) for point in card.noise_points}
    if unknown := [name for name, value in rms.items() if value is None]:
        raise InputError(
            f"snr_db of additive noise needs the signal at each noise point; that of "
            f"{listed(unknown)} of checkpoint {card.name} was not measured. Give sigma, or measure "
            f"it with {card.to_fit}",
            "snr_db",
        )
    sigma = {name: of_signal * (value or 0.0) for name, value in rms.items()}
    if max(sigma.values()) > MAX_SIGMA:
        raise InputError(
            f"snr_db is {snr_db:g}, a sigma of {max(sigma.values()):g}; allowed is one up to "
            f"{MAX_SIGMA:g}",
            "snr_db",
        )
    return sigma


def sigma_of(request: PredictRequest, card: Card, kind: NoiseKind) -> float | dict[str, float]:
    """Return the sigma of one read, as asked or by default; a map names every noise point."""
    if request.snr_db is not None:
        return sigma_at_snr(request.snr_db, kind, card)
    sigma = card.noise.default if request.sigma is None else request.sigma
    if not isinstance(sigma, dict):
        return sigma
    check_points(sigma, card, "sigma")
    return {name: sigma.get(name, 0.0) for name in card.point_names}


def stopping_of(request: PredictRequest, card: Card, noise: VoteNoise) -> Stopping:
    """Return the stop rule that the request asks for, with the numbers that it goes by.

    Args:
        request: what is asked for.
        card: card of the checkpoint.
        noise: noise that the votes meet.

    Raises:
        InputError: the rule needs a threshold, and the card has none for this noise, number of
            votes and delta.
    """
    rule = request.stop.rule
    needs_threshold = rule.needs_threshold and not noise.is_silent
    if rule.needs_threshold and request.device is not None:
        raise InputError(
            f"the stop rule {request.stop} needs a margin that was measured, and none is of a "
            "device; use another one",
            "stop",
        )
    return rule(request.delta, threshold_for(request, card, noise) if needs_threshold else None)


def threshold_for(request: PredictRequest, card: Card, noise: VoteNoise) -> Threshold:
    """Return the threshold that holds for a request.

    One that was chosen for a smaller delta holds, too; of several the largest delta stops soonest.
    """
    fitting = [
        threshold
        for threshold in card.thresholds
        if noise.is_measured_at(threshold.kind, threshold.sigma)
        and threshold.votes == request.votes
        and threshold.delta <= request.delta
    ]
    if not fitting:
        there_are = "; ".join(threshold.text for threshold in card.thresholds) or "none"
        raise InputError(
            f"checkpoint {card.name} has no threshold for this noise, votes and delta; there are: "
            f"{there_are}. Use another stop rule, or make one with noisevote-train calibrate",
            "stop",
        )
    return max(fitting, key=lambda threshold: threshold.delta)


def hardware_of(request: PredictRequest, card: Card) -> Hardware | None:
    """Return the hardware that the request names, by noise point.

    Raises:
        InputError: a map does not name exactly the noise points of the checkpoint.
    """
    if request.hardware is None:
        return None
    return Hardware(
        latency=of_every_point(request.hardware.latency, card, "hardware.latency"),
        energy=energy_by_macs(card.noise_points)
        if request.hardware.energy is None
        else of_every_point(request.hardware.energy, card, "hardware.energy"),
    )


def of_every_point(
    given: float | Mapping[str, float], card: Card, field: str
) -> Mapping[str, float]:
    """Return one number for each noise point."""
    names = card.point_names
    if not isinstance(given, Mapping):
        return dict.fromkeys(names, given)
    check_points(given, card, field)
    if missing := [name for name in names if name not in given]:
        raise InputError(f"{field} lacks {listed(missing)}; give all or one number", field)
    return given


def listed(names: Sequence[str]) -> str:
    """Return names for a message, not too many."""
    more = len(names) - SHOWN_NAMES
    return ", ".join(names[:SHOWN_NAMES]) + (f" and {more} more" if more > 0 else "")


def check_points(given: Mapping[str, object], card: Card, field: str) -> None:
    """Refuse names that are no noise points of the checkpoint."""
    names = card.point_names
    for name in given:
        if name not in names:
            raise InputError(
                f"{shortened(name)} is no noise point of checkpoint {card.name}; it has "
                f"{listed(names)}",
                field,
            )
