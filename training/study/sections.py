"""The sections of a study's report, in order; a new one is a function and its line here."""

from collections.abc import Iterator

from noisevote.training.study.accuracy_sections import chips, rules, sweep, votes
from noisevote.training.study.cost_sections import every_option, front, layers
from noisevote.training.study.figures import Figures
from noisevote.training.study.section import Section


def sections_of(figures: Figures) -> Iterator[Section]:
    """Yield the sections of a report."""
    device = figures.head.device
    yield sweep(figures)
    yield votes(figures)
    if device is not None and device.differs_by_chip:
        yield chips(figures)
    yield rules(figures)
    yield front(figures)
    yield layers(figures)
    yield every_option(figures)
