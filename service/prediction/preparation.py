"""Where pictures and drawings wait to be prepared, bounded by work, until their deadline.

Large ones have a queue and a thread of their own, so that small ones do not wait behind them; one
at a time, since memory for one picture of full size is enough.
"""

import asyncio
import ctypes
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from traceback import clear_frames
from typing import TypeVar

from noisevote.models.errors import DeadlineError, OverloadedError
from noisevote.service.voting.backend import loop_time
from noisevote.service.voting.batcher import average

MOST_WORK_S = 4.0
"""Work that may wait in a queue; a single one may take longer."""

LARGE_S = 0.05
"""From so much work on a picture is large."""

TRIM: Callable[[int], int] | None = getattr(ctypes.CDLL(None), "malloc_trim", None)
"""Of glibc; other C libraries have none."""

Result = TypeVar("Result")
Took = Callable[[float], None]
"""Hears how many seconds of one core something took."""

Charge = Callable[[float], Took]
"""Hears how many seconds work may take, and returns what is to hear how long it took."""


def untold(seconds: float) -> None:
    """Hear how long something took where nobody asks."""


def tidied(work: Callable[[], Result]) -> Callable[[], Result]:
    """Return work after which the memory that it took is the system's again.

    The C library keeps what its threads have freed; a large picture frees a hundred megabytes.
    """

    def work_and_tidy() -> Result:
        try:
            return work()
        except Exception as error:
            clear_frames(error.__traceback__)  # they hold the picture
            raise
        finally:
            if TRIM is not None:
                TRIM(0)

    return work_and_tidy


def timed(work: Callable[[], Result], took: Took) -> Callable[[], Result]:
    """Return work that says how long it took, also when it fails."""

    def work_and_say() -> Result:
        began = time.thread_time()
        try:
            return work()
        finally:
            took(time.thread_time() - began)

    return work_and_say


class WorkQueue:
    """A queue, and the thread that works on it.

    Args:
        name: name of the thread.
    """

    def __init__(self, name: str) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._waiting: list[float] = []  # seconds judged for each work that is not done
        self._pace = 1.0  # seconds that work took of late, by those that it was judged to take

    def check_room(self, work_s: float) -> None:
        """Refuse work for which there is no room.

        Raises:
            OverloadedError: too much work waits.
        """
        waiting_s = sum(self._waiting) * max(1.0, self._pace)
        if self._waiting and waiting_s + work_s > MOST_WORK_S:
            raise OverloadedError("too many pictures are waiting to be read", waiting_s)

    async def run(self, work: Callable[[], Result], work_s: float, took: Took) -> Result:
        """Wait for a turn and do work; cancelling drops it if it has not begun."""
        loop = asyncio.get_running_loop()
        self._waiting.append(work_s)

        def tell(hear: Callable[[float], None], seconds: float) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(hear, seconds)

        def note(seconds: float) -> None:
            self._pace = average(self._pace, seconds / work_s)
            took(seconds)

        future = self._pool.submit(timed(work, partial(tell, note)))
        future.add_done_callback(lambda _: tell(self._waiting.remove, work_s))
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Drop what has not begun and wait for what has."""
        self._pool.shutdown(cancel_futures=True)


class Preparation:
    """Both queues."""

    def __init__(self) -> None:
        self._small = WorkQueue("small-pictures")
        self._large = WorkQueue("large-pictures")

    def check_room(self, work_s: float) -> None:
        """Refuse work for which there is no room; until the next ``await`` there is.

        Raises:
            OverloadedError: too much work waits.
        """
        self._queue_for(work_s).check_room(work_s)

    async def run(
        self, work: Callable[[], Result], work_s: float, deadline: float, took: Took
    ) -> Result:
        """Do work off the event loop; cancelling drops it if it has not begun.

        Args:
            work: work to be done; there is room for it.
            work_s: about how many seconds it takes.
            deadline: time by ``time.monotonic`` at which nobody waits any more.
            took: hears on the event loop how long it took, unless it was dropped.

        Raises:
            DeadlineError: the time was up.
        """
        queue = self._queue_for(work_s)
        try:
            async with asyncio.timeout_at(loop_time(deadline)):
                return await queue.run(tidied(work) if queue is self._large else work, work_s, took)
        except TimeoutError:
            raise DeadlineError("the time was up before the picture was read") from None

    def close(self) -> None:
        """Drop what has not begun and wait for what has."""
        self._small.close()
        self._large.close()

    def _queue_for(self, work_s: float) -> WorkQueue:
        return self._large if work_s >= LARGE_S else self._small
