"""A study is run stage by stage: what is missing; whatever is stored is not measured again.

Several runs on one folder share the work: a cell that somebody has begun comes last, and is
measured again only if nobody has finished it by then.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from noisevote.models.card import Card
from noisevote.models.errors import DataError
from noisevote.models.study.cells import Cell, Half, Part
from noisevote.models.study.conclusions import Conclusions, recommended
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
        results = Results(self.store)
        clean = clean_accuracy(results)
        to_try = self.store.settled("to try", settings_to_try(results, card))
        self.stage("repeats", list(repeated(make, Half.CHOICE, to_try, SHARES[1])))
        results = Results(self.store)
        options = options_at(results, card, operating_condition(results))
        unconfirmed = [of.model_copy(update={"report": None}) for of in options]
        best = recommended(unconfirmed, head.tolerance, clean)
        chosen = None if best is None else best.chosen
        to_confirm = self.store.settled("to confirm", settings_to_confirm(options, chosen))
        self.stage("the best of them", list(repeated(make, Half.REPORT, to_confirm, SHARES[2])))
        found = concluded(Results(self.store), card)
        self.store.conclude(found)
        return found

    def stage(self, name: str, cells: Sequence[Cell]) -> None:
        """Measure the cells of a stage that are missing."""
        by_key = {cell.key: cell for cell in cells}
        whole = sum(cell.passes for cell in by_key.values())
        measured = self.store.keys()
        queue = Queue(self.store, [of for key, of in by_key.items() if key not in measured])

        def tell() -> None:
            done = self.store.keys()
            self.told(name, sum(of.passes for key, of in by_key.items() if key in done), whole)

        tell()
        if not queue.left:
            return
        for found, machine in self.measure(self.subject, queue.following):
            self.store.add(found, machine)
            tell()


class Queue:
    """The cells that a run has before it: first those that nobody has begun.

    Args:
        store: tells what others have begun and finished.
        left: cells to be measured.
    """

    def __init__(self, store: StudyStore, left: list[Cell]) -> None:
        self.left = left
        self._store = store
        self._of_others: list[Cell] = []

    def following(self) -> Cell | None:
        """Return the next cell; None if there is none."""
        while self.left:
            cell = self.left.pop(0)
            if self._store.claim(cell):
                return cell
            self._of_others.append(cell)
        done = self._store.keys() if self._of_others else set()
        while self._of_others:
            cell = self._of_others.pop(0)
            if cell.key not in done:
                return cell
        return None


def clean_accuracy(results: Results) -> float:
    """Return the accuracy without noise on the half that is chosen on.

    Raises:
        DataError: the network without noise could not be measured, and why.
    """
    for measured in results.problems:
        if measured.cell.part is Part.CLEAN:
            raise DataError(f"without noise: {measured.problem}")
    found = results.clean(Half.CHOICE)
    if found is None:
        raise DataError("the network without noise is not measured yet")
    return found.accuracy
