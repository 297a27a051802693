"""Width ablation: one recipe, several widths.

The widths of the paper's networks are lost and ours are a choice; this shows how much of a gain
may be width. Short runs, so the rows compare with each other and with nothing else.
"""

from pathlib import Path

from noisevote.models.noise import Noise
from noisevote.training.experiments.bench import SEEDS, Bench
from noisevote.training.experiments.experiment import Experiment, shown_or_open
from noisevote.training.measure.plan import Count, Plan
from noisevote.training.measure.results import SHARE_COLUMNS, Table, share
from noisevote.training.measure.splits import Split
from noisevote.training.recipes.recipe import Recipe
from noisevote.training.recipes.table import find_recipe
from noisevote.training.recipes.vary import vary
from noisevote.training.report.markdown import commands, markdown_table, shown_share

COLUMNS = ("units", "macs", "epochs", "sigma", "votes", *SHARE_COLUMNS)
FOLDER = "widths"
WIDTH_OPTION = {"mnist_cnn": "fc_units", "stroke_lstm": "units"}
SHOWN = "mnist_cnn-mult-grid"

TEXT = """## Width ablation

One recipe at several widths, short runs of one seed each, on test images, by which nothing was
chosen: the rows compare with each other only.
"""


class WidthPlan(Plan):
    """What is varied and measured."""

    units: tuple[Count, ...] = (64, 128, 256, 512)
    """Widths of the layer that is varied."""

    epochs: Count = 2
    """Of each run."""

    votes: Count = 20
    """On each image."""

    images: Count = 2000
    """Of the test split, spread over it."""


def run_widths(bench: Bench, base: str, plan: WidthPlan) -> None:
    """Train a recipe at several widths; measure it at 0 and at its sigma_train."""
    recipe = find_recipe(base)
    option = WIDTH_OPTION[recipe.network]
    file = bench.file(
        f"{FOLDER}/{base}.csv",
        None,
        COLUMNS,
        recipe=f"{base} with {plan.epochs} epochs and other {option}",
        split=f"test, {plan.images} images spread over it, seed {SEEDS[Split.TEST]}",
        votes=str(plan.votes),
    )
    for units in plan.units:
        if not file.having(units=units):
            file.add(measure(bench, wider(recipe, option, units, plan.epochs), units, plan))


def wider(recipe: Recipe, option: str, units: int, epochs: int) -> Recipe:
    """Return the recipe at another width."""
    settings = {
        "name": f"{recipe.name}-{option}-{units}",
        f"options.{option}": units,
        "schedule.epochs": epochs,
    }
    return vary(recipe, settings)


def measure(bench: Bench, recipe: Recipe, units: int, plan: WidthPlan) -> list[dict[str, object]]:
    """Train and measure one width."""
    checkpoint = bench.trained(recipe)
    images, _ = bench.images(checkpoint, Split.TEST).spread(plan.images)
    kind, sigma_train = recipe.hardening.kind, recipe.hardening.sigma_train
    rows: list[dict[str, object]] = []
    with bench.caster(checkpoint, Split.TEST, 2 * len(images)) as caster:
        for sigma in (0.0, sigma_train):
            votes = caster.cast(images, Noise(kind, sigma), plan.votes)
            rows += [
                {
                    "units": units,
                    "macs": checkpoint.card.macs,
                    "epochs": plan.epochs,
                    "sigma": sigma,
                    "votes": count,
                    **share(votes.correct(count), len(images)),
                }
                for count in (1, plan.votes)
            ]
    return rows


def width_section(results: Path) -> list[str]:
    """Return the width ablation."""
    return [TEXT, *shown_or_open(results, FOLDER, SHOWN, shown)]


def shown(table: Table) -> list[str]:
    """Return the accuracies by width."""
    rows = [
        [
            row["units"],
            f"{int(row['macs']) / 1e6:.1f}",
            row["sigma"],
            row["votes"],
            shown_share(row),
        ]
        for row in table.rows
    ]
    head = ["units of fc1", "10^6 multiply-accumulates", "sigma", "votes", "accuracy"]
    return [markdown_table(head, rows), commands([table])]


WIDTHS = Experiment(
    FOLDER,
    "Width ablation at sigma_train 1.0.",
    "recipe",
    WidthPlan(),
    WidthPlan(units=(16,), epochs=1, votes=3),
    run_widths,
    width_section,
    default=SHOWN,
)
