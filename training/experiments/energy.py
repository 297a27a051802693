"""What accuracy costs: votes, one quieter pass, repeats of single layers, and both together."""

from functools import partial
from pathlib import Path

from matplotlib.figure import Figure

from noisevote.models.checkpoint import SHIPPED, CheckpointStore
from noisevote.models.cost import Hardware, cost_of, energy_by_macs
from noisevote.models.noise_setting import parse_repeats
from noisevote.training.experiments.bench import Bench
from noisevote.training.experiments.energy_curves import FOLDER, EnergyCurves, EnergyPlan
from noisevote.training.experiments.experiment import Experiment, NamedFigures, shown_each
from noisevote.training.experiments.grid_results import Best, grid_beside
from noisevote.training.measure.results import Row, Table, read_table
from noisevote.training.report.markdown import (
    commands,
    figure,
    main_files,
    markdown_table,
    open_row,
    shown_difference,
    shown_share,
    stored,
)
from noisevote.training.report.style import draw_errors, groups, log_error_axis, new_figure

SHOWN = ("mnist_cnn-mult-1.0", "stroke_lstm-mult-1.0", "densenet40-mult-1.0")

TEXT = """## What accuracy costs: votes, repeats, a quieter pass

Energy in passes of the network without repeats, proportional to multiply-accumulates unless said
(where converters take most of it: `experiment energy NAME --energy conv1=...,fc2=...`).
Reading a layer r times and averaging before the activation makes its sigma / sqrt(r) and costs r
times that layer's energy. "A quieter pass" is one pass at sigma / sqrt(E), which is every layer
read E times: of the same network, or of that network of the grid which does best at this sigma on
validation images (its sigma_train in parentheses), from a shorter run. The latter is the rival of
votes and repeats on a chip that may be read E times everywhere. Repeats are searched on validation
images and confirmed on test images, on other noise. The first table has the cheapest way that came
close to many plain votes on validation images, confirmed on test images and paired with those
votes; the second one the curves, on a part of the test images (networks of the grid: on those that
the grid takes).
"""

ONE_PASS_TEXT = """### One pass with repeats, on all test images

Of the search above: its answer for 0.3 points, and the best single pass within 1.5 passes on
validation images. Beside them repeats for which a network was trained from its first step, at the
sigmas that they leave (6 epochs; the one that ships had 34, at sigma 1.0 in all layers).
"""

WAYS = {
    "votes": "votes only",
    "quieter": "one quieter pass, this network",
    "repeats": "repeats only",
    "both": "repeats and votes",
}

LISTED = {"votes": "votes", "quieter": "a quieter pass, this network", "both": "repeats and votes"}
"""Curves that the page shows as numbers, too."""


def run_energy(bench: Bench, name: str, plan: EnergyPlan) -> None:
    """Measure the four curves of a checkpoint and confirm the answer, as far as they lack."""
    EnergyCurves(bench, bench.checkpoint(name), plan).run()


def energy_sections(results: Path) -> list[str]:
    """Return what accuracy costs each hardened checkpoint, and single passes with repeats."""
    each = shown_each(results, FOLDER, SHOWN, partial(shown, results))
    return [TEXT, *each, *repeats_section(results)]


def shown(results: Path, name: str, curves: Table) -> list[str]:
    """Return what the page shows of one checkpoint."""
    answer = stored(results / FOLDER / f"{name}-answer.csv")
    grid = grid_beside(results, name, curves)
    quieter = grid.quieter_passes() if grid else []
    command = f"noisevote-train experiment {FOLDER} {name}"
    return [
        answer_table(answer) if answer else open_row(command, "not finished"),
        energy_table(curves, quieter),
        figure(f"{FOLDER}-{name}", f"Accuracy over energy, {name}"),
        commands([curves, *(grid.tables.values() if quieter and grid else ())]),
    ]


def repeats_section(results: Path) -> list[str]:
    """Return the single passes with repeats that were measured on all test images, if any."""
    tables = [read_table(path) for path in sorted((results / "evaluations").glob("*-repeats*.csv"))]
    if not tables:
        return []
    rows = [
        [
            f"`{table.about['checkpoint'].split(',')[0]}`",
            shown_repeats(row["repeats"]),
            passes_of(table.about["checkpoint"].split(",")[0], row),
            row["sigma"],
            row["votes"],
            shown_share(row),
        ]
        for table in tables
        for row in table.rows
    ]
    head = ["network", "repeats", "energy, passes", "sigma of one read", "votes", "accuracy"]
    return [ONE_PASS_TEXT, markdown_table(head, rows), commands(tables)]


def passes_of(name: str, row: Row) -> str:
    """Return the energy of a row's votes and repeats in passes, or a dash if no network is known.

    Args:
        name: name of the checkpoint, or of one that ships with something behind its name.
        row: row with ``votes`` and ``repeats``.
    """
    shipped = CheckpointStore(SHIPPED)
    known = [known for known in shipped.names() if name.startswith(known)]
    if not known:
        return "-"
    points = shipped.find(max(known, key=len)).card.noise_points
    energy = energy_by_macs(points)
    hardware = Hardware(dict.fromkeys(energy, 1.0), energy)
    repeats = parse_repeats(row["repeats"])
    return f"{cost_of(int(row['votes']), points, hardware, repeats).passes_of_energy:.4g}"


def answer_table(answers: Table) -> str:
    """Return the cheapest ways to come close to many votes, confirmed on test images."""
    rows = []
    for row in answers.rows:
        reference = 100 * int(row["reference_correct"]) / int(row["images"])
        rows.append(
            [
                f"{100 * float(row['tolerance']):g}",
                f"**{float(row['energy']):.4g}**",
                row["votes"],
                shown_repeats(row["repeats"]),
                shown_share(row),
                f"{reference:.2f} ({row['reference_votes']})",
                shown_difference(row),
            ]
        )
    head = [
        "points that validation may lose", "energy, passes", "votes", "repeats", "accuracy",
        "plain votes (number)", "paired difference, points",
    ]  # fmt: skip
    return markdown_table(head, rows)


def energy_table(curves: Table, quieter: list[tuple[float, Best]]) -> str:
    """Return votes, quieter passes, and the best of repeats and votes, on test images."""
    test = [row for row in curves.rows if row["split"] != "validation"]
    rows = [
        [
            LISTED[row["curve"]],
            f"{float(row['energy']):.4g}",
            row["votes"],
            shown_repeats(row["repeats"]),
            shown_share(row),
        ]
        for row in test
        if row["curve"] in LISTED
    ]
    rows += [
        [
            f"a quieter pass, trained for it ({best.sigma_train:g})",
            f"{energy:.4g}",
            "1",
            "none",
            shown_share(best.row),
        ]
        for energy, best in quieter
    ]
    return markdown_table(["way", "energy, passes", "votes", "repeats", "accuracy"], rows)


def shown_repeats(text: str) -> str:
    """Return repeats for readers."""
    return text.replace("=", " x ").replace(";", ", ") if text else "none"


def energy_figures(results: Path) -> NamedFigures:
    """Yield the figure of each checkpoint."""
    for path in main_files(results / FOLDER):
        curves = read_table(path)
        grid = grid_beside(results, path.stem, curves)
        quieter = grid.quieter_passes() if grid else []
        yield f"{FOLDER}-{path.stem}", energy_figure(curves, quieter)


def energy_figure(table: Table, quieter: list[tuple[float, Best]]) -> Figure:
    """Draw wrong answers over energy: votes, quieter passes, repeats, and both."""
    figure = new_figure(5.4, 3.8)
    axes = figure.subplots()
    test = [row for row in table.rows if row["split"] != "validation"]
    for index, (way, rows) in enumerate(groups(test, "curve").items()):
        ordered = sorted(rows, key=lambda row: float(row["energy"]))
        draw_errors(axes, [float(row["energy"]) for row in ordered], ordered, WAYS[way], index)
    if quieter:
        energies, best = zip(*quieter, strict=True)
        rows = [entry.row for entry in best]
        draw_errors(axes, list(energies), rows, "one quieter pass, trained for it", len(WAYS))
    axes.set_xscale("log")
    ticks = [1, 2, 5, 10, 20]
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.set_xlabel("energy, passes of the network")
    log_error_axis(axes)
    axes.legend()
    return figure


ENERGY = Experiment(
    FOLDER,
    "Accuracy over energy: votes, a quieter pass, repeats, and both; needs `midpoints`.",
    "checkpoint",
    EnergyPlan(),
    EnergyPlan(votes=3),
    run_energy,
    energy_sections,
    energy_figures,
)
