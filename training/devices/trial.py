"""Device graphs are not believed: a few votes of each are compared before it is written."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from noisevote.models.checkpoint import Checkpoint
from noisevote.models.device_specs import CONVERTING, DAC_PREFIX, DEVICE_PREFIX, ROWS, Level
from noisevote.models.engines import load_session
from noisevote.models.errors import ExportError
from noisevote.models.runtime import INPUT_OF_ROW, NOISE_PREFIX
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


def check_graph(
    checkpoint: Checkpoint,
    contents: Mapping[str, bytes],
    traced: Traced,
    level: Level,
    graph: bytes,
    ranges: Mapping[str, Range],
    inputs: Arrays,
) -> None:
    """Compare votes of a device graph with those without noise, and with themselves alone.

    Args:
        checkpoint: whose graph.
        contents: of its plain files.
        traced: the points of its graph.
        level: of the graph.
        graph: the graph, serialised.
        ranges: measured at each point.
        inputs: by name ``[n, *shape]``.

    Raises:
        ExportError: a device that does nothing changes them, or they depend on their neighbours.
    """
    card = checkpoint.card
    total = len(next(iter(inputs.values())))
    count = min(card.tile, MOST_ROWS)
    some = {name: array[: min(count, total)] for name, array in inputs.items()}
    of_row = np.arange(count)[::-1] % min(count, total)
    generator = np.random.default_rng(0)
    noise = {
        NOISE_PREFIX + point.name: generator.standard_normal((count, *point.shape), np.float32)
        if point.name not in traced.without
        else np.zeros((count, *point.shape), np.float32)
        for point in card.noise_points
    }
    kept = weights_of(checkpoint, contents)
    name = f"device-{level}.onnx"
    session = load_session(Path(checkpoint.name, name), {name: graph, **kept})
    plain = load_session(
        Path(checkpoint.name, "additive.onnx"),
        {"additive.onnx": traced.values.model.SerializeToString(), **kept},
    )
    clean = plain.run(card.output, fed(checkpoint, some))[of_row]
    given = {**some, INPUT_OF_ROW: of_row, **noise}
    still = session.run(card.output, {**given, **neutral_tables(traced, level)})
    scale = np.maximum(np.abs(clean).max(axis=1), 1)
    apart = float(np.median(np.abs(still - clean).max(axis=1) / scale))
    is_half = any(e.stored.type == TensorProto.FLOAT16 for p in traced.points for e in p.products)
    if not apart <= (COARSE_TOLERANCE if is_half else TOLERANCE):
        raise ExportError(
            f"{name} of checkpoint {checkpoint.name} changes outputs by {apart:.1e} where a device "
            "does nothing"
        )
    tables = trial_tables(traced, level, ranges)
    together = session.run(card.output, {**given, **tables})
    for row, index in enumerate(of_row):
        one = {key: array[[index]] for key, array in some.items()}
        own = {key: array[[row]] for key, array in noise.items()}
        alone = {**one, INPUT_OF_ROW: np.zeros(1, np.int64), **own, **tables}
        if not np.array_equal(session.run(card.output, alone)[0], together[row]):
            raise ExportError(
                f"votes of {name} of checkpoint {checkpoint.name} depend on their neighbours"
            )
