"""Sanity checks: what must hold if the assessment is sound, with figures.

Sources: N. Carlini et al., arXiv 1902.06705; A. Athalye, N. Carlini and D. Wagner, arXiv
1802.00420; F. Croce and M. Hein, arXiv 2003.01690. "Clearly" means beyond chance at a p-value of
0.01 (one-sided sign test over the samples that differ).
"""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise

from models.robustness.about import About
from models.robustness.ball import Norm
from models.robustness.check_steps import (
    CONVERGED,
    FROZEN,
    FURTHER,
    PLANNED,
    SINGLE,
    START,
    UNBOUNDED,
    UNDEFENDED,
)
from models.robustness.plan import AttackName
from models.robustness.query_steps import ADAPTIVE_SQUARE, RANDOM_NOISE
from models.robustness.report import Check
from models.robustness.run import Run
from models.robustness.scores import (
    as_percent,
    is_clearly_more_often_right,
    share_of,
    stably_right,
)
from models.robustness.transfer_steps import EOT_PGD, WHITE_BOX
from models.robustness.trials import Trial

FALLEN = 0.5
"""Share of the undefended network's right samples that the attack must turn."""

BENIGN_LIMIT = 0.01
"""Largest share of stably right samples that may turn without any attack."""

RISEN = 0.9
"""Share of the samples whose loss on the surrogate the steps must raise."""

LABELS = "labels"
"""The check of the labels."""

Outcome = tuple[bool | None, str]


def checks_of(run: Run, about: About) -> Iterator[Check]:
    """Yield all checks of a finished assessment."""
    checks: tuple[tuple[str, str, Callable[[Run], Outcome]], ...] = (
        (LABELS, "The labels are those of the samples: the target answers above chance.", labels),
        ("constraint", "All examples keep to the ball and the input range.", constraint),
        ("benign flips", "Stably right samples do not turn without an attack.", benign_flips),
        ("random noise", "Random noise of the same size is no better than PGD.", random_noise),
        ("climb", "The steps raise the surrogate's loss.", climb),
        ("single step", "One large step is no better than many small ones.", single_step),
        ("more steps", "Twice the steps do not help the defender.", more_steps),
        ("convergence", "Twice the steps turn hardly more of the target's samples.", convergence),
        ("epsilon", "A larger epsilon does not help the defender.", larger_epsilon),
        ("unbounded", "Without a bound the target falls to chance.", unbounded),
        ("frozen noise", "Noise fixed to one seed is beaten as no noise is.", frozen),
        (
            "undefended",
            "The same examples turn a network without defence.",
            partial(undefended, about=about),
        ),
        ("upper bound", "No black-box attack beats the target's own gradients.", upper_bound),
    )  # fmt: skip
    for name, question, check in checks:
        passed, detail = check(run)
        yield Check(name=name, question=question, passed=passed, detail=detail)


def accuracy(run: Run, trial: Trial) -> str:
    """Return the share of right first replies."""
    return as_percent(share_of(trial.is_right[0], run.plan.alpha))


def black_box_trials(run: Run, condition: str) -> dict[str, Trial]:
    """Return the trials of all black-box attacks under noise or without."""
    attacks = (*run.plan.attacks, EOT_PGD, ADAPTIVE_SQUARE)
    names = [f"{attack}/{kind}{condition}" for attack in attacks for kind in ("", "worst ")]
    return {name: trial for name in names if (trial := run.find(name)) is not None}


def labels(run: Run) -> Outcome:
    """Compare what the target answers without noise with the labels, and with them shifted.

    Labels counted from 1 instead of 0, or of another order, make any target look broken.
    """
    trial = run.trial("clean/noiseless")
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


def constraint(run: Run) -> Outcome:
    """Measure all examples again."""
    trials = black_box_trials(run, "noisy") | black_box_trials(run, "noiseless")
    centres = run.samples.inputs
    largest = 0.0
    passed = True
    for trial in trials.values():
        of = centres[: len(trial.labels)]
        largest = max(largest, float(run.ball.distances(trial.examples, of).max()))
        passed &= run.ball.holds(trial.examples, of)
    norm = "L-inf" if run.plan.norm is Norm.LINF else "L2"
    return passed, f"largest perturbation {largest:.6g} of {run.plan.epsilon:g} ({norm})"


def benign_flips(run: Run) -> Outcome:
    """Count stably right samples that turn by themselves."""
    stable = stably_right(run, noisy=True)
    if not stable.any():
        return None, "not run: no sample is stably right"
    turned = share_of(run.trial("clean/control").is_fooled[stable], run.plan.alpha)
    return turned.share <= BENIGN_LIMIT, f"{as_percent(turned)} turned on fresh noise"


def random_noise(run: Run) -> Outcome:
    """Compare PGD's worst restarts with the control's best tries."""
    details, passed = [], True
    for condition in ("noiseless", "noisy"):
        control = run.trial(f"{RANDOM_NOISE}/{condition}")
        attack = run.trial(f"{AttackName.PGD}/worst {condition}")
        passed &= not is_clearly_more_often_right(attack.is_right[0], control.is_right[0])
        details.append(
            f"{condition}: {accuracy(run, control)} under random noise, "
            f"{accuracy(run, attack)} under PGD"
        )
    return passed, "; ".join(details)


def climb(run: Run) -> Outcome:
    """Compare the surrogate's losses after the steps with those at the random starts.

    They do not rise where gradients vanish or mislead.
    """
    arrays = run.result(CONVERGED).arrays
    risen = share_of(arrays[f"{PLANNED}_losses"] > arrays[f"{START}_losses"], run.plan.alpha)
    return risen.share >= RISEN, f"{as_percent(risen)} of the samples have a higher loss"


def single_step(run: Run) -> Outcome:
    """Compare one step with many, on the surrogate."""
    arrays = run.result(CONVERGED).arrays
    passed = not is_clearly_more_often_right(arrays[PLANNED], arrays[SINGLE])
    return passed, (
        f"surrogate: {as_percent(share_of(arrays[SINGLE], run.plan.alpha))} after one step, "
        f"{as_percent(share_of(arrays[PLANNED], run.plan.alpha))} after {run.plan.steps}"
    )


def more_steps(run: Run) -> Outcome:
    """Compare twice the steps with those of the plan, on the surrogate."""
    arrays = run.result(CONVERGED).arrays
    passed = not is_clearly_more_often_right(arrays[FURTHER], arrays[PLANNED])
    return passed, (
        f"surrogate: {as_percent(share_of(arrays[PLANNED], run.plan.alpha))}, mean loss "
        f"{arrays[f'{PLANNED}_losses'].mean():.3g}; with twice the steps "
        f"{as_percent(share_of(arrays[FURTHER], run.plan.alpha))}, "
        f"{arrays[f'{FURTHER}_losses'].mean():.3g}"
    )


def convergence(run: Run) -> Outcome:
    """Compare twice the steps with those of the plan, on the target.

    An attack that was stopped too early makes any target look robust.
    """
    details, passed = [], True
    for condition in ("noiseless", "noisy"):
        planned, further = (
            run.trial(f"{CONVERGED}/{climbed}/{condition}") for climbed in (PLANNED, FURTHER)
        )
        passed &= not is_clearly_more_often_right(planned.is_right[0], further.is_right[0])
        details.append(
            f"{condition}: {accuracy(run, planned)} after {run.plan.steps} steps of one restart, "
            f"{accuracy(run, further)} after twice as many"
        )
    return passed, "; ".join(details)


def larger_epsilon(run: Run) -> Outcome:
    """Compare neighbours of the sweep over epsilon."""
    epsilons = sorted(run.plan.epsilons)
    if len(epsilons) < 2:
        return None, "not run: the plan has no sweep over epsilon"
    passed = True
    for condition in ("noiseless", "noisy"):
        trials = [run.trial(f"sweep/epsilon {epsilon:g}/{condition}") for epsilon in epsilons]
        for smaller, larger in pairwise(trials):
            passed &= not is_clearly_more_often_right(larger.is_right[0], smaller.is_right[0])
    return passed, f"{len(epsilons)} values from {epsilons[0]:g} to {epsilons[-1]:g}"


def unbounded(run: Run) -> Outcome:
    """Look whether the accuracy reaches chance when any input is allowed."""
    chance = 1 / run.classes
    shares = {
        condition: share_of(run.trial(f"{UNBOUNDED}/{condition}").is_right[0], run.plan.alpha)
        for condition in ("noiseless", "noisy")
    }
    passed = all(share.interval[0] <= chance for share in shares.values())
    figures = "; ".join(f"{name}: {as_percent(share)}" for name, share in shares.items())
    return passed, f"{figures}; chance is {100 * chance:.1f} %"


def frozen(run: Run) -> Outcome:
    """Compare frozen noise with no noise, both under the target's own gradients."""
    fixed, bound = run.find(FROZEN), run.find(f"{WHITE_BOX}/noiseless")
    if fixed is None or bound is None:
        return None, f"not run: {why_not_frozen(run)}"
    without = bound.is_right[0][: len(fixed.labels)]
    passed = not is_clearly_more_often_right(fixed.is_right[0], without)
    return passed, (
        f"{accuracy(run, fixed)} right on frozen noise, "
        f"{as_percent(share_of(without, run.plan.alpha))} of the same samples without noise"
    )


def why_not_frozen(run: Run) -> str:
    """Return why there is no attack on frozen noise."""
    if not run.subject.may_freeze:
        return "the target draws all seeds itself"
    return "the target's own network is not attacked"


def undefended(run: Run, about: About) -> Outcome:
    """Count what the examples turn in a network without defence."""
    attacked, clean = run.find(f"{UNDEFENDED}/attacked"), run.find(f"{UNDEFENDED}/clean")
    if attacked is None or clean is None:
        return None, "not run: no undefended network was named"
    if not clean.is_right[0].any():
        return None, "not run: it answers no sample right"
    turned = share_of(~attacked.is_right[0][clean.is_right[0]], run.plan.alpha)
    detail = f"{as_percent(turned)} of its right samples turned"
    if about.undefended_fingerprint == about.surrogate_fingerprint:
        detail += "; it is the surrogate itself, so this does not show that the examples transfer"
    return turned.share >= FALLEN, detail


def upper_bound(run: Run) -> Outcome:
    """Compare all black-box attacks with the one on the target's own gradients."""
    beaten, found = [], []
    for condition in ("noiseless", "noisy"):
        bound = run.find(f"{WHITE_BOX}/{condition}")
        if bound is None:
            return None, "not run: the target's own network is not attacked"
        found.append(f"{condition}: {accuracy(run, bound)} under it")
        for name, trial in black_box_trials(run, condition).items():
            own = bound.is_right[0][: len(trial.labels)]
            if is_clearly_more_often_right(own, trial.is_right[0]):
                beaten.append(f"{name} ({accuracy(run, trial)})")
    detail = "; ".join(found)
    if beaten:
        detail += f"; beaten by {', '.join(beaten)}: the gradients may mislead"
    return not beaten, detail
