"""Tells the app that the process was told to stop, before the server waits for open replies.

A server sends the shutdown event of the lifespan only when all connections are closed. A reply
that lasts would hold it up, so such replies listen for the signal itself.
"""

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)
HANG_UP: signal.Signals | None = getattr(signal, "SIGHUP", None)
"""Windows has none."""


@contextmanager
def told_to_stop(closing: asyncio.Event) -> Iterator[None]:
    """Set ``closing`` on the signals that stop a server; its own handlers run as before.

    SIGHUP, which would end a single process at once, stops it like SIGTERM.

    Only the main thread may handle signals; in any other nothing is done.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def handle(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(closing.set)
        handler = before[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)

    for number, handler in before.items():
        if callable(handler):
            signal.signal(number, handle)
    try:
        with hanging_up_like_sigterm():
            yield
    finally:
        for number, handler in before.items():
            if signal.getsignal(number) is handle:
                signal.signal(number, handler)


@contextmanager
def hanging_up_like_sigterm() -> Iterator[None]:
    """Make SIGHUP the same as SIGTERM, unless it is ignored or somebody's already."""
    if HANG_UP is None or signal.getsignal(HANG_UP) is not signal.SIG_DFL:
        yield
        return
    signal.signal(HANG_UP, lambda *_: signal.raise_signal(signal.SIGTERM))
    try:
        yield
    finally:
        signal.signal(HANG_UP, signal.SIG_DFL)
