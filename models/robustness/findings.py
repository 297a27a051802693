"""The findings of an assessment: the report of all steps that are done."""

import base64
from collections.abc import Iterator, Sequence
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from noisevote.models.robustness.attacks import ATTACKS, CHOICES, judged_keys, why_not
from noisevote.models.robustness.attacks.attack import Attack
from noisevote.models.robustness.checks import black_box_trials, checks_of
from noisevote.models.robustness.report import (
    About,
    AttackRow,
    CleanAccuracy,
    Picture,
    Report,
    Untried,
    WorstCase,
)
from noisevote.models.robustness.run import Assessment, StepKey
from noisevote.models.robustness.scores import (
    CLEAN,
    CLEAN_CONTROL,
    CLEAN_NOISELESS,
    CLEAN_ONE_VOTE,
    mean_interval,
    paired_of,
    paired_trials,
    score_of,
    share_of,
    stably_right,
)
from noisevote.models.robustness.sweeps import sweeps_of
from noisevote.models.robustness.target import Bill, Condition
from noisevote.models.robustness.target_class import target_class_text
from noisevote.models.robustness.targeted import Targeted, TargetedWorstCase
from noisevote.models.robustness.threat import threat_model
from noisevote.models.robustness.trials import Trial
from noisevote.models.robustness.verdict import verdict_of

SHOWN = 6
"""Examples to look at."""

PICTURES = 4
"""Axes of samples that are pictures."""

CHANNELS = {1: "L", 3: "RGB"}
"""Of samples that are pictures: modes of Pillow."""


def report_of(run: Assessment, about: About, steps: Sequence[StepKey]) -> Report:
    """Report on the steps that are done.

    Args:
        run: the assessment.
        about: networks, samples and programs.
        steps: all steps.
    """
    done = sum(run.state.load(str(step)) is not None for step in steps)
    is_complete = done == len(steps)
    clean = clean_accuracy(run)
    report = Report(
        is_complete=is_complete,
        steps_done=done,
        steps=len(steps),
        about=about,
        plan=run.plan,
        threat_model=threat_model(run, about),
        clean=clean,
        attacks=() if clean is None else tuple(attack_rows(run)),
        untried=tuple(untried(run)),
        worst_case=None if run.plan.is_targeted or not is_complete else worst_case(run),
        targeted=targeted(run, about, is_complete),
        sweeps=sweeps_of(run),
        checks=tuple(checks_of(run, about)) if is_complete else (),
        pictures=() if clean is None else pictures_of(run, about.labels),
    )
    if not is_complete:
        return report
    return report.model_copy(update={"verdict": verdict_of(report)})


def clean_accuracy(run: Assessment) -> CleanAccuracy | None:
    """Return the accuracies without attack, or None before all of them are there."""
    keys = (CLEAN_NOISELESS, CLEAN_ONE_VOTE, CLEAN, CLEAN_CONTROL)
    trials = [trial for key in keys if (trial := run.find(key)) is not None]
    if len(trials) < len(keys):
        return None
    noiseless, one_vote, voted, control = trials
    alpha = run.plan.alpha
    stable = stably_right(run, noisy=True)
    flips = control.flip_shares[stable]
    return CleanAccuracy(
        noiseless=share_of(noiseless.is_right[0], alpha),
        one_vote=share_of(one_vote.is_right[0], alpha),
        voted=share_of(voted.is_right[0], alpha),
        mean_voted=float(voted.is_right.mean()),
        stably_right=share_of(stable, alpha),
        benign_flip_probability=float(flips.mean()) if len(flips) else 0.0,
        benign_flip_interval=mean_interval(flips, alpha),
        benign_fooled=share_of(control.is_turned[stable], alpha),
        abstained=share_of(voted.abstentions, alpha),
        paired=paired_of(voted.is_right[0], noiseless.is_right[0]),
        bill=sum((trial.verification_bill for trial in trials), Bill()),
    )


def attack_rows(run: Assessment) -> list[AttackRow]:
    """Return a row for each attack that has been judged at least once.

    Those on the surrogate stand in the plan's order.
    """
    chosen = [CHOICES[name] for name in run.plan.attacks if CHOICES[name].family == "transfer"]
    others = [attack for attack in ATTACKS if attack not in chosen]
    rows = [row_of(run, attack) for attack in (*chosen, *others)]
    return [row for row in rows if row.noisy is not None or row.noiseless is not None]


def row_of(run: Assessment, attack: Attack) -> AttackRow:
    """Return one attack's row, with what is there of it."""
    noiseless, noisy, worst_noiseless, worst_noisy = (
        run.find(attack.key(condition, is_worst))
        for is_worst in (False, True)
        for condition in Condition
    )
    plain, worst_plain = (
        run.find(attack.compared_with.key(Condition.NOISELESS, is_worst))
        for is_worst in (False, True)
    )
    judged = [each for each in (noiseless, noisy, worst_noiseless, worst_noisy) if each is not None]
    return AttackRow(
        attack=attack.name,
        family=attack.family,
        is_adaptive=attack.is_adaptive,
        samples=len(judged[0].labels) if judged else 0,
        votes_per_query=attack.times_votes * run.plan.votes,
        noiseless=score_of(run, noiseless, noisy=False),
        noisy=score_of(run, noisy, noisy=True),
        worst_noiseless=score_of(run, worst_noiseless, noisy=False),
        worst_noisy=score_of(run, worst_noisy, noisy=True),
        paired=paired_trials(noisy, plain),
        worst_paired=paired_trials(worst_noisy, worst_plain),
    )


def untried(run: Assessment) -> Iterator[Untried]:
    """Yield the attacks that are not tried; the control always is."""
    is_picture = run.samples.inputs.ndim == PICTURES
    for attack in ATTACKS:
        if (reason := why_not(attack, run.plan, run.subject.parties, is_picture)) is not None:
            yield Untried(attack=attack.name, reason=reason)


def worst_case(run: Assessment) -> WorstCase:
    """Return the robust accuracy under the worst of all black-box attacks on each sample."""
    names, noiseless, noisy = worst_of_all(run)
    alpha = run.plan.alpha
    return WorstCase(
        attacks=names,
        noiseless=share_of(noiseless, alpha),
        noisy=share_of(noisy, alpha),
        paired=paired_of(noisy, noiseless),
    )


def targeted(run: Assessment, about: About, is_complete: bool) -> Targeted | None:
    """Return what is wanted and how far the worst attack on each sample comes."""
    plan, classes, left = run.plan, run.samples.target_classes, run.left_out
    if plan.target_class is None or classes is None or left is None:
        return None
    clean, worst = run.find(CLEAN), None
    if is_complete:
        names, noiseless, noisy = worst_of_all(run)
        worst = TargetedWorstCase(
            attacks=names,
            reached_noiseless=share_of(~noiseless, plan.alpha),
            reached_noisy=share_of(~noisy, plan.alpha),
            paired=paired_of(noisy, noiseless),
        )
    return Targeted(
        wanted=target_class_text(plan.target_class, about.labels),
        samples=len(classes),
        left_out=len(left),
        classes=tuple(classes.tolist()),
        reached_without_attack=(
            None if clean is None else share_of(~clean.withstood[0], plan.alpha)
        ),
        worst_case=worst,
    )


def worst_of_all(
    run: Assessment,
) -> tuple[tuple[str, ...], NDArray[np.bool_], NDArray[np.bool_]]:
    """Take the worst over all black-box attacks, sample by sample.

    Samples that none of them was tried on do not count.

    Returns:
        The attacks, and which samples withstood without noise ``[n]`` and with it ``[n]``.
    """
    trials = black_box_trials(run, Condition.NOISY)
    attacked = max((len(trial.labels) for trial in trials.values()), default=0)
    noiseless = np.ones(attacked, np.bool_)
    noisy = np.ones(attacked, np.bool_)
    most_met = np.full(attacked, -1.0)
    for trial in black_box_trials(run, Condition.NOISELESS).values():
        noiseless[: len(trial.labels)] &= trial.withstood[0]
    for trial in trials.values():
        met = np.full(attacked, -1.0)
        met[: len(trial.labels)] = 1 - trial.withstood[1:].mean(axis=0)
        worse = met > most_met
        most_met[worse] = met[worse]
        noisy[worse] = trial.withstood[0][worse[: len(trial.labels)]]
    return tuple(name.replace("/", ", ") for name in trials), noiseless, noisy


def pictures_of(run: Assessment, labels: tuple[str, ...]) -> tuple[Picture, ...]:
    """Return the stably right samples that the strongest attack turned as is wanted, most often.

    What is wrong without an attack is no example of one. There are none if the samples are no
    pictures.

    Args:
        run: the assessment.
        labels: names of the classes.
    """
    shape = run.samples.inputs.shape[1:]
    if len(shape) != 3 or shape[0] not in CHANNELS:
        return ()
    stable = np.flatnonzero(stably_right(run, noisy=True))
    strongest: tuple[float, str, Trial] | None = None
    for key in judged_keys(run.plan, Condition.NOISY):
        if (trial := run.find(key)) is None:
            continue
        met = trial.met_shares[stable[stable < len(trial.labels)]]
        if len(met) and (strongest is None or met.mean() > strongest[0]):
            strongest = (float(met.mean()), key.of, trial)
    if strongest is None:
        return ()
    _, attack, trial = strongest
    few = stable[stable < len(trial.labels)]
    order = few[np.argsort(-trial.met_shares[few], kind="stable")][:SHOWN]
    return tuple(picture_of(run, attack, trial, sample, labels) for sample in order.tolist())


def picture_of(
    run: Assessment, attack: str, trial: Trial, sample: int, labels: tuple[str, ...]
) -> Picture:
    """Return one example."""
    clean, adversarial = run.samples.inputs[sample], trial.examples[sample]
    span = run.high - run.low
    classes = trial.target_classes
    most_frequent = int(np.bincount(trial.modes[:, sample]).argmax())
    return Picture(
        index=int(run.samples.indices[sample]),
        label=labels[trial.labels[sample]],
        answered=labels[most_frequent],
        attack=attack,
        flip_probability=float(trial.flip_shares[sample]),
        target_class=None if classes is None else labels[classes[sample]],
        target_probability=None if classes is None else float(trial.met_shares[sample]),
        clean=encoded((clean - run.low) / span),
        adversarial=encoded((adversarial - run.low) / span),
        perturbation=encoded(0.5 + (adversarial - clean) / (2 * run.ball.epsilon)),
    )


def encoded(picture: NDArray[np.float32]) -> str:
    """Return a picture ``[channels, height, width]`` of values 0 to 1 as base64 PNG."""
    levels = np.round(np.clip(picture, 0, 1) * 255).astype(np.uint8)
    pixels = levels[0] if len(levels) == 1 else levels.transpose(1, 2, 0)
    file = BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()
