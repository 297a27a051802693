"""The sections on the papers' grids: Tables 2, 3, 5 to 9 and Figures 2, 6 to 10."""

from pathlib import Path

from models.noise import NoiseKind, snr_db_from_sigma
from training.experiments.paper import PAPER_RESULTS, SIGMAS, PaperResult
from training.report.grid_results import EXACT_TEST, TEST, Best, Grid, read_grid
from training.report.limit import one_vote_limit
from training.report.markdown import commands, figure, markdown_table, open_row, shown_share

SHORT = {NoiseKind.MULTIPLICATIVE: "mult", NoiseKind.ADDITIVE: "add"}
VOTES = 20

TEXT = """## The grid: envelopes against envelopes

Each row of a "best" column takes the network that does best there, in the paper and here; its
sigma_train stands in parentheses. Ours is chosen on validation images and reported on test images,
on other noise; the paper does not say what its choice was made on. One vote is counted on all test
images (the first vote of each), several votes on a part of them. *Limit*: the best that one vote
can do against the last layer's noise alone, times our best accuracy without noise (an estimate, no
bound: noise can turn wrong answers right, too). *Equal energy*: one pass at sigma / sqrt(20), by
the network that does best at that sigma.

What differs: the paper trains each network for 100 epochs (CIFAR-10: 300) with batches of 32 and
has 11 values of sigma_train. Ours are runs of 6 epochs (CIFAR-10: one, after 4 without noise) with
batches of 128 (64), AdamW, and the marginal loss over 16 draws of the last layer's noise, with
widths of our own, and as many values of sigma_train as there are below.
"""


def grid_name(paper: PaperResult) -> str:
    """Return the name of the recipe behind a grid."""
    return f"{paper.network}-{SHORT[paper.kind]}-grid"


def grid_sections(results: Path) -> list[str]:
    """Return one section for each grid of the paper."""
    sections = [TEXT]
    for paper in PAPER_RESULTS:
        name = grid_name(paper)
        grid = read_grid(results / "grid" / name)
        sections.append(f"### `{paper.network}`, {paper.kind} noise ({paper.tables})\n")
        if grid is None:
            sections.append(
                open_row(f"noisevote-train experiment grid {name}", "no network of it is measured")
            )
            continue
        sections += [
            envelope_table(paper, grid),
            *exact_table(paper, grid),
            figure(f"grid-{name}", f"Error over sigma, one curve a sigma_train, {name}"),
            commands(list(grid.tables.values())),
        ]
        if missing := [s for s in SIGMAS if s not in grid.tables]:
            values = " ".join(f"--sigma-train {value:g}" for value in missing)
            sections.append(
                open_row(
                    f"noisevote-train experiment grid {name} {values}",
                    f"sigma_train {', '.join(f'{value:g}' for value in missing)} not measured",
                )
            )
    return sections


def envelope_table(paper: PaperResult, grid: Grid) -> str:
    """Return accuracies over sigma: the paper's, ours, the limit."""
    clean = grid.best(0.0, 1)
    head = [
        "sigma", "SNR dB", "paper, trained without noise", "ours, trained without noise",
        "paper best, 1 vote (by)", "ours best, 1 vote (by)", "limit",
        f"paper best, {VOTES} votes (by)", f"ours best, {VOTES} votes (by)", "equal energy (by)",
    ]  # fmt: skip
    rows = [envelope_row(paper, grid, index, clean) for index in range(len(SIGMAS))]
    used = [place for place in range(len(head)) if any(row[place] != "-" for row in rows)]
    return markdown_table(
        [head[place] for place in used], [[row[place] for place in used] for row in rows]
    )


def exact_table(paper: PaperResult, grid: Grid) -> list[str]:
    """Return the best columns on the test images with exact pixels, where data are a lossy copy."""
    if not grid.has(EXACT_TEST):
        return []
    rows = [
        [
            f"{sigma:g}",
            f"{paper.one_vote[index]} ({paper.by[index]})",
            shown_best(grid.best(sigma, 1, EXACT_TEST)),
            f"{paper.voted[index]} ({paper.voted_by[index]})" if paper.voted else "-",
            shown_best(grid.best(sigma, VOTES, EXACT_TEST)),
        ]
        for index, sigma in enumerate(SIGMAS)
    ]
    head = [
        "sigma", "paper best, 1 vote (by)", "ours best, 1 vote (by)",
        f"paper best, {VOTES} votes (by)", f"ours best, {VOTES} votes (by)",
    ]  # fmt: skip
    text = "The same on official test images with exact pixels; the others are a lossy copy.\n"
    return [text, markdown_table(head, rows)]


def envelope_row(paper: PaperResult, grid: Grid, index: int, clean: Best | None) -> list[str]:
    """Return the row of one sigma; a dash where there is nothing."""
    sigma = SIGMAS[index]
    snr, limit = "-", "-"
    if paper.kind is NoiseKind.MULTIPLICATIVE:
        snr = f"{snr_db_from_sigma(sigma):.1f}" if sigma else "inf"
        if clean is not None:
            limit = f"{100 * one_vote_limit(sigma) * float(clean.row['accuracy']):.1f}"
    without = grid.share(0.0, TEST, sigma, 1) if 0.0 in grid.tables else None
    return [
        f"{sigma:g}",
        snr,
        str(paper.clean[index]),
        shown_share(without),
        f"{paper.one_vote[index]} ({paper.by[index]})",
        shown_best(grid.best(sigma, 1)),
        limit,
        f"{paper.voted[index]} ({paper.voted_by[index]})" if paper.voted else "-",
        shown_best(grid.best(sigma, VOTES)),
        shown_best(grid.best(sigma / VOTES**0.5, 1)) if sigma else "-",
    ]


def shown_best(best: Best | None) -> str:
    """Return a share with its interval and the sigma_train behind it."""
    return "-" if best is None else f"{shown_share(best.row)} ({best.sigma_train:g})"
