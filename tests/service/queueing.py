"""Requests in the queue without thread, clock or network: votes are a function of their key."""

import math
from collections import Counter
from collections.abc import Iterable

from noisevote.models.runtime import rows_of, votes_of
from noisevote.models.voting import Poll, VoteRequest
from noisevote.service.voting.batcher import VoteBatcher
from noisevote.service.voting.entries import Entry, Group, Tile
from noisevote.service.voting.priority import Priority
from tests.models.test_voting import CLASSES, KeyedRuntime, request_for

VOTE_GMACS = 0.03
TURN = 20
"""Votes that a turn is worth: 0.6 GMACs, at 0.03 a vote."""

UNLIMITED = 1e9


def group_of(tile: int = 8, gmacs: float = VOTE_GMACS) -> Group:
    return Group(tile, gmacs)


def entry_for(
    group: Group,
    request: VoteRequest | None = None,
    priority: Priority = Priority.NORMAL,
    deadline: float = math.inf,
) -> Entry:
    poll = Poll(request or request_for(1, 20), CLASSES)
    return Entry(poll, KeyedRuntime(), group, priority, deadline)


def batcher_with(*entries: Entry, limit: float = UNLIMITED, slots: int = 1) -> VoteBatcher:
    batcher = VoteBatcher(slots, limit)
    for entry in entries:
        batcher.admit(entry)
    return batcher


def fell_on(tile: Tile) -> list[int]:
    rows = rows_of([(entry.poll.request, keys) for entry, keys in tile.parts])
    votes: list[int] = votes_of(tile.runtime.outputs(rows)).tolist()
    return votes


def served(batcher: VoteBatcher, now: float = 0.0) -> Iterable[Counter[Entry]]:
    """Compute tile after tile to the end; yield the votes of each request in each."""
    while (tile := batcher.next_tile(now)) is not None:
        yield Counter({entry: len(keys) for entry, keys in tile.parts})
        batcher.finish(tile, fell_on(tile), seconds=0.001 * tile.rows)
