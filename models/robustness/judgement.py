"""What a verdict says of the worst case: the answer, its figures, and how far they reach."""

from noisevote.models.robustness.report import AttackRow, Report, WorstCase
from noisevote.models.robustness.scores import CLAIM_P, as_percent
from noisevote.models.robustness.targeted import TargetedWorstCase
from noisevote.models.robustness.threat import left_out
from noisevote.models.statistics import mcnemar_p_value

Worst = WorstCase | TargetedWorstCase


def judgement(worst: Worst, unaware: list[AttackRow], has_adaptive: bool) -> tuple[str, str]:
    """Return the answer and the sentence that says it."""
    paired = worst.paired
    is_targeted = isinstance(worst, TargetedWorstCase)
    points = f"{100 * paired.gain:.1f} points"
    if not is_targeted:
        points += " of robust accuracy"
    against = "these black-box attacks"
    if is_targeted:
        against += " that want one class"
    if paired.p_value < CLAIM_P and paired.gain > 0 and has_adaptive:
        return "helps", f"The noise helps against {against}, by {points}."
    if paired.p_value < CLAIM_P and paired.gain > 0:
        return "helps against the unaware", (
            f"The noise helps against attacks that do not reckon with it, by {points}. Whether it "
            "helps against one who averages it out was not tried."
        )
    if paired.p_value < CLAIM_P:
        what = "gives the target class" if is_targeted else "falls"
        harms = f"The noise harms: the target {what} more often with it than without."
        if has_adaptive:
            harms += (
                " Part of that may be the adaptive attackers', whose examples the target without "
                "noise was not shown."
            )
        return "harms", harms
    if unaware:
        names = ", ".join(row.attack for row in unaware)
        return "helps against the unaware", (
            f"The noise helps against attacks that do not reckon with it ({names}), but not beyond "
            "chance against the worst attack on each sample."
        )
    return "no evidence", "There is no evidence that the noise helps."


def against_all(worst: Worst) -> str:
    """Return the figures behind the judgement."""
    paired = worst.paired
    test = f"(exact McNemar test, p = {paired.p_value:.2g})"
    if isinstance(worst, TargetedWorstCase):
        return (
            "By the worst of all black-box attacks on each sample the target class is reached on "
            f"{as_percent(worst.reached_noiseless)} without and "
            f"{as_percent(worst.reached_noisy)} with noise: only without noise "
            f"{paired.noisy_only}, only with it {paired.noiseless_only} {test}."
        )
    return (
        f"Under the worst of all black-box attacks on each sample, robust accuracy is "
        f"{as_percent(worst.noiseless)} without and {as_percent(worst.noisy)} with noise: "
        f"right only with noise {paired.noisy_only}, only without {paired.noiseless_only} {test}."
    )


def power(worst: Worst) -> str:
    """Return which gain the number of samples could show at all."""
    samples = worst.paired.samples
    needed = next(count for count in range(1, 100) if mcnemar_p_value(count, 0) < CLAIM_P)
    if samples < needed:
        return (
            f"With {samples} samples no gain, however large, can reach p < {CLAIM_P:g}: that takes "
            f"{needed} samples at least."
        )
    return (
        f"With {samples} samples no gain below {100 * needed / samples:.1f} points can reach "
        f"p < {CLAIM_P:g}."
    )


def only_targeted(report: Report) -> str:
    """Say what targeted figures are about, and what they are not."""
    if (targeted := report.targeted) is None:
        return ""
    there = targeted.reached_without_attack
    without = "" if there is None else f" Without attack it is the answer to {as_percent(there)}."
    return (
        f"Success is the target class ({targeted.wanted}) and no other, on the "
        f"{targeted.samples} samples with another label.{left_out(targeted.left_out)}{without} To "
        "reach any wrong class is easier, so this is no measure of robust accuracy: that takes an "
        "untargeted assessment."
    )
