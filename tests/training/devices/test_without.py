"""What no device can be put on is told, with the reason."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import ModelProto

from noisevote.models.checkpoint import Checkpoint
from noisevote.models.errors import ExportError
from noisevote.training.devices.fit import fit_devices, told_fit
from tests.training.devices.networks import SCORES, declared
from tests.training.devices.ready import made_ready
from tests.training.importing.drawing import FLOAT, Drawing
from tests.training.importing.run_command import imported


def ended(draw: Drawing, signal: str, inputs: int, *shape: int, opset: int = 17) -> ModelProto:
    """The network with a last layer that a device can be put on."""
    draw("MatMul", draw("Flatten", signal), draw.weight("last.weight", inputs, 3), to="scores")
    return draw.model(declared(*shape), SCORES, opset)


def two_signals() -> ModelProto:
    draw = Drawing()
    keys = draw("Transpose", "x", perm=[0, 2, 1])
    return ended(draw, draw("MatMul", "x", keys, to="odd"), 16, 4, 5)


def transposed_convolution() -> ModelProto:
    draw = Drawing()
    grown = draw("ConvTranspose", "x", draw.weight("odd.weight", 2, 3, 2, 2), strides=[2, 2])
    return ended(draw, grown, 48, 2, 2, 2)


def left_weights() -> ModelProto:
    draw = Drawing()
    return ended(draw, draw("MatMul", draw.weight("odd.weight", 6, 4), "x"), 30, 4, 5)


def shared() -> ModelProto:
    draw = Drawing()
    weight = draw.weight("odd.weight", 5, 5)
    first = draw("Tanh", draw("MatMul", "x", weight))
    return ended(draw, draw("Relu", draw("MatMul", first, weight)), 5, 5)


def used_elsewhere() -> ModelProto:
    draw = Drawing()
    weight = draw.weight("odd.weight", 5, 5)
    first = draw("MatMul", "x", weight)
    size = draw("ReduceSum", draw("Mul", weight, first, to="mixed"),
                draw.constant("axes", [1], "int64"), keepdims=0)  # fmt: skip
    return ended(draw, size, 5, 5, 5)


def quantised_weights() -> ModelProto:
    draw = Drawing()
    stored = draw.constant("odd.weight", draw.generator.integers(-9, 9, (5, 2, 1, 1)), "int8")
    step, zero = draw.constant("step", 0.1, "float32"), draw.constant("zero", 0, "int8")
    weight = draw("DequantizeLinear", stored, step, zero)
    return ended(draw, draw("Conv", "x", weight), 45, 2, 3, 3)


def whole_weights() -> ModelProto:
    draw = Drawing()
    stored = draw.constant("odd.weight", draw.generator.integers(-9, 9, (40, 50)), "int8")
    return ended(draw, draw("MatMul", "x", draw.cast(stored, FLOAT)), 50, 40)


def biases_of_places() -> ModelProto:
    draw = Drawing()
    product = draw("MatMul", "x", draw.weight("odd.weight", 5, 6))
    places = draw.constant("places", np.linspace(0, 1, 4).reshape(4, 1), "float32")
    return ended(draw, draw("Add", product, places), 24, 4, 5)


def stacked() -> ModelProto:
    draw = Drawing()
    return ended(draw, draw("MatMul", "x", draw.weight("odd.weight", 4, 5, 6)), 24, 4, 1, 5)


def silent() -> ModelProto:
    draw = Drawing()
    nothing = draw("Mul", "x", draw.constant("nothing", 0.0, "float32"))
    product = draw("MatMul", nothing, draw.weight("odd.weight", 5, 6))
    return ended(draw, draw("Add", product, draw.weight("bias", 6)), 6, 5)


CASES: dict[str, tuple[Any, tuple[str, ...], str]] = {
    "two signals": (two_signals, ("--activations",), "it multiplies two signals"),
    "transposed convolution": (
        transposed_convolution,
        ("--noise-after", "ConvTranspose,MatMul"),
        "devices are not put on ConvTranspose",
    ),
    "left": (left_weights, (), "its weights stand on the left of its product"),
    "shared": (shared, (), "its weights are used by another MatMul, too"),
    "used elsewhere": (used_elsewhere, (), "its weights are used by another Mul, too"),
    "quantised": (quantised_weights, (), "its weights are quantised"),
    "whole numbers": (whole_weights, (), "its weights are stored as int8"),
    "places": (biases_of_places, (), "a constant of shape [4, 1] has values for places, not for "
               "columns"),
    "stacked": (stacked, (), "its weights have the shape [4, 5, 6]"),
    "silent": (silent, (), "only zeros enter it"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_point_without_a_device_has_its_reason_and_the_others_have_theirs(
    case: str, tmp_path: Path
) -> None:
    draw, options, reason = CASES[case]
    made = made_ready(draw(), tmp_path, *options)
    assert list(made.devices.arrays) == ["last"]
    assert set(made.devices.without.values()) == {reason}
    assert {"last", *made.devices.without} == set(made.shapes)


def test_points_without_a_device_still_take_their_summand(tmp_path: Path) -> None:
    made = made_ready(left_weights(), tmp_path)
    device = made.draw("column")
    (odd,) = made.devices.without
    device.tables["last"][:] = [[1], [0], [0]]
    noise = {f"noise.{odd}": device.noise[odd], "noise.last": 0 * device.noise["last"]}
    found = made.outputs("device-column.onnx", device.feed())
    assert np.array_equal(found, made.outputs("additive.onnx", noise))


def written(folder: Path, model: ModelProto) -> Checkpoint:
    onnx.save_model(model, folder / "model.onnx")
    return imported(folder / "model.onnx", folder / "checkpoints")


def test_a_network_on_which_nothing_can_lie_stays_as_it_is(tmp_path: Path) -> None:
    draw = Drawing()
    draw(
        "ReduceMean", draw("MatMul", draw.weight("w", 6, 4), "x"), axes=[1], keepdims=0, to="scores"
    )
    checkpoint = written(tmp_path, draw.model(declared(4, 3), SCORES))
    files = {path: path.read_bytes() for path in checkpoint.folder.iterdir()}
    inputs = {"x": np.ones((2, 4, 3), np.float32)}
    with pytest.raises(ExportError, match=r"no device can be put on .* stand on the left"):
        fit_devices(checkpoint, inputs, "made up, 2 inputs", "any")
    told = told_fit(checkpoint, inputs, "made up, 2 inputs", "any")
    assert told.startswith("not ready for devices: no device can be put on")
    assert {path: path.read_bytes() for path in checkpoint.folder.iterdir()} == files


def test_operators_of_long_ago_are_refused_with_the_remedy(tmp_path: Path) -> None:
    draw = Drawing()
    checkpoint = written(tmp_path, ended(draw, "x", 5, 5, opset=9))
    with pytest.raises(ExportError, match=r"version 9; devices need 11 or later: export"):
        fit_devices(checkpoint, {"x": np.ones((2, 5), np.float32)}, "made up", "any")


def test_signals_that_overflow_are_refused(tmp_path: Path) -> None:
    checkpoint = written(tmp_path, ended(Drawing(), "x", 5, 5))
    inputs = {"x": np.full((2, 5), 3e38, np.float32)}
    with pytest.raises(ExportError, match="signals at last of checkpoint theirs are not finite"):
        fit_devices(checkpoint, inputs, "made up", "any")
