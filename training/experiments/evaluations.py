"""The sections on single shipped checkpoints, from what ``evaluate`` measured."""

from collections.abc import Iterator
from pathlib import Path

from matplotlib.figure import Figure

from noisevote.models.checkpoint import SHIPPED, CheckpointStore
from noisevote.models.cost import Hardware, cost_of, energy_by_macs
from noisevote.models.noise_setting import parse_repeats
from noisevote.training.measure.results import Row, Table, read_table
from noisevote.training.report.markdown import (
    commands,
    figure,
    find,
    markdown_table,
    open_row,
    shown_share,
    stored,
    table_without_empty,
)
from noisevote.training.report.paper import PAPER_RESULTS, SHORT, SIGMAS, VOTES, PaperResult
from noisevote.training.report.style import errors_of, new_figure, series_style

TEXT = f"""## One checkpoint for all sigmas

What ships is one checkpoint, so these tables are harder on us than the grid above: the paper's
"best" columns take **another training sigma in each row** (in parentheses), ours are **one
checkpoint**, trained at sigma 1.0, for all rows. *Equal energy* is one pass of the same checkpoint
at sigma / sqrt({VOTES}): what {VOTES} votes at sigma cost if noise power falls as one over energy.
"""

ONE_PASS_TEXT = """### One pass with repeats, on all test images

Repeats of `mnist_cnn-mult-1.0` that a search of a former version found on validation images, at
sigma 1.0 of one read, and those for which a network was trained from its first step, at the sigmas
that they leave (6 epochs; the one that ships had 34, at sigma 1.0 in all layers). Energy in passes,
by multiply-accumulates.
"""


def checkpoint_sections(results: Path) -> list[str]:
    """Return the tables of each network and kind of noise that has a hardened checkpoint."""
    sections = [TEXT]
    for paper in PAPER_RESULTS:
        sections += network_section(results / "evaluations", paper)
        sections += other_sections(results / "evaluations", paper)
    return sections


def network_section(folder: Path, paper: PaperResult) -> list[str]:
    """Return the tables of one network, or what fills them."""
    kind = SHORT[paper.kind]
    name = f"{paper.network}-{kind}-1.0"
    title = f"### `{name}`, {paper.kind} noise\n"
    hardened = stored(folder / f"{name}.csv")
    if hardened is None:
        command = (
            f"noisevote-train evaluate {name} --test --votes {VOTES} --card "
            f"--output training/results/evaluations/{name}.csv"
        )
        return [title, open_row(command, "no such checkpoint is measured")]
    clean = stored(folder / f"{paper.network}-clean-{kind}.csv")
    quiet = stored(folder / f"{name}-equal-energy.csv")
    present = [results for results in (clean, hardened, quiet) if results is not None]
    has_overview = kind == "mult" and clean is not None
    alternative = f"Accuracy over sigma, {paper.network}"
    return [
        title,
        *([figure(f"overview-{paper.network}", alternative)] if has_overview else []),
        sigma_table(paper, clean, hardened, quiet),
        f"Accuracy against votes:\n\n{votes_table(hardened)}",
        commands(present),
        *missing_sigmas(name, hardened),
    ]


def other_sections(folder: Path, paper: PaperResult) -> list[str]:
    """Return the tables of checkpoints that were hardened at another sigma than 1.0."""
    sections = []
    beginning = f"{paper.network}-{SHORT[paper.kind]}-"
    for path in sorted(folder.glob(f"{beginning}[0-9].[0-9].csv")):
        if path.stem != f"{beginning}1.0":
            results = read_table(path)
            sections += [
                f"### `{path.stem}`, {paper.kind} noise\n",
                votes_table(results),
                commands([results]),
            ]
    return sections


def sigma_table(
    paper: PaperResult, clean: Table | None, hardened: Table, quiet: Table | None
) -> str:
    """Return accuracies over sigma: the paper's, ours, the limit."""
    best = at(clean, 0.0, 1)
    clean_accuracy = float(best["accuracy"]) if best else 1.0
    rows = []
    for index, sigma in enumerate(SIGMAS):
        rows.append(
            [
                f"{sigma:g}",
                paper.shown_snr(sigma),
                str(paper.clean[index]),
                shown_share(at(clean, sigma, 1)),
                paper.shown_one_vote(index),
                shown_share(at(hardened, sigma, 1)),
                paper.shown_limit(sigma, clean_accuracy),
                paper.shown_voted(index),
                shown_share(at(hardened, sigma, VOTES)),
                shown_share(at(quiet, round(sigma / VOTES**0.5, 4), 1)),
            ]
        )
    head = [
        "sigma", "SNR dB", "paper, trained without noise, 1 vote", "ours, trained without noise",
        "paper best, 1 vote (by)", "ours, trained at 1.0, 1 vote", "limit",
        f"paper best, {VOTES} votes (by)", f"ours, trained at 1.0, {VOTES} votes", "equal energy",
    ]  # fmt: skip
    # Without noise there is always something: one vote stands for all.
    return table_without_empty(head, rows, first=1)


def missing_sigmas(name: str, hardened: Table) -> list[str]:
    """Return the line of what a checkpoint's file lacks, if it lacks a sigma."""
    missing = [f"{sigma:g}" for sigma in SIGMAS if at(hardened, sigma, 1) is None]
    if not missing:
        return []
    split = hardened.about["split"].split(",")[0].replace("_", "-")
    options = " ".join(f"--sigma {sigma}" for sigma in missing)
    command = (
        f"noisevote-train evaluate {name} --{split} --votes {hardened.about['votes']} {options} "
        f"--output training/results/evaluations/{name}.csv"
    )
    return [open_row(command, f"sigma {', '.join(missing)} not measured")]


def votes_table(results: Table) -> str:
    """Return accuracies over sigma and votes."""
    votes = sorted({int(row["votes"]) for row in plain(results)})
    sigmas = sorted({float(row["sigma"]) for row in plain(results)})
    rows = [[f"{s:g}", *(shown_share(at(results, s, count)) for count in votes)] for s in sigmas]
    head = ["sigma", *(f"{count} vote{'s' if count > 1 else ''}" for count in votes)]
    return markdown_table(head, rows)


def overviews(results: Path) -> Iterator[tuple[str, Figure]]:
    """Yield accuracy over sigma of each network that is measured as trained and hardened.

    Under multiplicative noise: trained without noise with one vote, hardened with one and with all.
    """
    folder = results / "evaluations"
    for paper in PAPER_RESULTS:
        clean = stored(folder / f"{paper.network}-clean-mult.csv")
        hardened = stored(folder / f"{paper.network}-mult-1.0.csv")
        if SHORT[paper.kind] == "mult" and clean is not None and hardened is not None:
            yield f"overview-{paper.network}", overview(clean, hardened)


def overview(clean: Table, hardened: Table) -> Figure:
    """Draw what noise costs a network, and what training and votes buy back."""
    drawing = new_figure(5.6, 3.2)
    axes = drawing.subplots()
    for index, (label, table, votes) in enumerate(
        (
            ("trained without noise, 1 vote", clean, 1),
            ("hardened, 1 vote", hardened, 1),
            (f"hardened, {VOTES} votes", hardened, VOTES),
        )
    ):
        found = [(sigma, at(table, sigma, votes)) for sigma in SIGMAS]
        points = [(sigma, row) for sigma, row in found if row is not None]
        errors, intervals = errors_of([row for _, row in points])
        axes.errorbar(
            [sigma for sigma, _ in points],
            100 - errors,
            intervals[::-1],
            label=label,
            elinewidth=0.6,
            capsize=1.5,
            **series_style(index),
        )
    axes.set_xlabel("sigma of the noise in every layer, in units of the signal")
    axes.set_ylabel("right answers, %")
    axes.legend(loc="lower left")
    return drawing


def selection_section(results: Path) -> list[str]:
    """Return what was chosen on validation images, and between what."""
    folder = results / "selection"
    files = [read_table(path) for path in sorted(folder.glob("*.csv"))]
    if not files:
        return []
    rows = [
        [
            f"`{entry.about['trained by']}`",
            shown_share(at(entry, 1.0, 1)),
            shown_share(at(entry, 1.0, VOTES)),
        ]
        for entry in files
    ]
    return [
        "### Choice of sigma_train\n",
        "Short runs, judged at sigma 1.0 on 5,000 training images held back, never on test images. "
        "One vote does not tell 1.0 and 1.2 apart, 20 votes not 0.8 and 1.0; 1.0 was taken.\n",
        markdown_table(["trained by", "1 vote", f"{VOTES} votes"], rows),
        commands(files),
    ]


def unattacked_section(results: Path) -> list[str]:
    """Return the accuracies of the adversarially trained networks on plain images, if any."""
    paths = sorted((results / "evaluations").glob("*-adv*.csv"))
    if not paths:
        return []
    tables = {path.stem: read_table(path) for path in paths}
    rows = [
        [
            f"`{name}`",
            row["sigma"],
            *(shown_share(find(table, sigma=row["sigma"], votes=votes)) for votes in ("1", "20")),
        ]
        for name, table in tables.items()
        for row in table.rows
        if row["votes"] == "1"
    ]
    title = "### The adversarially trained networks on all plain test images\n"
    head = ["network", "sigma", "1 vote", "20 votes"]
    return [title, markdown_table(head, rows), commands(list(tables.values()))]


def plain(table: Table | None) -> list[Row]:
    """Return the rows of one sigma at all noise points, read once."""
    rows = table.rows if table else []
    return [row for row in rows if "=" not in row["sigma"] and not row.get("repeats")]


def at(table: Table | None, sigma: float, votes: int) -> Row | None:
    """Return one measured share, or None; without noise one vote stands for all."""
    for row in plain(table):
        if float(row["sigma"]) == sigma and (row["votes"] == str(votes) or sigma == 0):
            return row
    return None


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


def shown_repeats(text: str) -> str:
    """Return repeats for readers."""
    return text.replace("=", " x ").replace(";", ", ") if text else "none"
