"""The asynchronous backend: votes are computed off the event loop, one tile a slot.

Each slot is a thread that takes the next tile from the batcher, computes it and counts its votes,
without a detour through the event loop, which only hears of requests that are answered. Blocking
work that is no vote (large bodies, pictures, loading) has threads of its own, so that it does not
queue behind tiles.
"""

import asyncio
import logging
import math
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar
from weakref import WeakKeyDictionary

from noisevote.models.checkpoint import Checkpoint
from noisevote.models.devices.runtimes import MOST_BYTES, DeviceRuntimes, loaded_for, runtime_for
from noisevote.models.errors import DeadlineError, NoSlotError
from noisevote.models.runtime import Runtime, rows_of, votes_of
from noisevote.models.voting import Observer, Poll, VoteRequest, VoteResult
from noisevote.service.voting.batcher import GIGA, VoteBatcher
from noisevote.service.voting.entries import Entry, Group, Tile
from noisevote.service.voting.priority import Priority

log = logging.getLogger("noisevote")

QUEUE_GMACS_A_SLOT = 16.0
PREPARING_THREADS = 2

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Answer:
    """The results of a request and how long they took.

    Attributes:
        results: one an input.
        queue_s: seconds until the first tile started.
        compute_s: seconds from then to the last vote.
    """

    results: list[VoteResult]
    queue_s: float
    compute_s: float


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

    def computed(self, tile: Tile) -> None:
        """Hear of a forward pass whose votes have been counted."""

    def left(self, entry: Entry) -> None:
        """Hear of a request that waits no more; also of one that was not let in."""


class VotingBackend:
    """Computes votes on a fixed number of slots, one thread each.

    Args:
        slots: tiles computed side by side.
        queue_gmacs_a_slot: votes that may wait, by cost, in 10^9 multiply-accumulates a slot.
        observer: is told what happens to the queue.
        chip_bytes: that the chips of devices take together, about.
    """

    def __init__(
        self,
        slots: int,
        queue_gmacs_a_slot: float = QUEUE_GMACS_A_SLOT,
        observer: QueueObserver | None = None,
        chip_bytes: int = MOST_BYTES,
    ) -> None:
        self.devices = DeviceRuntimes(chip_bytes)
        self._queue_observer = observer
        self._new_batcher = partial(VoteBatcher, slots, slots * queue_gmacs_a_slot)
        self._batcher = self._new_batcher()
        self._groups: WeakKeyDictionary[Runtime, dict[str, Group]] = WeakKeyDictionary()
        self._waiting: dict[Entry, asyncio.Future[None]] = {}
        self._lock = threading.Lock()  # guards all of the above and below
        self._asleep: list[threading.Condition] = []  # the slots without work, each its own
        self._is_closed = False
        self._preparing = ThreadPoolExecutor(PREPARING_THREADS, thread_name_prefix="preparing")
        self._slots = [
            threading.Thread(target=self._compute, name=f"votes-{slot}", daemon=True)
            for slot in range(slots)
        ]
        for thread in self._slots:
            thread.start()

    async def vote(
        self,
        checkpoint: Checkpoint,
        request: VoteRequest,
        deadline: float = math.inf,
        priority: Priority = Priority.NORMAL,
        observer: Observer | None = None,
    ) -> Answer:
        """Cast the votes of a request; cancelling it casts no further ones.

        Args:
            checkpoint: checkpoint that votes.
            request: inputs and votes.
            deadline: time by ``time.monotonic`` at which the votes cast so far are the answer.
            priority: decides whose votes come first.
            observer: is told of every vote that counts, on the thread of a slot.

        Raises:
            CheckpointError: the checkpoint's files are not those of its card.
            InputError: the outputs are not finite under this noise.
            OverloadedError: too many votes are waiting.
            NoSlotError: no thread is left that computes votes.
            DeadlineError: the time was up before every input had a vote.
        """
        asked = time.monotonic()
        runtime = loaded_for(checkpoint, request.noise, self.devices)
        if runtime is None:
            runtime = await self.run(lambda: runtime_for(checkpoint, request.noise, self.devices))
        poll = Poll(request, len(checkpoint.card.labels), observer)
        entry = Entry(poll, runtime, self._group(checkpoint, runtime, request), priority, deadline)
        try:
            async with asyncio.timeout_at(loop_time(deadline)):
                await self._admit(entry)
        except TimeoutError:
            pass  # what was cast is the answer
        finally:
            with self._lock:
                self._batcher.remove(entry)
                self._waiting.pop(entry, None)
                if self._queue_observer is not None:
                    self._queue_observer.left(entry)
        finished = time.monotonic()
        if entry.error is not None:
            raise entry.error
        if entry.started is None or not poll.has_votes:
            raise DeadlineError("the time was up before every input had a vote")
        return Answer(poll.results(), entry.started - asked, finished - entry.started)

    @property
    def load(self) -> Load:
        """How busy it is now."""
        with self._lock:
            return Load(self._batcher.requests, len(self._asleep), self._batcher.queue_fill)

    @property
    def computes(self) -> bool:
        """Whether a thread is left that computes votes."""
        return any(thread.is_alive() for thread in self._slots)

    @property
    def wait_for_room_s(self) -> float:
        """Seconds until there should be room for votes again; 0 while there is some."""
        with self._lock:
            return self._batcher.wait_for_room_s

    async def run(self, work: Callable[[], Result]) -> Result:
        """Do blocking work that is no vote; cancelling drops it if it has not started."""
        return await asyncio.get_running_loop().run_in_executor(self._preparing, work)

    def close(self) -> None:
        """Drop what has not started and wait for what has."""
        with self._lock:
            self._is_closed = True
            while self._asleep:
                self._wake_slot()
            abandoned = list(self._waiting.values())
        for thread in self._slots:
            thread.join()
        self._preparing.shutdown(cancel_futures=True)
        for future in abandoned:
            with suppress(RuntimeError):
                future.get_loop().call_soon_threadsafe(future.cancel)

    def _group(self, checkpoint: Checkpoint, runtime: Runtime, request: VoteRequest) -> Group:
        card = checkpoint.card
        with self._lock:
            groups = self._groups.setdefault(runtime, {})
            group = Group(card.tile, card.macs / GIGA, card.name)
            return groups.setdefault(request.noise.distribution.name, group)

    def _admit(self, entry: Entry) -> asyncio.Future[None]:
        """Put a request into the queue; the result is there when it has left."""
        if not self.computes:
            raise NoSlotError("no thread is left that computes votes; restart the service")
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        with self._lock:
            self._batcher.admit(entry)
            if self._queue_observer is not None:
                self._queue_observer.admitted(entry)
            self._waiting[entry] = future
            self._wake_slot()
        return future

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
            if self._queue_observer is not None:
                self._queue_observer.computed(tile)

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
        """Wait for a tile; None once the backend is closed.

        Args:
            wake_up: condition that wakes this slot, on the lock of the backend.
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


def loop_time(deadline: float) -> float | None:
    """Return a time by ``time.monotonic`` on the clock of the running event loop."""
    if deadline == math.inf:
        return None
    return asyncio.get_running_loop().time() + deadline - time.monotonic()
