"""The slots: threads that compute tiles, and the queue of votes that they take them from.

Each slot is a thread that takes the next tile from the batcher, computes it and counts its votes,
without a detour through the event loop, which only hears of requests that are answered.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from noisevote.models.errors import NoSlotError
from noisevote.models.runtime import rows_of, votes_of
from noisevote.service.voting.batcher import VoteBatcher
from noisevote.service.voting.entries import Entry, Tile

log = logging.getLogger("noisevote")


@dataclass(frozen=True, slots=True)
class Load:
    """How busy the backend is.

    Attributes:
        requests: waiting or under way.
        idle: slots without work.
        queue_fill: share of the queue that is taken up, by cost, of the priority that has more.
    """

    requests: int
    idle: int
    queue_fill: float


class QueueObserver(Protocol):
    """Is told what happens to the queue; never by two threads at the same time."""

    def admitted(self, entry: Entry) -> None:
        """Hear of a request that has entered the queue."""

    def computed(self, tile: Tile, seconds: float) -> None:
        """Hear of a forward pass whose votes have been counted, and how long it took."""

    def left(self, entry: Entry) -> None:
        """Hear of a request that waits no more; also of one that was not let in."""


class Slots:
    """A fixed number of slots, one thread each, at a queue of votes.

    Args:
        slots: tiles computed side by side.
        new_batcher: returns an empty queue.
        observer: is told what happens to the queue.
    """

    def __init__(
        self, slots: int, new_batcher: Callable[[], VoteBatcher], observer: QueueObserver | None
    ) -> None:
        self._observer = observer
        self._new_batcher = new_batcher
        self._batcher = new_batcher()
        self._waiting: dict[Entry, asyncio.Future[None]] = {}
        self._lock = threading.Lock()  # guards all of the above and below
        self._asleep: list[threading.Condition] = []  # the slots without work, each its own
        self._is_closed = False
        self._threads = [
            threading.Thread(target=self._compute, name=f"votes-{slot}", daemon=True)
            for slot in range(slots)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def load(self) -> Load:
        """How busy they are now."""
        with self._lock:
            return Load(self._batcher.requests, len(self._asleep), self._batcher.queue_fill)

    @property
    def compute(self) -> bool:
        """Whether a thread is left that computes votes."""
        return any(thread.is_alive() for thread in self._threads)

    @property
    def wait_for_room_s(self) -> float:
        """Seconds until there should be room for votes again; 0 while there is some."""
        with self._lock:
            return self._batcher.wait_for_room_s

    def admit(self, entry: Entry) -> asyncio.Future[None]:
        """Put a request into the queue; the result is there when it has left.

        A slot is woken at the end of the loop's turn, so that all requests of a turn share a tile.

        Raises:
            OverloadedError: too many votes are waiting.
            NoSlotError: no thread is left that computes votes.
        """
        if not self.compute:
            raise NoSlotError("no thread is left that computes votes; restart the service")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        with self._lock:
            self._batcher.admit(entry)
            if self._observer is not None:
                self._observer.admitted(entry)
            self._waiting[entry] = future
        loop.call_soon(self._wake_if_ready)
        return future

    def remove(self, entry: Entry) -> None:
        """Take a request out of the queue, whether or not it was let in or has left."""
        with self._lock:
            self._batcher.remove(entry)
            self._waiting.pop(entry, None)
            if self._observer is not None:
                self._observer.left(entry)

    def close(self) -> list[asyncio.Future[None]]:
        """Wait for the tiles under way; return what waits for votes that are not cast any more."""
        with self._lock:
            self._is_closed = True
            while self._asleep:
                self._wake_slot()
            abandoned = list(self._waiting.values())
        for thread in self._threads:
            thread.join()
        return abandoned

    def _compute(self) -> None:
        """Be a slot: compute one tile after the other, whatever goes wrong with one."""
        wake_up = threading.Condition(self._lock)
        is_over = False
        while not is_over:
            tile = None
            try:
                tile = self._next_tile(wake_up)
                if tile is not None:
                    self._cast(tile)
            except BaseException as error:  # noqa: BLE001 - the requests hear of it
                self._fail(tile, error)
            else:
                is_over = tile is None

    def _cast(self, tile: Tile) -> None:
        """Compute the votes of a tile and count them."""
        began = time.monotonic()
        try:
            rows = rows_of([(entry.poll.request, keys) for entry, keys in tile.parts])
            fell_on = votes_of(tile.runtime.outputs(rows)).tolist()
        except Exception:
            if len(tile.parts) == 1:
                raise
            self._cast_apart(tile)
            return
        with self._lock:
            seconds = time.monotonic() - began
            self._settle(self._batcher.finish(tile, fell_on, seconds))
            if self._observer is not None:
                self._observer.computed(tile, seconds)

    def _cast_apart(self, tile: Tile) -> None:
        """Compute the votes of each request alone: what one asks for is no fault of the others."""
        for part in tile.parts:
            alone = Tile([part])
            try:
                self._cast(alone)
            except BaseException as error:  # noqa: BLE001 - its request hears of it
                self._fail(alone, error)

    def _fail(self, tile: Tile | None, error: BaseException) -> None:
        """Tell the requests of a tile that it failed; all there are if it never came to a tile."""
        told = error if isinstance(error, Exception) else RuntimeError(f"a slot met {error!r}")
        with self._lock:
            entries = list(self._waiting) if tile is None else [one for one, _ in tile.parts]
            if tile is None:
                log.error("the queue of votes is broken and begins anew", exc_info=error)
                self._batcher = self._new_batcher()
                for entry in entries:
                    entry.error, entry.is_waiting = told, False
            else:
                self._batcher.fail(entries, told)
            # Also those that had their last vote when it came to the error.
            self._settle(entry for entry in entries if not entry.is_waiting)

    def _next_tile(self, wake_up: threading.Condition) -> Tile | None:
        """Wait for a tile; None once they are closed.

        Args:
            wake_up: condition that wakes this slot, on the lock of all.
        """
        with self._lock:
            while not self._is_closed:
                tile = self._batcher.next_tile(time.monotonic(), len(self._asleep) + 1)
                if tile is not None:
                    if self._batcher.is_ready:
                        self._wake_slot()
                    return tile
                self._asleep.append(wake_up)
                wake_up.wait()
        return None

    def _wake_if_ready(self) -> None:
        """Wake a slot if there are votes to compute."""
        with self._lock:
            if self._batcher.is_ready:
                self._wake_slot()

    def _wake_slot(self) -> None:
        """Wake the slot that fell asleep last, if any sleeps: its caches are the warmest."""
        if self._asleep:
            self._asleep.pop().notify()

    def _settle(self, left: Iterable[Entry]) -> None:
        """Tell the event loop that requests have left."""
        for entry in left:
            future = self._waiting.pop(entry, None)
            if future is not None:
                with suppress(RuntimeError):  # its loop is closed, and nobody waits
                    future.get_loop().call_soon_threadsafe(wake, future)


def wake(future: asyncio.Future[None]) -> None:
    """Give a future its result unless nobody waits for it any more."""
    if not future.done():
        future.set_result(None)
