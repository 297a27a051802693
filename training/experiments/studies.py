"""What studies found, on the results page: what accuracy costs, and what each layer stands.

Nothing is measured here: the tables are those of the reports that ship in ``models/studies``.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from noisevote.models.checkpoint import SHIPPED, CheckpointStore
from noisevote.models.study.folders import REPORT_JSON, studies_beside
from noisevote.training.experiments.experiment import NamedFigures
from noisevote.training.measure.results import Row
from noisevote.training.report.markdown import figure, open_row, table_without_empty
from noisevote.training.report.style import draw_errors, log_error_axis, new_figure
from noisevote.training.study.errors import ALL

Report = Mapping[str, Any]
"""Of a study, as its JSON file holds it."""

SHIPPED_STUDIES = studies_beside(SHIPPED)
EXPECTED = ("mnist_cnn-mult-1.0", "stroke_lstm-mult-1.0", "densenet40-mult-1.0")
"""Checkpoints whose studies are shown, or missed; others that are there follow."""

SECTIONS = ("front", "layers")
"""Of a report, by the names in its JSON file."""

TEXT = """## What accuracy costs, and what each layer stands (studies)

Votes, stop rules, layers that are read several times and every layer read as often, which is what a
quieter device would do, each with its energy. Reading a layer r times and averaging before the
activation makes its sigma / sqrt(r) and costs r times that layer's energy. Options are chosen on
validation data; beside each stands what it reaches on the other half, test data, on other noise,
which the figures show, too (but for every layer read as often, which is known on validation data).
Networks trained for less noise are rivals of votes, too: the column "equal energy" of the grid. The
midpoint of a layer is the s50 of acc(s) = floor + (clean - floor) / (1 + (s / s50)^k), fitted to
the accuracy over noise in this layer alone (after Walking Noise, arXiv 2212.10430; the formula is
ours). The recorded votes and the whole reports are in [models/studies](../../models/studies); [how
studies are made](../../docs/studies.md).
"""


def study_sections(studies: Path) -> list[str]:
    """Return what the studies say, and the commands of those that are missing.

    Args:
        studies: folder of the studies.
    """
    found = reports_in(studies)
    missing = [name for name in EXPECTED if name not in found]
    return [
        TEXT,
        *(part for name, report in found.items() for part in shown(name, report)),
        *(open_row(f"noisevote-train study {name}", f"`{name}` not studied") for name in missing),
    ]


def reports_in(studies: Path) -> dict[str, Report]:
    """Return the reports of studies of the shipped checkpoints as they are, by name.

    A study of a network that was replaced, or whose report is not written yet, is none.
    """
    shipped = CheckpointStore(SHIPPED)
    names = [path.parent.name for path in sorted(studies.glob(f"*/{REPORT_JSON}"))]
    found = {}
    for name in sorted(names, key=lambda name: (*(name != each for each in EXPECTED), name)):
        report = json.loads((studies / name / REPORT_JSON).read_text())
        checkpoint = report["of"]["checkpoint"]
        is_here = checkpoint in shipped.names()
        if is_here and shipped.find(checkpoint).fingerprint == report["of"]["fingerprint"]:
            found[name] = report
    return found


def shown(name: str, report: Report) -> Iterator[str]:
    """Yield what the page shows of one study."""
    made, answers = report["made"], report["answers"]
    yield f"### {report['title']}\n"
    yield f"{answers['How many votes?']}\n\n{answers['At what cost?']}\n"
    yield figure(
        f"studies-{name}", f"Wrong answers over energy on the other half, {report['title']}"
    )
    for section in (report["tables"][section] for section in SECTIONS):
        yield f"{section['title']}. {section['text']}\n"
        yield table_without_empty(section["shown"]["head"], section["shown"]["cells"])
    commands = ", then ".join(f"`{command}`" for command in made["command"].split("; then "))
    yield (
        f"- {commands}: chosen on {made['chosen on']}; reported on {made['reported on']}; seeds: "
        f"{made['seeds']}\n  - {made['checkpoint']}\n"
    )


def study_figures(studies: Path) -> NamedFigures:
    """Yield the figure of each study."""
    for name, report in reports_in(studies).items():
        yield f"studies-{name}", energy_figure(report)


def energy_figure(report: Report) -> Figure:
    """Draw wrong answers over energy, on the half that nothing was chosen on.

    That every layer is read as often was not chosen; it is only known on the other half.
    """
    tables = {name: table["rows"] for name, table in report["tables"].items()}
    points = [row["point"] for row in tables["layers"] if row["point"] != ALL]
    uniform = [row for row in tables["repeats"] if is_uniform(row["repeats"], len(points))]
    curves = {
        "votes alone": [(row, row["accuracy"]) for row in tables["votes"]],
        "one vote, every layer read as often": [(row, row["choice"]) for row in uniform],
        "best of votes, rules and reads": [(row, row["report"]) for row in tables["front"]],
    }
    drawing = new_figure(5.4, 3.6)
    axes = drawing.subplots()
    for index, (label, drawn) in enumerate(curves.items()):
        known = [(row, accuracy) for row, accuracy in drawn if accuracy is not None]
        if not known:
            continue
        energies = [row["energy"] for row, _ in known]
        shares = [as_row(accuracy) for _, accuracy in known]
        draw_errors(axes, energies, shares, label, index)
    axes.set_xscale("log")
    axes.set_xlabel(f"energy, {'joules' if report['of']['device'] else 'passes of the network'}")
    log_error_axis(axes)
    axes.legend()
    return drawing


def is_uniform(repeats: Mapping[str, int], points: int) -> bool:
    """Return whether every layer is read as often."""
    return len(repeats) == points and len(set(repeats.values())) == 1


def as_row(accuracy: Mapping[str, float]) -> Row:
    """Return an accuracy of a report as a row of results holds it."""
    low, high = (str(accuracy[end]) for end in ("low", "high"))
    return {
        "accuracy": str(accuracy["value"]),
        "low": low,
        "high": high,
        "images": str(accuracy["samples"]),
    }
