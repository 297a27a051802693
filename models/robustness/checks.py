"""Sanity checks: what must hold if the assessment is sound, with figures.

Those that need attacks of their own are in ``probes.py``.

Sources: N. Carlini et al., arXiv 1902.06705; A. Athalye, N. Carlini and D. Wagner, arXiv
1802.00420; F. Croce and M. Hein, arXiv 2003.01690. "Clearly" means beyond chance at a p-value of
0.01 (one-sided sign test over the samples that differ).
"""

from collections.abc import Iterator
from functools import partial
from itertools import pairwise

from noisevote.models.robustness.attacks import CHOICES, judged_keys
from noisevote.models.robustness.attacks.random_noise import RANDOM_NOISE
from noisevote.models.robustness.attacks.transfer import PGD, WHITE_BOX, submitted
from noisevote.models.robustness.ball import Norm
from noisevote.models.robustness.plan import Plan
from noisevote.models.robustness.probes import (
    CLIMBING,
    FROZEN_CHECK,
    CheckRow,
)
from noisevote.models.robustness.report import About, Check
from noisevote.models.robustness.run import (
    Assessment,
    Parties,
    Role,
    Step,
    StepKey,
    untouched,
    verification,
)
from noisevote.models.robustness.scores import (
    CLEAN_CONTROL,
    CLEAN_NOISELESS,
    Outcome,
    as_percent,
    is_clearly_more_often_right,
    outcome,
    share_of,
    stably_right,
)
from noisevote.models.robustness.sweeps import epsilon_key
from noisevote.models.robustness.target import Condition
from noisevote.models.robustness.trials import Trial
from noisevote.models.robustness.unbounded import UNBOUNDED_CHECK

BENIGN_LIMIT = 0.01
"""Largest share of stably right samples that may turn without any attack."""

FALLEN = 0.5
"""Share of the undefended network's right samples that the attack must turn."""

SHOWN_ATTACKED = StepKey("check/undefended", role=Role.ATTACKED)
SHOWN_CLEAN = StepKey("check/undefended", role=Role.CLEAN)

LABELS = "labels"
"""The check of the labels."""


def check_steps(plan: Plan, parties: Parties, samples: int) -> Iterator[Step]:
    """Yield the steps of the checks that are possible."""
    for check in CHECKS:
        if check.steps is not None and (parties.surrogate or not check.needs_surrogate):
            yield from check.steps(plan, parties, samples)


def checks_of(run: Assessment, about: About) -> Iterator[Check]:
    """Yield all checks of a finished assessment."""
    for check in CHECKS:
        if check.needs_surrogate and not run.subject.parties.surrogate:
            passed, detail = None, "not run: there is no surrogate to make examples on"
        else:
            passed, detail = check.judge(run)
        if passed is not None and check.caveat is not None:
            detail += check.caveat(about)
        question = check.targeted_question if run.plan.is_targeted else ""
        yield Check(
            name=check.name, question=question or check.question, passed=passed, detail=detail
        )


def black_box_trials(run: Assessment, condition: Condition) -> dict[str, Trial]:
    """Return the trials of all black-box attacks under noise or without, by their steps' names."""
    keys = judged_keys(run.plan, condition)
    return {str(key): trial for key in keys if (trial := run.find(key)) is not None}


def labels(run: Assessment) -> Outcome:
    """Compare what the target answers without noise with the labels, and with them shifted.

    Labels counted from 1 instead of 0, or of another order, make any target look broken.
    """
    if run.plan.has_predicted_labels:
        return None, "not run: the labels are the target's own answers without noise"
    trial = run.trial(CLEAN_NOISELESS)
    shifts = range(run.classes)
    right = [(trial.labels + shift) % run.classes == trial.modes[0] for shift in shifts]
    best = max(shifts, key=lambda shift: int(right[shift].sum()))
    detail = f"{as_percent(share_of(right[0], run.plan.alpha))} right without noise or attack"
    if best == 0:
        return bool(right[0].mean() > 1 / run.classes), detail
    is_shifted = is_clearly_more_often_right(right[best], right[0])
    if not is_shifted and right[0].mean() > 1 / run.classes:
        return True, detail
    shifted = as_percent(share_of(right[best], run.plan.alpha))
    lower = run.classes - best
    by = f"{lower} lower" if lower < best else f"{best} higher"
    return False, f"{detail}; {shifted} would be if all labels were {by}"


def constraint(run: Assessment) -> Outcome:
    """Measure all examples again."""
    trials = [
        trial for condition in Condition for trial in black_box_trials(run, condition).values()
    ]
    centres = run.samples.inputs
    largest = 0.0
    passed = True
    for trial in trials:
        of = centres[: len(trial.labels)]
        largest = max(largest, float(run.ball.distances(trial.examples, of).max()))
        passed &= run.ball.holds(trial.examples, of)
    norm = "L-inf" if run.plan.norm is Norm.LINF else "L2"
    return passed, f"largest perturbation {largest:.6g} of {run.plan.epsilon:g} ({norm})"


def benign_flips(run: Assessment) -> Outcome:
    """Count stably right samples that turn by themselves."""
    stable = stably_right(run, noisy=True)
    if not stable.any():
        return None, "not run: no sample is stably right"
    turned = share_of(run.trial(CLEAN_CONTROL).is_turned[stable], run.plan.alpha)
    return turned.share <= BENIGN_LIMIT, f"{as_percent(turned)} turned on fresh noise"


def random_noise(run: Assessment) -> Outcome:
    """Compare the control's best tries with PGD's worst restarts, or with the first other attack.

    Where attacks by queries took only the first samples, so does the comparison.
    """
    attack = PGD if PGD.is_in(run.plan) else CHOICES[run.plan.attacks[0]]
    details, passed = [], True
    for condition in Condition:
        attacked = run.trial(attack.key(condition, is_worst=attack is PGD))
        control = run.trial(RANDOM_NOISE.key(condition)).first(len(attacked.labels))
        passed &= not is_clearly_more_often_right(attacked.withstood[0], control.withstood[0])
        details.append(
            f"{condition}: {outcome(run, control)} under random noise, "
            f"{outcome(run, attacked)} under {attack.title or attack.name}"
        )
    return passed, "; ".join(details)


def larger_epsilon(run: Assessment) -> Outcome:
    """Compare neighbours of the sweep over epsilon."""
    epsilons = sorted(run.plan.epsilons)
    if len(epsilons) < 2:
        return None, "not run: the plan has no sweep over epsilon"
    passed = True
    for condition in Condition:
        trials = [run.trial(epsilon_key(epsilon, condition)) for epsilon in epsilons]
        for smaller, larger in pairwise(trials):
            passed &= not is_clearly_more_often_right(larger.withstood[0], smaller.withstood[0])
    return passed, f"{len(epsilons)} values from {epsilons[0]:g} to {epsilons[-1]:g}"


def undefended_steps(plan: Plan, parties: Parties, samples: int) -> Iterator[Step]:
    """Yield the steps that show the same examples to a network without defence."""
    if not parties.undefended:
        return
    attacked = partial(submitted, attack=PGD)
    for key, shown in ((SHOWN_ATTACKED, attacked), (SHOWN_CLEAN, untouched)):
        yield verification(key, shown, plan.noiseless, 1, samples, undefended=True, is_scored=False)


def undefended(run: Assessment) -> Outcome:
    """Count what the examples turn in a network without defence."""
    attacked, clean = run.find(SHOWN_ATTACKED), run.find(SHOWN_CLEAN)
    if attacked is None or clean is None:
        return None, "not run: no undefended network was named"
    if not clean.is_right[0].any():
        return None, "not run: it answers no sample right"
    turned = share_of(~attacked.withstood[0][clean.is_right[0]], run.plan.alpha)
    what = "led to the target class" if run.plan.is_targeted else "turned"
    return turned.share >= FALLEN, f"{as_percent(turned)} of its right samples {what}"


def only_the_surrogate(about: About) -> str:
    """Return what is to be said if the network without defence is the attacker's own."""
    if about.undefended_fingerprint != about.surrogate_fingerprint:
        return ""
    return "; it is the surrogate itself, so this does not show that the examples transfer"


def upper_bound(run: Assessment) -> Outcome:
    """Compare all black-box attacks with the one on the target's own gradients."""
    beaten, found = [], []
    for condition in Condition:
        bound = run.find(WHITE_BOX.key(condition))
        if bound is None:
            return None, "not run: the target's own network is not attacked"
        found.append(f"{condition}: {outcome(run, bound)} under it")
        for name, trial in black_box_trials(run, condition).items():
            own = bound.withstood[0][: len(trial.labels)]
            if is_clearly_more_often_right(own, trial.withstood[0]):
                beaten.append(f"{name} ({outcome(run, trial)})")
    detail = "; ".join(found)
    if beaten:
        detail += f"; beaten by {', '.join(beaten)}: the gradients may mislead"
    return not beaten, detail


CHECKS = (
    CheckRow(
        LABELS, "The labels are those of the samples: the target answers above chance.", labels
    ),
    CheckRow("constraint", "All examples keep to the ball and the input range.", constraint),
    CheckRow("benign flips", "Stably right samples do not turn without an attack.", benign_flips),
    CheckRow(
        "random noise", "Random noise of the same size is no better than an attack.", random_noise
    ),
    *CLIMBING,
    CheckRow(
        "epsilon",
        "A larger epsilon does not help the defender.",
        larger_epsilon,
        needs_surrogate=True,
    ),
    UNBOUNDED_CHECK,
    FROZEN_CHECK,
    CheckRow(
        "undefended",
        "The same examples turn a network without defence.",
        undefended,
        undefended_steps,
        only_the_surrogate,
        needs_surrogate=True,
        targeted_question="The same examples lead a network without defence to the target class.",
    ),
    CheckRow("upper bound", "No black-box attack beats the target's own gradients.", upper_bound),
)
"""In the order of a report."""
