"""What the commands of ``noisevote-train`` have in common: options and the console."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

console = Console(stderr=True)

DataDir = Annotated[
    Path | None, typer.Option("--data-dir", help="Folder of the data sets; NOISEVOTE_DATA_DIR.")
]
AllowUnknown = Annotated[
    bool, typer.Option("--allow-unknown-data", help="Accept files that are not the official ones.")
]
Threads = Annotated[int | None, typer.Option(min=1, help="Threads; by default all allowed cores.")]
Device = Annotated[str, typer.Option(help="Torch device, such as cuda.")]
Checkpoints = Annotated[Path, typer.Option(help="Folder of the checkpoints.")]

PLACES = {"--data-dir", "--output", "--checkpoints", "--threads", "--runs", "--results"}
"""Options that only say where files lie on this machine, or how fast it is to be."""


def given_command() -> str:
    """Return the command line without what hangs on this machine."""
    left = []
    skip = False
    for argument in sys.argv[1:]:
        if skip:
            skip = False
        elif argument in PLACES:
            skip = True
        elif argument.partition("=")[0] not in PLACES:
            left.append(argument)
    return "noisevote-train " + shlex.join(left)


def images_progress() -> Progress:
    """Return a bar that counts images."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
    )
