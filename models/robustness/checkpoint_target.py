"""A checkpoint as a target in this process; apart, so that a client needs no runtime."""

from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from noisevote.models.checkpoint import Checkpoint
from noisevote.models.cores import allowed_cores
from noisevote.models.devices.noise import device_noise
from noisevote.models.devices.runtimes import DeviceRuntimes, runtime_for
from noisevote.models.noise import MAX_SEED, Noise, NoiseKind, VoteKey, VoteNoise
from noisevote.models.robustness.ball import Purpose, generator_for
from noisevote.models.robustness.target import Conditions, Question, Target
from noisevote.models.runtime import Rows, rows_of, votes_of
from noisevote.models.stopping import StopRule
from noisevote.models.voting import Poll, VoteRequest

DEVICES = DeviceRuntimes()


class CheckpointTarget(Target):
    """A checkpoint asked in this process, with the noise that the service would draw.

    Args:
        checkpoint: checkpoint that votes.
        kind: kind of the noise.
        seed: decides the fresh seeds of its queries; the caller cannot.
        key: tells targets of one seed apart.
        devices: hold the chips of devices; those of all targets in this process by default.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        kind: NoiseKind,
        seed: int,
        *key: int,
        devices: DeviceRuntimes = DEVICES,
    ) -> None:
        self._checkpoint = checkpoint
        self._kind = kind
        self._devices = devices
        self._generator = generator_for(seed, Purpose.TARGET, *key)

    @property
    def at_once(self) -> int:
        """Each forward pass takes one thread."""
        return allowed_cores()

    def question(
        self, inputs: NDArray[np.float32], conditions: Conditions, stop: StopRule
    ) -> Question:
        """Return what casts the votes, on a seed of their own."""
        seed = conditions.seed
        if seed is None:
            seed = int(self._generator.integers(MAX_SEED + 1))
        return partial(self._cast, inputs, conditions, stop, seed)

    def _cast(
        self, inputs: NDArray[np.float32], conditions: Conditions, stop: StopRule, seed: int
    ) -> NDArray[np.int64]:
        card = self._checkpoint.card
        request = VoteRequest(
            inputs={card.input.name: inputs},
            noise=self._noise(conditions, seed),
            votes=conditions.votes,
            stop=stop.rule(),
            seed=seed,
        )
        poll = Poll(request, len(card.labels))
        runtime = runtime_for(self._checkpoint, request.noise, self._devices, request.stop.margin)
        while keys := poll.take(card.tile):
            rows = rows_of([(request, keys)])
            outputs = runtime.outputs(rows if conditions.seed is None else with_one_position(rows))
            for key, fell_on in zip(keys, votes_of(outputs).tolist(), strict=True):
                poll.cast(key, fell_on)
        return np.array([result.vote_counts for result in poll.results()])

    def _noise(self, conditions: Conditions, seed: int) -> VoteNoise:
        card = self._checkpoint.card
        if conditions.device is None:
            noise = Noise(self._kind, conditions.sigma, conditions.repeats)
            return noise.at(card.point_names)
        votes, repeats = conditions.votes, conditions.repeats
        return device_noise(conditions.device.setting(card, votes, seed, repeats), card)


def with_one_position(rows: Rows) -> Rows:
    """Return rows whose noise is that of inputs sent alone, each at position 0 of its request."""
    keys = [VoteKey(key.seed, 0, key.vote) for key in rows.keys]
    return replace(rows, keys=keys)
