"""From trials to counted shares, scores and paired comparisons."""

import numpy as np
from numpy.typing import NDArray

from noisevote.models.robustness.counted import Paired, Share
from noisevote.models.robustness.report import Score
from noisevote.models.robustness.run import Assessment, Role, StepKey
from noisevote.models.robustness.target import Condition
from noisevote.models.robustness.targeted import TargetReached
from noisevote.models.robustness.trials import Trial
from noisevote.models.statistics import clopper_pearson, mcnemar_p_value, sign_test_p_value

Outcome = tuple[bool | None, str]
"""Of a check: whether it holds, None if that is not known, and the figures."""

CLAIM_P = 0.01
"""A difference is claimed only below this p-value."""

CLEAN_NOISELESS = StepKey("clean", Condition.NOISELESS)
CLEAN_ONE_VOTE = StepKey("clean", role=Role.ONE_VOTE)
CLEAN = StepKey("clean", Condition.NOISY)
CLEAN_CONTROL = StepKey("clean", role=Role.CONTROL)
"""The steps that show the samples themselves."""


def share_of(holds: NDArray[np.bool_], alpha: float) -> Share:
    """Return the share of samples for which something holds."""
    count, of = int(holds.sum()), len(holds)
    if of == 0:
        return Share(count=0, of=0, share=0.0, interval=(0.0, 1.0))
    return Share(count=count, of=of, share=count / of, interval=clopper_pearson(count, of, alpha))


def mean_interval(shares: NDArray[np.float64], alpha: float) -> tuple[float, float]:
    """Return an interval for the mean of shares, one a sample; everything if there are none."""
    if len(shares) == 0:
        return (0.0, 1.0)
    return clopper_pearson(min(float(shares.sum()), len(shares)), len(shares), alpha)


def stably_right(run: Assessment, noisy: bool) -> NDArray[np.bool_]:
    """Return which samples are answered right by most replies without any attack ``[n]``.

    Without noise all replies agree, and stably right is right.

    Raises:
        KeyError: the samples have not been asked yet.
    """
    clean = run.trial(CLEAN if noisy else CLEAN_NOISELESS)
    return 1 - clean.flip_shares >= run.plan.stable_share


def score_of(run: Assessment, trial: Trial | None, noisy: bool) -> Score | None:
    """Return how the target did on the examples of one attack, if they were shown to it.

    Args:
        run: the assessment.
        trial: trial of the attack, on the first samples.
        noisy: whether the target was noisy.
    """
    if trial is None:
        return None
    alpha = run.plan.alpha
    count = len(trial.labels)
    stable = stably_right(run, noisy)[:count]
    centres = run.samples.inputs[:count]
    flips = trial.flip_shares[stable]
    successes = trial.queries[stable & trial.is_fooled]
    return Score(
        robust_accuracy=share_of(trial.is_right[0], alpha),
        mean_robust_accuracy=float(trial.is_right.mean()),
        attack_success_rate=share_of(trial.is_fooled[stable], alpha),
        one_check_success_rate=share_of(trial.believed[stable], alpha),
        flip_probability=float(flips.mean()) if len(flips) else 0.0,
        flip_interval=mean_interval(flips, alpha),
        abstained=share_of(trial.abstentions, alpha),
        wrong_and_sure=share_of(~trial.is_right[0] & ~trial.abstentions, alpha),
        largest_perturbation=float(run.ball.distances(trial.examples, centres).max()),
        in_ball=run.ball.holds(trial.examples, centres),
        attack=trial.attack_bill,
        verification=trial.verification_bill,
        queries=float(np.median(trial.queries)),
        queries_of_successes=float(np.median(successes)) if len(successes) else None,
        target_reached=target_reached(trial, stable, alpha),
    )


def target_reached(trial: Trial, stable: NDArray[np.bool_], alpha: float) -> TargetReached | None:
    """Return how often the target class was the answer, if one was wanted.

    Args:
        trial: trial of an attack.
        stable: which of its samples are stably right ``[n]``.
        alpha: one less the confidence.
    """
    if trial.target_classes is None:
        return None
    reached = ~trial.withstood
    shares = trial.met_shares[stable]
    return TargetReached(
        one_reply=share_of(reached[0], alpha),
        mean=float(reached.mean()),
        probability=float(shares.mean()) if len(shares) else 0.0,
        interval=mean_interval(shares, alpha),
        reached_and_sure=share_of(reached[0] & ~trial.abstentions, alpha),
    )


def paired_of(noisy: NDArray[np.bool_], noiseless: NDArray[np.bool_]) -> Paired:
    """Compare the noisy with the noiseless target, sample by sample.

    Args:
        noisy: whether it withstood in one fresh reply ``[n]``.
        noiseless: the same without noise ``[n]``.
    """
    noisy_only = int((noisy & ~noiseless).sum())
    noiseless_only = int((noiseless & ~noisy).sum())
    return Paired(
        noisy_only=noisy_only,
        noiseless_only=noiseless_only,
        samples=len(noisy),
        gain=(noisy_only - noiseless_only) / max(1, len(noisy)),
        p_value=mcnemar_p_value(noisy_only, noiseless_only),
    )


def paired_trials(noisy: Trial | None, noiseless: Trial | None) -> Paired | None:
    """Compare two trials by their first reply, if both are there."""
    if noisy is None or noiseless is None:
        return None
    return paired_of(noisy.withstood[0], noiseless.withstood[0])


def is_clearly_more_often_right(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> bool:
    """Return whether the first is right, or withstands, on more samples, beyond chance."""
    first_only = int((first & ~second).sum())
    second_only = int((second & ~first).sum())
    return sign_test_p_value(first_only, second_only) < CLAIM_P


def as_percent(share: Share) -> str:
    """Return a share in per cent with its interval; there is none of no samples."""
    if share.of == 0:
        return "of no sample"
    low, high = (100 * end for end in share.interval)
    return f"{100 * share.share:.1f} % [{low:.1f}, {high:.1f}]"


def outcome(run: Assessment, trial: Trial) -> str:
    """Return what first replies were in per cent: right, or the target class if one is wanted."""
    return outcome_of(run, trial.withstood[0])


def outcome_of(run: Assessment, withstood: NDArray[np.bool_]) -> str:
    """Return on how many samples an attack was withstood ``[n]``, as :func:`outcome` does."""
    if run.plan.is_targeted:
        return f"{as_percent(share_of(~withstood, run.plan.alpha))} the target class"
    return as_percent(share_of(withstood, run.plan.alpha))
