"""The assessment: its steps in order, each kept when finished, and the report of what is there."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from noisevote.models.robustness.attacks import planned
from noisevote.models.robustness.checks import check_steps
from noisevote.models.robustness.findings import report_of
from noisevote.models.robustness.plan import Plan
from noisevote.models.robustness.report import About, Report
from noisevote.models.robustness.run import (
    LABELS,
    Assessment,
    Parties,
    Step,
    untouched,
    verification,
    work_of,
)
from noisevote.models.robustness.scores import CLEAN, CLEAN_CONTROL, CLEAN_NOISELESS, CLEAN_ONE_VOTE
from noisevote.models.robustness.sweeps import SWEEPS
from noisevote.models.robustness.targeting import target_steps
from noisevote.models.robustness.trials import StepResult


def steps_of(plan: Plan, parties: Parties, samples: int) -> list[Step]:
    """Return all steps of an assessment, in the order in which they are done."""
    steps = [*label_steps(plan, samples), *target_steps(plan, samples)]
    steps += clean_steps(plan, samples)
    for attack in planned(plan):
        if attack.is_possible(parties):
            steps += attack.checked_steps(plan, samples)
    for sweep in SWEEPS:
        steps += sweep.steps(plan, samples)
    return [*steps, *check_steps(plan, parties, samples)]


def label_steps(plan: Plan, samples: int) -> Iterator[Step]:
    """Yield the step that asks the target without noise for the labels that nobody gave."""
    if plan.has_predicted_labels:
        yield Step(LABELS, work_of(plan.noiseless, samples, 1), ask_for_labels)


def ask_for_labels(run: Assessment) -> StepResult:
    """Let the target's noiseless answers stand for labels."""
    oracle = run.oracle(LABELS, run.plan.noiseless)
    return StepResult({}, {"labels": oracle.modes(run.samples.inputs)})


def clean_steps(plan: Plan, samples: int) -> Iterator[Step]:
    """Yield the steps that show the samples themselves to the target.

    The control asks again: what flips there flips without any attack. Of single votes nothing but
    the first is reported.
    """
    for key, conditions, replies in (
        (CLEAN_NOISELESS, plan.noiseless, plan.replies),
        (CLEAN_ONE_VOTE, replace(plan.noisy, votes=1), 1),
        (CLEAN, plan.noisy, plan.replies),
        (CLEAN_CONTROL, plan.noisy, plan.replies),
    ):
        is_scored = key == CLEAN
        yield verification(key, untouched, conditions, replies, samples, is_scored=is_scored)


def assess(
    run: Assessment, about: About, on_partial: Callable[[Report], None] | None = None
) -> Report:
    """Do the steps that are not done yet and report on all.

    Args:
        run: the assessment.
        about: what the report says about itself.
        on_partial: given a report of what is there after each finished step.

    Raises:
        CancelledError: the work is to stop; finished steps are in the state.
    """
    steps = steps_of(run.plan, run.subject.parties, len(run.samples))
    keys = [step.key for step in steps]
    total = sum(step.work for step in steps)
    before = 0.0
    run = run.prepared()
    for step in steps:
        name = str(step.key)
        if run.state.load(name) is None:
            run.progress.begin(name, before, step.work, total)
            run.state.save(name, step.do(run))
            run = run.prepared()
            if on_partial is not None:
                on_partial(report_of(run, about, keys))
        before += step.work
    return report_of(run, about, keys)
