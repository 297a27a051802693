"""The plan of an assessment, and whether the networks that take part allow it."""

from dataclasses import dataclass
from math import prod, sqrt
from typing import Any

from pydantic import ValidationError

from noisevote.models.card import Card
from noisevote.models.data.dataset import Labels
from noisevote.models.devices.asked import AskedDevice
from noisevote.models.errors import InputError
from noisevote.models.noise import NoiseKind
from noisevote.models.robustness.attacks import CHOICES
from noisevote.models.robustness.ball import TOLERANCE, Norm
from noisevote.models.robustness.plan import DEFAULT_ATTACKS, AttackName, AttackOptions, Plan
from noisevote.models.robustness.targeting import check_target_class
from noisevote.service.jobs.chosen import Chosen
from noisevote.service.prediction.inputs import check_points, sigma_at_snr
from noisevote.service.wire.errors import input_error_from

PICTURE_AXES = 3


@dataclass(frozen=True, slots=True)
class AskedNoise:
    """The noise of the target as it is asked for; what is None is the checkpoint's.

    Attributes:
        kind: how it meets the signal.
        sigma: standard deviation at all noise points, or by name.
        snr_db: signal-to-noise power ratio, instead of sigma.
        repeats: reads that are averaged at noise points, by name.
        device: device that votes are cast on, instead of a kind and sigma.
    """

    kind: NoiseKind | None = None
    sigma: float | dict[str, float] | None = None
    snr_db: float | None = None
    repeats: dict[str, int] | None = None
    device: AskedDevice | None = None


def plan_of(
    card: Card, noise: AskedNoise, options: dict[str, Any], labels: Labels = Labels.GIVEN
) -> Plan:
    """Return the plan of an assessment.

    Args:
        card: card of the target.
        noise: noise that was asked for.
        options: values of the fields of ``AttackOptions``.
        labels: where they come from.

    Raises:
        InputError: the noise cannot be that of the target, or a value is out of range.
    """
    repeats = noise.repeats or {}
    check_points(repeats, card, "repeats")
    of_noise: dict[str, Any] = {"device": noise.device}
    if noise.device is None:
        kind = kind_of(noise.kind, card)
        sigma = sigma_of(noise, card, kind)
        if isinstance(sigma, dict):
            check_points(sigma, card, "sigma")
        of_noise = {"kind": kind, "sigma": sigma}
    else:
        check_device(noise, noise.device, card, options)
    try:
        return Plan(**of_noise, repeats=repeats, labels=labels, **options)
    except ValidationError as error:
        raise input_error_from(error) from None


def check_device(
    noise: AskedNoise, device: AskedDevice, card: Card, options: dict[str, Any]
) -> None:
    """Refuse a device that the target cannot be put on, and what makes no sense there.

    Raises:
        InputError: noise is asked for as well, or chips, age or temperature are not those of the
            device, or there is a sweep over sigma.
    """
    for field, given in (("noise", noise.kind), ("sigma", noise.sigma), ("snr_db", noise.snr_db)):
        if given is not None:
            raise InputError(f"device and {field} both say what noise there is; give one", field)
    if options.get("sigmas"):
        raise InputError("a device has no sigma to sweep over; leave out sigmas", "sigmas")
    votes = int(options.get("votes", AttackOptions.model_fields["votes"].default))
    if device.chips > votes:
        raise InputError(
            f"chips is {device.chips}; allowed are 1 to {votes}, no more than votes", "chips"
        )
    device.setting(card, votes, 0, noise.repeats)


def kind_of(asked: NoiseKind | None, card: Card) -> NoiseKind:
    """Return the noise that was asked for, or that of the target.

    Raises:
        InputError: the target has no graph for it.
    """
    kind = asked or card.noise.kind
    if kind not in card.graphs:
        raise InputError(f"checkpoint {card.name} has no graph for {kind} noise", "noise")
    return kind


def sigma_of(asked: AskedNoise, card: Card, kind: NoiseKind) -> float | dict[str, float]:
    """Return the sigma that was asked for, or the one that the target was trained for.

    Raises:
        InputError: there is neither, or an SNR of noise that has none.
    """
    if asked.snr_db is not None:
        return sigma_at_snr(asked.snr_db, kind, card)
    if asked.sigma is not None:
        return asked.sigma
    if kind is card.noise.kind and card.noise.largest_sigma > 0:
        return card.noise.default
    raise InputError(
        f"sigma is needed: checkpoint {card.name} was not trained for {kind} noise", "sigma"
    )


def usual_attacks(chosen: Chosen) -> tuple[AttackName, ...]:
    """Return the attacks that are tried if none is named."""
    allowed = allowed_attacks(chosen)
    return tuple(name for name in DEFAULT_ATTACKS if name in allowed) or allowed


def allowed_attacks(chosen: Chosen) -> tuple[AttackName, ...]:
    """Return the attacks that the target and the attacker allow."""
    return tuple(
        name
        for name, attack in CHOICES.items()
        if (chosen.attacker is not None or not attack.needs_gradients)
        and (is_picture(chosen.target.card) or not attack.needs_pictures)
    )


def is_picture(card: Card) -> bool:
    """Return whether the inputs are ``[channels, height, width]``."""
    return len(card.input.shape) == PICTURE_AXES


def check_plan(plan: Plan, chosen: Chosen) -> None:
    """Refuse what these networks do not allow.

    Raises:
        InputError: an attack or a target class does not fit them, or no two of their inputs are so
            far apart.
    """
    classes = len(chosen.target.card.labels)
    check_target_class(plan, classes, has_surrogate=chosen.attacker is not None)
    check_attacks(plan, chosen)
    check_surrogate(plan, chosen)
    check_sizes(plan, chosen.target.card)


def check_attacks(plan: Plan, chosen: Chosen) -> None:
    """Refuse attacks that these networks do not allow."""
    target, allowed = chosen.target, ", ".join(allowed_attacks(chosen))
    for name in plan.attacks:
        if CHOICES[name].needs_gradients and chosen.attacker is None:
            raise InputError(
                f"the attack {name} needs the gradients of a surrogate, and there is none; "
                f"allowed without one: {allowed}",
                "attacks",
            )
        if CHOICES[name].needs_pictures and not is_picture(target.card):
            raise InputError(
                f"the attack {name} needs pictures; {target.name} takes "
                f"{list(target.card.input.shape)}. Leave it out of attacks; allowed: {allowed}",
                "attacks",
            )
    if chosen.attacker is not None and not plan.has(AttackName.PGD):
        raise InputError(
            "pgd is missing; with a surrogate the sweeps and checks are built on it", "attacks"
        )


def check_surrogate(plan: Plan, chosen: Chosen) -> None:
    """Refuse what needs a surrogate, or its noise points, where there is none."""
    if chosen.attacker is None:
        needing = {
            "sigmas": bool(plan.sigmas),
            "vote_numbers": bool(plan.vote_numbers),
            "epsilons": bool(plan.epsilons),
            "undefended": chosen.undefended is not None,
        }
        field = next((field for field, is_asked in needing.items() if is_asked), None)
        if field is not None:
            raise InputError(
                f"{field} is about the examples of pgd, which needs a surrogate, and there is "
                "none; leave it out",
                field,
            )
        return
    attacker = chosen.attacker
    if not plan.adaptive or plan.device is not None:
        return
    if not attacker.points:
        raise InputError(
            f"the surrogate {attacker.name} has no noise points, over which an adaptive "
            "attacker averages; set adaptive to false",
            "adaptive",
        )
    named = {**(plan.sigma if isinstance(plan.sigma, dict) else {}), **plan.repeats}
    if lacking := [point for point in named if point not in attacker.points]:
        raise InputError(
            f"the surrogate {attacker.name} has no noise point {lacking[0]}, so an adaptive "
            "attacker cannot average over the target's noise; name one sigma for all points, "
            "another surrogate, or set adaptive to false. This one has "
            f"{', '.join(attacker.points)}",
            "adaptive",
        )


def check_sizes(plan: Plan, card: Card) -> None:
    """Refuse perturbations that are larger than any two inputs differ.

    Raises:
        InputError: there is one.
    """
    low, high = card.input.limits
    largest = high - low
    if plan.norm is Norm.L2:
        largest *= sqrt(prod(card.input.shape))
    sizes = {
        "epsilon": plan.epsilon,
        "epsilons": max(plan.epsilons, default=0.0),
        "step_size": plan.step,
    }
    for field, size in sizes.items():
        if size > largest * (1 + TOLERANCE):
            raise InputError(
                f"{field} asks for {size:g}; no two inputs of {card.name} are farther apart than "
                f"{largest:g}",
                field,
            )
