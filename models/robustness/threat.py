"""The threat model of a report in words: what the attacker wants, may and knows."""

from collections.abc import Iterator

from noisevote.models.robustness.attacks import planned
from noisevote.models.robustness.ball import Norm
from noisevote.models.robustness.plan import Plan
from noisevote.models.robustness.report import About
from noisevote.models.robustness.run import Assessment
from noisevote.models.robustness.target_class import target_class_text


def threat_model(run: Assessment, about: About) -> tuple[str, ...]:
    """Return the threat model, a sentence or two an item."""
    return (
        goal(run, about),
        limit(run.plan),
        *sees(run.plan, about),
        surrogate(about),
        budget(run.plan, len(run.samples), about),
        knows(run.plan),
        seeds(run.subject.may_freeze),
    )


def goal(run: Assessment, about: About) -> str:
    """Return what the attacker wants."""
    plan = run.plan
    stands = " The target's own answer without noise and attack stands for the label."
    if plan.target_class is not None:
        wanted = (
            f"Goal: {target_class_text(plan.target_class, about.labels)}, and no other (targeted)."
        )
        left = "" if run.left_out is None else left_out(len(run.left_out))
        return wanted + left + (stands if plan.has_predicted_labels else "")
    if plan.has_predicted_labels:
        return (
            "Goal: any other class than the target's own answer without noise and attack "
            "(untargeted); that answer stands for the label."
        )
    return "Goal: any wrong class (untargeted)."


def left_out(samples: int) -> str:
    """Say how many samples have the class that is wanted as their label."""
    if samples == 0:
        return ""
    are = "sample has" if samples == 1 else "samples have"
    return f" {samples} {are} that label and are left out."


def limit(plan: Plan) -> str:
    """Return the size of perturbations."""
    norm = "any element" if plan.norm is Norm.LINF else "the L2 norm"
    return f"Limit: perturbations of at most {plan.epsilon:g} in {norm}, inside the input range."


def sees(plan: Plan, about: About) -> Iterator[str]:
    """Yield what each kind of attack sees of the target."""
    yield "Never seen: the target's weights, outputs or noise."
    if about.surrogate is not None:
        yield (
            "Attacks on the surrogate see nothing of the target; the worst restart is chosen by "
            "the vote counts of one reply each."
        )
    for attack in planned(plan):
        if attack.family == "query" and attack.plain is None:
            yield f"{attack.title or attack.name} sees the {attack.sees} of each reply."


def surrogate(about: About) -> str:
    """Return what the attacker has."""
    if about.surrogate is None:
        return "Has: no network of his own and no gradients; all that he can do is ask the target."
    if about.surrogate_fingerprint == about.target_fingerprint:
        return (
            "Has: the target itself, as its own surrogate. This is no black-box attack, whatever "
            "the report calls it."
        )
    return "Has: a surrogate of his own with its gradients."


def budget(plan: Plan, samples: int, about: About) -> str:
    """Return how much the attacker may try, and on how many samples."""
    restarts = "restart" if plan.restarts == 1 else "restarts"
    climbs = f"{plan.restarts} {restarts} of {plan.steps} steps on the surrogate"
    asks = (
        f"{plan.queries} queries per sample of {plan.votes} votes each, on the first "
        f"{min(plan.query_samples, samples)} of {samples} samples"
    )
    if about.surrogate is None:
        return f"Budget: {asks}."
    if all(attack.family != "query" for attack in planned(plan)):
        return f"Budget: {climbs}; no attack by queries."
    return f"Budget: {climbs}; {asks}."


def knows(plan: Plan) -> str:
    """Return what the attacker knows of the noise."""
    adaptive = [attack for attack in planned(plan) if attack.plain is not None]
    how = [attack.adaptive_how(plan) for attack in adaptive if attack.adaptive_how is not None]
    if plan.device is not None:
        return knows_of_device(how)
    if not adaptive:
        return "No attack knows of the noise."
    return (
        "Adaptive attacks know kind and strength of the noise, but not its draws: they "
        f"{', or '.join(how)}."
    )


def knows_of_device(how: list[str]) -> str:
    """Return what the attacker knows of the device that the target is on."""
    if not how:
        return "No attack knows of the device."
    return (
        f"Adaptive attacks know that replies differ: they {', or '.join(how)}. None knows the "
        "device, or averages gradients over it."
    )


def seeds(may_freeze: bool) -> str:
    """Return whether the attacker could fix the noise."""
    if not may_freeze:
        return "The target draws all seeds itself, so nobody can fix its noise."
    return (
        "The target takes seeds from its clients. These attacks set none to their advantage; one "
        "that does, attacks fixed noise, which the check of frozen noise is about. Where the noise "
        "is to protect, forbid it (NOISEVOTE_ALLOW_CLIENT_SEED=false)."
    )
