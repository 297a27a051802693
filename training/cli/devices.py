"""The command ``fit-devices``: checkpoints are made ready for analog devices."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from noisevote.models.checkpoint import SHIPPED, CheckpointStore
from noisevote.models.device_specs import DevicesSpec
from noisevote.models.errors import ExportError, InputError, NoisevoteError
from noisevote.training.cli.measure import source_of, subject
from noisevote.training.cli.options import (
    AllowUnknown,
    Checkpoints,
    DataDir,
    SamplesGiven,
    console,
    given_command,
)
from noisevote.training.devices.fit import IMAGES, fit_devices, measured_on
from noisevote.training.export.card_file import check_writable
from noisevote.training.measure.evaluate import inputs_of
from noisevote.training.measure.subject import Source


def fit_devices_command(
    names: Annotated[list[str] | None, typer.Argument(help="Names of checkpoints.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All checkpoints of the folder.")] = False,
    samples: SamplesGiven = None,
    images: Annotated[
        int, typer.Option(min=1, help="Inputs to measure ranges on, spread over the split.")
    ] = IMAGES,
    checkpoints: Checkpoints = SHIPPED,
    data: DataDir = None,
    allow_unknown_data: AllowUnknown = False,
) -> None:
    """Make checkpoints ready for analog devices: graphs, scales of columns, ranges of inputs.

    Ranges are measured on validation images or samples without noise. Weights, other graphs and
    the rest of the card stay as they are.
    """
    if bool(names) == every:
        raise InputError("give names of checkpoints, or --all")
    store = CheckpointStore(checkpoints)
    chosen = store.names() if every else names or []
    source = source_of(samples, None, data, allow_unknown_data, None)
    failed = []
    for name in chosen:
        try:
            show(name, fitted(name, checkpoints, source, images))
        except NoisevoteError as error:
            if len(chosen) == 1:
                raise
            failed.append(name)
            console.print(f"[red]{name}:[/] {escape(str(error))}", soft_wrap=True)
    if failed:
        raise ExportError(f"{len(failed)} of {len(chosen)} are not ready: {', '.join(failed)}")


def fitted(name: str, checkpoints: Path, source: Source, images: int) -> DevicesSpec:
    """Make one checkpoint ready; return what its card tells."""
    measured = subject(name, checkpoints, source, images=images)
    check_writable(measured.checkpoint.folder)
    examples = measured.examples.examples
    return fit_devices(
        measured.checkpoint,
        inputs_of(examples, measured.checkpoint.card),
        measured_on(measured.split, len(examples)),
        given_command(),
    )


def show(name: str, devices: DevicesSpec) -> None:
    """Print the arrays of a checkpoint, and on which points no device can be put."""
    table = Table(
        Column("array", overflow="fold"), "rows", "columns", "evaluations", "input range", "max",
        "rms", title=f"{name}, measured on {devices.measured_on}", title_justify="left",
    )  # fmt: skip
    for point, array in devices.arrays.items():
        table.add_row(
            escape(point), str(array.fan_in), str(array.columns), str(array.evaluations),
            f"{array.input_range:.4g}", f"{array.input_max:.4g}", f"{array.rms:.4g}",
        )  # fmt: skip
    Console().print(table)
    for point, reason in devices.without.items():
        console.print(f"{escape(point)}: no device, {escape(reason)}", soft_wrap=True)
