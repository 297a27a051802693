"""Tables of columns: conversions of several tiles, modelled as one."""

import numpy as np
import pytest

from noisevote.models.device_specs import ArraySpec, WeightSpec
from noisevote.models.devices.arrays import LayerArray
from noisevote.models.devices.columns import Condition, columns_of
from tests.models.devices.oracle import Floats, device

READS = 20_000
SIGNAL = 3.0
"""Deviation of what a tile gives, in steps: many levels are met."""


def layer_of(fan_in: int) -> LayerArray:
    """A layer of one column whose largest weight, input range and scale are 1."""
    spec = ArraySpec(
        weights=(WeightSpec(name="w", columns=0),), axis=0, columns=1, fan_in=fan_in,
        evaluations=1, input_range=1.0, input_max=1.0, rms=1.0,
    )  # fmt: skip
    return LayerArray(spec, np.ones((1, fan_in)), np.ones(1), np.zeros(1))


@pytest.mark.parametrize("rounding", ["round", "floor"])
@pytest.mark.parametrize("tiles", [1, 2, 7])
def test_one_conversion_stands_for_those_of_all_tiles_in_mean_and_variance(
    tiles: int, rounding: str
) -> None:
    profile = device(array={"rows": 10}, adc={"bits": 8, "bound": 127.0, "rounding": rounding})
    table = columns_of(profile, layer_of(10 * tiles), Condition())
    generator = np.random.default_rng(2)
    of_tiles = SIGNAL * generator.standard_normal((READS, tiles))
    signal = of_tiles.sum(1)
    each = np.rint(of_tiles) if rounding == "round" else np.floor(of_tiles)
    read = signal + np.sqrt(table.a2[0]) * generator.standard_normal(READS)
    errors: list[Floats] = [each.sum(1) - signal, np.floor(read + table.half[0]) - signal]
    means, deviations = [e.mean() for e in errors], [e.std() for e in errors]
    # Beyond five standard errors with a chance below 1e-6, each.
    assert abs(means[0] - means[1]) < 5 * np.hypot(*deviations) / np.sqrt(READS)
    assert abs(deviations[0] / deviations[1] - 1) < 5 / np.sqrt(READS)
