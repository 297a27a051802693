"""Tables of columns against the device itself: tiles, converters, columns of either sign."""

from typing import Any

import numpy as np
import pytest

from noisevote.models.device_specs import ArraySpec, WeightSpec
from noisevote.models.devices.arrays import LayerArray
from noisevote.models.devices.columns import Columns, Condition, columns_of
from noisevote.models.devices.profile import profile_of

ROWS, TILES, DRAWS = 300, 3, 20_000
FLOOR: dict[str, Any] = {
    "profile": 1,
    "name": "floor",
    "array": {"rows": 128},
    "column": {"offset": 0.3},
    "read": {"a": 0.5},
    "adc": {"bits": 8, "bound": 32.0, "rounding": "floor"},
}


@pytest.fixture
def layer() -> LayerArray:
    """Two columns of the same weights; what follows them turns the sign of one."""
    spec = ArraySpec(
        weights=(WeightSpec(name="w", columns=0),), axis=0, columns=2, fan_in=ROWS, evaluations=1,
        input_range=2.0, input_max=2.0, rms=1.0,
    )  # fmt: skip
    column = np.random.default_rng(0).uniform(-1, 1, ROWS)
    weights = np.stack([column, column]) / np.abs(column).max()
    return LayerArray(spec, weights, np.array([3.0, -3.0]), np.array([0.5, -0.25]))


def read(of: Columns, signal: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Return what comes of a signal [columns] in reads [draws, columns], as graphs have it."""
    value = of.gain * (signal - of.beta) + of.offset
    found = value + np.sqrt(of.a2 + of.c * np.abs(value) + of.b2 * value**2) * z
    levels = np.floor(found / of.step + of.half) * of.step
    return np.asarray(of.alpha * np.clip(levels, of.low, of.high) + of.beta)


@pytest.mark.parametrize("rounding", ["floor", "round"])
def test_reads_of_tiles_that_are_converted_one_by_one_have_the_same_mean_and_spread(
    layer: LayerArray, rounding: str
) -> None:
    profile = profile_of(FLOOR | {"adc": FLOOR["adc"] | {"rounding": rounding}})
    assert profile.adc is not None
    generator = np.random.default_rng(1)
    x = generator.uniform(-1, 1, ROWS)
    step = 2 * profile.adc.bound / (2**profile.adc.bits - 2)
    tiles = np.array([layer.weights[0, at : at + 128] @ x[at : at + 128] for at in (0, 128, 256)])
    offsets = np.array([profile.column.offset, 0.0, 0.0])  # of the column, not of each tile
    reads = tiles + offsets + profile.read.a * generator.standard_normal((DRAWS, TILES))
    by_tile = (
        np.floor(reads / step) if profile.adc.rounding == "floor" else np.round(reads / step)
    ) * step
    expected = np.outer(by_tile.sum(axis=1) * 2.0, layer.scale) + layer.beta
    signal = layer.scale * 2.0 * tiles.sum() + layer.beta
    found = read(
        columns_of(profile, layer, Condition()), signal, generator.standard_normal((DRAWS, 2))
    )
    spread = expected.std(axis=0)
    # Each fails by chance with 1e-6 at most: 5 standard errors of a difference.
    assert (np.abs(found.mean(0) - expected.mean(0)) < 5 * spread * np.sqrt(2 / DRAWS)).all()
    assert (np.abs(found.std(0) / spread - 1) < 5 * np.sqrt(1 / DRAWS)).all()


def test_what_is_rounded_up_leaves_levels_as_they_are(layer: LayerArray) -> None:
    profile = profile_of({key: of for key, of in FLOOR.items() if key not in {"read", "column"}})
    one = profile.model_copy(update={"array": profile.array.model_copy(update={"rows": None})})
    of = columns_of(one, layer, Condition())
    for level in range(-127, 128):
        signal = level * of.step * np.sign(layer.scale) + of.beta
        assert read(of, signal, np.zeros(2))[1] == pytest.approx(signal[1], abs=1e-9)
