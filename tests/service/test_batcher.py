"""The vote batcher alone: what shares a tile, whose turn it is, who leaves."""

from collections import Counter
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noisevote.models.errors import InputError
from noisevote.models.noise import Noise, NoiseKind
from noisevote.models.runtime import rows_of
from noisevote.models.stopping import StopRule
from noisevote.models.voting import NOWHERE, VoteRequest
from noisevote.service.voting.entries import Entry, Tile
from tests.models.casting import vote
from tests.models.test_voting import CLASSES, KeyedRuntime, request_for
from tests.service.queueing import (
    TURN,
    VOTE_GMACS,
    batcher_with,
    entry_for,
    fell_on,
    group_of,
    served,
)


def test_votes_of_several_requests_share_a_tile() -> None:
    group = group_of(tile=8)
    entries = [entry_for(group, request_for(1, votes)) for votes in (1, 2, 3)]
    (tile,) = served(batcher_with(*entries))
    assert tile == Counter(dict(zip(entries, (1, 2, 3), strict=True)))


def test_requests_for_another_checkpoint_or_noise_never_share_a_tile() -> None:
    groups = [group_of(), group_of()]
    entries = [entry_for(group, request_for(1, 3)) for group in groups * 3]
    tiles = list(served(batcher_with(*entries)))
    assert len(tiles) == 4
    assert all(len({entry.group for entry in tile}) == 1 for tile in tiles)


def test_ordinary_requests_are_served_in_the_order_of_their_arrival() -> None:
    group = group_of(tile=10)
    entries = [entry_for(group, request_for(1, 20)) for _ in range(4)]
    tiles = list(served(batcher_with(*entries)))
    order = [entry for tile in tiles for entry in tile]
    assert order == [entry for entry in entries for _ in range(2)]


def test_one_vote_behind_a_thousand_waits_for_no_more_than_a_turn() -> None:
    group = group_of(tile=8)
    large, small = entry_for(group, request_for(1, 200)), entry_for(group, request_for(1, 1))
    batcher = batcher_with(large, small)
    before = 0
    for tile in served(batcher):
        if small in tile:
            break
        before += tile[large]
    assert TURN <= before <= TURN + group.tile


@given(st.lists(st.integers(10, 60), min_size=2, max_size=4), st.integers(1, 16))
def test_requests_of_equal_cost_are_never_more_than_a_turn_apart(
    votes: list[int], tile: int
) -> None:
    group = group_of(tile)
    entries = [entry_for(group, request_for(1, n)) for n in votes]
    done: Counter[Entry] = Counter(dict.fromkeys(entries, 0))
    for part in served(batcher_with(*entries)):
        done += part
        waiting = [done[entry] for entry in entries if entry.is_waiting]
        assert max(waiting, default=0) - min(waiting, default=0) <= TURN + tile
    assert [done[entry] for entry in entries] == votes


def test_requests_of_unequal_groups_get_equal_cost() -> None:
    cheap, dear = group_of(8, VOTE_GMACS), group_of(4, 10 * VOTE_GMACS)
    entries = [entry_for(group, request_for(1, 200)) for group in (cheap, dear)]
    done: Counter[Entry] = Counter()
    for tile in served(batcher_with(*entries)):
        done += tile
        spent = [done[entry] * entry.group.gmacs for entry in entries]
        # A turn is at least one tile of the dear network.
        assert abs(spent[0] - spent[1]) <= TURN * VOTE_GMACS + dear.tile * dear.gmacs
        if not entries[0].is_waiting:
            break
    assert done[entries[1]] > 0


requests = st.builds(
    request_for,
    inputs=st.integers(1, 3),
    votes=st.integers(1, 15),
    stop=st.sampled_from([StopRule.FULL, StopRule.EXACT, StopRule.BOUNDED]),
    seed=st.integers(0, 50),
    sigma=st.sampled_from([0.0, 0.2, 1.0]),
)


@given(
    st.lists(requests, min_size=1, max_size=5),
    st.integers(1, 9),
    st.integers(1, 3),
    st.randoms(use_true_random=False),
)
def test_a_request_gets_the_same_answer_in_a_crowd_as_alone(
    asked: list[VoteRequest], tile_rows: int, slots: int, random: Random
) -> None:
    # Requests arrive one by one, tiles come back in any order, some requests share a group.
    groups = [group_of(tile_rows), group_of(tile_rows)]
    entries = [entry_for(random.choice(groups), request) for request in asked]
    batcher, computed = batcher_with(slots=slots), Counter[Entry]()
    arriving, under_way = list(entries), list[Tile]()
    while arriving or under_way or batcher.is_ready:
        if arriving and random.random() < 0.5:
            batcher.admit(arriving.pop(0))
        if len(under_way) < slots and (tile := batcher.next_tile(0.0, slots - len(under_way))):
            under_way.append(tile)
            computed += Counter({entry: len(keys) for entry, keys in tile.parts})
            assert tile.rows <= tile_rows
        elif under_way:
            tile = under_way.pop(random.randrange(len(under_way)))
            batcher.finish(tile, fell_on(tile), seconds=0.0)
    assert batcher.requests == 0
    for entry in entries:
        results = entry.poll.results()
        assert results == vote(KeyedRuntime(), entry.poll.request, CLASSES, tile=64)
        # No vote was computed that turned out to be cast after the decision.
        is_noisy = not entry.poll.request.noise.is_silent
        assert computed[entry] == sum(r.votes_cast if is_noisy else 1 for r in results)


def test_work_is_shared_out_evenly_between_idle_slots() -> None:
    group = group_of(tile=16)
    batcher = batcher_with(entry_for(group, request_for(1, 20)))
    tiles = [batcher.next_tile(0.0, idle) for idle in (2, 1)]
    assert [tile.rows for tile in tiles if tile] == [10, 10]
    assert batcher.next_tile(0.0, 1) is None


def test_tiles_are_full_when_there_is_work_for_all_slots() -> None:
    group = group_of(tile=8)
    batcher = batcher_with(entry_for(group, request_for(1, 100)))
    tile = batcher.next_tile(0.0, idle=4)
    assert tile is not None
    assert tile.rows == 8


def test_a_request_that_is_removed_leaves_at_once() -> None:
    group = group_of(tile=4)
    leaving, staying = entry_for(group, request_for(1, 100)), entry_for(group, request_for(1, 4))
    batcher = batcher_with(leaving, staying)
    under_way = batcher.next_tile(0.0)
    assert under_way is not None
    batcher.remove(leaving)
    assert batcher.requests == 1
    assert list(served(batcher)) == [Counter({staying: 4})]
    assert batcher.finish(under_way, fell_on(under_way), seconds=1.0) == []
    assert not leaving.poll.has_votes, "votes under way were counted for one who had left"
    batcher.remove(leaving)
    assert batcher.requests == 0


def test_a_tile_that_fails_fails_its_requests_and_no_others() -> None:
    group = group_of(tile=4)
    entries = [entry_for(group, request_for(1, 2)) for _ in range(3)]
    batcher = batcher_with(*entries)
    tile = batcher.next_tile(0.0)
    assert tile is not None
    error = RuntimeError("broken")
    batcher.fail([entry for entry, _ in tile.parts], error)
    assert batcher.requests == 1
    assert [entry.error for entry in entries] == [error, error, None]
    batcher.fail(entries[:2], error)  # they have left
    assert batcher.requests == 1
    assert list(served(batcher)) == [Counter({entries[2]: 2})]


def test_chips_that_are_to_be_made_take_room_in_the_queue_until_they_are() -> None:
    group = group_of(tile=4)
    making, behind = (entry_for(group, request_for(1, 8)) for _ in range(2))
    making.first_votes = 80
    batcher = batcher_with(making, limit=100 * VOTE_GMACS * 8)  # one takes an eighth at most
    assert batcher.queue_fill == pytest.approx(0.11)
    tile = batcher.next_tile(0.0)
    assert tile is not None
    batcher.finish(tile, fell_on(tile), seconds=0.1)
    assert batcher.queue_fill == pytest.approx(0.005)
    batcher.admit(behind)


def test_who_lets_chips_be_made_waits_for_as_many_turns_of_the_others() -> None:
    group = group_of(tile=4)
    making, *others = (entry_for(group, request_for(1, 2 * TURN)) for _ in range(3))
    making.first_votes = 4 * TURN
    order = list(served(batcher_with(making, *others)))
    assert making in order[0]
    last = max(at for at, tile in enumerate(order) if any(other in tile for other in others))
    assert [at for at, tile in enumerate(order) if making in tile and 0 < at < last] == []


def test_outputs_that_overflow_fail_their_request_alone() -> None:
    group = group_of(tile=4)
    entries = [entry_for(group, request_for(1, 2)) for _ in range(2)]
    batcher = batcher_with(*entries)
    tile = batcher.next_tile(0.0)
    assert tile is not None
    assert batcher.finish(tile, [NOWHERE, 0, 1, 1], seconds=0.1) == entries
    assert isinstance(entries[0].error, InputError)
    assert entries[1].error is None
    assert entries[1].poll.results()[0].vote_counts == (0, 2, 0, 0)


def test_sigma_of_each_request_reaches_its_own_rows() -> None:
    group = group_of()
    sigmas = (0.25, 0.75)
    entries = [entry_for(group, request_for(2, 1, sigma=sigma)) for sigma in sigmas]
    batcher = batcher_with(*entries)
    tile = batcher.next_tile(0.0)
    assert tile is not None
    rows = rows_of([(entry.poll.request, keys) for entry, keys in tile.parts])
    assert np.array_equal(rows.sigma, [[0.25, 0.25]] * 2 + [[0.75, 0.75]] * 2)
    assert rows.input_of_row.tolist() == [0, 1, 2, 3]


def test_noise_kind_of_a_request_is_not_the_business_of_the_batcher() -> None:
    request = replace(request_for(1, 3), noise=Noise(NoiseKind.ADDITIVE, 1.0).at(["conv", "fc"]))
    (tile,) = served(batcher_with(entry_for(group_of(), request)))
    assert sum(tile.values()) == 3
