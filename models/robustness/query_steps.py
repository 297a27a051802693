"""The steps that ask the target itself: Square, HopSkipJump, and random noise as their control."""

from collections.abc import Iterator
from functools import partial

from models.robustness.control import random_control
from models.robustness.decision import FIRST_EVALUATIONS, DecisionAttack, hop_skip_jump
from models.robustness.plan import ADAPTIVE_VOTES, AttackName, Plan
from models.robustness.run import Run, Step, verification, work_of
from models.robustness.square import QueryResult, SquareAttack, square_attack
from models.robustness.target import Bill, Conditions
from models.robustness.transfer_steps import found_by
from models.robustness.trials import Found, StepResult

RANDOM_NOISE = "random_noise"
RANDOM_TRIES = 10
ADAPTIVE_SQUARE = "adaptive_square"
"""The Square attack with more votes in each query."""

EXTRA_QUERIES = 1.1
"""Queries of a search per query of its budget, when all samples resist; to estimate work."""


def control_steps(plan: Plan, samples: int) -> Iterator[Step]:
    """Yield the steps that try random noise of the same size."""
    for conditions in (plan.noiseless, plan.noisy):
        name = f"{RANDOM_NOISE}/{conditions.name}"
        search = f"{name}/search"
        yield Step(
            search,
            work_of(conditions, samples, RANDOM_TRIES),
            partial(try_random_noise, conditions=conditions, step=search),
        )
        yield verification(name, partial(found_by, step=search), conditions, plan.replies, samples)


def try_random_noise(run: Run, conditions: Conditions, step: str) -> StepResult:
    """Look for the random points with the lowest margins."""
    oracle = run.oracle(step, conditions)
    found = random_control(oracle, run.samples, run.ball, RANDOM_TRIES, run.plan.seed)
    return found_by_queries(found, oracle.bill).stored()


def query_steps(plan: Plan, samples: int) -> Iterator[Step]:
    """Yield the steps of all attacks by queries."""
    count = min(samples, plan.query_samples)
    if plan.has(AttackName.SQUARE):
        yield from square_steps(plan, count, AttackName.SQUARE, plan.noiseless)
        yield from square_steps(plan, count, AttackName.SQUARE, plan.noisy)
        if plan.adaptive:
            yield from square_steps(plan, count, ADAPTIVE_SQUARE, plan.noisy, ADAPTIVE_VOTES)
    if plan.has(AttackName.HOP_SKIP_JUMP):
        yield from decision_steps(plan, count, plan.noiseless)
        yield from decision_steps(plan, count, plan.noisy)


def square_steps(
    plan: Plan, count: int, attack: str, conditions: Conditions, times_votes: int = 1
) -> Iterator[Step]:
    """Yield the search, its verification, and that of what it had at each smaller budget."""
    name = f"{attack}/{conditions.name}"
    search = f"{name}/search"
    asked = Conditions(conditions.sigma, conditions.votes * times_votes)
    yield Step(
        search,
        work_of(asked, count, EXTRA_QUERIES * plan.queries),
        partial(search_squares, conditions=asked, step=search),
    )
    yield verification(name, partial(found_by, step=search), conditions, plan.replies, count)
    for budget in plan.query_budgets:
        yield verification(
            budget_name(attack, conditions.name, budget),
            partial(found_within, step=search, budget=budget),
            conditions,
            plan.sweep_replies,
            count,
        )


def budget_name(attack: str, condition: str, budget: int) -> str:
    """Return the name of the step that verifies what was found within a budget."""
    return f"{attack}/{condition}/queries {budget}"


def search_squares(run: Run, conditions: Conditions, step: str) -> StepResult:
    """Run the Square attack."""
    oracle = run.oracle(step, conditions)
    attack = SquareAttack(run.ball, run.plan.queries, run.plan.seed)
    found = square_attack(oracle, run.query_samples, attack, run.plan.query_budgets)
    return found_by_queries(found, oracle.bill).stored()


def found_by_queries(found: QueryResult, bill: Bill) -> Found:
    """Return what a search found; the attacker believes in every negative margin."""
    return Found(found.examples, found.margins < 0, found.queries, bill, found.by_budget)


def found_within(run: Run, step: str, budget: int) -> Found:
    """Return the best points of a search within a budget."""
    points = run.result(step).arrays["by_budget"]
    return Found(points[run.plan.query_budgets.index(budget)])


def decision_steps(plan: Plan, count: int, conditions: Conditions) -> Iterator[Step]:
    """Yield the label-only search and its verification."""
    name = f"{AttackName.HOP_SKIP_JUMP}/{conditions.name}"
    search = f"{name}/search"
    yield Step(
        search,
        work_of(conditions, count, max(plan.queries, FIRST_EVALUATIONS)),
        partial(search_boundary, conditions=conditions, step=search),
    )
    yield verification(name, partial(found_by, step=search), conditions, plan.replies, count)


def search_boundary(run: Run, conditions: Conditions, step: str) -> StepResult:
    """Run HopSkipJump; it starts from samples of other classes."""
    oracle = run.oracle(step, conditions)
    attack = DecisionAttack(run.ball, run.plan.queries, run.plan.seed)
    found = hop_skip_jump(oracle, run.query_samples, attack, run.samples)
    return found_by_queries(found, oracle.bill).stored()
