"""Where pictures and drawings wait to be prepared, bounded by work, until their deadline.

Large ones have a queue and a thread of their own, so that small ones do not wait behind them; one
at a time, since memory for one picture of full size is enough.
"""

import asyncio
import ctypes
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from traceback import clear_frames
from typing import TypeVar

from models.errors import DeadlineError, OverloadedError
from service.voting.backend import loop_time

MOST_WORK_S = 4.0
"""Work that may wait in a queue; a single one may take longer."""

LARGE_S = 0.05
"""From so much work on a picture is large."""

TRIM: Callable[[int], int] | None = getattr(ctypes.CDLL(None), "malloc_trim", None)
"""Of glibc; other C libraries have none."""

Result = TypeVar("Result")


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


class Lane:
    """A queue, and the thread that works on it.

    Args:
        name: of the thread.
    """

    def __init__(self, name: str) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._work_s = 0.0

    async def run(self, work: Callable[[], Result], work_s: float) -> Result:
        """Wait for a turn and do work; cancelling drops it if it has not begun.

        Raises:
            OverloadedError: too much work waits.
        """
        if self._work_s and self._work_s + work_s > MOST_WORK_S:
            raise OverloadedError("too many pictures are waiting to be read", self._work_s)
        loop = asyncio.get_running_loop()
        self._work_s += work_s

        def done(_: object) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._leave, work_s)

        future = self._pool.submit(work)
        future.add_done_callback(done)
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Drop what has not begun and wait for what has."""
        self._pool.shutdown(cancel_futures=True)

    def _leave(self, work_s: float) -> None:
        self._work_s = max(0.0, self._work_s - work_s)


class Preparation:
    """Both queues."""

    def __init__(self) -> None:
        self._small = Lane("small-pictures")
        self._large = Lane("large-pictures")

    async def run(self, work: Callable[[], Result], work_s: float, deadline: float) -> Result:
        """Do work off the event loop; cancelling drops it if it has not begun.

        Args:
            work: to be done.
            work_s: about how many seconds it takes.
            deadline: time by ``time.monotonic`` at which nobody waits any more.

        Raises:
            OverloadedError: too much work waits.
            DeadlineError: the time was up.
        """
        is_large = work_s >= LARGE_S
        lane = self._large if is_large else self._small
        try:
            async with asyncio.timeout_at(loop_time(deadline)):
                return await lane.run(tidied(work) if is_large else work, work_s)
        except TimeoutError:
            raise DeadlineError("the time was up before the picture was read") from None

    def close(self) -> None:
        """Drop what has not begun and wait for what has."""
        self._small.close()
        self._large.close()
