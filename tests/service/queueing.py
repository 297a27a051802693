"""Requests in the queue without thread, clock or network: votes are a function of their key."""

import math
from collections import Counter
from collections.abc import Iterable

from models.runtime import rows_of, votes_of
from models.voting import Poll, VoteRequest
from service.voting.batcher import VoteBatcher
from service.voting.tickets import Lane, Priority, Ticket, Tile
from tests.models.test_voting import CLASSES, KeyedRuntime, request_for

VOTE_GMACS = 0.03
TURN = 20
"""Votes that a turn is worth: 0.6 GMACs, at 0.03 a vote."""

UNLIMITED = 1e9


def lane_of(tile: int = 8, gmacs: float = VOTE_GMACS) -> Lane:
    return Lane(tile, gmacs)


def ticket_for(
    lane: Lane,
    request: VoteRequest | None = None,
    priority: Priority = Priority.NORMAL,
    deadline: float = math.inf,
) -> Ticket:
    poll = Poll(request or request_for(1, 20), CLASSES)
    return Ticket(poll, KeyedRuntime(), lane, priority, deadline)


def batcher_with(*tickets: Ticket, limit: float = UNLIMITED, slots: int = 1) -> VoteBatcher:
    batcher = VoteBatcher(slots, limit)
    for ticket in tickets:
        batcher.admit(ticket)
    return batcher


def fell_on(tile: Tile) -> list[int]:
    rows = rows_of([(ticket.poll.request, keys) for ticket, keys in tile.parts])
    votes: list[int] = votes_of(tile.runtime.outputs(rows)).tolist()
    return votes


def served(batcher: VoteBatcher, now: float = 0.0) -> Iterable[Counter[Ticket]]:
    """Compute tile after tile to the end; yield the votes of each request in each."""
    while (tile := batcher.next_tile(now)) is not None:
        yield Counter({ticket: len(keys) for ticket, keys in tile.parts})
        batcher.finish(tile, fell_on(tile), seconds=0.001 * tile.rows)
