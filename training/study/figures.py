"""What the tables of a report have in common: figures, costs and conditions in words."""

from noisevote.models.study.head import StudyHead
from noisevote.models.study.weighed import Weighed
from noisevote.models.study.words import age, energy, seconds
from noisevote.training.study.recalled import Recalled
from noisevote.training.study.section import (
    Column,
    Row,
    accuracy_row,
    option_words,
    run_columns,
    with_samples,
)


class Figures(Recalled):
    """The figures of a study."""

    @property
    def head(self) -> StudyHead:
        """Head of the study."""
        return self.results.head

    @property
    def condition_name(self) -> str:
        """What a condition is."""
        return "sigma" if self.head.device is None else "age"

    def condition_text(self, value: float | None) -> str:
        """Return a condition as people read it."""
        if self.head.device is None:
            return f"{value:g}"
        return "-" if value is None else age(value)

    @property
    def plain_by_place(self) -> dict[tuple[float | None, int], Weighed]:
        """Options without repeats, rules and several chips, by condition and votes."""
        return {(of.option.condition, of.option.votes): of for of in self.plain}

    @property
    def cost_columns(self) -> list[Column]:
        """The columns of costs."""
        found = [Column("energy", "energy", lambda of: energy(of, self.unit))]
        if self.unit == "J":
            found.append(Column("latency_s", "latency, 99 %", seconds))
        return found

    @property
    def unit(self) -> str:
        """Unit of the energy."""
        return self.found.options[0].costs.unit

    @property
    def run_columns(self) -> tuple[Column, ...]:
        """The columns of what differs by chip or by seed."""
        device = self.head.device
        differ = device is not None and device.differs_by_chip and self.head.chips > 1
        return run_columns("chip" if differ else "seed")

    def cost_row(self, of: Weighed) -> Row:
        """Return the costs of an option as values of a row."""
        return {"energy": of.costs.energy, "latency_s": of.costs.latency_s}

    def option_row(self, of: Weighed) -> Row:
        """Return an option as values of a row."""
        return {
            **option_words(of.option),
            "choice": accuracy_row(of.choice),
            "report": None if of.report is None else accuracy_row(of.report),
            "mean_votes": of.choice.mean_votes,
            **self.cost_row(of),
        }

    @property
    def option_columns(self) -> list[Column]:
        """Columns of a table of options."""
        return [
            Column("ask", "votes, rule, reads"),
            Column("choice", "accuracy, chosen on", with_samples),
            Column(
                "report",
                "accuracy, other half",
                lambda of: with_samples(of) if of else "not recorded",
            ),
            Column("mean_votes", "votes cast", "{:.2f}".format),
            *self.cost_columns,
        ]
