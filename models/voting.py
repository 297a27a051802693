"""Votes: which are to be cast next, what they count up to, and the answer they give.

A :class:`Poll` holds one request. It hands out votes and takes what each fell on; who computes
them, where, and beside which votes of other requests, is not its business.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noisevote.models.noise import VoteKey, VoteNoise
from noisevote.models.statistics import CERTAIN, UNKNOWN, fixed_votes_statistics
from noisevote.models.stopping import Stopping, StopReason, StopRule, mode_of

NOWHERE = -1
"""What a vote falls on whose outputs are not finite."""

Observer = Callable[[int, int, int], None]
"""Is told of votes as they are counted, in vote order: position of the input, class, how many.
Called by whoever casts the votes, on any thread, maybe under a lock: it must return at once."""

VOTES_A_TURN = 8
"""Votes on one input that are handed out together."""


@dataclass(frozen=True, slots=True)
class VoteRequest:
    """Inputs and the votes that are asked for on each.

    Attributes:
        inputs: inputs by the names of the checkpoint's inputs, each ``[inputs, *shape]``, in its
            range.
        noise: noise that the votes meet, repeats included.
        votes: N, at least 1.
        stop: when to stop before N.
        seed: seed of all noise, 0 to 2^53 - 1.
        alpha: level of the interval and of the test.
        turn: votes on one input that are handed out together; 1 keeps the inputs level, so that
            all have votes when the time is up.
    """

    inputs: Mapping[str, NDArray[Any]]
    noise: VoteNoise
    votes: int
    stop: Stopping
    seed: int
    alpha: float = 0.05
    turn: int = VOTES_A_TURN

    @property
    def count(self) -> int:
        """How many inputs are voted on."""
        return len(next(iter(self.inputs.values())))


@dataclass(frozen=True, slots=True)
class VoteResult:
    """The answer for one input.

    Attributes:
        mode: class with the most votes; of several, the lowest index.
        vote_counts: votes of each class ``[classes]``, summing to ``votes_cast``.
        votes_cast: votes that count; with an early stop fewer than N.
        stopped_by: the rule that ended the voting; ``full`` when all N votes were cast,
            ``deadline`` when the time was up before any rule held.
        agreement: share of the mode among the votes cast.
        interval: for the chance that a vote falls on the mode; None unless all votes of the rule
            ``full`` were cast, since the fixed-N interval does not hold otherwise.
        p_value: p-value of "the top two classes are equally likely"; None like the interval.
        abstain: whether the p-value is above alpha; None like the interval.
        per_chip: votes of each class on each of several chips ``[chips, classes]``; None of one.
    """

    mode: int
    vote_counts: tuple[int, ...]
    votes_cast: int
    stopped_by: StopReason
    agreement: float
    interval: tuple[float, float] | None
    p_value: float | None
    abstain: bool | None
    per_chip: tuple[tuple[int, ...], ...] | None = None


class Ballot:
    """The votes of one input until its stop rule holds.

    Votes are counted in vote order, whatever the order in which they come back.

    Args:
        classes: number of classes.
        request: request whose votes they are.
        position: position of the input in the request.
        observer: is told of every vote that counts.
    """

    def __init__(
        self,
        classes: int,
        request: VoteRequest,
        position: int = 0,
        observer: Observer | None = None,
    ) -> None:
        self.vote_counts = np.zeros(classes, np.int64)
        self.votes_cast = 0
        self.issued = 0
        self._request = request
        self._position = position
        self._observer = observer
        self._is_noiseless = request.noise.is_silent
        self._chips = request.noise.chip_count
        self._of_chips = np.zeros((self._chips, classes) if self._chips > 1 else 0, np.int64)
        self._goes_by_chip = self._chips > 1 and request.turn > 1 and observer is None
        self._opened, self._open = 0, list[int]()
        self._waiting: dict[int, int] = {}
        self._earliest_decision = self._fewest()

    @property
    def wanted(self) -> int:
        """How many votes there are to compute beside those that are under way.

        None of them can turn out to be cast after the decision.
        """
        wanted = 1 if self._is_noiseless else self._earliest_decision
        return max(0, wanted - self.issued)

    @property
    def left(self) -> int:
        """The most votes that may still have to come back."""
        if self.is_decided:
            return 0
        return 1 if self._is_noiseless else self._request.votes - self.votes_cast

    @property
    def is_decided(self) -> bool:
        """Whether the answer is there."""
        return self.votes_cast == self._earliest_decision

    def issue(self, count: int) -> Sequence[int]:
        """Hand out ``count`` of the votes that are wanted.

        They are the next ones or, unless somebody watches or the time may be up, the next ones on
        a chip: what holds few chips makes each of them once.
        """
        first, self.issued = self.issued, self.issued + count
        if not self._goes_by_chip:
            return range(first, self.issued)
        key, seed = self._request.noise.chip_index, self._request.seed
        further = range(self._opened, self._earliest_decision)
        self._open += sorted(further, key=lambda vote: key(VoteKey(seed, self._position, vote)))
        self._opened = self._earliest_decision
        taken, self._open = self._open[:count], self._open[count:]
        return taken

    def cast(self, vote: int, fell_on: int) -> None:
        """Take the class that a vote fell on; votes after the decision are discarded.

        Without noise one vote stands for all: they would all fall on the same class.

        Raises:
            InputError: the vote counts, and its outputs were not finite.
        """
        if self._is_noiseless:
            while not self.is_decided:
                self._count(fell_on, self._earliest_decision - self.votes_cast)
            return
        self._waiting[vote] = fell_on
        while self.votes_cast in self._waiting and not self.is_decided:
            self._count(self._waiting.pop(self.votes_cast), 1)

    def result(self) -> VoteResult:
        """Return the answer at the present counts; at least one vote must have been cast."""
        counts, request = self.vote_counts, self._request
        mode = mode_of(counts)
        is_full = self.votes_cast == request.votes
        statistics = UNKNOWN
        # Votes of a few chips hang together; they are independent on one, or each on its own.
        is_independent = self._chips in {1, request.votes}
        if request.stop.casts_all and is_full and is_independent:
            statistics = (
                CERTAIN if self._is_noiseless else fixed_votes_statistics(counts, request.alpha)
            )
        return VoteResult(
            mode=mode,
            vote_counts=tuple(counts.tolist()),
            votes_cast=self.votes_cast,
            stopped_by=self._reason(is_full),
            agreement=float(counts[mode]) / self.votes_cast,
            interval=statistics.interval,
            p_value=statistics.p_value,
            abstain=statistics.abstain,
            per_chip=tuple(map(tuple, self._of_chips.tolist())) if self._chips > 1 else None,
        )

    def _reason(self, is_full: bool) -> StopReason:
        if is_full:
            return StopRule.FULL
        return self._request.stop.row if self.is_decided else "deadline"

    def _fewest(self) -> int:
        return self._request.stop.fewest(self.vote_counts, self._request.votes)

    def _count(self, fell_on: int, votes: int) -> None:
        if fell_on == NOWHERE:
            raise self._request.noise.overflow
        self.vote_counts[fell_on] += votes
        if self._chips > 1:
            key = VoteKey(self._request.seed, self._position, self.votes_cast)
            self._of_chips[self._request.noise.chip_index(key), fell_on] += votes
        self.votes_cast += votes
        if self._observer is not None:
            self._observer(self._position, fell_on, votes)
        if self.votes_cast == self._earliest_decision:
            self._earliest_decision += self._fewest()


class Poll:
    """One request on its way: hands out votes, counts what they fell on.

    Args:
        request: inputs and votes.
        classes: number of classes of the network.
        observer: is told of every vote that counts.

    Attributes:
        votes_left: the most votes that may still have to come back; 0 once all inputs are decided.
    """

    def __init__(
        self, request: VoteRequest, classes: int, observer: Observer | None = None
    ) -> None:
        self.request = request
        self._ballots = [
            Ballot(classes, request, position, observer) for position in range(request.count)
        ]
        self._turn = min(request.turn, max(1, request.votes // request.noise.chip_count))
        self._turns = deque(range(len(self._ballots)))  # positions that want votes
        self.votes_left = sum(ballot.left for ballot in self._ballots)

    @property
    def is_decided(self) -> bool:
        """Whether every input has its answer."""
        return self.votes_left == 0

    @property
    def has_votes(self) -> bool:
        """Whether every input has at least one vote."""
        return all(ballot.votes_cast > 0 for ballot in self._ballots)

    def wanted(self, enough: int) -> int:
        """Return how many votes there are to compute now, or ``enough`` if there are more."""
        found = 0
        for position in self._turns:
            found += self._ballots[position].wanted
            if found >= enough:
                return enough
        return found

    def take(self, limit: int) -> list[VoteKey]:
        """Return up to ``limit`` votes to compute next; none while all wanted are under way.

        The inputs take turns, so that none of them waits for the others to be decided; the votes
        of one turn on one input stand together, so that they share what is computed per image.
        """
        taken: list[VoteKey] = []
        while self._turns and len(taken) < limit:
            position = self._turns.popleft()
            ballot = self._ballots[position]
            count = min(ballot.wanted, self._turn, limit - len(taken))
            seed = self.request.seed
            taken.extend(VoteKey(seed, position, vote) for vote in ballot.issue(count))
            if ballot.wanted:
                self._turns.append(position)
        return taken

    def cast(self, key: VoteKey, fell_on: int) -> None:
        """Take the class that a vote fell on, in any order.

        Args:
            key: as :meth:`take` gave it.
            fell_on: its class, or :data:`NOWHERE` if its outputs were not finite.

        Raises:
            InputError: a vote that counts has outputs that are not finite.
        """
        ballot = self._ballots[key.position]
        before, wanted = ballot.left, ballot.wanted
        ballot.cast(key.vote, fell_on)
        self.votes_left += ballot.left - before
        if ballot.wanted and not wanted:
            self._turns.append(key.position)

    def results(self) -> list[VoteResult]:
        """Return the answer for each input; each must have a vote."""
        return [ballot.result() for ballot in self._ballots]
