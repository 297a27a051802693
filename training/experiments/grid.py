"""The grid: accuracy over sigma for networks trained at several sigma_train.

Source: Qin & Vucinic, arXiv 1811.10649, Tables 2, 3, 5, 6 (one vote) and 7, 8, 9 (20 votes),
Figures 2 and 6 to 10. The sigma_train that does best at each sigma is chosen on validation images
and reported on test images, on other noise; the choice is made by whoever reads the files.

One vote is counted on all images, several on a part of them spread over the split. The first vote
of an image counts only, so that the images are independent and the interval exact.
"""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from noisevote.models.checkpoint import Checkpoint
from noisevote.models.noise import Noise, NoiseKind
from noisevote.training.experiments.bench import SEEDS, Bench
from noisevote.training.experiments.experiment import Experiment, NamedFigures
from noisevote.training.experiments.grid_results import EXACT_TEST, TEST, Best, Grid, read_grid
from noisevote.training.measure.evaluate import Caster, NumberedExamples, reported
from noisevote.training.measure.plan import Count, NotNegative, Plan
from noisevote.training.measure.results import SHARE_COLUMNS, ResultsFile, share
from noisevote.training.measure.splits import Split
from noisevote.training.recipes.table import find_recipe
from noisevote.training.recipes.vary import at_sigma_train, shown
from noisevote.training.report.limit import one_vote_limit
from noisevote.training.report.markdown import (
    commands,
    figure,
    markdown_table,
    open_row,
    shown_share,
    table_without_empty,
)
from noisevote.training.report.paper import PAPER_RESULTS, SHORT, SIGMAS, VOTES, PaperResult
from noisevote.training.report.style import draw_errors, log_error_axis, new_figure

COLUMNS = ("split", "sigma", "votes", *SHARE_COLUMNS)
FOLDER = "grid"

TEXT = """## The grid: envelopes against envelopes

Each row of a "best" column takes the network that does best there, in the paper and here; its
sigma_train stands in parentheses. Ours is chosen on validation images and reported on test images,
on other noise; the paper does not say what its choice was made on. One vote is counted on all test
images (the first vote of each), several votes on a part of them. *Limit*: the best that one vote
can do against the last layer's noise alone, times our best accuracy without noise (an estimate, no
bound: noise can turn wrong answers right, too). *Equal energy*: one pass at sigma / sqrt(20), by
the network that does best at that sigma.

What differs: the paper trains each network for 100 epochs (CIFAR-10: 300) with batches of 32 and
has 11 values of sigma_train. Ours are runs of 6 epochs (CIFAR-10: 16, from the 36 of
`densenet40-clean`, 13 of them on pictures made smaller) with batches of 128 (512), AdamW (Muon),
and the marginal loss over 16 draws of the last layer's noise, with widths of our own.
"""


class GridPlan(Plan):
    """What the grid measures."""

    sigma_train: tuple[NotNegative, ...] = SIGMAS
    """Of the networks."""

    sigma: tuple[NotNegative, ...] = SIGMAS
    """At which the networks are measured."""

    votes: Count = 20
    """On each of the voted images."""

    voted_images: Count = 2000
    """Of a split, spread over it; half as many of the validation split."""

    images: Count | None = None
    """With one vote, spread over each split; by default all."""

    @property
    def shown_votes(self) -> str:
        """Say how many votes fall on how many images."""
        if self.votes == 1:
            return "1 on all images"
        return f"{self.votes} on {self.voted_images} test images and half as many of validation"

    @property
    def equal_energy_sigmas(self) -> tuple[float, ...]:
        """Sigmas of one pass that takes the energy of all votes; none if there is one vote."""
        if self.votes == 1:
            return ()
        return tuple(sigma / self.votes**0.5 for sigma in self.sigma if sigma > 0)


def run_grid(bench: Bench, base: str, plan: GridPlan) -> None:
    """Train and measure the networks of a grid, as far as they are missing."""
    for sigma_train in plan.sigma_train:
        recipe = at_sigma_train(find_recipe(base), sigma_train)
        checkpoint = bench.trained(recipe)
        splits = bench.splits(checkpoint)
        file = bench.file(
            f"{FOLDER}/{base}/{shown(sigma_train)}.csv",
            checkpoint,
            COLUMNS,
            noise=str(recipe.hardening.kind),
            splits="; ".join(f"{name}: seed {SEEDS[name]}" for name in sorted(splits)),
            votes=plan.shown_votes,
            **({} if plan.images is None else {"images": str(plan.images)}),
        )
        for split in splits:
            measure(bench, checkpoint, plan, split, file)


def measure(
    bench: Bench, checkpoint: Checkpoint, plan: GridPlan, split: Split, file: ResultsFile
) -> None:
    """Measure one network on one split, as far as the file lacks it."""
    images = bench.images(checkpoint, split)
    if plan.images is not None:
        images, _ = images.spread(plan.images)
    voted_images = plan.voted_images // (2 if split is Split.VALIDATION else 1)
    settings = dict.fromkeys(plan.sigma, plan.votes)
    for sigma in plan.equal_energy_sigmas:
        settings.setdefault(sigma, 1)
    left = {
        sigma: votes
        for sigma, votes in settings.items()
        if not file.having(split=split, sigma=sigma)
    }
    with bench.caster(checkpoint, split, len(left) * len(images)) as caster:
        for sigma, votes in left.items():
            noise = Noise(checkpoint.card.noise.kind, sigma)
            file.add(
                {"split": split, "sigma": sigma, **row}
                for row in rows_of(caster, images, noise, votes, voted_images)
            )


def rows_of(
    caster: Caster, images: NumberedExamples, noise: Noise, votes: int, voted_images: int
) -> list[dict[str, object]]:
    """Return accuracies: of one vote on all images, of more on a part of them."""
    is_same = noise.sigma == 0  # all votes fall on the same class
    voted, others = images.spread(len(images) if is_same or votes == 1 else voted_images)
    cast = caster.cast(voted, noise, votes)
    correct = cast.correct(1)
    if len(others):
        correct += caster.cast(others, noise, 1).correct(1)
    rows: list[dict[str, object]] = [{"votes": 1, **share(correct, len(images))}]
    more = (count for count in reported(votes) if count > 1)
    rows += [{"votes": count, **share(cast.correct(count), len(voted))} for count in more]
    return rows


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
            command = f"noisevote-train experiment grid {name}"
            sections.append(open_row(command, "no network of it is measured"))
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
    best = grid.best(0.0, 1)
    clean = float(best.row["accuracy"]) if best else None
    head = [
        "sigma", "SNR dB", "paper, trained without noise", "ours, trained without noise",
        "paper best, 1 vote (by)", "ours best, 1 vote (by)", "limit",
        f"paper best, {VOTES} votes (by)", f"ours best, {VOTES} votes (by)", "equal energy (by)",
    ]  # fmt: skip
    rows = [envelope_row(paper, grid, index, clean) for index in range(len(SIGMAS))]
    return table_without_empty(head, rows)


def exact_table(paper: PaperResult, grid: Grid) -> list[str]:
    """Return the best columns on the test images with exact pixels, where data are a lossy copy."""
    if not grid.has(EXACT_TEST):
        return []
    rows = [
        [
            f"{sigma:g}",
            paper.shown_one_vote(index),
            shown_best(grid.best(sigma, 1, EXACT_TEST)),
            paper.shown_voted(index),
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


def envelope_row(paper: PaperResult, grid: Grid, index: int, clean: float | None) -> list[str]:
    """Return the row of one sigma; a dash where there is nothing."""
    sigma = SIGMAS[index]
    without = grid.share(0.0, TEST, sigma, 1) if 0.0 in grid.tables else None
    return [
        f"{sigma:g}",
        paper.shown_snr(sigma),
        str(paper.clean[index]),
        shown_share(without),
        paper.shown_one_vote(index),
        shown_best(grid.best(sigma, 1)),
        paper.shown_limit(sigma, clean),
        paper.shown_voted(index),
        shown_best(grid.best(sigma, VOTES)),
        shown_best(grid.best(sigma / VOTES**0.5, 1)) if sigma else "-",
    ]


def shown_best(best: Best | None) -> str:
    """Return a share with its interval and the sigma_train behind it."""
    return "-" if best is None else f"{shown_share(best.row)} ({best.sigma_train:g})"


def grid_figures(results: Path) -> NamedFigures:
    """Yield the figure of each grid of the paper that is measured."""
    for paper in PAPER_RESULTS:
        grid = read_grid(results / FOLDER / grid_name(paper))
        if grid is not None:
            yield f"{FOLDER}-{grid_name(paper)}", grid_figure(paper, grid)


def grid_figure(paper: PaperResult, grid: Grid) -> Figure:
    """Draw one vote, and 20 votes beside it if they are measured."""
    is_voted = any(
        grid.share(value, TEST, sigma, VOTES) for value in grid.tables for sigma in SIGMAS[1:]
    )
    panels = 2 if is_voted else 1
    figure = new_figure(4.2 * panels, 3.6)
    axes = figure.subplots(1, panels, sharey=True, squeeze=False)[0]
    draw_panel(axes[0], paper, grid, 1)
    if is_voted:
        draw_panel(axes[1], paper, grid, VOTES)
    axes[0].legend(title="sigma_train", ncols=2)
    for panel in axes:
        log_error_axis(panel)
    return figure


def draw_panel(axes: Axes, paper: PaperResult, grid: Grid, votes: int) -> None:
    """Draw all networks for one number of votes, the paper's envelope and the limit."""
    for index, value in enumerate(grid.tables):
        known = [(s, row) for s in SIGMAS if (row := grid.share(value, TEST, s, votes)) is not None]
        draw_errors(axes, [s for s, _ in known], [row for _, row in known], f"{value:g}", index)
    of_paper = paper.one_vote if votes == 1 else paper.voted
    if of_paper:
        errors = [100 - value for value in of_paper]
        axes.plot(SIGMAS, errors, "x", color="#000000", markersize=7, label="paper's best")
    clean = grid.best(0.0, 1)
    if votes == 1 and paper.kind is NoiseKind.MULTIPLICATIVE and clean is not None:
        limits = [100 * (1 - one_vote_limit(s) * float(clean.row["accuracy"])) for s in SIGMAS]
        axes.plot(SIGMAS, limits, color="#7F7F7F", linewidth=2.5, alpha=0.5, label="limit")
    axes.set_xlabel("sigma")
    axes.set_title(f"{votes} vote{'s' if votes > 1 else ''}")


GRID = Experiment(
    FOLDER,
    "Accuracy over sigma and sigma_train (Tables 2, 3, 5 to 9; Figures 2, 6 to 10).",
    "recipe",
    GridPlan(),
    GridPlan(sigma_train=(0.0, 1.0), sigma=(0.0, 1.0), votes=3),
    run_grid,
    grid_sections,
    grid_figures,
)
