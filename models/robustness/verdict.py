"""The verdict in words: does the noise really help?"""

from collections.abc import Sequence

from noisevote.models.devices.setting import FRESH
from noisevote.models.robustness.attacks import planned
from noisevote.models.robustness.checks import LABELS
from noisevote.models.robustness.judgement import against_all, judgement, only_targeted, power
from noisevote.models.robustness.plan import Plan
from noisevote.models.robustness.report import (
    AttackRow,
    Check,
    CleanAccuracy,
    Report,
    Verdict,
)
from noisevote.models.robustness.scores import CLAIM_P, as_percent
from noisevote.models.statistics import fewest_votes_to_be_sure

STILL_GAINING = 0.02
"""Robust accuracy lost, or target classes reached, between the last two budgets of queries."""


def verdict_of(report: Report) -> Verdict:
    """Judge a complete report.

    A gain counts only against the worst of all black-box attacks, adaptive ones included, sample
    by sample, and at a p-value below 0.01.
    """
    worst = report.worst_case if report.targeted is None else report.targeted.worst_case
    failed = [check for check in report.checks if check.passed is False]
    if worst is None or report.clean is None:
        return Verdict(answer="no verdict", sentences=("The assessment is not complete.",))
    if report.clean.noiseless.count == 0 or report.clean.stably_right.count == 0:
        return Verdict(answer="no verdict", sentences=(nothing_to_attack(report.clean, failed),))
    if failed:
        return Verdict(
            answer="no verdict",
            sentences=(
                "No verdict: a sanity check failed, so the figures may not mean what they seem to.",
                *(f"Failed: {check.question} {check.detail}." for check in failed),
            ),
        )
    unaware = rows_with_gain(report)
    answer, first = judgement(worst, unaware, has_adaptive(report.plan))
    sentences = [first, on_device(report), against_all(worst), only_targeted(report)]
    sentences += [untried(report), without_gradients(report)]
    sentences += [power(worst), label_source(report.plan), clean_cost(report)]
    sentences += [own_gradients(report), toothless(report), unfinished(report)]
    sentences += [luck(report), always_abstains(report.plan), skipped(report)]
    return Verdict.model_validate(
        {"answer": answer, "sentences": tuple(text for text in sentences if text)}
    )


def on_device(report: Report) -> str:
    """Say what noise means for a target on a device."""
    if (device := report.about.device) is None:
        return ""
    chips = "" if device.chips == FRESH or len(device.chips) != 1 else ", on this chip"
    return (
        "Noise is here all that the device does, frozen errors and converters as well; without "
        f"noise is the clean network, on no device. What is found holds for this device{chips}. "
        "No attacker averaged gradients over it."
    )


def label_source(plan: Plan) -> str:
    """Say what is right and wrong if nobody gave labels."""
    if not plan.has_predicted_labels:
        return ""
    return (
        "The labels are the target's own answers without noise: accuracy is agreement with these, "
        "whether or not they are true."
    )


def always_abstains(plan: Plan) -> str:
    """Say so if the replies have too few votes ever not to abstain."""
    least = fewest_votes_to_be_sure(plan.alpha)
    if plan.votes >= least:
        return ""
    return (
        f"With {plan.votes} votes every reply under noise abstains, however its votes fall: at "
        f"alpha {plan.alpha:g} fewer than {least} cannot tell the top two classes apart."
    )


def nothing_to_attack(clean: CleanAccuracy, failed: Sequence[Check]) -> str:
    """Return why no attack could show anything."""
    which = "with noise and votes" if clean.noiseless.count else "even without noise"
    details = "".join(f" {check.detail}." for check in failed if check.name == LABELS)
    return (
        f"No verdict: of the {clean.noiseless.of} samples the target answers none right {which}, "
        f"so none could be attacked.{details}"
    )


def has_adaptive(plan: Plan) -> bool:
    """Return whether a plan has a black-box attack that knows of the noise."""
    return any(attack.plain is not None for attack in planned(plan))


def rows_with_gain(report: Report) -> list[AttackRow]:
    """Return the plain attacks against which the noise clearly helps.

    With several attacks one may show a gain by chance; the level is shared among them.
    """
    plain = [
        row
        for row in report.attacks
        if not row.is_adaptive and row.family in {"transfer", "query"} and row.paired is not None
    ]
    return [
        row
        for row in plain
        if row.paired is not None
        and row.paired.gain > 0
        and row.paired.p_value < CLAIM_P / len(plain)
    ]


def untried(report: Report) -> str:
    """Return on how many samples there were attacks by queries."""
    rows = [row for row in report.attacks if row.family == "query" and row.noisy is not None]
    samples = 0 if report.clean is None else report.clean.noiseless.of
    if not rows:
        return "No attack by queries was tried."
    tried = max(row.samples for row in rows)
    if tried == samples:
        return ""
    if report.about.surrogate is None:
        return (
            f"Only the first {tried} of the {samples} samples were attacked; "
            f"{'what is reached' if report.plan.is_targeted else 'robust accuracy'} is theirs."
        )
    return (
        f"Attacks by queries were tried on the first {tried} of the {samples} samples; on the "
        "others the worst is that of attacks on the surrogate."
    )


def without_gradients(report: Report) -> str:
    """Return which attacks could not be tried, if the attacker has no network of his own."""
    if report.about.surrogate is not None:
        return ""
    reasons: dict[str, list[str]] = {}
    for each in report.untried:
        reasons.setdefault(each.reason, []).append(each.attack)
    listed = "; ".join(f"{', '.join(names)}: {reason}" for reason, names in reasons.items())
    return (
        f"All attacks asked the target and knew nothing else. Not tried: {listed}. Whoever has a "
        "network of his own that does the same may turn more samples."
    )


def own_gradients(report: Report) -> str:
    """Return how far a gain would hold against one who knows the weights."""
    for row in report.attacks:
        if row.family == "upper bound" and row.noiseless and row.noisy:
            without, behind = row.noiseless.target_reached, row.noisy.target_reached
            if without is not None and behind is not None:
                return (
                    "By the target's own gradients, which no black-box attacker has, the target "
                    f"class is reached on {as_percent(without.one_reply)} without and "
                    f"{as_percent(behind.one_reply)} with noise."
                )
            return (
                "By the target's own gradients, which no black-box attacker has, robust accuracy "
                f"is {as_percent(row.noiseless.robust_accuracy)} without and "
                f"{as_percent(row.noisy.robust_accuracy)} with noise."
            )
    return ""


def toothless(report: Report) -> str:
    """Return which attacks turned nothing even without noise."""
    names = [
        row.attack
        for row in report.attacks
        if row.family in {"transfer", "query"}
        and row.noiseless is not None
        and row.noiseless.attack_success_rate.count == 0
    ]
    if not names:
        return ""
    done = "led to its target class" if report.plan.is_targeted else "turned"
    return (
        f"Even without noise no sample was {done} by {', '.join(names)}, so what the noise does "
        "against such attacks was not shown."
    )


def unfinished(report: Report) -> str:
    """Return which attacks by queries were still gaining when their queries were spent."""
    curves: dict[str, list[float]] = {}
    for point in sorted(report.sweeps.get("queries", ()), key=lambda point: point.at):
        withstood = point.mean_accuracy if point.mean_reached is None else 1 - point.mean_reached
        curves.setdefault(point.curve, []).append(withstood)
    names = [
        curve
        for curve, accuracies in curves.items()
        if len(accuracies) > 1 and accuracies[-2] - accuracies[-1] > STILL_GAINING
    ]
    if not names:
        return ""
    return (
        f"When their queries were spent, attacks still gained ({'; '.join(names)}): with more "
        f"than {report.plan.queries} queries they would turn more samples."
    )


def clean_cost(report: Report) -> str:
    """Return what the noise costs without any attack."""
    clean = report.clean
    if clean is None:
        return ""
    paired = clean.paired
    change = "rises" if paired.gain > 0 else "falls"
    if paired.gain == 0:
        change = "does not change"
    said = f" by {100 * abs(paired.gain):.1f} points" if paired.gain else ""
    return (
        f"Without attack, accuracy {change}{said} with noise and votes, from "
        f"{as_percent(clean.noiseless)} to {as_percent(clean.voted)} (p = {paired.p_value:.2g})."
    )


def luck(report: Report) -> str:
    """Return how far an attack's own count of successes would have been off."""
    seen = [
        (row.attack, score.one_check_success_rate.count, score.attack_success_rate.count)
        for row in report.attacks
        if row.family == "query"
        for score in (row.noisy,)
        if score is not None
    ]
    off = [(attack, once, truly) for attack, once, truly in seen if once != truly]
    if not off:
        return ""
    listed = ", ".join(f"{attack} {once} seen, {truly} verified" for attack, once, truly in off)
    return f"Successes are those that fresh noise confirms; the attacks saw others ({listed})."


def skipped(report: Report) -> str:
    """Return which checks could not be run."""
    names = [check.name for check in report.checks if check.passed is None]
    return f"Not checked: {', '.join(names)}." if names else ""
