"""How many passes a study may take: given as such, or as a time that is turned into passes once."""

import re
import time

from noisevote.models.errors import InputError
from noisevote.models.study.cells import Cell, Condition, Half, OnChip, OnNoise, Part
from noisevote.training.study.measure import Measurer, Subject

SECONDS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
TRIED_S = 1.5
"""For which passes are counted."""

USED = 0.8
"""Of the time, for passes; the rest is for loading, replay and the report."""

FEWEST, MOST = 1000, 10**12


def parse_budget(text: str) -> tuple[float | None, int | None]:
    """Return the seconds of a budget, or its passes.

    Args:
        text: ``20m``, ``90s``, ``2h``, or a number of passes such as ``500000``.

    Raises:
        InputError: it is neither.
    """
    found = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?(?:e[0-9]+)?)\s*(s|m|min|h)?\s*", text.lower())
    number = float(found[1]) if found else 0.0
    if found and found[2]:
        if 1 <= number * SECONDS[found[2]] <= 1e7:
            return number * SECONDS[found[2]], None
    elif FEWEST <= number <= MOST:
        return None, int(number)
    raise InputError(
        f"{text!r} is no budget; write a time such as 20m or 2h, or passes from {FEWEST:,} on",
        "budget",
    )


def passes_for(seconds: float, subject: Subject, at: OnNoise | OnChip, processes: int) -> int:
    """Return how many passes a time allows on this machine, by trying some.

    Args:
        seconds: that the study may take.
        subject: of it.
        at: noise, or chip, that passes are tried with.
        processes: that pass side by side.
    """
    measurer = Measurer(subject)
    whole = len(subject.examples[Half.CHOICE])

    def cell(samples: int, votes: int) -> Cell:
        return Cell(
            part=Part.SWEEP, half=Half.CHOICE, condition=Condition(at=at), seed=0, votes=votes,
            samples=samples,
        )  # fmt: skip

    measurer.measured(cell(1, 2))
    passes, began, samples = 0, time.perf_counter(), 4
    while (took := time.perf_counter() - began) < TRIED_S:
        one = cell(min(samples, whole), 10)
        measurer.measured(one)
        passes += one.passes
        samples = min(2 * samples, 256)
    return max(FEWEST, int(USED * seconds * processes * passes / took))
