"""Runtimes: rows of votes in, outputs out.

A row is one vote: one input, the noise of one key. Rows of different inputs, sigmas, requests and
seeds share a forward pass, and what comes out of a row does not depend on its neighbours.

A :class:`GraphRuntime` makes the noise and feeds the graph; an engine (``models.engines``) runs it.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from noisevote.models.card import Card
from noisevote.models.draws.numbers import Numbers, to_bfloat16
from noisevote.models.draws.schemes import SCHEMES
from noisevote.models.draws.tensors import NoiseTensors
from noisevote.models.engines.arithmetic import Arithmetic, Precision
from noisevote.models.engines.session import INPUT_OF_ROW, NOISE_PREFIX, Inputs, Session
from noisevote.models.errors import CheckpointError
from noisevote.models.noise import NORMAL, Distribution, NoiseKind, VoteKey, VoteNoise
from noisevote.models.voting import NOWHERE, VoteRequest


@dataclass(frozen=True, slots=True)
class Rows:
    """The votes that one forward pass computes.

    Attributes:
        inputs: each once, by name ``[inputs, *shape]``.
        input_of_row: index into ``inputs`` of each row ``[rows]``, int64.
        sigma: standard deviation of the noise of each row and noise point ``[rows, points]``.
        keys: key of each row's noise.
        distribution: distribution of all noise.
        noises: noise of each row as its request has it; needed where it is that of a device.
    """

    inputs: Inputs
    input_of_row: NDArray[np.int64]
    sigma: NDArray[np.float64]
    keys: Sequence[VoteKey]
    distribution: Distribution = NORMAL
    noises: Sequence[VoteNoise] = ()

    def chosen(self, which: Sequence[int]) -> "Rows":
        """Return some of the rows, and of the inputs those that they need."""
        places, input_of_row = np.unique(self.input_of_row[which], return_inverse=True)
        return Rows(
            inputs={name: array[places] for name, array in self.inputs.items()},
            input_of_row=input_of_row.astype(np.int64),
            sigma=self.sigma[which],
            keys=[self.keys[row] for row in which],
            distribution=self.distribution,
            noises=[self.noises[row] for row in which] if self.noises else (),
        )


def rows_of(parts: Sequence[tuple[VoteRequest, Sequence[VoteKey]]]) -> Rows:
    """Return the rows of some votes of some requests, each input once.

    Args:
        parts: requests for the same runtime and distribution of noise, and the votes of each.
    """
    chosen: list[tuple[VoteRequest, int]] = []
    input_of_row: list[int] = []
    for request, keys in parts:
        index_of: dict[int, int] = {}
        for key in keys:
            if key.position not in index_of:
                index_of[key.position] = len(chosen)
                chosen.append((request, key.position))
            input_of_row.append(index_of[key.position])
    first = parts[0][0]
    sigma = np.stack([request.noise.sigma for request, _ in parts])
    return Rows(
        inputs={
            name: np.stack([request.inputs[name][position] for request, position in chosen])
            for name in first.inputs
        },
        input_of_row=np.array(input_of_row, np.int64),
        sigma=np.repeat(sigma, [len(keys) for _, keys in parts], axis=0),
        keys=[key for _, keys in parts for key in keys],
        distribution=first.noise.distribution,
        noises=[request.noise for request, keys in parts for _ in keys],
    )


def votes_of(outputs: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the class of the largest output of each row ``[rows]``; of several, the lowest.

    A row whose outputs are not all finite falls on :data:`noisevote.models.voting.NOWHERE`.

    Args:
        outputs: ``[rows, classes]``.
    """
    is_finite = np.isfinite(outputs).all(axis=1)
    return np.where(is_finite, outputs.argmax(axis=1), NOWHERE)


class Runtime(Protocol):
    """Computes the votes on one network with one kind of noise."""

    @property
    def kind(self) -> NoiseKind:
        """The kind of noise that the runtime applies."""

    @property
    def arithmetic(self) -> Arithmetic:
        """Engine and precision of its votes."""

    def outputs(self, rows: Rows) -> NDArray[np.float32]:
        """Return the outputs of each row ``[rows, classes]``; safe to call from several threads."""


@dataclass(frozen=True, slots=True)
class Work:
    """What a runtime has done since it was loaded; tests and metrics count by it.

    Attributes:
        passes: calls of the graph.
        rows: votes computed.
        inputs: inputs passed, each once a call.
        normals: noise values drawn.
        bytes_fed: bytes of the arrays handed to the graph.
    """

    passes: int = 0
    rows: int = 0
    inputs: int = 0
    normals: int = 0
    bytes_fed: int = 0


class GraphRuntime:
    """Runs an exported graph, which takes its noise as inputs.

    Args:
        session: session of the graph.
        card: card of the checkpoint.
        kind: kind of the noise that the graph takes.
        tables: what else it takes, the same in all passes, by name, in its order.
        tensors: that noise is drawn into; shared by runtimes of the same noise points.

    Raises:
        CheckpointError: the inputs of the graph are not the expected ones.
    """

    def __init__(
        self,
        session: Session,
        card: Card,
        kind: NoiseKind,
        tables: Inputs | None = None,
        tensors: NoiseTensors | None = None,
    ) -> None:
        self.session = session
        self._tables = tables or {}
        self._kind = kind
        self._output = card.output
        self._noise = [NOISE_PREFIX + name for name in card.point_names]
        self._tensors = tensors or NoiseTensors(
            [point.shape for point in card.noise_points],
            SCHEMES[card.noise_scheme],
            is_short=session.arithmetic.precision is Precision.BFLOAT16,
        )
        self._work = Work()
        self._counting = threading.Lock()
        named = (tensor.name for tensor in card.inputs)
        expected = [*named, INPUT_OF_ROW, *self._noise, *self._tables]
        if list(session.inputs) != expected:
            raise CheckpointError(
                f"the {kind} graph of checkpoint {card.name} has the inputs "
                f"{list(session.inputs)}; its card promises {expected}"
            )

    @property
    def kind(self) -> NoiseKind:
        """The kind of noise that the runtime applies."""
        return self._kind

    @property
    def arithmetic(self) -> Arithmetic:
        """Engine and precision of its votes."""
        return self.session.arithmetic

    @property
    def work(self) -> Work:
        """What :meth:`outputs` has done so far."""
        return self._work

    def outputs(self, rows: Rows) -> NDArray[np.float32]:
        """Return the outputs of each row ``[rows, classes]``."""
        noise = self._tensors.filled(self._kind, rows.sigma, rows.keys, rows.distribution)
        feed = self._feed(rows.inputs, rows.input_of_row, noise)
        self._count(rows, noise, feed)
        return self.session.run(self._output, feed)

    def outputs_for(
        self, inputs: Inputs, input_of_row: NDArray[np.int64], noise: Sequence[NDArray[np.float32]]
    ) -> NDArray[np.float32]:
        """Return the outputs for finished noise tensors, one a noise point, in graph order."""
        if self.arithmetic.precision is Precision.BFLOAT16:
            return self.session.run(
                self._output, self._feed(inputs, input_of_row, list(map(to_bfloat16, noise)))
            )
        return self.session.run(self._output, self._feed(inputs, input_of_row, noise))

    def _feed(
        self, inputs: Inputs, input_of_row: NDArray[np.int64], noise: Sequence[Numbers]
    ) -> Inputs:
        own = dict(zip(self._noise, noise, strict=True))
        return {**inputs, INPUT_OF_ROW: input_of_row, **own, **self._tables}

    def _count(self, rows: Rows, noise: Sequence[Numbers], feed: Inputs) -> None:
        inputs = len(next(iter(rows.inputs.values())))
        with self._counting:
            before = self._work
            self._work = Work(
                passes=before.passes + 1,
                rows=before.rows + len(rows.keys),
                inputs=before.inputs + inputs,
                normals=before.normals + sum(tensor.size for tensor in noise),
                bytes_fed=before.bytes_fed + sum(array.nbytes for array in feed.values()),
            )
