"""The vote batcher: which votes share the next forward pass.

It decides and counts; it starts no thread, waits for nothing and reads no clock, so that every
decision can be tested. ``service/voting/slots.py`` runs it.

The unit is the vote. A tile is filled with votes of all requests for the same checkpoint and kind
of noise. Requests take turns of equal cost (deficit round robin, M. Shreedhar and G. Varghese,
SIGCOMM 1995; a tile may overdraw the credit of a turn, and the next turns pay it back). A turn is
long enough for an ordinary request, so these are served in the order of their arrival, and one of
a thousand votes holds up nobody for longer than a turn. A request leaves the moment it is decided,
cancelled or expired.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count

from noisevote.models.errors import OverloadedError
from noisevote.models.noise import VoteKey
from noisevote.service.voting.entries import Entry, Group, Tile
from noisevote.service.voting.priority import Priority

GIGA = 10**9

TURN_GMACS = 0.6
"""Cost of a turn: about 30 votes of ``mnist_cnn``, more than an ordinary request asks for."""

LARGEST_SHARE = 1 / 8
"""Of the queue, that one request can take up: turns keep it from holding up others for longer."""

SMALLEST_SHARE = 1 / 1000
"""Of the queue, that one request takes up at least: even a single cheap vote needs memory."""

FULL = 0.99
"""Share of the queue from which on requests are refused unseen: what is left has room for very few
votes."""

LOW_EVERY = 16
"""While normal requests wait, one tile in so many goes to those of low priority."""

ROUNDING = 1e-9
"""Of the queue, by which sums of many costs may be off."""

PAST = 0.9
"""Weight of the past in the running averages of the speed."""


@dataclass(slots=True)
class Queue:
    """The requests of one priority.

    Attributes:
        ready: requests of each group that want votes, in the order of their turns.
        requests: how many there are, with those whose votes are all under way.
        load: what they take up, in 10^9 multiply-accumulates.
    """

    ready: dict[Group, OrderedDict[Entry, None]] = field(default_factory=dict)
    requests: int = 0
    load: float = 0.0


class VoteBatcher:
    """Takes in requests, hands out tiles, takes what their votes fell on.

    Args:
        slots: tiles that are computed side by side.
        limit_gmacs: votes that may wait, by cost, in 10^9 multiply-accumulates, of each priority.
    """

    def __init__(self, slots: int, limit_gmacs: float) -> None:
        self._slots = slots
        self._limit = limit_gmacs
        self._queues = {priority: Queue() for priority in Priority}
        self._turns = count()
        self._passed_over = 0
        self._gmacs_per_s = 0.0

    @property
    def requests(self) -> int:
        """How many requests have not left."""
        return sum(queue.requests for queue in self._queues.values())

    @property
    def queue_fill(self) -> float:
        """Share of the queue that is taken up, by cost, of the priority that has more."""
        return max(queue.load for queue in self._queues.values()) / self._limit

    @property
    def wait_for_room_s(self) -> float:
        """Seconds until normal requests should be let in again; 0 while there is room for some."""
        load = self._queues[Priority.NORMAL].load
        return self.seconds_for(load - FULL * self._limit) if load > FULL * self._limit else 0.0

    @property
    def is_ready(self) -> bool:
        """Whether there are votes to compute beside those under way."""
        return any(queue.ready for queue in self._queues.values())

    def admit(self, entry: Entry) -> None:
        """Take in a request.

        Raises:
            OverloadedError: the queue is full; it says when to come back.
        """
        queue = self._queues[entry.priority]
        entry.share = self._share_of(entry)
        excess = queue.load + entry.share - self._limit
        if excess > ROUNDING * self._limit and queue.requests > 0:
            seconds = self.seconds_for(excess)
            raise OverloadedError(
                f"too many votes are waiting; there should be room in {seconds:.1f} s", seconds
            )
        queue.requests += 1
        queue.load += entry.share
        entry.is_waiting = True
        self._begin_turn(entry)

    def seconds_for(self, gmacs: float) -> float:
        """Return how long all slots take for votes of a cost, at the measured speed."""
        speed = self._gmacs_per_s * self._slots
        return gmacs / speed if speed else 0.0

    def remove(self, entry: Entry) -> None:
        """Let a request leave; what its votes under way fall on is discarded."""
        if not entry.is_waiting:
            return
        entry.is_waiting = False
        queue = self._queues[entry.priority]
        queue.requests -= 1
        queue.load = queue.load - entry.share if queue.requests else 0.0
        self._take_out(queue, entry)

    def next_tile(self, now: float, idle: int = 1) -> Tile | None:
        """Return the votes to compute next, or None if all that are wanted are under way.

        Args:
            now: time, on the clock of the deadlines.
            idle: slots that wait for work, this one included; they share what there is.
        """
        while (queue := self._next_queue()) is not None:
            first = min((next(iter(entries)) for entries in queue.ready.values()), key=turn_of)
            if first.credit <= 0:
                self._begin_turn(first)
            elif parts := self._fill(queue, first.group, now, idle):
                return Tile(list(parts.items()))
        return None

    def finish(self, tile: Tile, fell_on: Sequence[int], seconds: float) -> list[Entry]:
        """Count the votes of a tile and return the requests that leave: decided or in error.

        Args:
            tile: as :meth:`next_tile` gave it.
            fell_on: class of each of its votes, in order.
            seconds: seconds that it took on its slot.
        """
        self._measure(tile, seconds)
        left = []
        first = 0
        for entry, keys in tile.parts:
            votes = fell_on[first : first + len(keys)]
            first += len(keys)
            if entry.is_waiting and self._cast(entry, keys, votes):
                left.append(entry)
        return left

    def fail(self, entries: Iterable[Entry], error: Exception) -> None:
        """Let requests leave whose votes cannot be computed."""
        for entry in entries:
            if entry.is_waiting:
                entry.error = error
                self.remove(entry)

    def _share_of(self, entry: Entry) -> float:
        """Return what a request takes up of the queue: the votes left, by cost, within bounds."""
        first = entry.first_votes if entry.started is None else 0
        gmacs = (entry.poll.votes_left + first) * entry.group.gmacs
        return min(max(gmacs, SMALLEST_SHARE * self._limit), LARGEST_SHARE * self._limit)

    def _next_queue(self) -> Queue | None:
        """Return the queue that the next tile is for.

        The low one has its turn when the other has no work, and now and then when it has.
        """
        normal, low = self._queues[Priority.NORMAL], self._queues[Priority.LOW]
        if not low.ready:
            return normal if normal.ready else None
        self._passed_over += 1
        if normal.ready and self._passed_over < LOW_EVERY:
            return normal
        self._passed_over = 0
        return low

    def _fill(
        self, queue: Queue, group: Group, now: float, idle: int
    ) -> dict[Entry, list[VoteKey]]:
        """Take votes of a group's requests for one tile, in the order of their turns."""
        room = rows_in_time(queue.ready[group], group, now, idle)
        end = now + room * group.seconds
        parts: dict[Entry, list[VoteKey]] = {}
        while room and (entries := queue.ready.get(group)):
            entry = next(iter(entries))
            self._take_out(queue, entry)
            if now >= entry.deadline or (end > entry.deadline and entry.poll.has_votes):
                continue  # too late: it stays out, and its deadline ends it
            keys = entry.poll.take(room) if entry.credit > 0 else []
            entry.credit -= len(keys) * group.gmacs
            room -= len(keys)
            if keys:
                if entry.started is None:
                    entry.credit -= entry.first_votes * group.gmacs
                entry.started = now if entry.started is None else entry.started
                parts.setdefault(entry, []).extend(keys)
            if entry.poll.wanted(1):
                self._put_in(entry)
        return parts

    def _cast(self, entry: Entry, keys: Sequence[VoteKey], fell_on: Sequence[int]) -> bool:
        """Count votes of a request and return whether it leaves."""
        was_ready = entry.poll.wanted(1)
        try:
            for key, vote in zip(keys, fell_on, strict=True):
                entry.poll.cast(key, vote)
        except Exception as error:  # noqa: BLE001 - others of the tile go on
            entry.error = error
        if entry.error is not None or entry.poll.is_decided:
            self.remove(entry)
            return True
        share = self._share_of(entry)
        self._queues[entry.priority].load += share - entry.share
        entry.share = share
        if entry.poll.wanted(1) and not was_ready:
            self._put_in(entry)
        return False

    def _put_in(self, entry: Entry) -> None:
        """Let a request that wants votes go on with its turn, or begin a new one."""
        if entry.credit <= 0:
            self._begin_turn(entry)
            return
        entries = self._queues[entry.priority].ready.setdefault(entry.group, OrderedDict())
        entries[entry] = None
        entries.move_to_end(entry, last=False)

    def _begin_turn(self, entry: Entry) -> None:
        """Put a request behind all others, with the credit of another turn."""
        entry.turn = next(self._turns)
        entry.credit += TURN_GMACS
        entries = self._queues[entry.priority].ready.setdefault(entry.group, OrderedDict())
        entries[entry] = None
        entries.move_to_end(entry)

    def _take_out(self, queue: Queue, entry: Entry) -> None:
        """Take a request off those that want votes, if it is one of them."""
        entries = queue.ready.get(entry.group, OrderedDict())
        entries.pop(entry, None)
        if not entries:
            queue.ready.pop(entry.group, None)

    def _measure(self, tile: Tile, seconds: float) -> None:
        """Update the speed of a group and of a slot."""
        group, per_vote = tile.group, seconds / tile.rows
        group.seconds = average(group.seconds, per_vote)
        if per_vote:
            self._gmacs_per_s = average(self._gmacs_per_s, group.gmacs / per_vote)


def turn_of(entry: Entry) -> int:
    """Return the number of a request's turn."""
    return entry.turn


def average(past: float, now: float) -> float:
    """Return a running average; 0 stands for no past."""
    return PAST * past + (1 - PAST) * now if past else now


def rows_in_time(entries: OrderedDict[Entry, None], group: Group, now: float, idle: int) -> int:
    """Return the rows of the next tile: no more than the first request has time for."""
    rows = rows_to_take(entries, group.tile, idle)
    first = next(iter(entries))
    if group.seconds:
        rows = int(min(rows, (first.deadline - now) / group.seconds))
    return max(1, rows)


def rows_to_take(entries: OrderedDict[Entry, None], tile: int, idle: int) -> int:
    """Return the rows of the next tile: full ones if there is work for all, even ones if not.

    Twenty votes on two idle slots make two tiles of ten, and neither slot waits for the other.
    """
    wanted = 0
    for entry in entries:
        wanted += entry.poll.wanted(tile * idle - wanted)
        if wanted >= tile * idle:
            return tile
    tiles = -(-wanted // tile)
    tiles = -(-tiles // idle) * idle
    return -(-wanted // max(1, tiles))
