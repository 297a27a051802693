"""What recorded votes say of fewer votes, of stop rules and of several chips, without a pass.

The votes of a request are a prefix of those of a longer one with the same seed, so that what a
request of N votes answers stands in the first N that were recorded; where more seeds were recorded,
each is a run of its own.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from noisevote.models.stopping import Full, Stopping

Votes = NDArray[np.int16]
"""Class that each vote fell on, in vote order ``[samples, votes]``."""

FULL = Full()

MOST_COUNTS = 2**24
"""Counts of classes that are looked at together."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What requests answer.

    Attributes:
        modes: class of each answer ``[samples]``.
        cast: votes until it stopped ``[samples]``.
    """

    modes: NDArray[np.int64]
    cast: NDArray[np.int64]


def answered(votes: Votes, classes: int, count: int, rule: Stopping = FULL) -> Outcome:
    """Return what requests of ``count`` votes answer.

    Args:
        votes: recorded; at least ``count``, or a single one that stands for all.
        classes: number of classes.
        count: N.
        rule: when they stop.
    """
    if votes.shape[1] == 1:
        modes = votes[:, 0].astype(np.int64)
        return Outcome(modes, np.ones_like(modes))
    names: NDArray[np.int64] | None = None
    of_all = votes[:, :count]
    if classes > count + 1:
        of_all, names = renumbered(of_all)
        classes = count + 1
    found = [of_part(part, classes, count, rule) for part in parts(of_all, classes)]
    modes = np.concatenate([part.modes for part in found])
    if names is not None:
        modes = names[np.arange(len(modes)), modes]
    return Outcome(modes, np.concatenate([part.cast for part in found]))


def renumbered(votes: Votes) -> tuple[Votes, NDArray[np.int64]]:
    """Return the votes on each sample with its own, fewer numbers of classes, in the same order.

    Of the classes without a vote the lowest keeps a number: no other can do more against a mode.

    Args:
        votes: on each sample ``[samples, votes]``.

    Returns:
        The numbers ``[samples, votes]``, and the class of each number ``[samples, votes + 1]``.
    """
    order = np.argsort(votes, axis=1)
    ordered = np.take_along_axis(votes, order, axis=1).astype(np.int64)
    is_new = np.diff(ordered, axis=1, prepend=-1) > 0
    ranks = np.cumsum(is_new, axis=1) - 1
    # Classes from 0 on without a gap are their own ranks; the lowest that is missing follows them.
    lowest = 1 + np.where(ordered == ranks, ranks, -1).max(axis=1, keepdims=True)
    ranks += ordered > lowest
    numbers = np.empty_like(votes)
    np.put_along_axis(numbers, order, ranks.astype(votes.dtype), axis=1)
    names = np.tile(lowest, votes.shape[1] + 1)
    np.put_along_axis(names, ranks, ordered, axis=1)
    return numbers, names


def parts(votes: Votes, classes: int) -> Iterator[Votes]:
    """Yield some samples after the other, so many that their counts have room."""
    size = max(1, MOST_COUNTS // classes)
    for first in range(0, len(votes), size):
        yield votes[first : first + size]


def of_part(votes: Votes, classes: int, count: int, rule: Stopping) -> Outcome:
    """Return what requests on some samples answer; see :func:`answered`."""
    rows = np.arange(len(votes))
    counts = np.zeros((len(votes), classes), np.int64)
    modes = np.zeros(len(votes), np.int64)
    cast = np.full(len(votes), count)
    is_open = np.ones(len(votes), bool)
    if rule.casts_all:
        np.add.at(counts, (rows[:, np.newaxis], votes), 1)
        return Outcome(counts.argmax(axis=1), cast)
    for number in range(1, count + 1):
        counts[rows, votes[:, number - 1]] += 1
        now = counts.argmax(axis=1)
        stops = is_open & rule.holds(counts, count)
        modes[stops], cast[stops] = now[stops], number
        is_open &= ~stops
        if not is_open.any():
            break
    return Outcome(modes, cast)


def spread_over_chips(of_chips: NDArray[np.int16], orders: NDArray[np.intp]) -> Votes:
    """Return the votes of requests that several chips answer.

    Args:
        of_chips: votes of each chip alone, with the same keys ``[chips, samples, votes]``; at least
            N, or a single one that stands for all.
        orders: which of the chips casts each vote ``[samples, N]``.
    """
    samples = np.arange(of_chips.shape[1])[:, np.newaxis]
    last = of_chips.shape[2] - 1  # a single vote stands for all of a chip whose votes do not differ
    numbers = np.minimum(np.arange(orders.shape[1]), last)[np.newaxis]
    return np.asarray(of_chips[orders, samples, numbers])


def is_among_first(
    votes: Votes, labels: NDArray[np.int64], classes: int, first: int
) -> NDArray[np.bool_]:
    """Return whether the label is among the classes with the most votes ``[samples]``.

    Of classes with as many votes the lower ones come first; a class without a vote is not among
    them.

    Args:
        votes: cast on each sample ``[samples, votes]``.
        labels: of the samples.
        classes: number of classes.
        first: how many classes count.
    """
    found = []
    for part in parts(votes, classes):
        rows = np.arange(len(part))
        counts = np.zeros((len(part), classes), np.int64)
        np.add.at(counts, (rows[:, np.newaxis], part), 1)
        of_part, labels = labels[: len(part)], labels[len(part) :]
        own = counts[rows, of_part][:, np.newaxis]
        before = (counts > own) | ((counts == own) & (np.arange(classes) < of_part[:, np.newaxis]))
        found.append((before.sum(axis=1) < first) & (own[:, 0] > 0))
    return np.concatenate(found)
