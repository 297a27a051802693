"""A study is run stage by stage: what is missing; whatever is stored is not measured again.

Several runs on one folder share the work: a cell that somebody has begun comes last, and is
measured again only if nobody has finished it by then.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from noisevote.models.card import Card
from noisevote.models.study.cells import Cell, Half
from noisevote.models.study.conclusions import Conclusions
from noisevote.models.study.results import Results
from noisevote.models.study.store import Measured, StudyStore
from noisevote.training.study.conclude import concluded, operating_condition, options_at
from noisevote.training.study.measure import Subject
from noisevote.training.study.plan import SHARES, Maker, extent_of, first_stage, repeated
from noisevote.training.study.repeats import settings_to_confirm, settings_to_try

Measure = Callable[[Subject, Callable[[], Cell | None]], Iterator[tuple[Measured, str]]]
"""Measures what cells it is given, one by one; see ``workers.py``."""

Told = Callable[[str, int, int], None]
"""Is told a stage, its passes that are done, and all of them."""


@dataclass(frozen=True, slots=True)
class Study:
    """A study under way.

    Attributes:
        store: of it.
        card: of the checkpoint.
        subject: what is measured.
        measure: does it.
        told: of progress.
    """

    store: StudyStore
    card: Card
    subject: Subject
    measure: Measure
    told: Told

    def run(self) -> Conclusions:
        """Measure what is missing, and conclude."""
        head, card = self.store.head, self.card
        extent = extent_of(head, card)
        make = Maker(head, extent)
        self.stage("votes and layers", list(first_stage(head, card, extent)))
        to_try = settings_to_try(Results(self.store), card)
        self.stage("repeats", list(repeated(make, Half.CHOICE, to_try, SHARES[1])))
        results = Results(self.store)
        to_confirm = settings_to_confirm(options_at(results, card, operating_condition(results)))
        self.stage("the best of them", list(repeated(make, Half.REPORT, to_confirm, SHARES[2])))
        found = concluded(Results(self.store), card)
        self.store.conclude(found)
        return found

    def stage(self, name: str, cells: Sequence[Cell]) -> None:
        """Measure the cells of a stage that are missing."""
        by_key = {cell.key: cell for cell in cells}
        whole = sum(cell.passes for cell in by_key.values())
        measured, claimed = self.store.keys(), self.store.claimed()
        left = [cell for key, cell in by_key.items() if key not in measured]
        left.sort(key=lambda cell: cell.key in claimed)

        def following() -> Cell | None:
            done = self.store.keys()
            while left:
                cell = left.pop(0)
                if cell.key not in done:
                    self.store.claim(cell)
                    return cell
            return None

        def tell() -> None:
            done = self.store.keys()
            self.told(name, sum(of.passes for key, of in by_key.items() if key in done), whole)

        tell()
        if not left:
            return
        for found, machine in self.measure(self.subject, following):
            self.store.add(found, machine)
            tell()
