"""The commands ``recipes``, ``train`` and ``throughput``."""

from pathlib import Path
from typing import Annotated

import torch
import typer

from noisevote.models.checkpoint import SHIPPED
from noisevote.models.cores import allowed_cores
from noisevote.models.data.datasets import load_dataset
from noisevote.models.data.files import data_dir
from noisevote.models.noise import NoiseKind, sigma_text
from noisevote.training.cli.options import (
    Accelerator,
    AllowUnknown,
    Checkpoints,
    DataDir,
    Threads,
    console,
)
from noisevote.training.fit.accelerators import accelerator_named, precision_on, shown_accelerator
from noisevote.training.fit.bar import Bar
from noisevote.training.fit.loop import fit
from noisevote.training.fit.sources import Sources, shown_source
from noisevote.training.measure.throughput import Rival, measure_throughput
from noisevote.training.recipes.network import fitting_dataset
from noisevote.training.recipes.recipe import Hardening, Loss, Recipe, Schedule
from noisevote.training.recipes.table import RECIPES, find_recipe
from noisevote.training.recipes.vary import SHORT_OPTIONS, settings_from, vary

Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="PATH=VALUE",
        help="Replace a value of the recipe, such as schedule.epochs=10. Repeat for several.",
    ),
]
OTHER_WAYS: dict[Rival, str] = {"noiseless": "without noise", "torch": "by torch alone"}
NOT_FINISHED = 3
"""Exit code of a training that was stopped before its end."""


def recipes() -> None:
    """List the recipes."""
    for recipe in RECIPES.values():
        hardening, epochs = recipe.hardening, recipe.schedule.epochs
        noise = f"{hardening.kind} noise of sigma {sigma_text(hardening.sigma_train)}"
        noise = noise if hardening.device is None else f"device {hardening.device}"
        before = f", starts from {shown_source(recipe.warm_start)}" if recipe.warm_start else ""
        typer.echo(
            f"{recipe.name}: {recipe.network} on {recipe.dataset}, {noise}, {hardening.loss}, "
            f"{epochs} epochs{before}"
        )


def train(
    recipe: Annotated[str, typer.Argument(help="Name of a recipe; see `recipes`.")],
    run: Annotated[
        Path | None, typer.Option(help="Folder of the run's state. Default: its name in --runs.")
    ] = None,
    settings: Settings = None,
    name: Annotated[str | None, typer.Option(help="Name of a varied recipe.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of weights, noise and order.")] = None,
    sigma_train: Annotated[float | None, typer.Option(help="Sigma of the noise.")] = None,
    loss: Annotated[Loss | None, typer.Option(help="What the noise is met with.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the images.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="The peak.")] = None,
    validation_images: Annotated[
        int | None, typer.Option(help="Training images held back.")
    ] = None,
    data: DataDir = None,
    allow_unknown_data: AllowUnknown = False,
    threads: Threads = None,
    accelerator: Accelerator = "cpu",
    minutes: Annotated[
        float,
        typer.Option(min=0, help="Stop after so long, with exit code 3; the same command goes on."),
    ] = float("inf"),
    checkpoints: Checkpoints = SHIPPED,
    runs: Annotated[Path, typer.Option(help="Folder of the runs.")] = Path("runs"),
) -> None:
    """Train a recipe; run it again after an interruption and it goes on where it was.

    What is not given is as the recipe has it.
    """
    values = (name, seed, sigma_train, loss, epochs, learning_rate, validation_images)
    short = dict(zip(SHORT_OPTIONS, values, strict=True))
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
        accelerator,
        minutes=minutes,
        sources=Sources(checkpoints, runs),
    )
    if not progress.is_finished:
        console.print(f"stopped after step {progress.step}; go on with the same command")
        raise typer.Exit(NOT_FINISHED)
    console.print(f"trained; export it with: noisevote-train export {folder}")


def throughput(
    network: Annotated[str, typer.Argument(help="Name of a network.")],
    noise: Annotated[NoiseKind, typer.Option(help="Of the training.")] = NoiseKind.MULTIPLICATIVE,
    settings: Settings = None,
    steps: Annotated[int, typer.Option(min=1, help="Steps of a block.")] = 5,
    pairs: Annotated[int, typer.Option(min=2, help="Blocks with noise, and as many without.")] = 20,
    threads: Annotated[int, typer.Option(min=1, help="Of torch.")] = 1,
    accelerator: Accelerator = "cpu",
    against: Annotated[
        Rival, typer.Option(help="What is compared: the same without noise, or by torch alone.")
    ] = "noiseless",
) -> None:
    """Measure what the noise costs a training, or what compiled kernels spare it.

    The images are made up; --set varies the recipe.
    """
    hardening = Hardening(noise, sigma_train=1.0, loss="marginal", output_draws=16)
    recipe = Recipe(
        "throughput",
        network,
        fitting_dataset(network).name,
        hardening,
        Schedule(epochs=10_000, precision="float32"),
        validation_images=1,
    )
    recipe = vary(recipe, settings_from(settings or ()))
    where = accelerator_named(accelerator)
    torch.set_num_threads(threads)
    with Bar(console) as bar:
        task = bar.add_task(network, total=pairs + 1)
        found = measure_throughput(recipe, steps, pairs, where, lambda: bar.advance(task), against)
    low, high = found.interval
    here = shown_accelerator(where, precision_on(where, recipe.schedule))
    typer.echo(
        f"{network}, {noise} noise, batch {recipe.schedule.batch_size}, {threads} "
        f"thread{'s' * (threads > 1)}, {here}: "
        f"{found.one:.1f} images/s, {OTHER_WAYS[against]} {found.other:.1f}; ratio "
        f"{found.ratio:.3f} [{low:.3f}, {high:.3f}] from {found.pairs} pairs of {steps} steps"
    )
