"""The assessment: its steps in order, each kept when finished, and the report of what is there."""

from collections.abc import Callable, Iterator

from models.robustness.about import About
from models.robustness.check_steps import check_steps
from models.robustness.findings import report_of
from models.robustness.plan import Plan
from models.robustness.query_steps import control_steps, query_steps
from models.robustness.report import Report
from models.robustness.run import Parties, Run, Step, verification
from models.robustness.sweep_steps import sweep_steps, untouched
from models.robustness.target import Conditions
from models.robustness.transfer_steps import transfer_steps, white_box_steps

CLEAN_ONE_VOTE = "clean/one vote"
CLEAN_CONTROL = "clean/control"


def steps_of(plan: Plan, subject: Parties, samples: int) -> list[Step]:
    """Return all steps of an assessment, in the order in which they are done."""
    steps = [
        *clean_steps(plan, samples),
        *transfer_steps(plan, samples),
        *control_steps(plan, samples),
    ]
    if plan.white_box and subject.own is not None:
        steps += white_box_steps(plan, samples)
    return [
        *steps,
        *query_steps(plan, samples),
        *sweep_steps(plan, samples),
        *check_steps(plan, subject, samples),
    ]


def clean_steps(plan: Plan, samples: int) -> Iterator[Step]:
    """Yield the steps that show the samples themselves to the target.

    The control asks again: what flips there flips without any attack.
    """
    for name, conditions in (
        ("clean/noiseless", plan.noiseless),
        (CLEAN_ONE_VOTE, Conditions(plan.sigma, 1)),
        ("clean/noisy", plan.noisy),
        (CLEAN_CONTROL, plan.noisy),
    ):
        yield verification(name, untouched, conditions, plan.replies, samples)


def assess(run: Run, about: About, on_partial: Callable[[Report], None] | None = None) -> Report:
    """Do the steps that are not done yet and report on all.

    Args:
        run: the assessment.
        about: what the report says about itself.
        on_partial: given a report of what is there after each finished step.

    Raises:
        CancelledError: the watch said so; finished steps are in the state.
    """
    steps = steps_of(run.plan, run.subject, len(run.samples))
    names = [step.name for step in steps]
    total = sum(step.work for step in steps)
    before = 0.0
    for step in steps:
        if run.state.load(step.name) is None:
            run.watch.begin(step.name, before, step.work, total)
            run.state.save(step.name, step.do(run))
            if on_partial is not None:
                on_partial(report_of(run, about, names))
        before += step.work
    return report_of(run, about, names)
