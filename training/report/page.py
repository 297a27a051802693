"""The results page: the papers' numbers, ours and the limit side by side, from stored results.

Everything on the page and in its figures comes from the CSV files in ``training/results``; each
section names the commands behind the files that it reads, and where a file is still missing the
command that makes it.
"""

from pathlib import Path

from models.files import write_whole
from training.report.checkpoints import checkpoint_sections, selection_section
from training.report.energy import energy_sections, midpoint_sections, repeats_section
from training.report.experiments import (
    ablation_section,
    distribution_section,
    learning_section,
    votes_section,
    weights_section,
    width_section,
)
from training.report.figures import draw_figures
from training.report.grids import grid_sections
from training.report.quantisation import quantisation_section
from training.report.robustness import robustness_section

RESULTS = Path(__file__).parents[1] / "results"
PAGE = "README.md"
FIGURES = "figures"

INTRODUCTION = """# Results

Made by `noisevote-train report` from the files in this folder, in seconds and without data.
Accuracies are per cent of the official test images unless said, with exact 95 % intervals
(Clopper-Pearson) in brackets. The papers are Qin & Vucinic, arXiv 1811.10649, and, where said, Wang
et al., arXiv 2501.14531. Machine and library builds stand in the head of each file.

MNIST is the official data set. The pen strokes, those of the test images too, are recomputed from
it as de Jong made his archive. The CIFAR-10 networks learned from a JPEG copy of the official
images; `exact_test` are the first 1,000 official test images with exact pixels.

Below each section stand the commands that made its files. They find what is stored and measure
what is missing. To measure all anew, name other places: `noisevote-train experiment --results
FOLDER --runs FOLDER NAME ...` (these options stand before the name of the experiment), and
`noisevote-train evaluate ... --output FILE`. A network that starts from another run
(`noisevote-train recipes` lists them) needs that run first.
"""


def write_report(folder: Path = RESULTS) -> Path:
    """Write page and figures of ``folder`` anew and return the page's path."""
    draw_figures(folder, folder / FIGURES)
    path = folder / PAGE
    write_whole(path, report(folder).encode())
    return path


def report(folder: Path) -> str:
    """Return the results page as Markdown."""
    sections = [
        INTRODUCTION,
        *grid_sections(folder),
        *checkpoint_sections(folder),
        *selection_section(folder),
        *votes_section(folder),
        *energy_sections(folder),
        *repeats_section(folder),
        *midpoint_sections(folder),
        *robustness_section(folder),
        *quantisation_section(folder),
        *weights_section(folder),
        *learning_section(folder),
        *distribution_section(folder),
        *ablation_section(folder),
        *width_section(folder),
    ]
    return "\n".join(sections)
