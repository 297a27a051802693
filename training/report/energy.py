"""The sections on sensitivity, repeats and energy."""

from pathlib import Path

from models.checkpoint import SHIPPED, CheckpointStore
from models.cost import Hardware, cost_of, energy_by_macs
from training.experiments.midpoints import MOST_STEEP
from training.measure.noise_setting import parse_repeats
from training.measure.results import Row, Table, read_table
from training.report.grid_results import Best, grid_beside
from training.report.markdown import (
    commands,
    figure,
    find,
    markdown_table,
    names_in,
    open_row,
    shown_difference,
    shown_share,
    stored,
)

HARDENED = ("mnist_cnn-mult-1.0", "stroke_lstm-mult-1.0", "densenet40-mult-1.0")

MIDPOINT_TEXT = """## Midpoint noise level of each layer

Noise at one noise point at a time, all others silent; sigma is swept and the accuracy fitted by
acc(s) = floor + (clean - floor) / (1 + (s / s50)^k). s50 is the midpoint (after Walking Noise,
arXiv 2212.10430; the formula is ours). With the floor at chance the fit is poor under
multiplicative noise, which leaves half of the signs as they were: the free floor fits better, and
the search for repeats uses it. Networks trained with noise in all layers can be better with noise
in one than with none. 95 % intervals from a bootstrap over the images; "> 100" stands for a
midpoint beyond the sweep, "> 30" for a step.
"""

ENERGY_TEXT = """## What accuracy costs: votes, repeats, a quieter pass

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


def midpoint_sections(results: Path) -> list[str]:
    """Return the midpoints of each hardened checkpoint."""
    sections = [MIDPOINT_TEXT]
    for name in names_in(results / "midpoints", HARDENED):
        sections.append(f"### `{name}`: midpoints\n")
        fits = stored(results / "midpoints" / f"{name}.csv")
        if fits is None:
            command = f"noisevote-train experiment midpoints {name}"
            sections.append(open_row(command, "not measured"))
            continue
        sections += [
            midpoint_table(fits, read_table(results / "midpoints" / f"{name}-sweep.csv")),
            figure(f"midpoints-{name}", f"Accuracy over the noise of one layer, {name}"),
            commands([fits]),
        ]
    return sections


def midpoint_table(fits: Table, sweep: Table) -> str:
    """Return both fits of every noise point."""
    largest = max(float(row["sigma"]) for row in sweep.rows)
    rows = []
    for free in (row for row in fits.rows if row["floor_is"] == "free"):
        chance = find(fits, point=free["point"], floor_is="chance") or free
        rows.append(
            [
                f"`{free['point']}`",
                shown_fit(free, "s50", largest),
                shown_fit(free, "k", MOST_STEEP),
                f"{100 * float(free['floor']):.1f}",
                f"{100 * float(free['rms_error']):.1f}",
                shown_fit(chance, "s50", largest),
                f"{100 * float(chance['rms_error']):.1f}",
            ]
        )
    head = [
        "noise point", "s50, free floor", "k", "floor %", "rms error of the fit, points",
        "s50, floor at chance", "rms error, points",
    ]  # fmt: skip
    return markdown_table(head, rows)


def shown_fit(row: Row, key: str, most: float) -> str:
    """Return a fitted value with its interval; ``most`` and all above it are not told apart."""
    values = [float(row[name]) for name in (key, f"{key}_low", f"{key}_high")]
    value, low, high = (f"> {most:g}" if v >= most else f"{v:.3g}" for v in values)
    return f"{value} [{low}, {high}]"


def energy_sections(results: Path) -> list[str]:
    """Return what accuracy costs each hardened checkpoint."""
    sections = [ENERGY_TEXT]
    for name in names_in(results / "energy", HARDENED):
        sections.append(f"### `{name}`: energy\n")
        curves = stored(results / "energy" / f"{name}.csv")
        answer = stored(results / "energy" / f"{name}-answer.csv")
        command = f"noisevote-train experiment energy {name}"
        if curves is None:
            sections.append(open_row(command, "not measured"))
            continue
        grid = grid_beside(results, name, curves)
        quieter = grid.quieter_passes() if grid else []
        sections += [
            answer_table(answer) if answer else open_row(command, "not finished"),
            energy_table(curves, quieter),
            figure(f"energy-{name}", f"Accuracy over energy, {name}"),
            commands([curves, *(grid.tables.values() if quieter and grid else ())]),
        ]
    return sections


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
        name: of the checkpoint, or of one that ships with something behind its name.
        row: with ``votes`` and ``repeats``.
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
    shown = {
        "votes": "votes",
        "quieter": "a quieter pass, this network",
        "both": "repeats and votes",
    }
    rows = [
        [
            shown[row["curve"]],
            f"{float(row['energy']):.4g}",
            row["votes"],
            shown_repeats(row["repeats"]),
            shown_share(row),
        ]
        for row in test
        if row["curve"] in shown
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
