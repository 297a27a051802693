"""Quantised signals meet products of real numbers, in every engine and on every processor."""

from importlib import import_module
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from noisevote.models.engines.arithmetic import ARITHMETICS, Arithmetic, Precision
from noisevote.models.engines.loading import load_session
from noisevote.models.engines.onnx_runtime import session_options
from noisevote.models.engines.preference import arithmetics_here
from noisevote.models.engines.session import INPUT_OF_ROW
from tests.models.engines.needed import need_openvino
from tests.training.importing.zoo_forms import quantised

LONG, CLASSES = 64, 10
STEP = 1 / 255
TOLERANCE = {Precision.FLOAT32: 1e-5, Precision.BFLOAT16: 0.05}
"""Of outputs, over the largest."""


@pytest.mark.parametrize("arithmetic", ARITHMETICS, ids=str)
def test_large_quantised_numbers_do_not_saturate(arithmetic: Arithmetic, tmp_path: Path) -> None:
    if arithmetic not in arithmetics_here():
        pytest.skip("this machine does not compute in it")
    graph = tmp_path / "graph.onnx"
    weights = np.random.default_rng(0).integers(100, 128, (LONG, CLASSES)).astype(np.int8)
    onnx.save(product(weights), graph)
    steps = np.random.default_rng(1).integers(200, 256, (2, LONG))
    inputs, rows = (STEP * steps).astype(np.float32), np.array([0, 1, 1])
    expected = STEP * (steps @ weights)[rows]
    session = load_session(graph, engine=str(arithmetic))
    found = session.run("scores", {"x": inputs, INPUT_OF_ROW: rows})
    np.testing.assert_allclose(
        found, expected, rtol=0, atol=TOLERANCE[arithmetic.precision] * expected.max()
    )


def product(weights: np.ndarray) -> ModelProto:
    """A product between quantised signals, repeated by row; both are 8-bit numbers."""
    constants = {
        "w": weights, "one": np.float32(1), "zero": np.int8(0),
        "step": np.float32(STEP), "least": np.uint8(0),
    }  # fmt: skip
    nodes = [
        helper.make_node("DequantizeLinear", ["w", "one", "zero"], ["weights"]),
        helper.make_node("QuantizeLinear", ["x", "step", "least"], ["steps"]),
        helper.make_node("DequantizeLinear", ["steps", "step", "least"], ["signal"]),
        helper.make_node("MatMul", ["signal", "weights"], ["product"]),
        helper.make_node("Gather", ["product", INPUT_OF_ROW], ["scores"], axis=0),
    ]
    inputs = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", LONG]),
        helper.make_tensor_value_info(INPUT_OF_ROW, TensorProto.INT64, ["rows"]),
    ]
    scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["rows", CLASSES])
    held = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    drawn = helper.make_graph(nodes, "product", inputs, [scores], held)
    opsets = [helper.make_opsetid("", 17)]
    return helper.make_model(drawn, opset_imports=opsets, ir_version=8)


def test_openvino_convolves_no_numbers_of_8_bits(tmp_path: Path) -> None:
    need_openvino()
    engine = import_module("noisevote.models.engines.openvino_engine")
    onnx.save(quantised(), tmp_path / "graph.onnx")
    how = engine.options(Precision.FLOAT32, is_quantised=True)
    core = engine.core()
    compiled = core.compile_model(core.read_model(tmp_path / "graph.onnx"), "CPU", how)
    told = [node.get_rt_info() for node in compiled.get_runtime_model().get_ordered_ops()]
    precisions = {
        info["runtimePrecision"].astype(str)
        for info in told
        if info["layerType"].astype(str) == "Convolution"
    }
    assert precisions == {"f32"}


def test_no_kernel_of_8_bits_takes_the_place_of_a_real_product(tmp_path: Path) -> None:
    options = session_options()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    onnxruntime.InferenceSession(
        quantised().SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    operators = {node.op_type for node in onnx.load(options.optimized_model_filepath).graph.node}
    assert operators >= {"QuantizeLinear", "DequantizeLinear", "Conv", "Gemm"}
    assert not {name for name in operators if name.startswith("QLinear") or "Integer" in name}
