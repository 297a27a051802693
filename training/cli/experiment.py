"""The commands ``experiment ...``: each measures what one section of the results page shows."""

import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from noisevote.models.checkpoint import SHIPPED
from noisevote.models.cores import allowed_cores
from noisevote.models.data.dataset import Labels
from noisevote.models.data.datasets import load_dataset
from noisevote.models.data.files import data_dir
from noisevote.models.data.samples import read_samples
from noisevote.models.errors import InputError
from noisevote.training.cli.options import (
    Accelerator,
    AllowUnknown,
    Checkpoints,
    DataDir,
    LabelsFrom,
    SamplesGiven,
    Threads,
    changed,
    console,
    given_command,
    images_progress,
    with_options,
)
from noisevote.training.experiments import EXPERIMENTS
from noisevote.training.experiments.bench import Bench
from noisevote.training.experiments.experiment import Experiment
from noisevote.training.experiments.page import RESULTS
from noisevote.training.fit.accelerators import accelerator_named

CHECKPOINT = "checkpoint"
"""Subject of the experiments that take any samples."""

SHARED = "such as --samples and --checkpoints (`experiment --help`)"

experiments = typer.Typer(
    help="Run an experiment; it goes on where it was. The options below stand before its name: "
    "`experiment --data-dir DATA grid RECIPE`. --smoke runs it on made-up data in seconds; "
    "--accelerator is where networks are trained and examples of a surrogate made.",
    no_args_is_help=True,
)


@experiments.callback()
def bench(
    context: typer.Context,
    runs: Annotated[Path, typer.Option(help="Folder of the training runs.")] = Path("runs"),
    results: Annotated[Path | None, typer.Option(help="Folder of the raw results.")] = None,
    smoke: Annotated[bool, typer.Option(help="Made-up data, small networks, seconds.")] = False,
    data: DataDir = None,
    allow_unknown_data: AllowUnknown = False,
    threads: Threads = None,
    accelerator: Accelerator = "cpu",
    samples: SamplesGiven = None,
    labels: LabelsFrom = Labels.GIVEN,
    checkpoints: Checkpoints = SHIPPED,
) -> None:
    """Set up what all experiments take."""
    accelerator_named(accelerator)
    if samples and results is None:
        raise InputError("what samples give is kept in a folder of its own; name one by --results")
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
        accelerator=accelerator,
        is_smoke=smoke,
        samples=read_samples(samples, data_dir(data), allow_unknown_data) if samples else None,
        has_labels=labels is Labels.GIVEN,
        others=checkpoints,
    )


def register(experiment: Experiment[Any]) -> None:
    """Make an experiment a command: its subjects are arguments, the fields of its plan options."""
    default = [experiment.default] if experiment.default else ...
    subject = typer.Argument(default, help=f"Name of a {experiment.subject}; or of several.")

    def command(context: typer.Context, names: list[str] = subject, **given: Any) -> None:
        bench: Bench = context.obj
        if bench.samples is not None and experiment.subject != CHECKPOINT:
            raise InputError(
                f"{experiment.name} measures recipes on their own data; --samples goes with "
                + ", ".join(each.name for each in EXPERIMENTS if each.subject == CHECKPOINT)
            )
        plan = changed(experiment.small if bench.is_smoke else experiment.plan, given)
        for name in names:
            experiment.run(bench, name, plan)
        bench.say_where()

    about = f"{experiment.help} What all experiments take, {SHARED}, stands before its name."
    experiments.command(experiment.name, help=about)(with_options(command, experiment.plan))


for each in EXPERIMENTS:
    register(each)
