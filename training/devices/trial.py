"""Device graphs are not believed: a few votes of each are compared before it is written."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from noisevote.models.checkpoint import Checkpoint
from noisevote.models.device_specs import CONVERTING, DAC_PREFIX, DEVICE_PREFIX, ROWS, Level
from noisevote.models.engines.loading import load_session
from noisevote.models.engines.session import INPUT_OF_ROW, NOISE_PREFIX, Session
from noisevote.models.errors import ExportError
from noisevote.training.devices.points import ArrayPoint, Traced
from noisevote.training.devices.ranges import Range, fed, weights_of

Arrays = Mapping[str, NDArray[Any]]

TOLERANCE, COARSE_TOLERANCE = 1e-4, 1e-2
"""Of the outputs of a device that does nothing, relative to the largest of their input if above 1;
of the median input, since signals of quantised networks may fall on another level. The second where
products are in half precision."""

MOST_ROWS = 8
SMALL = 0.1
"""Of trial effects, relative to signals and inputs."""

BITS = 6
"""Of trial converters."""


def neutral_tables(traced: Traced, level: Level) -> dict[str, NDArray[np.float32]]:
    """Return what a graph takes from a device that does nothing, by name."""
    tables = {}
    for point in traced.points:
        count = point.columns
        own = {"gain": np.ones(count), "alpha": np.ones(count), "beta": point.signal.offset}
        tables[DEVICE_PREFIX + point.name] = table(level, own, count)
        if level in CONVERTING:
            tables[DAC_PREFIX + point.name] = np.zeros(3, np.float32)
    return tables


def trial_tables(
    traced: Traced, level: Level, ranges: Mapping[str, Range]
) -> dict[str, NDArray[np.float32]]:
    """Return what a graph takes from a device that does a little of all, by name."""
    generator = np.random.default_rng(0)
    tables = {}
    for point in traced.points:
        found = ranges[point.name]
        own = trial_rows(generator, point, found)
        tables[DEVICE_PREFIX + point.name] = table(level, own, point.columns)
        if level in CONVERTING:
            dac = np.array([found.percentile / 2**BITS, -found.percentile, found.percentile])
            tables[DAC_PREFIX + point.name] = dac.astype(np.float32)
    return tables


def trial_rows(
    generator: np.random.Generator, point: ArrayPoint, found: Range
) -> dict[str, NDArray[np.float64]]:
    """Return the rows of a point for a device that does a little of all, by name."""
    count, size = point.columns, found.rms or 1.0
    spread = generator.uniform(0, SMALL, (6, count))
    bound = np.full(count, 4 * size)
    return {
        "gain": 1 + spread[0],
        "offset": size * spread[1],
        "deviation": size * spread[2],
        "a2": (size * spread[2]) ** 2,
        "c": size * spread[3] ** 2,
        "b2": spread[4] ** 2,
        "alpha": 1 + spread[5],
        "beta": point.signal.offset,
        "w2": (spread[0] * point.signal.scale) ** 2,
        "step": bound / 2**BITS,
        "low": -bound,
        "high": bound,
        "half": np.full(count, 0.5),
    }


def table(level: Level, rows: Mapping[str, NDArray[Any]], columns: int) -> NDArray[np.float32]:
    """Return the table of a level ``[rows, columns]``; what is not given is 0."""
    return np.stack([rows.get(name, np.zeros(columns)) for name in ROWS[level]]).astype(np.float32)


class Trial:
    """A few votes of a checkpoint, which each of its device graphs has to cast.

    Args:
        checkpoint: whose graphs.
        contents: of its plain files.
        traced: the points of its graph.
        ranges: measured at each point.
        inputs: by name ``[n, *shape]``.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        contents: Mapping[str, bytes],
        traced: Traced,
        ranges: Mapping[str, Range],
        inputs: Arrays,
    ) -> None:
        card = checkpoint.card
        self._checkpoint, self._traced, self._ranges = checkpoint, traced, ranges
        total = len(next(iter(inputs.values())))
        count = min(card.tile, MOST_ROWS)
        self._inputs = {name: array[: min(count, total)] for name, array in inputs.items()}
        self._of_row = np.arange(count)[::-1] % min(count, total)
        generator = np.random.default_rng(0)
        self._noise = {
            NOISE_PREFIX + point.name: generator.standard_normal((count, *point.shape), np.float32)
            if point.name not in traced.without
            else np.zeros((count, *point.shape), np.float32)
            for point in card.noise_points
        }
        self._weights = weights_of(checkpoint, contents)
        plain = self._session("additive.onnx", traced.values.model.SerializeToString())
        self._clean = plain.run(card.output, fed(checkpoint, self._inputs))[self._of_row]

    def check(self, level: Level, graph: bytes) -> None:
        """Compare votes of a device graph with those without noise, and with themselves alone.

        Args:
            level: of the graph.
            graph: the graph, serialised.

        Raises:
            ExportError: a device that does nothing changes them, or they depend on their
                neighbours.
        """
        name = f"device-{level}.onnx"
        session = self._session(name, graph)
        self._check_neutral(session, name, neutral_tables(self._traced, level))
        self._check_alone(session, name, trial_tables(self._traced, level, self._ranges))

    def _session(self, name: str, graph: bytes) -> Session:
        return load_session(Path(self._checkpoint.name, name), {name: graph, **self._weights})

    def _together(self, session: Session, tables: Arrays) -> NDArray[np.float32]:
        """Return the outputs of all votes in one pass ``[votes, classes]``."""
        given = {**self._inputs, INPUT_OF_ROW: self._of_row, **self._noise}
        return session.run(self._checkpoint.card.output, {**given, **tables})

    def _check_neutral(self, session: Session, name: str, tables: Arrays) -> None:
        """Refuse a graph that does something on a device that does nothing.

        Raises:
            ExportError: it does.
        """
        clean = self._clean
        still = self._together(session, tables)
        scale = np.maximum(np.abs(clean).max(axis=1), 1)
        apart = float(np.median(np.abs(still - clean).max(axis=1) / scale))
        products = (product for point in self._traced.points for product in point.products)
        is_half = any(product.stored.type == TensorProto.FLOAT16 for product in products)
        if not apart <= (COARSE_TOLERANCE if is_half else TOLERANCE):
            raise ExportError(
                f"{name} of checkpoint {self._checkpoint.name} changes outputs by {apart:.1e} "
                "where a device does nothing"
            )

    def _check_alone(self, session: Session, name: str, tables: Arrays) -> None:
        """Refuse a graph whose votes depend on those beside them.

        Raises:
            ExportError: they do.
        """
        together = self._together(session, tables)
        for row, index in enumerate(self._of_row):
            one = {key: array[[index]] for key, array in self._inputs.items()}
            own = {key: array[[row]] for key, array in self._noise.items()}
            alone = {**one, INPUT_OF_ROW: np.zeros(1, np.int64), **own, **tables}
            votes = session.run(self._checkpoint.card.output, alone)
            if not np.array_equal(votes[0], together[row]):
                raise ExportError(
                    f"votes of {name} of checkpoint {self._checkpoint.name} depend on their "
                    "neighbours"
                )
