"""A bar of passes, stage by stage."""

from rich.console import Console
from rich.progress import Task, TaskID

from noisevote.training.fit.bar import Bar


def passes_done(task: Task) -> str:
    """Return how far a stage is, for a log."""
    return f"{task.description}: {task.completed:,.0f} of {task.total or 0:,.0f} passes"


class PassesBar(Bar):
    """A bar for each stage of a study.

    Args:
        console: where it is shown.
    """

    def __init__(self, console: Console) -> None:
        super().__init__(console, passes_done)
        self._stages: dict[str, TaskID] = {}

    def told(self, stage: str, done: int, whole: int) -> None:
        """Show how many passes of a stage are done."""
        if stage not in self._stages:
            self._stages[stage] = self.add_task(stage, total=whole)
        self.update(self._stages[stage], completed=done)
