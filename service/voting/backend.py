"""The asynchronous backend: votes are computed off the event loop, one tile a slot.

A request waits here, on the event loop, for the slots (``service/voting/slots.py``) to cast its
votes. Blocking work that is no vote (large bodies, pictures, loading) has threads of its own, so
that it does not queue behind tiles.
"""

import asyncio
import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TypeVar
from weakref import WeakKeyDictionary

from noisevote.models.checkpoint import Checkpoint
from noisevote.models.devices.runtimes import MOST_BYTES, DeviceRuntimes, loaded_for, runtime_for
from noisevote.models.engines.arithmetic import Arithmetic
from noisevote.models.errors import DeadlineError
from noisevote.models.runtime import Runtime
from noisevote.models.voting import Observer, Poll, VoteRequest, VoteResult
from noisevote.service.voting.batcher import GIGA, VoteBatcher
from noisevote.service.voting.entries import Entry, Group
from noisevote.service.voting.priority import Priority
from noisevote.service.voting.slots import Load, QueueObserver, Slots

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
        arithmetic: in which the votes were computed.
    """

    results: list[VoteResult]
    queue_s: float
    compute_s: float
    arithmetic: Arithmetic


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
        self._groups: WeakKeyDictionary[Runtime, dict[str, Group]] = WeakKeyDictionary()
        self._lock = threading.Lock()  # guards the groups
        self._preparing = ThreadPoolExecutor(PREPARING_THREADS, thread_name_prefix="preparing")
        new_batcher = partial(VoteBatcher, slots, slots * queue_gmacs_a_slot)
        self._slots = Slots(slots, new_batcher, observer)

    async def vote(
        self,
        checkpoint: Checkpoint,
        request: VoteRequest,
        deadline: float = math.inf,
        priority: Priority = Priority.NORMAL,
        observer: Observer | None = None,
        chip_votes: int = 0,
    ) -> Answer:
        """Cast the votes of a request; cancelling it casts no further ones.

        Args:
            checkpoint: checkpoint that votes.
            request: inputs and votes.
            deadline: time by ``time.monotonic`` at which the votes cast so far are the answer.
            priority: decides whose votes come first.
            observer: is told of every vote that counts, on the thread of a slot.
            chip_votes: votes that the chips count for that have to be made.

        Raises:
            CheckpointError: the checkpoint's files are not those of its card.
            InputError: the outputs are not finite under this noise.
            OverloadedError: too many votes are waiting.
            NoSlotError: no thread is left that computes votes.
            DeadlineError: the time was up before every input had a vote.
        """
        asked = time.monotonic()
        asked_for = checkpoint, request.noise, self.devices, request.stop.margin
        runtime = loaded_for(*asked_for)
        if runtime is None:
            runtime = await self.run(lambda: runtime_for(*asked_for))
        poll = Poll(request, len(checkpoint.card.labels), observer)
        group = self._group(checkpoint, runtime, request)
        entry = Entry(poll, runtime, group, priority, deadline, first_votes=chip_votes)
        try:
            async with asyncio.timeout_at(loop_time(deadline)):
                await self._slots.admit(entry)
        except TimeoutError:
            pass  # what was cast is the answer
        finally:
            self._slots.remove(entry)
        finished = time.monotonic()
        if entry.error is not None:
            raise entry.error
        if entry.started is None or not poll.has_votes:
            raise DeadlineError("the time was up before every input had a vote")
        results, arithmetic = poll.results(), runtime.arithmetic
        return Answer(results, entry.started - asked, finished - entry.started, arithmetic)

    @property
    def load(self) -> Load:
        """How busy it is now."""
        return self._slots.load

    @property
    def computes(self) -> bool:
        """Whether a thread is left that computes votes."""
        return self._slots.compute

    @property
    def wait_for_room_s(self) -> float:
        """Seconds until there should be room for votes again; 0 while there is some."""
        return self._slots.wait_for_room_s

    async def run(self, work: Callable[[], Result]) -> Result:
        """Do blocking work that is no vote; cancelling drops it if it has not started."""
        return await asyncio.get_running_loop().run_in_executor(self._preparing, work)

    def close(self) -> None:
        """Drop what has not started and wait for what has."""
        abandoned = self._slots.close()
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


def loop_time(deadline: float) -> float | None:
    """Return a time by ``time.monotonic`` on the clock of the running event loop."""
    if deadline == math.inf:
        return None
    return asyncio.get_running_loop().time() + deadline - time.monotonic()
