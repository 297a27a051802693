"""The vote batcher alone: who is refused, who comes first, whose time is up."""

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest

from noisevote.models.errors import OverloadedError
from noisevote.models.voting import Poll
from noisevote.service.voting.priority import Priority
from tests.models.test_voting import CLASSES, request_for
from tests.service.queueing import (
    VOTE_GMACS,
    batcher_with,
    entry_for,
    fell_on,
    group_of,
    served,
)


def test_a_full_queue_refuses_and_says_when_there_will_be_room() -> None:
    group = group_of()
    limit = 100 * VOTE_GMACS
    batcher = batcher_with(limit=limit, slots=2)
    first = [entry_for(group, request_for(1, 10)) for _ in range(10)]
    batcher.admit(first[0])
    assert [sum(tile.values()) for tile in served(batcher)] == [8, 2]  # measures 1 ms a vote
    for entry in first[1:]:
        batcher.admit(entry)
    batcher.admit(entry_for(group, request_for(1, 8)))
    with pytest.raises(OverloadedError) as refused:
        batcher.admit(entry_for(group, request_for(1, 10)))
    # 8 votes too many, 1 ms each, on two slots.
    assert refused.value.retry_after_s == pytest.approx(0.004)
    assert batcher.requests == 10
    batcher.remove(first[1])
    batcher.admit(entry_for(group, request_for(1, 10)))


def test_room_frees_as_votes_are_cast() -> None:
    group = group_of(tile=10)
    batcher = batcher_with(entry_for(group, request_for(1, 10)), limit=10 * VOTE_GMACS / 8)
    for _ in range(7):
        batcher.admit(entry_for(group, request_for(1, 10)))
    with pytest.raises(OverloadedError):
        batcher.admit(entry_for(group, request_for(1, 1)))
    next(iter(served(batcher)))
    tile = batcher.next_tile(0.0)
    assert tile is not None
    batcher.finish(tile, fell_on(tile), seconds=0.01)
    batcher.admit(entry_for(group, request_for(1, 1)))


def test_what_a_request_takes_up_shrinks_with_every_tile_and_ends_with_it() -> None:
    batcher = batcher_with(entry_for(group_of(tile=8), request_for(1, 20)), limit=200 * VOTE_GMACS)
    fills = [batcher.queue_fill]
    for tile in iter(lambda: batcher.next_tile(0.0), None):
        batcher.finish(tile, fell_on(tile), seconds=0.001)
        fills.append(batcher.queue_fill)
    votes = [round(200 * fill) for fill in fills]
    assert votes[0] == 20
    assert votes[-1] == 0
    assert all(later < earlier for earlier, later in pairwise(votes))


def test_who_leaves_frees_no_more_than_was_taken_up_and_the_fuller_priority_counts() -> None:
    group = group_of()
    first, second = entry_for(group, request_for(1, 5)), entry_for(group, request_for(1, 3))
    low = entry_for(group, request_for(1, 9), Priority.LOW)
    batcher = batcher_with(first, second, limit=100 * VOTE_GMACS)
    assert batcher.queue_fill == pytest.approx(0.08)
    batcher.remove(first)
    assert batcher.queue_fill == pytest.approx(0.03)
    batcher.admit(low)
    assert batcher.queue_fill == pytest.approx(0.09)
    batcher.remove(low)
    batcher.remove(second)
    assert batcher.queue_fill == 0


def test_nobody_is_told_to_wait_before_a_speed_was_measured() -> None:
    assert batcher_with().seconds_for(1.0) == 0


def test_a_vote_that_would_come_too_late_leaves_its_place_to_another_request() -> None:
    group = group_of(tile=8)
    group.seconds = 0.1
    late = entry_for(group, request_for(1, 19), deadline=0.85)
    batcher = batcher_with(late)
    tile = batcher.next_tile(now=0.0)
    assert tile is not None
    assert batcher.finish(tile, fell_on(tile), seconds=0.8) == [], "it is not decided yet"
    other = entry_for(group, request_for(1, 4))
    batcher.admit(other)
    tile = batcher.next_tile(now=0.8)
    assert tile is not None
    assert [entry for entry, _ in tile.parts] == [other]


def test_a_request_has_waited_until_its_first_tile_and_no_longer() -> None:
    entry = entry_for(group_of(tile=8), request_for(1, 16))
    batcher = batcher_with(entry)
    for now in (3.0, 5.0):
        assert batcher.next_tile(now) is not None
    assert entry.started == 3.0


def test_one_slow_tile_is_a_tenth_of_the_speed_that_waits_are_told_from() -> None:
    batcher = batcher_with(entry_for(group_of(tile=8), request_for(1, 16)), slots=2)
    for seconds_a_vote in (0.001, 0.003):
        tile = batcher.next_tile(0.0)
        assert tile is not None
        batcher.finish(tile, fell_on(tile), seconds=seconds_a_vote * tile.rows)
    fast, slow = VOTE_GMACS / 0.001, VOTE_GMACS / 0.003
    assert batcher.seconds_for(1.0) == pytest.approx(1 / (2 * (0.9 * fast + 0.1 * slow)))


def test_the_door_closes_when_the_queue_is_all_but_full_and_says_for_how_long() -> None:
    group = group_of()
    batcher = batcher_with(entry_for(group, request_for(1, 10)), limit=100 * VOTE_GMACS)
    assert [sum(tile.values()) for tile in served(batcher)] == [8, 2]  # measures 1 ms a vote
    for _ in range(7):
        batcher.admit(entry_for(group, request_for(1, 12)))
    batcher.admit(entry_for(group, request_for(1, 12)))
    assert batcher.wait_for_room_s == 0, "96 of 100 votes wait"
    batcher.admit(entry_for(group, request_for(1, 1), Priority.LOW))
    assert batcher.wait_for_room_s == 0, "low priority has a queue of its own"
    batcher.admit(entry_for(group, request_for(1, 4)))
    assert batcher.wait_for_room_s == pytest.approx(0.001), "one vote over 99, at 1 ms a vote"


def test_one_large_request_takes_up_an_eighth_of_the_queue() -> None:
    group = group_of()
    batcher = batcher_with(limit=10 * VOTE_GMACS)
    for _ in range(8):
        batcher.admit(entry_for(group, request_for(1, 1000)))
    with pytest.raises(OverloadedError):
        batcher.admit(entry_for(group, request_for(1, 1000)))


def test_very_cheap_requests_are_limited_in_number() -> None:
    group = group_of(gmacs=1e-9)
    batcher = batcher_with(limit=1.0)
    for _ in range(1000):
        batcher.admit(entry_for(group, request_for(1, 1)))
    with pytest.raises(OverloadedError):
        batcher.admit(entry_for(group, request_for(1, 1)))


def test_each_priority_has_a_queue_of_its_own() -> None:
    group = group_of()
    batcher = batcher_with(limit=0.01)
    for priority in Priority:
        for _ in range(8):
            batcher.admit(entry_for(group, request_for(1, 1000), priority))
        with pytest.raises(OverloadedError, match="too many votes are waiting"):
            batcher.admit(entry_for(group, request_for(1, 1000), priority))


def test_low_priority_gets_one_tile_in_sixteen_while_others_wait() -> None:
    group = group_of(tile=8)
    normal = entry_for(group, request_for(1, 8 * 60))
    low = entry_for(group, request_for(1, 8 * 6), Priority.LOW)
    tiles = [next(iter(tile)) for tile in served(batcher_with(low, normal))]
    assert [place for place, entry in enumerate(tiles, 1) if entry is low] == [
        *(16, 32, 48, 64),
        *(65, 66),  # nobody else waits
    ]


def test_low_priority_never_shares_a_tile_with_normal_requests() -> None:
    group = group_of(tile=8)
    entries = [entry_for(group, request_for(1, 2), priority) for priority in Priority]
    assert [len(tile) for tile in served(batcher_with(*entries))] == [1, 1]


def test_a_request_whose_time_is_up_never_starts() -> None:
    group = group_of()
    late = entry_for(group, deadline=5.0)
    batcher = batcher_with(late)
    assert batcher.next_tile(now=5.0) is None
    assert late.started is None
    assert not batcher.is_ready


def test_votes_that_would_come_too_late_are_not_computed() -> None:
    group = group_of(tile=8)
    group.seconds = 0.1
    request = replace(request_for(1, 100), turn=1)
    entry, other = entry_for(group, request, deadline=2.05), entry_for(group, request_for(1, 8))
    batcher = batcher_with(entry, other)
    now, rows = 0.0, []
    while (tile := batcher.next_tile(now)) is not None and entry in dict(tile.parts):
        rows.append(tile.rows)
        now += 0.1 * tile.rows
        batcher.finish(tile, fell_on(tile), seconds=0.1 * tile.rows)
    assert rows == [8, 8, 4]
    assert now <= entry.deadline
    (result,) = entry.poll.results()
    assert (result.votes_cast, result.stopped_by) == (20, "deadline")


def test_a_slow_past_keeps_no_request_from_its_first_votes() -> None:
    # Otherwise one stall would look like a lack of speed for ever, as nothing measured it anew.
    group = group_of(tile=8)
    group.seconds = 100.0
    batcher = batcher_with(entry_for(group, deadline=1.0))
    tile = batcher.next_tile(now=0.0)
    assert tile is not None
    assert tile.rows == 1


def test_inputs_keep_level_under_a_deadline() -> None:
    request = replace(request_for(inputs=5, votes=100), turn=1)
    poll = Poll(request, CLASSES)
    issued = Counter(key.position for _ in range(4) for key in poll.take(8))
    assert max(issued.values()) - min(issued.values()) <= 1
