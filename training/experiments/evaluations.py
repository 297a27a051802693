"""The sections on single shipped checkpoints, from what ``evaluate`` measured."""

from pathlib import Path

from models.card import Accuracy
from models.noise import NoiseKind, snr_db_from_sigma
from training.measure.results import Results, Table, read_results, read_table
from training.report.limit import one_vote_limit
from training.report.markdown import commands, markdown_table, open_row, shown_accuracy, shown_share
from training.report.markdown import find as row_with
from training.report.paper import PAPER_RESULTS, SHORT, SIGMAS, VOTES, PaperResult

TEXT = f"""## One checkpoint for all sigmas

What ships is one checkpoint, so these tables are harder on us than the grid above: the paper's
"best" columns take **another training sigma in each row** (in parentheses), ours are **one
checkpoint**, trained at sigma 1.0, for all rows. *Equal energy* is one pass of the same checkpoint
at sigma / sqrt({VOTES}): what {VOTES} votes at sigma cost if noise power falls as one over energy.
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
    hardened = results_of(folder / f"{name}.csv")
    if hardened is None:
        command = (
            f"noisevote-train evaluate {name} --test --votes {VOTES} --card "
            f"--output training/results/evaluations/{name}.csv"
        )
        return [title, open_row(command, "no such checkpoint is measured")]
    clean = results_of(folder / f"{paper.network}-clean-{kind}.csv")
    quiet = results_of(folder / f"{name}-equal-energy.csv")
    present = [results for results in (clean, hardened, quiet) if results is not None]
    return [
        title,
        sigma_table(paper, clean, hardened, quiet),
        f"Accuracy against votes:\n\n{votes_table(hardened)}",
        commands([Table(results.about) for results in present]),
        *missing_sigmas(name, hardened),
    ]


def other_sections(folder: Path, paper: PaperResult) -> list[str]:
    """Return the tables of checkpoints that were hardened at another sigma than 1.0."""
    sections = []
    beginning = f"{paper.network}-{SHORT[paper.kind]}-"
    for path in sorted(folder.glob(f"{beginning}[0-9].[0-9].csv")):
        if path.stem != f"{beginning}1.0":
            results = read_results(path)
            sections += [
                f"### `{path.stem}`, {paper.kind} noise\n",
                votes_table(results),
                commands([Table(results.about)]),
            ]
    return sections


def sigma_table(
    paper: PaperResult, clean: Results | None, hardened: Results, quiet: Results | None
) -> str:
    """Return accuracies over sigma: the paper's, ours, the limit."""
    best = find(clean, 0.0, 1)
    rows = []
    for index, sigma in enumerate(SIGMAS):
        limit, snr = "-", "-"
        if paper.kind is NoiseKind.MULTIPLICATIVE:
            limit = f"{100 * one_vote_limit(sigma) * (best.accuracy if best else 1.0):.1f}"
            snr = f"{snr_db_from_sigma(sigma):.1f}" if sigma else "inf"
        rows.append(
            [
                f"{sigma:g}",
                snr,
                str(paper.clean[index]),
                shown_accuracy(find(clean, sigma, 1)),
                f"{paper.one_vote[index]} ({paper.by[index]})",
                shown_accuracy(find(hardened, sigma, 1)),
                limit,
                f"{paper.voted[index]} ({paper.voted_by[index]})" if paper.voted else "-",
                shown_accuracy(find(hardened, sigma, VOTES)),
                shown_accuracy(find(quiet, round(sigma / VOTES**0.5, 4), 1)),
            ]
        )
    head = [
        "sigma", "SNR dB", "paper, trained without noise, 1 vote", "ours, trained without noise",
        "paper best, 1 vote (by)", "ours, trained at 1.0, 1 vote", "limit",
        f"paper best, {VOTES} votes (by)", f"ours, trained at 1.0, {VOTES} votes", "equal energy",
    ]  # fmt: skip
    # Without noise there is always something: one vote stands for all.
    used = [place for place in range(len(head)) if any(row[place] != "-" for row in rows[1:])]
    return markdown_table(
        [head[place] for place in used], [[row[place] for place in used] for row in rows]
    )


def missing_sigmas(name: str, hardened: Results) -> list[str]:
    """Return the line of what a checkpoint's file lacks, if it lacks a sigma."""
    missing = [f"{sigma:g}" for sigma in SIGMAS if find(hardened, sigma, 1) is None]
    if not missing:
        return []
    split = hardened.about["split"].split(",")[0].replace("_", "-")
    options = " ".join(f"--sigma {sigma}" for sigma in missing)
    command = (
        f"noisevote-train evaluate {name} --{split} --votes {hardened.about['votes']} {options} "
        f"--output training/results/evaluations/{name}.csv"
    )
    return [open_row(command, f"sigma {', '.join(missing)} not measured")]


def votes_table(results: Results) -> str:
    """Return accuracies over sigma and votes."""
    plain = [entry for entry in results.accuracies if isinstance(entry.sigma, float)]
    votes = sorted({entry.votes for entry in plain})
    sigmas = sorted({entry.sigma for entry in plain if isinstance(entry.sigma, float)})
    rows = [
        [f"{s:g}", *(shown_accuracy(find(results, s, count)) for count in votes)] for s in sigmas
    ]
    head = ["sigma", *(f"{count} vote{'s' if count > 1 else ''}" for count in votes)]
    return markdown_table(head, rows)


def selection_section(results: Path) -> list[str]:
    """Return what was chosen on validation images, and between what."""
    folder = results / "selection"
    files = [read_results(path) for path in sorted(folder.glob("*.csv"))]
    if not files:
        return []
    rows = [
        [
            f"`{entry.about['trained by']}`",
            shown_accuracy(find(entry, 1.0, 1)),
            shown_accuracy(find(entry, 1.0, VOTES)),
        ]
        for entry in files
    ]
    return [
        "### Choice of sigma_train\n",
        "Short runs, judged at sigma 1.0 on 5,000 training images held back, never on test images. "
        "One vote does not tell 1.0 and 1.2 apart, 20 votes not 0.8 and 1.0; 1.0 was taken.\n",
        markdown_table(["trained by", "1 vote", f"{VOTES} votes"], rows),
        commands([Table(entry.about) for entry in files]),
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
            *(
                shown_share(row_with(table, sigma=row["sigma"], votes=votes))
                for votes in ("1", "20")
            ),
        ]
        for name, table in tables.items()
        for row in table.rows
        if row["votes"] == "1"
    ]
    title = "### The adversarially trained networks on all plain test images\n"
    head = ["network", "sigma", "1 vote", "20 votes"]
    return [title, markdown_table(head, rows), commands(list(tables.values()))]


def results_of(path: Path) -> Results | None:
    """Return a file's results, or None if there is no such file."""
    return read_results(path) if path.is_file() else None


def find(results: Results | None, sigma: float, votes: int) -> Accuracy | None:
    """Return one measured accuracy, or None; without noise one vote stands for all."""
    if results is None:
        return None
    for entry in results.accuracies:
        is_plain = entry.sigma == sigma and not entry.repeats
        if is_plain and (entry.votes == votes or sigma == 0):
            return entry
    return None
