"""The commands ``recipes`` and ``train``."""

from pathlib import Path
from typing import Annotated

import torch
import typer

from models.checkpoint import SHIPPED
from models.cores import allowed_cores
from models.datasets import data_dir, load_dataset
from models.noise import sigma_text
from training.cli_options import AllowUnknown, Checkpoints, DataDir, Threads, console
from training.loop import fit
from training.recipe_table import RECIPES, find_recipe
from training.recipes import Loss
from training.sources import Sources
from training.variation import settings_from, vary


def recipes() -> None:
    """List the recipes."""
    for recipe in RECIPES.values():
        hardening, epochs = recipe.hardening, recipe.schedule.epochs
        sigma = sigma_text(hardening.sigma_train)
        typer.echo(
            f"{recipe.name}: {recipe.network} on {recipe.dataset}, {hardening.kind} noise of sigma "
            f"{sigma}, {hardening.loss}, {epochs} epochs"
        )


def train(
    recipe: Annotated[str, typer.Argument(help="Name of a recipe; see `recipes`.")],
    run: Annotated[Path | None, typer.Option(help="Folder of the run's state.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="PATH=VALUE",
            help="Replace a value of the recipe, such as schedule.epochs=10. Repeat for several.",
        ),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of a varied recipe.")] = None,
    seed: Annotated[int | None, typer.Option()] = None,
    sigma_train: Annotated[float | None, typer.Option()] = None,
    loss: Annotated[Loss | None, typer.Option()] = None,
    epochs: Annotated[int | None, typer.Option()] = None,
    learning_rate: Annotated[float | None, typer.Option()] = None,
    validation_images: Annotated[int | None, typer.Option()] = None,
    data: DataDir = None,
    allow_unknown_data: AllowUnknown = False,
    threads: Threads = None,
    device: Annotated[str, typer.Option(help="Torch device.")] = "cpu",
    minutes: Annotated[
        float, typer.Option(min=0, help="Stop after so long; the same command goes on.")
    ] = float("inf"),
    checkpoints: Checkpoints = SHIPPED,
    runs: Annotated[Path, typer.Option(help="Folder of the runs.")] = Path("runs"),
) -> None:
    """Train a recipe; run it again after an interruption and it goes on where it was."""
    short = {
        "name": name,
        "seed": seed,
        "hardening.sigma_train": sigma_train,
        "hardening.loss": loss,
        "schedule.epochs": epochs,
        "schedule.learning_rate": learning_rate,
        "validation_images": validation_images,
    }
    given = {path: value for path, value in short.items() if value is not None}
    chosen = vary(find_recipe(recipe), given | settings_from(settings or ()))
    torch.set_num_threads(threads or allowed_cores())
    dataset = load_dataset(chosen.dataset, data_dir(data), allow_unknown_data)
    folder = run or runs / chosen.name
    progress = fit(
        chosen,
        dataset.train,
        folder,
        console,
        device,
        minutes=minutes,
        sources=Sources(checkpoints, runs),
    )
    if progress.is_finished:
        console.print(f"trained; export it with: noisevote-train export {folder}")
    else:
        console.print(f"stopped after step {progress.step}; the same command goes on from there")
