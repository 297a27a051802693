"""What an attack is: a name, what it may see, its steps, and how reports speak of it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from noisevote.models.robustness.plan import Plan
from noisevote.models.robustness.report import Family
from noisevote.models.robustness.run import Parties, Role, Step, StepKey
from noisevote.models.robustness.target import Condition, Conditions


class Sees(StrEnum):
    """What an attack may see of the target."""

    NOTHING = "nothing"
    LABELS = "mode"
    SCORES = "vote counts"
    GRADIENTS = "gradients"


@dataclass(frozen=True, slots=True)
class Attack:
    """One attack; all that is said and done about it is said here.

    Attributes:
        name: name in plans, in reports and of its steps.
        label: what it is, in a table.
        family: what it counts as; black-box attacks are ``transfer`` and ``query``.
        sees: what it may see of the target.
        steps: yields its steps for a plan and a number of samples.
        title: name in sentences; ``name`` if empty.
        is_adaptive: whether it knows of the noise.
        plain: the attack that does the same to a target without noise, if it is adaptive.
        adaptive_how: says what it does about the noise, if it is adaptive.
        times_votes: votes of each of its queries, in those of a reply; 0 if it asks nothing.
        has_budgets: whether it keeps what it had found within smaller budgets of queries.
        needs_pictures: whether it takes only samples ``[channels, height, width]``.
        needs_surrogate: whether it climbs the loss of a network of the attacker's own.
        starts_at_target_class: whether it is targeted only from a sample of the target class.
        averages_noise: whether it averages gradients over noise like the target's; it cannot over a
            device.
        check_installed: raises MissingExtraError if a package of its own is missing.
    """

    name: str
    label: str
    family: Family
    sees: Sees
    steps: Callable[["Attack", Plan, int], Iterator[Step]]
    title: str = ""
    is_adaptive: bool = False
    plain: "Attack | None" = None
    adaptive_how: Callable[[Plan], str] | None = None
    times_votes: int = 0
    has_budgets: bool = False
    needs_pictures: bool = False
    needs_surrogate: bool = False
    starts_at_target_class: bool = False
    averages_noise: bool = False
    check_installed: Callable[[], None] | None = None

    @property
    def needs_gradients(self) -> bool:
        """Whether it needs those of any network; else it asks the target, and nothing more."""
        return self.needs_surrogate or self.sees is Sees.GRADIENTS

    @property
    def is_black_box(self) -> bool:
        """Whether it is one of the attacks that the verdict is about."""
        return self.family in {"transfer", "query"}

    @property
    def compared_with(self) -> "Attack":
        """The attack whose result without noise its own is set against."""
        return self.plain or self

    def is_in(self, plan: Plan) -> bool:
        """Return whether a plan asks for it; the upper bound needs the target's network, too."""
        if self.averages_noise and plan.device is not None:
            return False
        if self.family == "control":
            return True
        if self.family == "upper bound":
            return plan.white_box
        return (
            plan.has(self.name) if self.plain is None else plan.adaptive and self.plain.is_in(plan)
        )

    def is_possible(self, parties: Parties) -> bool:
        """Return whether the gradients are there that it needs.

        Who has no network of his own can only ask, so that nothing is climbed.
        """
        if not parties.surrogate:
            return not self.needs_gradients
        return parties.own or self.sees is not Sees.GRADIENTS

    def conditions(self, plan: Plan) -> tuple[Conditions, ...]:
        """Return the targets it is tried on; without noise an adaptive attack is the plain one."""
        return (plan.noisy,) if self.plain is not None else (plan.noiseless, plan.noisy)

    def key(self, condition: Condition, is_worst: bool = False) -> StepKey:
        """Return the step that judges it; only attacks with restarts have a worst one."""
        return StepKey(self.name, condition, is_worst=is_worst)

    def restart(self, number: int) -> StepKey:
        """Return the step that does a restart."""
        return StepKey(self.name, role=Role.RESTART, number=number)

    def budget(self, condition: Condition, queries: int) -> StepKey:
        """Return the step that judges what it had found within so many queries."""
        return StepKey(self.name, condition, Role.WITHIN, queries)

    def checked_steps(self, plan: Plan, samples: int) -> list[Step]:
        """Return its steps.

        Raises:
            ValueError: they are not those that reports look for, which would not show the attack.
        """
        steps = list(self.steps(self, plan, samples))
        keys = {step.key for step in steps}
        needed, worst = set(), set()
        for each in self.conditions(plan):
            needed |= {self.key(each.name)}
            worst |= {self.key(each.name, is_worst=True)}
            if self.has_budgets:
                needed |= {self.budget(each.name, queries) for queries in plan.query_budgets}
        shown = {key for key in keys if key.role in {None, Role.WITHIN}}
        if not needed <= shown <= needed | worst or any(key.of != self.name for key in keys):
            raise ValueError(f"reports would not show all steps of the attack {self.name}")
        return steps
