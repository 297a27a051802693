"""The command ``agreement``: how much votes agree, for the drift monitor of the service."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from models.card import AgreementReference
from models.checkpoint import SHIPPED, CheckpointStore
from models.cores import allowed_cores
from models.data.datasets import load_dataset
from models.data.files import data_dir
from models.noise import NoiseKind
from training.cli.options import (
    AllowUnknown,
    Checkpoints,
    DataDir,
    Threads,
    given_command,
    images_progress,
)
from training.export.card_file import check_writable, update_card
from training.measure.agreement import measured_agreement, with_agreements
from training.measure.evaluate import MAX_SEED, Caster
from training.measure.splits import Split, examples_of
from training.recipes.recipe import recipe_from_dict

MIN_SIGMA = 1e-9
DEFAULT_SIGMAS = (0.5, 0.8, 1.0, 1.25, 1.5)
"""As multiples of the checkpoint's ``sigma_train``."""

WITHOUT_NOISE = 0.4
"""Taken in its place for a checkpoint that was trained without noise."""

DEFAULT_VOTES = (5, 20)


def agreement(
    name: Annotated[str, typer.Argument(help="Name of a checkpoint.")],
    sigma: Annotated[
        list[float] | None,
        typer.Option(
            min=MIN_SIGMA, help="Repeat for several; default 0.5 to 1.5 times sigma_train."
        ),
    ] = None,
    votes: Annotated[
        list[int] | None, typer.Option(min=2, help="N; repeat for several; default 5 and 20.")
    ] = None,
    kind: Annotated[NoiseKind | None, typer.Option(help="Default: the checkpoint's.")] = None,
    images: Annotated[int, typer.Option(min=2, help="So many, spread over the split.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, max=MAX_SEED)] = 2,
    checkpoints: Checkpoints = SHIPPED,
    data: DataDir = None,
    allow_unknown_data: AllowUnknown = False,
    threads: Threads = None,
) -> None:
    """Measure how much votes agree on validation images, and write it to the card."""
    checkpoint = CheckpointStore(checkpoints).find(name)
    recipe = recipe_from_dict(checkpoint.card.training.recipe)
    dataset = load_dataset(recipe.dataset, data_dir(data), allow_unknown_data)
    chosen, _ = examples_of(dataset, recipe, Split.VALIDATION).spread(images)
    trained_for = checkpoint.card.noise.largest_sigma or WITHOUT_NOISE
    sigmas = sigma or [round(times * trained_for, 6) for times in DEFAULT_SIGMAS]
    check_writable(checkpoint.folder)
    with images_progress() as progress:
        task = progress.add_task(name, total=len(sigmas) * len(chosen))
        caster = Caster(
            checkpoint, seed, threads or allowed_cores(), lambda done: progress.advance(task, done)
        )
        noise = (kind or checkpoint.card.noise.kind, sigmas)
        found = list(
            measured_agreement(caster, chosen, noise, votes or DEFAULT_VOTES, given_command())
        )
    show(found)
    update_card(checkpoint, lambda now: with_agreements(now, found))


def show(found: list[AgreementReference]) -> None:
    """Print how much votes agree."""
    table = Table("noise", "sigma", "votes", "inputs", "agreement", "top-two margin")
    for entry in found:
        table.add_row(
            entry.kind,
            f"{entry.sigma:g}",
            str(entry.votes),
            str(entry.inputs),
            f"{entry.agreement_mean:.4f} (sd {entry.agreement_sd:.4f})",
            f"{entry.margin_mean:.4f} (sd {entry.margin_sd:.4f})",
        )
    Console().print(table)
