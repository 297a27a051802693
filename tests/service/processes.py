"""Servers in processes of their own, for tests that break things around them.

Their log is read all the time, so that a full pipe never holds them up, and tests can wait for what
it says instead of for time to pass.
"""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

NOISEVOTE = ("-m", "noisevote.service.cli", "serve", "--port", "0")
UVICORN = ("-m", "uvicorn", "--factory", "noisevote.service.main:create", "--port", "0")
ONE_SLOT = {"NOISEVOTE_SLOTS": "1", "OMP_NUM_THREADS": "1"}
WITHIN_S = 60.0
"""After which something that should happen is taken for something that never will."""


class Log:
    """What a process writes to stderr, read on a thread of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._text = ""
        self._ended = False
        self._changed = threading.Condition()
        self._process = process
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            with self._changed:
                self._text += line
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def until(self, pattern: str, times: int = 1, within_s: float = WITHIN_S) -> list[str]:
        """Wait until a pattern was written so many times; return its first group of each."""
        found: list[str] = []

        def is_there() -> bool:
            found[:] = re.findall(pattern, self._text)
            return len(found) >= times or self._ended

        with self._changed:
            assert self._changed.wait_for(is_there, within_s), f"no {pattern!r} in:\n{self._text}"
            assert len(found) >= times, f"it ended without {pattern!r}:\n{self._text}"
        return found

    @property
    def text(self) -> str:
        """What it has said so far."""
        return self._text

    def count(self, text: str) -> int:
        """Return how often it says something so far."""
        return self._text.count(text)

    def to_the_end(self) -> str:
        """Return all of it, once the process and all that share its stderr have ended."""
        self._reading.join(WITHIN_S)
        return self._text


class Server:
    """A running server.

    Attributes:
        process: the first one of it.
        port: that it listens on.
        log: what it writes.
    """

    def __init__(self, process: subprocess.Popen[str], workers: int) -> None:
        self.process = process
        self.log = Log(process)
        self.log.until(r"(Application startup complete\.)", workers)
        self.port = int(self.log.until(r"running on http://127\.0\.0\.1:(\d+)")[0])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def stop(self, by: signal.Signals = signal.SIGTERM, within_s: float = WITHIN_S) -> str:
        """Send a signal and return the log of a process that has ended in time."""
        self.process.send_signal(by)
        self.process.wait(within_s)
        return self.log.to_the_end()


@contextmanager
def server_running(
    settings: Mapping[str, str] | None = None,
    command: Sequence[str] = NOISEVOTE,
    workers: int = 1,
) -> Iterator[Server]:
    """Start a server on a free port; whatever is left of it is killed at the end."""
    with subprocess.Popen(
        [sys.executable, *command],
        env={**os.environ, **ONE_SLOT, **(settings or {})},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        server = Server(process, workers)
        try:
            yield server
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            server.log.to_the_end()  # its reader must be done before its pipe is closed
