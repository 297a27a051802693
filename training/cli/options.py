"""What the commands of ``noisevote-train`` have in common: options and the console."""

import math
import shlex
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
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


LINE_SECONDS = 30.0
"""Between two lines of a log, where no terminal shows the bar."""


class LoggedProgress(Progress):
    """A bar that counts; where no terminal shows it, it says how far it is now and then."""

    _told = -math.inf

    def advance(self, task_id: TaskID, advance: float = 1) -> None:
        """Count on."""
        super().advance(task_id, advance)
        if not self.console.is_terminal and time.monotonic() - self._told > LINE_SECONDS:
            self._told = time.monotonic()
            task = self.tasks[self.task_ids.index(task_id)]
            whole = "" if task.total is None else f" of {task.total:g}"
            self.console.print(
                f"{task.description}: {task.completed:g}{whole} images", soft_wrap=True
            )


def images_progress() -> Progress:
    """Return a bar that counts images."""
    return LoggedProgress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
    )
