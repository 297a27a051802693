"""What studies found, on the results page: what accuracy costs, and what each layer stands.

The votes are those that ship in ``models/studies``; nothing is measured here, and the tables are
those of the studies' own reports (``training.study``).
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from matplotlib.figure import Figure

from noisevote.models.checkpoint import SHIPPED, CheckpointStore
from noisevote.models.study.conclusions import pareto
from noisevote.models.study.folders import studies_beside
from noisevote.models.study.results import Results
from noisevote.models.study.store import StudyStore
from noisevote.models.study.weighed import Weighed
from noisevote.training.experiments.experiment import NamedFigures
from noisevote.training.report.markdown import figure, markdown_table, open_row
from noisevote.training.report.style import log_error_axis, new_figure, series_style
from noisevote.training.study.answers import Answers
from noisevote.training.study.cost_sections import front, is_quieter, layers
from noisevote.training.study.figures import Figures
from noisevote.training.study.report import title_of

STUDIES = studies_beside(SHIPPED)
SHOWN = ("mnist_cnn-mult-1.0", "stroke_lstm-mult-1.0", "densenet40-mult-1.0")
"""Checkpoints whose studies are shown, or missed; others that are there follow."""

TEXT = """## What accuracy costs, and what each layer stands (studies)

Votes, stop rules, layers that are read several times and every layer read as often, which is what a
quieter device would do, each with its energy. Reading a layer r times and averaging before the
activation makes its sigma / sqrt(r) and costs r times that layer's energy. Options are chosen on
validation data; beside each stands what it reaches on test data, on other noise. Networks trained
for less noise are rivals of votes, too: the column "equal energy" of the grid. The midpoint of a
layer is the s50 of acc(s) = floor + (clean - floor) / (1 + (s / s50)^k), fitted to the accuracy
over noise in this layer alone (after Walking Noise, arXiv 2212.10430; the formula is ours). The
recorded votes and the whole reports are in [models/studies](../../models/studies); [how studies are
made](../../docs/studies.md).
"""


def study_sections(studies: Path) -> list[str]:
    """Return what the studies say, and the commands of those that are missing.

    Args:
        studies: folder of the studies.
    """
    found = finished(studies)
    missing = [name for name in SHOWN if name not in found]
    return [
        TEXT,
        *(part for name, study in found.items() for part in shown(name, study)),
        *(open_row(f"noisevote-train study {name}", f"`{name}` not studied") for name in missing),
    ]


def finished(studies: Path) -> Mapping[str, tuple[StudyStore, Figures]]:
    """Return the studies of shipped checkpoints that have come to their end, by name."""
    order = {name: place for place, name in enumerate(SHOWN)}
    folders = sorted(
        (path for path in studies.glob("*") if path.is_dir()),
        key=lambda path: (order.get(path.name, len(SHOWN)), path.name),
    )
    found = {}
    for folder in folders:
        store = StudyStore(folder)
        if store.conclusions is not None:
            card = CheckpointStore(SHIPPED).find(store.head.checkpoint).card
            found[folder.name] = store, Figures(Results(store), store.conclusions, card)
    return found


def shown(name: str, study: tuple[StudyStore, Figures]) -> Iterator[str]:
    """Yield what the page shows of one study."""
    store, figures = study
    answers = Answers(figures.results, figures.found, figures.card)
    yield f"### {title_of(figures.head)}\n"
    yield f"{answers.how_many_votes()}\n\n{answers.at_what_cost()}\n"
    for section in (front(figures), layers(figures)):
        yield markdown_table(section.head, section.cells)
    yield figure(f"studies-{name}", f"Wrong answers over energy, {title_of(figures.head)}")
    commands = ", then ".join(f"`{command}`" for command in store.commands)
    yield (
        f"- {commands}: chosen on {figures.head.choice}, {figures.found.clean_choice.samples:,} "
        f"samples, reported on {figures.head.report}, {figures.found.clean.samples:,}; "
        f"{figures.head.seeds} seeds\n"
        f"  - {figures.head.checkpoint}, {figures.head.fingerprint}\n"
    )


def study_figures(studies: Path) -> NamedFigures:
    """Yield the figure of each study."""
    for name, (_, study) in finished(studies).items():
        yield f"studies-{name}", energy_figure(study)


def energy_figure(study: Figures) -> Figure:
    """Draw wrong answers over energy, on the half that options are chosen on."""
    options = study.found.at(study.found.operating)
    of_one_chip = [of for of in options if of.option.chips == 1]
    curves = {
        "votes only": [of for of in study.plain if of.option.condition == study.found.operating],
        "one vote, every layer read as often": [
            of for of in of_one_chip if of.option.votes == 1 and is_quieter(study, of.option)
        ],
        "the best of votes, stop rules and reads": pareto(options),
    }
    drawing = new_figure(5.4, 3.6)
    axes = drawing.subplots()
    for index, (label, found) in enumerate(curves.items()):
        ordered = sorted(found, key=lambda of: of.costs.energy)
        values = [errors_of(of) for of in ordered]
        axes.errorbar(
            [of.costs.energy for of in ordered],
            [error for error, _, _ in values],
            [[below for _, below, _ in values], [above for _, _, above in values]],
            label=label, elinewidth=0.6, capsize=1.5, **series_style(index),
        )  # fmt: skip
    axes.set_xscale("log")
    unit = "joules" if study.unit == "J" else "passes of the network"
    axes.set_xlabel(f"energy, {unit}")
    log_error_axis(axes)
    axes.legend()
    return drawing


def errors_of(of: Weighed) -> tuple[float, float, float]:
    """Return wrong answers in per cent, and how far the interval reaches below and above.

    No wrong answer at all is drawn as half a sample, since the axis is logarithmic.
    """
    low, high = of.choice.interval
    error = 100 * max(1 - of.choice.accuracy, 0.5 / of.choice.samples)
    return error, max(error - 100 * (1 - high), 0.0), max(100 * (1 - low) - error, 0.0)
