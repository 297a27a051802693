"""The command ``noisevote-train``: train, evaluate and export noise-hardened networks.

Exit codes: 0 done; 1 it could not be done, the last line says why; 2 wrong usage; 3 a training was
stopped by ``--minutes`` before its end, and the same command goes on; 130 interrupted.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from noisevote.models.checkpoint import SHIPPED
from noisevote.models.data.datasets import load_dataset
from noisevote.models.data.files import data_dir
from noisevote.models.errors import NoisevoteError
from noisevote.models.version import Version
from noisevote.training.cli.experiment import experiments
from noisevote.training.cli.harden import harden_command
from noisevote.training.cli.importing import import_command, points
from noisevote.training.cli.measure import agreement, calibrate_checkpoint, evaluate
from noisevote.training.cli.options import AllowUnknown, Checkpoints, DataDir, console, with_options
from noisevote.training.cli.train import recipes, throughput, train
from noisevote.training.experiments.page import write_report
from noisevote.training.export.run import ExportPlan, export_run
from noisevote.training.fit.sources import finished_run
from noisevote.training.measure.agreement import AgreementPlan
from noisevote.training.measure.calibrate import CalibrationPlan

app = typer.Typer(
    help="Train, evaluate and export noise-hardened networks.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
INTERRUPTED = 130


@app.callback()
def options(version: Version = False) -> None:
    """Train, evaluate and export noise-hardened networks."""


app.command()(recipes)
app.command()(train)
app.command()(throughput)
app.command()(evaluate)
app.command("calibrate")(with_options(calibrate_checkpoint, CalibrationPlan()))
app.command()(with_options(agreement, AgreementPlan()))
app.command()(points)
app.command("import")(import_command)
app.command("harden")(harden_command)
app.add_typer(experiments, name="experiment")


@app.command()
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


@app.command("report")
def report_command() -> None:
    """Write the results page anew from the stored results."""
    console.print(f"wrote {write_report()}")


def main() -> None:
    """Run the command line; errors raised on purpose become one line and exit code 1."""
    try:
        app()
    except (NoisevoteError, OSError) as error:  # the latter of a full disk, a folder without rights
        console.print(f"[red]error:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
        sys.exit(1)
    except SystemExit as end:
        # Typer makes this of Ctrl-C.
        if end.code == INTERRUPTED:
            console.print("interrupted")
        raise
