"""The command ``calibrate``: margins for the stop rule ``calibrated``."""

from collections.abc import Iterable
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from models.card import Threshold
from models.checkpoint import SHIPPED, CheckpointStore
from models.cores import allowed_cores
from models.data.datasets import load_dataset
from models.data.files import data_dir
from models.noise import NoiseKind
from models.statistics import clopper_pearson
from training.cli.options import (
    AllowUnknown,
    Checkpoints,
    DataDir,
    Threads,
    given_command,
    images_progress,
)
from training.export.card_file import check_writable, update_card
from training.measure.calibrate import (
    CalibrationPlan,
    Outcome,
    calibrate,
    check_thresholds,
    with_thresholds,
)
from training.measure.evaluate import MAX_SEED, Caster
from training.measure.splits import Split, examples_of
from training.recipes.recipe import recipe_from_dict

MIN_SIGMA = 1e-9
MIN_DELTA = 1e-9


def calibrate_checkpoint(
    name: Annotated[str, typer.Argument(help="Name of a checkpoint.")],
    sigma: Annotated[
        list[float] | None,
        typer.Option(min=MIN_SIGMA, help="Repeat for several; default 0.5 and 1."),
    ] = None,
    votes: Annotated[
        list[int] | None, typer.Option(min=1, help="N; repeat for several; default 20.")
    ] = None,
    delta: Annotated[
        list[float] | None,
        typer.Option(min=MIN_DELTA, max=0.5, help="Repeat for several; default 0.001."),
    ] = None,
    kind: Annotated[NoiseKind | None, typer.Option(help="Default: the checkpoint's.")] = None,
    seed: Annotated[int, typer.Option(min=0, max=MAX_SEED)] = 1,
    check_on_test_data: Annotated[
        bool, typer.Option("--test", help="Show what the card's margins do to the test images.")
    ] = False,
    checkpoints: Checkpoints = SHIPPED,
    data: DataDir = None,
    allow_unknown_data: AllowUnknown = False,
    threads: Threads = None,
) -> None:
    """Choose on validation images when the stop rule `calibrated` stops, for the card."""
    checkpoint = CheckpointStore(checkpoints).find(name)
    card = checkpoint.card
    recipe = recipe_from_dict(card.training.recipe)
    dataset = load_dataset(recipe.dataset, data_dir(data), allow_unknown_data)
    images = examples_of(dataset, recipe, Split.TEST if check_on_test_data else Split.VALIDATION)
    plan = CalibrationPlan(
        kind=kind or card.noise.kind,
        sigmas=sigma or [0.5, 1.0],
        votes=votes or [20],
        deltas=delta or [0.001],
    )
    if not check_on_test_data:
        check_writable(checkpoint.folder)
    with images_progress() as progress:
        task = progress.add_task(name, total=None)
        caster = Caster(
            checkpoint, seed, threads or allowed_cores(), lambda done: progress.advance(task, done)
        )
        if check_on_test_data:
            show(check_thresholds(caster, images), len(images))
            return
        chosen = list(calibrate(caster, images, plan, given_command()))
    show(((entry, Outcome(entry.changed, entry.mean_votes)) for entry in chosen), len(images))
    update_card(checkpoint, lambda now: with_thresholds(now, chosen))


def show(rows: Iterable[tuple[Threshold, Outcome]], images: int) -> None:
    """Print what margins do."""
    table = Table("noise", "sigma", "votes", "delta", "margin", "votes cast", "modes changed")
    for entry, outcome in rows:
        low, high = clopper_pearson(outcome.changed, images, 0.05)
        table.add_row(
            entry.kind,
            f"{entry.sigma:g}",
            str(entry.votes),
            f"{entry.delta:g}",
            str(entry.margin),
            f"{outcome.mean_votes:.2f}",
            f"{outcome.changed} of {images} ({100 * low:.3f} to {100 * high:.3f} %)",
        )
    Console().print(table)
