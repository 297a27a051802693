"""The classes that a targeted assessment wants: chosen in a step, checked where they are known."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from noisevote.models.errors import InputError
from noisevote.models.robustness.attacks import CHOICES
from noisevote.models.robustness.ball import Purpose, Samples, generator_for
from noisevote.models.robustness.pgd import Surrogate
from noisevote.models.robustness.plan import Plan
from noisevote.models.robustness.run import TARGET_CLASSES, Assessment, Step
from noisevote.models.robustness.target_class import TargetRule
from noisevote.models.robustness.trials import StepResult

FIELD = "target_class"


def target_steps(plan: Plan, samples: int) -> Iterator[Step]:
    """Yield the step that chooses the classes that are wanted, if any are."""
    if plan.is_targeted:
        yield Step(TARGET_CLASSES, samples, choose_classes)


def choose_classes(run: Assessment) -> StepResult:
    """Choose the class that is wanted of each sample.

    Raises:
        InputError: no sample has another label, or an attack has none to start from.
    """
    chosen = target_classes_of(run.plan, run.samples, run.classes, run.subject.surrogate)
    check_samples(run.plan, run.samples.labels, chosen)
    return StepResult({}, {"target_classes": chosen})


def target_classes_of(
    plan: Plan, samples: Samples, classes: int, surrogate: Surrogate | None
) -> NDArray[np.int64]:
    """Return the class that is wanted of each sample ``[n]``; that of a rule is never its label.

    Raises:
        InputError: they are not as many as the samples, or no surrogate is there to ask.
    """
    wanted, labels = plan.target_class, samples.labels
    if wanted is TargetRule.NEXT:
        return (labels + 1) % classes
    if wanted is TargetRule.RANDOM:
        steps = [
            generator_for(plan.seed, Purpose.TARGET_CLASS, index).integers(1, classes)
            for index in samples.indices.tolist()
        ]
        return (labels + np.array(steps, np.int64)) % classes
    if wanted is TargetRule.LEAST_LIKELY:
        if surrogate is None:
            raise InputError(
                "least_likely is by the outputs of a surrogate, and there is none", FIELD
            )
        return surrogate.least_likely(samples)
    check_number(plan, len(samples))
    return np.broadcast_to(np.array(wanted, np.int64), labels.shape).copy()


def check_target_class(plan: Plan, classes: int, has_surrogate: bool) -> None:
    """Refuse a class that the target does not have, or a rule that needs what is not there.

    Raises:
        InputError: it is one of these.
    """
    wanted = plan.target_class
    if wanted is TargetRule.LEAST_LIKELY and not has_surrogate:
        others = ", ".join(rule for rule in TargetRule if rule is not TargetRule.LEAST_LIKELY)
        raise InputError(
            "least_likely is by the outputs of a surrogate, and there is none; name a class, or "
            f"take {others}",
            FIELD,
        )
    if wanted is None or isinstance(wanted, TargetRule):
        return
    named = wanted if isinstance(wanted, tuple) else (wanted,)
    if beyond := next((each for each in named if each >= classes), None):
        raise InputError(f"{beyond} is no class; the target has 0 to {classes - 1}", FIELD)


def check_targets(plan: Plan, samples: Samples, classes: int) -> None:
    """Refuse samples that cannot be attacked, as far as that is known before the job begins.

    Raises:
        InputError: the classes are not as many as the samples, none of these has another label, or
            an attack has none to start from.
    """
    if isinstance(plan.target_class, tuple):
        check_number(plan, len(samples))
    if plan.target_class in {None, TargetRule.LEAST_LIKELY} or plan.has_predicted_labels:
        return
    check_samples(plan, samples.labels, target_classes_of(plan, samples, classes, None))


def check_number(plan: Plan, samples: int) -> None:
    """Refuse classes that are not as many as the samples."""
    wanted = plan.target_class
    if isinstance(wanted, tuple) and len(wanted) != samples:
        raise InputError(
            f"there are {samples} samples and {len(wanted)} target classes; each needs one, or "
            "give one for all",
            FIELD,
        )


def check_samples(plan: Plan, labels: NDArray[np.int64], wanted: NDArray[np.int64]) -> None:
    """Refuse target classes that leave no sample, or that an attack cannot start from.

    Args:
        plan: plan of the assessment.
        labels: the right class of each sample ``[n]``.
        wanted: the class that is wanted of each ``[n]``.
    """
    attacked = wanted[wanted != labels]
    if len(attacked) == 0:
        raise InputError(
            "every sample has the target class as its label, so none can be attacked", FIELD
        )
    lacking = np.setdiff1d(attacked[: plan.query_samples], labels)
    starting = [name for name in plan.attacks if CHOICES[name].starts_at_target_class]
    if len(lacking) and starting:
        others = [name for name, attack in CHOICES.items() if not attack.starts_at_target_class]
        raise InputError(
            f"the attack {starting[0]} is targeted only from a sample of the target class, and no "
            f"sample has the label {lacking[0]}; add one, or leave {starting[0]} out. Targeted "
            f"without one: {', '.join(others)}",
            "attacks",
        )
