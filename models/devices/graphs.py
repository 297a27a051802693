"""The graphs by which a checkpoint acts on devices: loaded when first needed, and not believed.

As the plain graphs are, each is compared with the card and with a few votes before it serves.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from noisevote.models import graph_verification as verification
from noisevote.models.card import Card
from noisevote.models.checkpoint import Checkpoint, is_passing, refusing
from noisevote.models.device_specs import CONVERTING, DAC_PREFIX, DEVICE_PREFIX, ROWS, Level
from noisevote.models.devices.arrays import LayerArray
from noisevote.models.devices.columns import Columns, Condition, columns_of
from noisevote.models.devices.noise import spec_of
from noisevote.models.devices.parts import Adc, Column, Dac, Read
from noisevote.models.devices.profile import Profile
from noisevote.models.engines import Session, Tensor, load_session
from noisevote.models.errors import CheckpointError
from noisevote.models.noise import NoiseKind, VoteKey
from noisevote.models.noise_fill import NoiseTensors
from noisevote.models.runtime import INPUT_OF_ROW, NOISE_PREFIX, GraphRuntime, Rows

Tables = Mapping[str, NDArray[np.float32]]

TRIED_ON = Profile(
    profile=1,
    name="trial",
    read=Read(a=0.02, b=0.02, c=0.001, w=0.01),
    column=Column(gain=0.95, offset=0.01),
    dac=Dac(bits=8),
    adc=Adc(bits=10, bound=16.0),
)
"""A device that does a little of everything."""

TRIED_W2 = 1e-4
"""Variance of each of its weights in a read, in array units."""


class DeviceGraphs:
    """The graphs of a checkpoint by what they can do; safe to use from several threads.

    Args:
        checkpoint: with graphs for devices.
        contents: of its files by name, verified.
        layers: its layers by noise point.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        contents: Mapping[str, bytes],
        layers: Mapping[str, LayerArray],
    ) -> None:
        self._card = checkpoint.card
        self._folder = checkpoint.folder
        self._contents = contents
        self._layers = layers
        self._loaded: dict[Level | None, Session] = {}
        self._refused: dict[Level | None, str] = {}
        self._loading = threading.Lock()

    def file(self, level: Level | None) -> str:
        """Return the file of a graph; None: that of additive noise."""
        card = self._card
        return card.graphs[NoiseKind.ADDITIVE] if level is None else spec_of(card).graphs[level]

    def session(self, level: Level | None) -> Session:
        """Return the session of a graph with the checkpoint's own weights.

        Raises:
            CheckpointError: it cannot be loaded, or is not what the card describes. What was
                refused once stays refused, unless the system had no room at that time.
        """
        if (loaded := self._loaded.get(level)) is not None:
            return loaded
        with self._loading:
            if level in self._refused:
                raise CheckpointError(self._refused[level])
            if level not in self._loaded:
                try:
                    with refusing(self._card.name):
                        self._loaded[level] = self._checked(level)
                except CheckpointError as error:
                    if not is_passing(error):
                        self._refused[level] = str(error)
                    raise
            return self._loaded[level]

    def _checked(self, level: Level | None) -> Session:
        """Load a graph and compare it with the card and a tile of votes."""
        card, contents = self._card, self._contents
        session = load_session(self._folder / self.file(level), contents)
        if level is None:
            runtime = GraphRuntime(session, card, NoiseKind.ADDITIVE)
            verification.check_runtime(runtime, card, contents)
            return session
        check_inputs(session, card, level)
        condition = Condition(w2=TRIED_W2)
        tried = {
            point: columns_of(TRIED_ON, layer, condition) for point, layer in self._layers.items()
        }
        trial = Trial(session, card, tables_of(level, tried))
        try:
            with session.for_at_most(verification.TRIAL_S):
                verification.check_values(trial.two_votes(), card)
                verification.check_batch_invariance(trial, card)
        except TimeoutError as error:
            raise CheckpointError(
                f"a few votes of the {level} graph of checkpoint {card.name} take longer than "
                f"{verification.TRIAL_S:g} s"
            ) from error
        return session


@dataclass(frozen=True, slots=True)
class Trial:
    """Runs a graph for a trial.

    Attributes:
        session: of the graph.
        card: of the checkpoint.
        tables: what it takes beside inputs and noise, by name.
    """

    session: Session
    card: Card
    tables: Tables

    @property
    def kind(self) -> NoiseKind:
        """How the draws of a vote enter the graph."""
        return NoiseKind.ADDITIVE

    def outputs(self, rows: Rows) -> NDArray[np.float32]:
        """Return the outputs of each row ``[rows, classes]``."""
        points = self.card.noise_points
        noise = NoiseTensors([point.shape for point in points]).filled(
            self.kind, rows.sigma, rows.keys, rows.distribution
        )
        named = {
            NOISE_PREFIX + point.name: tensor for point, tensor in zip(points, noise, strict=True)
        }
        feed = {**rows.inputs, INPUT_OF_ROW: rows.input_of_row, **named, **self.tables}
        return self.session.run(self.card.output, feed)

    def two_votes(self) -> NDArray[np.float32]:
        """Return the outputs of two votes, cast one by one."""
        generator, points = np.random.default_rng(0), len(self.card.noise_points)
        inputs = {tensor.name: tensor.trial(generator, 2) for tensor in self.card.inputs}
        each = [
            self.outputs(
                Rows(
                    {name: tensor[[row]] for name, tensor in inputs.items()},
                    np.zeros(1, np.int64),
                    np.zeros((1, points)),
                    [VoteKey(0, row, 0)],
                )
            )
            for row in range(2)
        ]
        return np.concatenate([np.atleast_2d(outputs) for outputs in each])


def tables_of(
    level: Level | None, columns: Mapping[str, Columns]
) -> dict[str, NDArray[np.float32]]:
    """Return what a graph takes of the points of arrays, by name."""
    if level is None:
        return {}
    tables = {DEVICE_PREFIX + point: of.table(level) for point, of in columns.items()}
    if level in CONVERTING:
        tables |= {
            DAC_PREFIX + point: np.array(of.dac, np.float32) for point, of in columns.items()
        }
    return tables


def check_inputs(session: Session, card: Card, level: Level) -> None:
    """Compare names, types and shapes of a graph's inputs and output with those of the card.

    Raises:
        CheckpointError: they differ.
    """
    arrays = spec_of(card).arrays
    inputs = verification.inputs_of(card) | {
        DEVICE_PREFIX + point: Tensor("float", (len(ROWS[level]), of.columns))
        for point, of in arrays.items()
    }
    if level in CONVERTING:
        inputs |= {DAC_PREFIX + point: Tensor("float", (3,)) for point in arrays}
    if session.inputs.keys() != inputs.keys():
        raise CheckpointError(
            f"the {level} graph of checkpoint {card.name} has the inputs "
            f"{list(session.inputs)}; its card promises {list(inputs)}"
        )
    verification.check_promised(session, card, inputs, level)
