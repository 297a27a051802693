"""The commands ``experiment ...``: each measures what one section of the results page shows."""

import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Literal, ParamSpec, TypeVar, cast

import typer
from rich.console import Console
from rich.table import Table

from models.cores import allowed_cores
from models.data.datasets import load_dataset
from models.data.files import data_dir
from models.errors import InputError
from training.cli.options import (
    AllowUnknown,
    DataDir,
    Device,
    Threads,
    console,
    given_command,
    images_progress,
)
from training.experiments.ablation import BASE, CHANGES, Ablation, AblationPlan
from training.experiments.bench import Bench
from training.experiments.distributions import DistributionPlan, run_distributions
from training.experiments.energy import EnergyExperiment, EnergyPlan
from training.experiments.grid import GridPlan, run_grid
from training.experiments.learning import LearningPlan, run_learning
from training.experiments.midpoints import MidpointPlan, run_midpoints
from training.experiments.quantisation import QuantisationPlan, run_quantisation
from training.experiments.table11 import PAIRS, Table11Plan, lines_of, run_table11
from training.experiments.votes import VotesPlan, run_votes
from training.experiments.weights import run_weights
from training.experiments.widths import WidthPlan, run_widths
from training.fit.accelerators import device_named
from training.measure.noise_setting import parse_map
from training.report.page import RESULTS

Plan = TypeVar("Plan", bound=Any)
Entry = TypeVar("Entry", int, float, str)
P = ParamSpec("P")

experiments = typer.Typer(
    help="Run an experiment; it goes on where it was. The options below stand before its name: "
    "`experiment --data-dir DATA grid RECIPE`. --smoke runs it on made-up data in seconds; "
    "--device is where networks are trained and examples of a surrogate made.",
    no_args_is_help=True,
)

GridRecipe = Annotated[
    str, typer.Argument(help="Recipe that is varied, such as mnist_cnn-mult-grid.")
]
Names = Annotated[list[str], typer.Argument(help="Names of checkpoints.")]
SigmaTrain = Annotated[list[float] | None, typer.Option(help="Default 0 to 1 by 0.2.")]
Sigmas = Annotated[list[float] | None, typer.Option("--sigma", help="Repeat it for several.")]
Images = Annotated[int | None, typer.Option(min=1, help="Images of the split.")]
PairName = Literal["mnist", "mnist-hardened", "cifar10"]
VoteCount = Annotated[int | None, typer.Option(min=1)]


def experiment(command: Callable[P, None]) -> Callable[P, None]:
    """Register a command; where all is measured already, it says so instead of nothing."""

    @experiments.command()
    @wraps(command)
    def run(*args: P.args, **options: P.kwargs) -> None:
        command(*args, **options)
        cast(typer.Context, options["context"]).obj.say_if_nothing_was_left()

    return run


@experiments.callback()
def bench(
    context: typer.Context,
    runs: Annotated[Path, typer.Option(help="Folder of the training runs.")] = Path("runs"),
    results: Annotated[Path | None, typer.Option(help="Folder of the raw results.")] = None,
    smoke: Annotated[bool, typer.Option(help="Made-up data, small networks, seconds.")] = False,
    data: DataDir = None,
    allow_unknown_data: AllowUnknown = False,
    threads: Threads = None,
    device: Device = "cpu",
) -> None:
    """Set up what all experiments take."""
    device_named(device)
    if smoke and results is None:
        results = Path(tempfile.mkdtemp(prefix="noisevote-smoke-"))
        runs = results / "runs"
        console.print(f"made-up data; results in {results}")
    context.obj = Bench(
        runs=runs,
        results=results or RESULTS,
        load=lambda name: load_dataset(name, data_dir(data), allow_unknown_data),
        command=given_command(),
        console=console,
        progress=images_progress,
        threads=threads or allowed_cores(),
        device=device,
        is_smoke=smoke,
    )


@experiment
def grid(
    context: typer.Context,
    recipe: GridRecipe,
    sigma_train: SigmaTrain = None,
    sigma: Sigmas = None,
    votes: VoteCount = None,
    voted_images: Images = None,
    images: Images = None,
) -> None:
    """Accuracy over sigma and sigma_train (Tables 2, 3, 5 to 9; Figures 2, 6 to 10)."""
    small = GridPlan(sigma_train=(0.0, 1.0), sigmas=(0.0, 1.0), votes=3)
    plan = planned(
        context.obj,
        GridPlan(),
        small,
        sigma_train=tuple_of(sigma_train),
        sigmas=tuple_of(sigma),
        votes=votes,
        voted_images=voted_images,
        images=images,
    )
    run_grid(context.obj, recipe, plan)


@experiment
def weights(context: typer.Context, recipe: GridRecipe, sigma_train: SigmaTrain = None) -> None:
    """Mean magnitude of the weights over sigma_train (Table 4)."""
    default = (0.0, 1.0) if context.obj.is_smoke else GridPlan().sigma_train
    run_weights(context.obj, recipe, tuple_of(sigma_train) or default)


@experiment
def learning(context: typer.Context, recipe: GridRecipe, sigma_train: SigmaTrain = None) -> None:
    """Learning curves at a constant learning rate (Figure 3)."""
    small = LearningPlan(sigma_train=(0.0, 1.0), steps=4, every=2, images=64)
    plan = planned(context.obj, LearningPlan(), small, sigma_train=tuple_of(sigma_train))
    run_learning(context.obj, recipe, plan)


@experiment
def distributions(
    context: typer.Context,
    checkpoints: Names,
    label: Annotated[int | None, typer.Option(min=0)] = None,
    passes: Annotated[int | None, typer.Option(min=1)] = None,
) -> None:
    """Output distributions of one image (Figures 4, 5)."""
    small = DistributionPlan(sigmas=(0.0, 1.0), passes=20)
    plan = planned(context.obj, DistributionPlan(), small, label=label, passes=passes)
    for name in checkpoints:
        run_distributions(context.obj, context.obj.checkpoint(name), plan)


@experiment
def votes(
    context: typer.Context,
    checkpoints: Names,
    sigma: Sigmas = None,
    votes: VoteCount = None,
    images: Images = None,
) -> None:
    """Accuracy against the number of votes, by mode and by mean (Figure 11)."""
    plan = planned(
        context.obj,
        VotesPlan(),
        VotesPlan(sigmas=(1.0,), votes=5),
        sigmas=tuple_of(sigma),
        votes=votes,
        images=images,
    )
    for name in checkpoints:
        run_votes(context.obj, context.obj.checkpoint(name), plan)


@experiment
def midpoints(
    context: typer.Context, checkpoints: Names, sigma: Sigmas = None, images: Images = None
) -> None:
    """Midpoint noise level of each noise point."""
    small = MidpointPlan(sigmas=(0.3, 1.0, 3.0, 10.0), resamples=5)
    plan = planned(context.obj, MidpointPlan(), small, sigmas=tuple_of(sigma), images=images)
    for name in checkpoints:
        run_midpoints(context.obj, context.obj.checkpoint(name), plan)


@experiment
def energy(
    context: typer.Context,
    checkpoints: Names,
    sigma: Annotated[float | None, typer.Option(help="Of one read; default 1.")] = None,
    energy: Annotated[
        str, typer.Option(help="Of one evaluation of each layer: conv1=3,fc1=1; default MACs.")
    ] = "",
    images: Images = None,
    answer_images: Images = None,
) -> None:
    """Accuracy over energy: votes, a quieter pass, repeats, and both; needs `midpoints`."""
    plan = planned(
        context.obj,
        EnergyPlan(),
        EnergyPlan(votes=3),
        sigma=sigma,
        energy=parse_map(energy, float),
        images=images,
        answer_images=answer_images,
    )
    for name in checkpoints:
        EnergyExperiment(context.obj, context.obj.checkpoint(name), plan).run()


@experiment
def quantisation(
    context: typer.Context,
    names: Annotated[list[str], typer.Argument(help="Names of checkpoints or recipes.")],
    images: Images = None,
) -> None:
    """Quantisation-aware against noisy training, over absolute and relative noise."""
    small = QuantisationPlan(sigmas=(0.1, 1.0), ratios=(0.1, 1.0))
    plan = planned(context.obj, QuantisationPlan(), small, images=images)
    for name in names:
        run_quantisation(context.obj, name, plan)


@experiment
def widths(
    context: typer.Context,
    recipe: Annotated[str, typer.Argument(help="Recipe that is varied.")] = "mnist_cnn-mult-grid",
    units: Annotated[list[int] | None, typer.Option(min=1)] = None,
    epochs: Annotated[int | None, typer.Option(min=1)] = None,
) -> None:
    """Width ablation at sigma_train 1.0."""
    small = WidthPlan(units=(16,), epochs=1, votes=3)
    plan = planned(context.obj, WidthPlan(), small, units=tuple_of(units), epochs=epochs)
    run_widths(context.obj, recipe, plan)


@experiment
def ablation(
    context: typer.Context,
    recipe: Annotated[str, typer.Argument(help="Recipe that is changed.")] = "mnist_cnn-mult-grid",
    change: Annotated[
        list[str] | None, typer.Option(help=f"One of {', '.join(CHANGES)}; default all.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1)] = None,
) -> None:
    """What each part of a hardening recipe gains, one change at a time."""
    if wrong := sorted(set(change or ()) - CHANGES.keys()):
        raise InputError(f"change is {wrong[0]!r}; it must be one of {', '.join(CHANGES)}")
    small = AblationPlan(changes=(BASE, "cross-entropy"), sigmas=(0.0, 1.0), votes=3)
    plan = planned(context.obj, AblationPlan(), small, changes=tuple_of(change), epochs=epochs)
    Ablation(context.obj, recipe, plan).run()


@experiment
def table11(
    context: typer.Context,
    pair: Annotated[PairName, typer.Argument(help="Whose networks and attack.")],
    surrogate: Annotated[str | None, typer.Option(help="Recipe or checkpoint.")] = None,
    target: Annotated[str | None, typer.Option(help="Recipe or checkpoint.")] = None,
    sigma: Sigmas = None,
    images: Images = None,
    runs: Annotated[int | None, typer.Option(min=1, help="Votes at each sigma.")] = None,
    restarts: Annotated[int | None, typer.Option(min=1)] = None,
) -> None:
    """Robust accuracy of a noisy target under a surrogate's examples (Table 11)."""
    small = Table11Plan(sigmas=(0.0, 0.5), images=16, runs=3)
    plan = planned(
        context.obj, Table11Plan(), small, sigmas=tuple_of(sigma), images=images, runs=runs
    )
    given: dict[str, Any] = {"surrogate": surrogate, "target": target, "restarts": restarts}
    if context.obj.is_smoke:
        given = {"steps": 2, **given, "restarts": restarts or 2}
    chosen = replace(
        PAIRS[pair], **{key: value for key, value in given.items() if value is not None}
    )
    shown = Table("shown", "sigma", "accuracy, %", "interval of one run, %", "p against no noise")
    for line in lines_of(run_table11(context.obj, chosen, plan).rows, chosen):
        shown.add_row(*line)
    Console().print(shown)


def planned(bench: Bench, plan: Plan, small: Plan, **given: object) -> Plan:
    """Return the plan, or the small one of a smoke run, with the given values in place."""
    changed = {key: value for key, value in given.items() if value is not None}
    return replace(small if bench.is_smoke else plan, **changed)


def tuple_of(values: list[Entry] | None) -> tuple[Entry, ...] | None:
    """Return an option that may be repeated as a tuple; None if it was not given."""
    return tuple(values) if values else None
