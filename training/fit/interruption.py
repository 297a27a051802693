"""Ctrl-C and SIGTERM let a training finish its step, so that what it has learned is kept."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(slots=True)
class Interruption:
    """Whether the process was told to stop.

    Attributes:
        by: the signal; None if it was not.
    """

    by: signal.Signals | None = None

    def take_effect(self) -> None:
        """End the process as the signal would have, if there was one.

        Raises:
            KeyboardInterrupt: it was Ctrl-C.
            SystemExit: it was another one; the exit code is that of a shell.
        """
        if self.by is signal.SIGINT:
            raise KeyboardInterrupt
        if self.by is not None:
            raise SystemExit(128 + self.by)


@contextmanager
def noting(interruption: Interruption) -> Iterator[None]:
    """Note the first signal inside the block; a second one does what it always does.

    Only the main thread may handle signals; in any other nothing is done.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def note(number: int, _: FrameType | None) -> None:
        interruption.by = signal.Signals(number)
        restore()

    for number in SIGNALS:
        signal.signal(number, note)
    try:
        yield
    finally:
        restore()
