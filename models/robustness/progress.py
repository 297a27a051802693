"""The progress of an assessment: how whoever started it sees it, and stops it."""

import threading
from collections.abc import Callable

from noisevote.models.errors import CancelledError


class Progress:
    """Told between any two batches of work, on any thread; it passes that on one by one.

    Args:
        on_progress: called with the name of the running step and the share of all work done.
        is_cancelled: says whether to stop.
    """

    def __init__(
        self,
        on_progress: Callable[[str, float], None] | None = None,
        is_cancelled: Callable[[], bool] | None = None,
    ) -> None:
        self._on_progress = on_progress
        self._is_cancelled = is_cancelled
        self._telling = threading.Lock()
        self._step = ""
        self._done = 0.0
        self._most = 1.0
        self._total = 1.0

    def begin(self, step: str, before: float, work: float, total: float) -> None:
        """Begin a step.

        Args:
            step: its name.
            before: work that was done before it, in units of one forward pass.
            work: expected in this step.
            total: expected in all.
        """
        self._step, self._done = step, before
        self._most, self._total = before + work, max(total, 1.0)
        self.advance(0.0)

    def advance(self, done: float) -> None:
        """Count work that was done; more than expected of a step does not count.

        Raises:
            CancelledError: the work is to stop.
        """
        with self._telling:
            self._done = min(self._done + done, self._most)
            if self._on_progress is not None:
                self._on_progress(self._step, self._done / self._total)
            if self._is_cancelled is not None and self._is_cancelled():
                raise CancelledError("the assessment was cancelled; finished steps are kept")
