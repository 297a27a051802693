"""The results page, which shows the papers' numbers, ours and the limit.

Everything on the page and in its figures comes from the CSV files in ``training/results`` and from
the studies that ship; each section names the commands behind what it reads, and where something is
still missing the command that makes it.
"""

from itertools import chain
from pathlib import Path

from noisevote.models.files import write_whole
from noisevote.training.experiments import EXPERIMENTS
from noisevote.training.experiments.evaluations import (
    checkpoint_sections,
    overviews,
    repeats_section,
    selection_section,
)
from noisevote.training.experiments.grid import GRID
from noisevote.training.experiments.studies import SHIPPED_STUDIES, study_figures, study_sections
from noisevote.training.experiments.votes import VOTES
from noisevote.training.report.style import save, settings

RESULTS = Path(__file__).parents[1] / "results"
PAGE = "README.md"
FIGURES = "figures"

INTRODUCTION = """# Results

Made by `noisevote-train report` from the files in this folder and the shipped
[studies](../../docs/studies.md), in seconds and without data.
Accuracies are per cent of the official test images unless said, with exact 95 % intervals
(Clopper-Pearson) in brackets. The papers are Qin & Vucinic, arXiv 1811.10649, and, where said, Wang
et al., arXiv 2501.14531. Machine and library builds stand in the head of each file, and in the
report of each study.

MNIST is the official data set. The pen strokes, those of the test images too, are recomputed from
it as de Jong made his archive. The CIFAR-10 networks learned from a JPEG copy of the official
images; `exact_test` are the first 1,000 official test images with exact pixels.

Below each section stand the commands that made its files. They find what is stored and measure
what is missing. To measure all anew, name other places: `noisevote-train experiment --results
FOLDER --runs FOLDER NAME ...` (these options stand before the name of the experiment), and
`noisevote-train evaluate ... --output FILE`, `noisevote-train study ... --output FOLDER`. A network
that starts from another run (`noisevote-train recipes` lists them) needs that run first.
"""


def write_report(folder: Path = RESULTS, studies: Path = SHIPPED_STUDIES) -> Path:
    """Write page and figures of ``folder`` and ``studies`` anew and return the page's path."""
    draw_figures(folder, studies, folder / FIGURES)
    path = folder / PAGE
    write_whole(path, report(folder, studies).encode())
    return path


def report(folder: Path, studies: Path) -> str:
    """Return the results page as Markdown.

    Args:
        folder: of the raw results.
        studies: folder of the studies that are shown.
    """
    sections = [INTRODUCTION]
    for experiment in EXPERIMENTS:
        sections += experiment.section(folder)
        if experiment is GRID:  # beside its envelopes stand single checkpoints
            sections += [*checkpoint_sections(folder), *selection_section(folder)]
        if experiment is VOTES:
            sections += [*study_sections(studies), *repeats_section(folder)]
    return "\n".join(sections)


def draw_figures(results: Path, studies: Path, folder: Path) -> list[str]:
    """Write every figure that results and studies allow into ``folder``; return their names."""
    names = []
    with settings():
        figures = (*(experiment.figures for experiment in EXPERIMENTS), overviews)
        drawn = chain.from_iterable(draw(results) for draw in figures)
        for name, figure in chain(drawn, study_figures(studies)):
            save(figure, folder, name)
            names.append(name)
    return names
