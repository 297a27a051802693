"""All commands that need torch; importing them takes seconds."""

from pathlib import Path
from typing import Annotated

import typer

from noisevote.models.checkpoint import SHIPPED, Checkpoint
from noisevote.models.data.datasets import load_dataset
from noisevote.models.data.files import data_dir
from noisevote.training.cli.devices import fit_devices_command
from noisevote.training.cli.experiment import experiments
from noisevote.training.cli.harden import harden_command
from noisevote.training.cli.measure import agreement, calibrate_checkpoint, evaluate
from noisevote.training.cli.options import (
    AllowUnknown,
    Checkpoints,
    DataDir,
    console,
    given_command,
    with_options,
)
from noisevote.training.cli.study import study
from noisevote.training.cli.train import recipes, throughput, train
from noisevote.training.devices.fit import IMAGES, measured_on, told_fit
from noisevote.training.experiments.page import write_report
from noisevote.training.export.run import ExportPlan, export_run
from noisevote.training.fit.data import split
from noisevote.training.fit.sources import finished_run
from noisevote.training.measure.agreement import AgreementPlan
from noisevote.training.measure.calibrate import CalibrationPlan
from noisevote.training.measure.evaluate import inputs_of, numbered
from noisevote.training.measure.splits import Split
from noisevote.training.study.asked import StudyPlan


def export(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    name: Annotated[str | None, typer.Option(help="Name of the checkpoint.")] = None,
    checkpoints: Checkpoints = SHIPPED,
    data: DataDir = None,
    allow_unknown_data: AllowUnknown = False,
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Overwrite a checkpoint of that name with other weights."),
    ] = False,
) -> None:
    """Export a run as a checkpoint, and check that ONNX Runtime gives torch's outputs."""
    trained = finished_run(run, str(run))
    dataset = load_dataset(trained.recipe.dataset, data_dir(data), allow_unknown_data)
    plan = ExportPlan(checkpoints / (name or trained.recipe.name), replaces=replace)
    for line in export_run(trained, dataset, plan):
        console.print(line)
    console.print(f"exported to {plan.folder}")
    held_back, _ = numbered(split(dataset.train, trained.recipe)[1]).spread(IMAGES)
    made = Checkpoint(plan.folder)
    inputs = inputs_of(held_back.examples, made.card)
    about = measured_on(Split.VALIDATION, len(held_back))
    console.print(told_fit(made, inputs, about, given_command()), soft_wrap=True)


def report_command() -> None:
    """Write the results page anew from the stored results."""
    console.print(f"wrote {write_report()}")


def add_torch_commands(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command()(recipes)
    app.command()(train)
    app.command()(throughput)
    app.command()(evaluate)
    app.command("calibrate")(with_options(calibrate_checkpoint, CalibrationPlan()))
    app.command()(with_options(agreement, AgreementPlan()))
    app.command()(export)
    app.command("fit-devices")(fit_devices_command)
    app.command("harden")(harden_command)
    app.command()(with_options(study, StudyPlan()))
    app.command("report")(report_command)
    app.add_typer(experiments, name="experiment")
