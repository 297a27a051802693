"""Votes of several chips: stop rules keep what they promise, statistics stand where they hold."""

from collections.abc import Sequence

import numpy as np
import pytest

from noisevote.models.checkpoint import Checkpoint
from noisevote.models.devices.noise import DeviceNoise
from noisevote.models.devices.presets import DeviceStore
from noisevote.models.noise import VoteKey
from noisevote.models.specs import IMAGES
from noisevote.models.stopping import Stopping, StopRule, mode_of
from noisevote.models.voting import Ballot, VoteRequest
from tests.models.devices.support import noise_on

SEEDS, VOTES, DELTA = 1500, 20, 0.05

CLASSES_OF_CHIPS = {
    "two that never agree": [[1.0, 0.0], [0.0, 1.0]],
    "one against three": [[1.0, 0.0], [0.4, 0.6], [0.4, 0.6], [0.4, 0.6]],
    "one is surer than the others": [[0.9, 0.1, 0.0], [0.3, 0.4, 0.3], [0.3, 0.3, 0.4]],
}
"""Chance of each class on each chip."""


def request_of(noise: DeviceNoise, stop: Stopping, seed: int = 1) -> VoteRequest:
    return VoteRequest({IMAGES: np.zeros((1, 1, 28, 28))}, noise, VOTES, stop, seed)


@pytest.mark.parametrize("chances", CLASSES_OF_CHIPS.values(), ids=CLASSES_OF_CHIPS)
def test_a_bounded_vote_has_the_mode_of_all_votes_as_often_as_promised(
    checkpoint: Checkpoint, chances: Sequence[Sequence[float]]
) -> None:
    chips = tuple(range(len(chances)))
    noise = noise_on(DeviceStore().find("pcm-nandakumar"), checkpoint, chips=chips, votes=VOTES)
    stop = StopRule.BOUNDED.rule(delta=DELTA)
    stop.prepare(VOTES)
    differing = stopped = 0
    for seed in range(SEEDS):
        ballot = Ballot(len(chances[0]), request_of(noise, stop, seed))
        keys = [VoteKey(seed, 0, vote) for vote in range(VOTES)]
        drawn = np.random.default_rng(seed).random(VOTES)
        reached = [np.cumsum(chances[noise.chip_index(key)]) for key in keys]
        fell_on = [
            int(np.searchsorted(of, z, "right")) for of, z in zip(reached, drawn, strict=True)
        ]
        for vote, of in enumerate(fell_on):
            if not ballot.is_decided:
                ballot.cast(vote, of)
        every = mode_of(np.bincount(fell_on, minlength=len(chances[0])))
        differing += ballot.result().mode != every
        stopped += ballot.result().votes_cast < VOTES
    assert stopped > 0
    # More than that has a chance of 1e-5 if it is just delta.
    assert differing <= SEEDS * DELTA + 4.3 * np.sqrt(SEEDS * DELTA)


@pytest.mark.parametrize(("chips", "holds"), [(1, True), (2, False), (19, False), (20, True)])
def test_statistics_are_given_of_one_chip_and_of_a_chip_for_each_vote(
    checkpoint: Checkpoint, chips: int, holds: bool
) -> None:
    profile = DeviceStore().find("pcm-nandakumar")
    noise = noise_on(profile, checkpoint, chips=tuple(range(chips)), votes=VOTES)
    ballot = Ballot(3, request_of(noise, StopRule.FULL.rule()))
    for vote in range(VOTES):
        ballot.cast(vote, vote % 2)
    result = ballot.result()
    assert [of is not None for of in (result.interval, result.p_value, result.abstain)] == [
        holds
    ] * 3
    assert (result.per_chip is None) == (chips == 1)
    if result.per_chip is not None:
        assert np.sum(result.per_chip, axis=0).tolist() == list(result.vote_counts)
