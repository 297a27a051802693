"""The plan of an assessment, and whether the networks that take part allow it."""

from math import prod, sqrt
from typing import Any

from pydantic import ValidationError

from noisevote.models.card import Card
from noisevote.models.data.dataset import Labels
from noisevote.models.errors import InputError
from noisevote.models.noise import NoiseKind
from noisevote.models.robustness.attacks import CHOICES
from noisevote.models.robustness.ball import TOLERANCE, Norm
from noisevote.models.robustness.plan import DEFAULT_ATTACKS, AttackName, Plan
from noisevote.service.jobs.chosen import Chosen
from noisevote.service.wire.errors import input_error_from

PICTURE_AXES = 3


def plan_of(
    card: Card,
    noise: NoiseKind | None,
    sigma: float | None,
    options: dict[str, Any],
    labels: Labels = Labels.GIVEN,
) -> Plan:
    """Return the plan of an assessment.

    Args:
        card: card of the target.
        noise: noise that was asked for, or None for the target's.
        sigma: sigma that was asked for, or None for the target's sigma_train.
        options: values of the fields of ``AttackOptions``.
        labels: where they come from.

    Raises:
        InputError: the noise cannot be that of the target, or a value is out of range.
    """
    kind = kind_of(noise, card)
    try:
        return Plan(kind=kind, sigma=sigma_of(sigma, card, kind), labels=labels, **options)
    except ValidationError as error:
        raise input_error_from(error) from None


def kind_of(asked: NoiseKind | None, card: Card) -> NoiseKind:
    """Return the noise that was asked for, or that of the target.

    Raises:
        InputError: the target has no graph for it.
    """
    kind = asked or card.noise.kind
    if kind not in card.graphs:
        raise InputError(f"checkpoint {card.name} has no graph for {kind} noise", "noise")
    return kind


def sigma_of(asked: float | None, card: Card, kind: NoiseKind) -> float:
    """Return the sigma that was asked for, or the one that the target was trained for.

    Raises:
        InputError: there is neither.
    """
    if asked is not None:
        return asked
    trained = card.noise.default
    if kind is card.noise.kind and isinstance(trained, float) and trained > 0:
        return trained
    raise InputError(
        f"sigma is needed: checkpoint {card.name} was not trained for one number of {kind} noise",
        "sigma",
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
        and (takes_pictures(chosen) or not attack.needs_pictures)
    )


def takes_pictures(chosen: Chosen) -> bool:
    """Return whether the inputs are ``[channels, height, width]``."""
    return len(chosen.target.card.input.shape) == PICTURE_AXES


def check_plan(plan: Plan, chosen: Chosen) -> None:
    """Refuse what these networks do not allow.

    Raises:
        InputError: an attack does not fit them, or no two of their inputs are so far apart.
    """
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
        if CHOICES[name].needs_pictures and not takes_pictures(chosen):
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
    elif plan.adaptive and not chosen.attacker.points:
        raise InputError(
            f"the surrogate {chosen.attacker.name} has no noise points, over which an adaptive "
            "attacker averages; set adaptive to false",
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
