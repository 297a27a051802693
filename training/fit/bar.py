"""The bar that shows how far something is, on a terminal and in a log."""

import math
import time
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

LINE_SECONDS = 30.0
"""Between two lines of a log, where no terminal shows the bar."""


def images_done(task: Task) -> str:
    """Return how far something is that counts images."""
    whole = "" if task.total is None else f" of {task.total:.0f}"
    return f"{task.description}: {task.completed:.0f}{whole} images"


class Bar(Progress):
    """A bar that counts; where no terminal shows it, a line says how far it is now and then.

    Args:
        console: where it is shown.
        line: how far a task is, for a log.
        fields: shown beside the bar, as formats of a task.
    """

    def __init__(
        self, console: Console, line: Callable[[Task], str] = images_done, *fields: str
    ) -> None:
        super().__init__(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            *(TextColumn(field) for field in fields),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
        )
        self._line = line
        self._told = -math.inf

    def advance(self, task_id: TaskID, advance: float = 1) -> None:
        """Count on."""
        super().advance(task_id, advance)
        self._tell(task_id)

    def update(self, task_id: TaskID, *args: Any, **fields: Any) -> None:
        """Change what is shown of a task."""
        super().update(task_id, *args, **fields)
        self._tell(task_id)

    def _tell(self, task_id: TaskID) -> None:
        if not self.console.is_terminal and time.monotonic() - self._told > LINE_SECONDS:
            self._told = time.monotonic()
            task = self.tasks[self.task_ids.index(task_id)]
            self.console.print(self._line(task), soft_wrap=True)
