"""Entries of the queue, the groups that share forward passes, and the tiles of these."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from noisevote.models.noise import VoteKey
from noisevote.models.runtime import Runtime
from noisevote.models.voting import Poll
from noisevote.service.voting.priority import Priority


@dataclass(eq=False, slots=True)
class Group:
    """Requests that can share forward passes: those for one checkpoint and kind of noise.

    Attributes:
        tile: most rows of one forward pass.
        gmacs: multiply-accumulates of one vote, in 10^9.
        checkpoint: its name.
        seconds: seconds that a slot takes for one vote; a running average, 0 before the first.
    """

    tile: int
    gmacs: float
    checkpoint: str = ""
    seconds: float = 0.0


@dataclass(eq=False, slots=True)
class Entry:
    """A request in the queue.

    Attributes:
        poll: its votes.
        runtime: computes them.
        group: the requests that it can share forward passes with.
        priority: decides whose votes come first.
        deadline: time after which its votes are of no use, on the clock of the caller.
        first_votes: votes that its first tile counts for beside its own: chips are made in it.
        started: when its first tile was handed out; None before.
        error: why it cannot be answered; None as a rule.
        share: the part of the queue that it takes up, in 10^9 multiply-accumulates.
        turn: number of its turn; the lowest of all is served first.
        credit: what it may still spend before others have a turn, in 10^9 multiply-accumulates.
        is_waiting: whether it is in the queue: admitted, and has not left.
    """

    poll: Poll
    runtime: Runtime
    group: Group
    priority: Priority = Priority.NORMAL
    deadline: float = math.inf
    first_votes: int = 0
    started: float | None = None
    error: Exception | None = None
    share: float = 0.0
    turn: int = 0
    credit: float = 0.0
    is_waiting: bool = False


@dataclass(frozen=True, slots=True)
class Tile:
    """The votes of one forward pass.

    Attributes:
        parts: requests of one group, and the votes of each.
    """

    parts: Sequence[tuple[Entry, Sequence[VoteKey]]]

    @property
    def group(self) -> Group:
        """The group of its requests."""
        return self.parts[0][0].group

    @property
    def runtime(self) -> Runtime:
        """What computes it."""
        return self.parts[0][0].runtime

    @property
    def rows(self) -> int:
        """Votes in it."""
        return sum(len(keys) for _, keys in self.parts)
