"""The findings of an assessment: the report of all steps that are done."""

from collections.abc import Sequence

import numpy as np

from models.robustness.about import About
from models.robustness.checks import checks_of
from models.robustness.pictures import pictures_of
from models.robustness.plan import ADAPTIVE_VOTES, AttackName
from models.robustness.query_steps import ADAPTIVE_SQUARE, RANDOM_NOISE
from models.robustness.report import AttackRow, CleanAccuracy, Report, Score, WorstCase
from models.robustness.run import Run
from models.robustness.scores import (
    mean_interval,
    paired_of,
    paired_trials,
    score_of,
    share_of,
    stably_right,
)
from models.robustness.sweeps import sweeps_of
from models.robustness.target import Bill
from models.robustness.threat import threat_model
from models.robustness.transfer_steps import EOT_PGD, WHITE_BOX
from models.robustness.verdict import verdict_of

PLAIN_OF = {EOT_PGD: AttackName.PGD, ADAPTIVE_SQUARE: AttackName.SQUARE}
"""Adaptive attacks and the plain one that does the same to a target without noise."""


def report_of(run: Run, about: About, steps: Sequence[str]) -> Report:
    """Report on the steps that are done.

    Args:
        run: the assessment.
        about: networks, samples and programs.
        steps: names of all steps.
    """
    done = sum(run.state.load(step) is not None for step in steps)
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
        worst_case=worst_case(run) if is_complete else None,
        sweeps=sweeps_of(run),
        checks=tuple(checks_of(run, about)) if is_complete else (),
        pictures=() if clean is None else pictures_of(run, about.labels),
    )
    if not is_complete:
        return report
    return report.model_copy(update={"verdict": verdict_of(report)})


def clean_accuracy(run: Run) -> CleanAccuracy | None:
    """Return the accuracies without attack, or None before all of them are there."""
    names = ("clean/noiseless", "clean/one vote", "clean/noisy", "clean/control")
    trials = [trial for name in names if (trial := run.find(name)) is not None]
    if len(trials) < len(names):
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
        benign_fooled=share_of(control.is_fooled[stable], alpha),
        abstained=share_of(voted.abstained, alpha),
        paired=paired_of(voted.is_right[0], noiseless.is_right[0]),
        bill=sum((trial.verification_bill for trial in trials), Bill()),
    )


def attack_rows(run: Run) -> list[AttackRow]:
    """Return a row for each attack that has been judged at least once."""
    plan = run.plan
    rows = [
        row_of(run, attack, "transfer", attack == EOT_PGD)
        for attack in (*plan.surrogate_attacks, EOT_PGD)
    ]
    rows += [
        row_of(run, AttackName.SQUARE, "query", False, plan.votes),
        row_of(run, ADAPTIVE_SQUARE, "query", True, ADAPTIVE_VOTES * plan.votes),
        row_of(run, AttackName.HOP_SKIP_JUMP, "query", False, plan.votes),
        row_of(run, RANDOM_NOISE, "control", False, plan.votes),
        row_of(run, WHITE_BOX, "upper bound", True),
    ]
    return [row for row in rows if row.noisy is not None or row.noiseless is not None]


def row_of(
    run: Run, attack: str, family: str, is_adaptive: bool, votes_per_query: int = 0
) -> AttackRow:
    """Return one attack's row, with what is there of it."""
    trials = {
        key: run.find(f"{attack}/{condition}")
        for key, condition in (
            ("noiseless", "noiseless"),
            ("noisy", "noisy"),
            ("worst_noiseless", "worst noiseless"),
            ("worst_noisy", "worst noisy"),
        )
    }
    scores: dict[str, Score | None] = {
        key: None if trial is None else score_of(run, trial, noisy=key.endswith("noisy"))
        for key, trial in trials.items()
    }
    plain = PLAIN_OF.get(attack, attack)
    judged = [trial for trial in trials.values() if trial is not None]
    return AttackRow.model_validate(
        {
            "attack": str(attack),
            "family": family,
            "is_adaptive": is_adaptive,
            "samples": len(judged[0].labels) if judged else 0,
            "votes_per_query": votes_per_query,
            **scores,
            "paired": paired_trials(trials["noisy"], run.find(f"{plain}/noiseless")),
            "worst_paired": paired_trials(
                trials["worst_noisy"], run.find(f"{plain}/worst noiseless")
            ),
        }
    )


def worst_case(run: Run) -> WorstCase:
    """Take the worst over all black-box attacks, sample by sample."""
    attacks = [*run.plan.attacks, EOT_PGD, ADAPTIVE_SQUARE]
    names = [name for attack in attacks for name in (f"{attack}/{{}}", f"{attack}/worst {{}}")]
    noiseless = np.ones(len(run.samples), np.bool_)
    noisy = np.ones(len(run.samples), np.bool_)
    most_wrong = np.full(len(run.samples), -1.0)
    taken = []
    for name in names:
        if (trial := run.find(name.format("noiseless"))) is not None:
            noiseless[: len(trial.labels)] &= trial.is_right[0]
        if (trial := run.find(name.format("noisy"))) is None:
            continue
        taken.append(name.format("noisy").replace("/", ", "))
        wrong = np.full(len(run.samples), -1.0)
        wrong[: len(trial.labels)] = 1 - trial.is_right[1:].mean(axis=0)
        worse = wrong > most_wrong
        most_wrong[worse] = wrong[worse]
        noisy[worse] = trial.is_right[0][worse[: len(trial.labels)]]
    alpha = run.plan.alpha
    return WorstCase(
        attacks=tuple(taken),
        noiseless=share_of(noiseless, alpha),
        noisy=share_of(noisy, alpha),
        paired=paired_of(noisy, noiseless),
    )
