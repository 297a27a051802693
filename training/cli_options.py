"""What the commands of ``noisevote-train`` have in common: options and the console."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

console = Console(stderr=True)

DataDir = Annotated[
    Path | None, typer.Option("--data-dir", help="Folder of the data sets; NOISEVOTE_DATA_DIR.")
]
AllowUnknown = Annotated[
    bool, typer.Option("--allow-unknown-data", help="Accept files that are not the official ones.")
]
Threads = Annotated[int | None, typer.Option(min=1, help="Threads; by default all allowed cores.")]
Checkpoints = Annotated[Path, typer.Option(help="Folder of the checkpoints.")]
