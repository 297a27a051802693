"""The read-out in torch: the formula of the columns, its gradients, converters."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from noisevote.models.device_specs import ArraySpec, WeightSpec
from noisevote.models.devices.arrays import LayerArray
from noisevote.models.devices.columns import Condition, columns_of
from noisevote.models.devices.profile import profile_of
from noisevote.training.on_device.read_out import converted_input, read_out
from tests.training.on_device.support import FULL


def expected_output(
    y: NDArray[np.float64],
    x2: NDArray[np.float64],
    z: NDArray[np.float64],
    table: dict[str, NDArray[np.float64]],
) -> NDArray[np.float64]:
    """The formula of ``models.devices.columns``, written down again."""
    v = table["gain"] * (y - table["beta"]) + table["offset"]
    sd = np.sqrt(table["a2"] + table["c"] * np.abs(v) + table["b2"] * v**2 + table["w2"] * x2)
    q = v + sd * z
    step = np.where(table["step"] > 0, table["step"], 1)
    levels = np.clip(np.floor(q / step + table["half"]) * step, table["low"], table["high"])
    return table["alpha"] * np.where(table["step"] > 0, levels, q) + table["beta"]


TABLE = ("gain", "offset", "a2", "c", "b2", "w2", "step", "low", "high", "half", "alpha", "beta")


@pytest.mark.parametrize("left_out", [(), ("adc",), ("adc", "drift", "compensation", "column")])
def test_the_read_out_is_the_formula_of_the_columns(left_out: tuple[str, ...]) -> None:
    profile = profile_of({key: value for key, value in FULL.items() if key not in left_out})
    random = np.random.default_rng(2)
    spec = ArraySpec(
        weights=(WeightSpec(name="w", columns=0),), axis=0, columns=5, fan_in=100, evaluations=1,
        input_range=1.5, input_max=2.0, rms=1.0,
    )  # fmt: skip
    weights = random.normal(size=(5, 100)).astype(np.float32)
    layer = LayerArray(spec, weights, random.normal(size=5), random.normal(size=5))
    spreads = {name: random.normal(size=5) for name in ("gain", "offset")}
    alpha = 1.0 if "drift" in left_out else random.uniform(1, 2, 5)
    columns = columns_of(profile, layer, Condition(None, spreads, alpha, 1e-4))
    y, z = random.normal(size=(2, 3, 5, 4))
    x2 = random.uniform(0, 50, (3, 1, 4))
    found = read_out(
        torch.tensor(y, dtype=torch.float32),
        columns,
        1,
        torch.tensor(x2, dtype=torch.float32),
        lambda _: torch.tensor(z, dtype=torch.float32),
    )
    table = {name: getattr(columns, name)[:, np.newaxis] for name in TABLE}
    expected = expected_output(y, x2, z, table)
    off = np.abs(found.numpy() - expected)
    step = (columns.alpha * columns.step)[:, np.newaxis]
    # A value within rounding of the border between two levels may fall on either.
    assert ((off < 1e-4) | (np.abs(off - step) < 1e-4)).all()
    assert np.mean(off < 1e-4) > 0.95


def test_gradients_pass_through_noise_that_depends_on_the_signal() -> None:
    profile = profile_of({"profile": 1, "name": "b", "read": {"b": 0.5}})
    spec = ArraySpec(
        weights=(WeightSpec(name="w", columns=0),), axis=0, columns=2, fan_in=1, evaluations=1,
        input_range=1.0, input_max=1.0, rms=1.0,
    )  # fmt: skip
    layer = LayerArray(spec, np.ones((2, 1), np.float32), np.ones(2), np.zeros(2))
    signal = torch.tensor([[2.0, 0.0]], requires_grad=True)
    found = read_out(signal, columns_of(profile, layer, Condition()), 1, None, torch.ones_like)
    found.sum().backward()  # type: ignore[no-untyped-call]
    assert found.tolist() == [[3.0, pytest.approx(0.0, abs=1e-6)]]
    assert signal.grad is not None
    assert signal.grad.tolist() == [[1.5, 1.0]]


def test_inputs_are_rounded_to_the_nearest_level_and_cut_off() -> None:
    inputs = torch.tensor([-2.0, -0.3, 0.0, 0.25, 0.75, 5.0], requires_grad=True)
    found = converted_input(inputs, (0.5, -1.0, 1.0))
    assert found.tolist() == [-1.0, -0.5, 0.0, 0.0, 1.0, 1.0]  # ties to even
    found.sum().backward()  # type: ignore[no-untyped-call]
    assert inputs.grad is not None
    assert inputs.grad.tolist() == [0.0, 1.0, 1.0, 1.0, 1.0, 0.0]
