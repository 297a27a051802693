"""The graphs by which a checkpoint acts on devices: loaded when first needed, and not believed.

As the plain graphs are, each is compared with the card and with a few votes before it serves.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from noisevote.models import graph_verification as verification
from noisevote.models.card import Card
from noisevote.models.checkpoint import Checkpoint, refusing
from noisevote.models.device_specs import CONVERTING, DAC_PREFIX, DEVICE_PREFIX, ROWS, Level
from noisevote.models.devices.arrays import LayerArray
from noisevote.models.devices.columns import Columns, Condition, columns_of
from noisevote.models.devices.noise import spec_of
from noisevote.models.devices.parts import Adc, Column, Dac, Read
from noisevote.models.devices.profile import Profile
from noisevote.models.engines.loading import load_session
from noisevote.models.engines.session import Session, Tensor
from noisevote.models.errors import CheckpointError
from noisevote.models.noise import NoiseKind
from noisevote.models.once import Once
from noisevote.models.runtime import GraphRuntime

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
        self._sessions: Once[Level | None, Session] = Once({}, {})

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
        return self._sessions.get(level, lambda: self._checked(level))

    def _checked(self, level: Level | None) -> Session:
        """Load a graph and compare it with the card and a tile of votes."""
        with refusing(self._card.name):
            session = load_session(self._folder / self.file(level), self._contents)
            if level is None:
                runtime = GraphRuntime(session, self._card, NoiseKind.ADDITIVE)
                verification.check_runtime(runtime, self._card, self._contents)
            else:
                self._try(session, level)
            return session

    def _try(self, session: Session, level: Level) -> None:
        """Compare a graph with the card and a tile of votes on a device."""
        card, condition = self._card, Condition(w2=TRIED_W2)
        check_inputs(session, card, level)
        tried = {
            point: columns_of(TRIED_ON, layer, condition) for point, layer in self._layers.items()
        }
        runtime = GraphRuntime(session, card, NoiseKind.ADDITIVE, tables_of(level, tried))
        try:
            with session.for_at_most(verification.TRIAL_S):
                verification.check_values(verification.two_votes(runtime, card), card)
                verification.check_batch_invariance(runtime, card)
        except TimeoutError as error:
            raise CheckpointError(
                f"a few votes of the {level} graph of checkpoint {card.name} take longer than "
                f"{verification.TRIAL_S:g} s"
            ) from error


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
