"""The table of attacks; a new one is a file here and a row.

What runs, counts in the worst case, stands in reports and sweeps and is named in the threat model
is taken from this table and nothing else.
"""

from noisevote.models.robustness.attacks.attack import Attack
from noisevote.models.robustness.attacks.hop_skip_jump import HOP_SKIP_JUMP
from noisevote.models.robustness.attacks.random_noise import RANDOM_NOISE
from noisevote.models.robustness.attacks.square import ADAPTIVE_SQUARE, SQUARE
from noisevote.models.robustness.attacks.transfer import EOT_PGD, MOMENTUM_PGD, PGD, WHITE_BOX
from noisevote.models.robustness.plan import AttackName, Plan
from noisevote.models.robustness.run import Parties, StepKey
from noisevote.models.robustness.target import Condition

ATTACKS = (
    PGD,
    MOMENTUM_PGD,
    EOT_PGD,
    SQUARE,
    ADAPTIVE_SQUARE,
    HOP_SKIP_JUMP,
    RANDOM_NOISE,
    WHITE_BOX,
)
"""In the order of a report."""

BY_NAME = {attack.name: attack for attack in ATTACKS}
CHOICES = {name: BY_NAME[name] for name in AttackName}
"""What a plan can name; a name without a row fails here."""


def planned(plan: Plan) -> tuple[Attack, ...]:
    """Return the attacks of a plan."""
    return tuple(attack for attack in ATTACKS if attack.is_in(plan))


NOT_ASKED_FOR = "not asked for"


def why_not(attack: Attack, plan: Plan, parties: Parties, is_picture: bool) -> str | None:
    """Return why an attack is not tried; None if it is.

    Args:
        attack: the attack.
        plan: plan of the assessment.
        parties: who takes part.
        is_picture: whether the samples are ``[channels, height, width]``.
    """
    if attack.needs_gradients and not parties.surrogate:
        return "it needs gradients, and there is no surrogate"
    if attack.needs_pictures and not is_picture:
        return "it needs pictures"
    if attack.averages_noise and plan.device is not None:
        return "it averages gradients over noise, and nothing here can do that over a device"
    if not attack.is_in(plan):
        return NOT_ASKED_FOR
    if not attack.is_possible(parties):
        return "it needs the target's own gradients, which are not at hand"
    return None


def judged_keys(plan: Plan, condition: Condition) -> list[StepKey]:
    """Return the steps that judge black-box attacks: what is submitted, then the worst restart.

    The plan's order comes first: of attacks that do equally on a sample, the first counts.
    """
    chosen = [CHOICES[name] for name in plan.attacks]
    others = [a for a in planned(plan) if a.is_black_box and a not in chosen]
    return [a.key(condition, is_worst) for a in (*chosen, *others) for is_worst in (False, True)]
