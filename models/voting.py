"""Votes: which are to be cast next, what they count up to, and the answer they give.

A :class:`Poll` holds one request. It hands out the rows to compute next and takes their outputs;
who computes them, where and when, is not its business. So the same poll serves the asynchronous
backend, the command line and the evaluation.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.errors import InputError
from models.noise import NoiseKind, VoteKey
from models.runtime import Rows, Runtime
from models.statistics import share_of_mode, top_two_p_value
from models.stopping import StopRule, fewest_to_decide, mode_of


@dataclass(frozen=True, slots=True)
class VoteRequest:
    """Inputs and the votes that are asked for on each.

    Attributes:
        inputs: ``[inputs, *input_shape]``, float32, in the checkpoint's input range.
        kind: multiplicative or additive noise.
        sigma: standard deviation of the noise at each noise point ``[points]``, repeats included.
        votes: N, at least 1.
        stop: when to stop before N.
        seed: of all noise, 0 to 2^53 - 1.
        alpha: level of the interval and of the test.
        delta: for ``bounded``, the chance of another mode than that of all N votes.
    """

    inputs: NDArray[np.float32]
    kind: NoiseKind
    sigma: NDArray[np.float64]
    votes: int
    stop: StopRule
    seed: int
    alpha: float = 0.05
    delta: float = 0.001


@dataclass(frozen=True, slots=True)
class VoteResult:
    """The answer for one input.

    Attributes:
        mode: class with the most votes; of several, the lowest index.
        vote_counts: votes of each class ``[classes]``, summing to ``votes_cast``.
        votes_cast: votes that count; with an early stop fewer than N.
        stopped_by: the rule that ended the voting; ``full`` when all N votes were cast.
        agreement: share of the mode among the votes cast.
        interval: for the chance that a vote falls on the mode; None after an early stop, where
            the fixed-N interval does not hold.
        p_value: of "the top two classes are equally likely"; None after an early stop.
        abstain: whether the p-value is above alpha; None after an early stop.
    """

    mode: int
    vote_counts: tuple[int, ...]
    votes_cast: int
    stopped_by: StopRule
    agreement: float
    interval: tuple[float, float] | None
    p_value: float | None
    abstain: bool | None


class Ballot:
    """The votes of one input, in vote order, until its stop rule holds.

    Args:
        classes: number of classes.
        votes: N, all votes that were asked for.
        stop: the stop rule.
        delta: see :class:`VoteRequest`.
    """

    def __init__(self, classes: int, votes: int, stop: StopRule, delta: float = 0.001) -> None:
        self.vote_counts = np.zeros(classes, np.int64)
        self.votes_cast = 0
        self._votes = votes
        self._stop = stop
        self._delta = delta

    @property
    def wanted(self) -> int:
        """How many further votes to compute at once; 0 once the answer is decided.

        None of them can turn out to be cast after the decision.
        """
        return fewest_to_decide(self._stop, self.vote_counts, self._votes, self._delta)

    def cast(self, classes: NDArray[np.int64]) -> None:
        """Count votes in vote order; those after the decision are discarded."""
        while len(classes) and (wanted := self.wanted):
            counted, classes = classes[:wanted], classes[wanted:]
            self.vote_counts += np.bincount(counted, minlength=len(self.vote_counts))
            self.votes_cast += len(counted)

    def result(self, alpha: float) -> VoteResult:
        """Return the answer at the present counts; at least one vote must have been cast."""
        counts = self.vote_counts
        mode = mode_of(counts)
        is_full = self.votes_cast == self._votes
        p_value = top_two_p_value(counts) if self._stop is StopRule.FULL else None
        return VoteResult(
            mode=mode,
            vote_counts=tuple(counts.tolist()),
            votes_cast=self.votes_cast,
            stopped_by=StopRule.FULL if is_full else self._stop,
            agreement=float(counts[mode]) / self.votes_cast,
            interval=None if p_value is None else share_of_mode(counts, alpha),
            p_value=p_value,
            abstain=None if p_value is None else p_value > alpha,
        )


class Poll:
    """One request on its way: hands out rows, counts their votes.

    Args:
        request: inputs and votes.
        classes: number of classes of the network.
    """

    def __init__(self, request: VoteRequest, classes: int) -> None:
        self._request = request
        self._ballots = [
            Ballot(classes, request.votes, request.stop, request.delta)
            for _ in range(len(request.inputs))
        ]

    @property
    def is_decided(self) -> bool:
        """Whether every input has its answer."""
        return all(ballot.wanted == 0 for ballot in self._ballots)

    def wave(self, tile: int, limit: int) -> list[Rows]:
        """Return the rows to compute next, in tiles; empty once all inputs are decided.

        Args:
            tile: rows of a forward pass.
            limit: at most so many tiles.
        """
        wanted = []
        for position, ballot in enumerate(self._ballots):
            count = min(ballot.wanted, 1) if self._is_noiseless else ballot.wanted
            wanted += [(position, ballot.votes_cast + vote) for vote in range(count)]
            if len(wanted) >= tile * limit:
                break
        starts = range(0, min(len(wanted), tile * limit), tile)
        return [self._rows(wanted[start : start + tile]) for start in starts]

    def record(self, rows: Rows, outputs: NDArray[np.float32]) -> None:
        """Count the votes of a tile; the tiles of a wave are recorded in their order.

        Args:
            rows: as :meth:`wave` gave them.
            outputs: of each row ``[rows, classes]``.

        Raises:
            InputError: the noise is so strong that the outputs overflow.
        """
        if not np.isfinite(outputs).all():
            raise InputError(
                "the outputs overflow single precision under this noise; use a smaller sigma",
                "sigma",
            )
        positions = np.array([key.position for key in rows.keys])
        classes = outputs.argmax(axis=1)
        for position in np.unique(positions).tolist():
            votes = classes[positions == position]
            if self._is_noiseless:
                # All votes are equal without noise: one pass stands for them.
                votes = votes.repeat(self._request.votes)
            self._ballots[position].cast(votes)

    def results(self) -> list[VoteResult]:
        """Return the answer for each input; all must be decided."""
        return [ballot.result(self._request.alpha) for ballot in self._ballots]

    @property
    def _is_noiseless(self) -> bool:
        return not self._request.sigma.any()

    def _rows(self, votes: list[tuple[int, int]]) -> Rows:
        """Return the rows of the given (position, vote) pairs, each image once."""
        positions, image_of_row = np.unique(
            [position for position, _ in votes], return_inverse=True
        )
        request = self._request
        return Rows(
            images=request.inputs[positions],
            image_of_row=image_of_row.astype(np.int64),
            sigma=np.broadcast_to(request.sigma, (len(votes), len(request.sigma))),
            keys=[VoteKey(request.seed, position, vote) for position, vote in votes],
        )


def vote(runtime: Runtime, request: VoteRequest, classes: int, tile: int) -> list[VoteResult]:
    """Cast all votes of a request one tile after another and return the answers."""
    poll = Poll(request, classes)
    while wave := poll.wave(tile, limit=1):
        for rows in wave:
            poll.record(rows, runtime.outputs(rows))
    return poll.results()
