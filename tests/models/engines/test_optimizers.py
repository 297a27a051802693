"""A pass is left out only of graphs in which it finds nothing."""

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from noisevote.models.engines.onnx_runtime import session_options
from noisevote.models.engines.optimizers import EXACT, idle_optimizers


def drawn(nodes: list[NodeProto], shape: list[int | str], **values: object) -> ModelProto:
    """A graph from ``x`` to ``y``."""
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in values.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def tanh_gelu_behind_a_bias() -> ModelProto:
    node = helper.make_node
    nodes = [
        node("Gemm", ["x", "weight"], ["product"]),
        node("Add", ["product", "bias"], ["a"]),
        node("Mul", ["a", "cubed"], ["b"]),
        node("Mul", ["b", "a"], ["c"]),
        node("Add", ["c", "one"], ["d"]),
        node("Mul", ["a", "scale"], ["e"]),
        node("Mul", ["d", "e"], ["f"]),
        node("Tanh", ["f"], ["g"]),
        node("Add", ["g", "one"], ["h"]),
        node("Mul", ["a", "half"], ["i"]),
        node("Mul", ["i", "h"], ["j"]),
        node("Relu", ["j"], ["y"]),
    ]
    numbers = {"cubed": 0.044715, "one": 1.0, "scale": 0.7978845834732056, "half": 0.5}
    return drawn(
        nodes,
        ["rows", 6],
        weight=np.ones((6, 8), np.float32),
        bias=np.ones(8, np.float32),
        **{name: np.float32(value) for name, value in numbers.items()},
    )


def reshaped_twice() -> ModelProto:
    nodes = [
        helper.make_node("Reshape", ["x", "first"], ["a"]),
        helper.make_node("Reshape", ["a", "second"], ["b"]),
        helper.make_node("Relu", ["b"], ["y"]),
    ]
    return drawn(nodes, [2, 6], first=np.array([3, 4]), second=np.array([12]))


def operators(graph: bytes, left_out: list[str], folder: Path) -> Counter[tuple[str, int]]:
    """What is left of a graph when it is loaded: operators, and how many inputs they have."""
    options = session_options()
    options.optimized_model_filepath = str(folder / "optimized.onnx")
    onnxruntime.InferenceSession(graph, options, disabled_optimizers=left_out)
    nodes = onnx.load(folder / "optimized.onnx").graph.node
    return Counter((node.op_type, len(node.input)) for node in nodes)


@pytest.mark.parametrize("graph", [tanh_gelu_behind_a_bias(), reshaped_twice()])
def test_operators_that_other_passes_make_are_improved_as_well(
    graph: ModelProto, tmp_path: Path
) -> None:
    content = graph.SerializeToString()
    expected = operators(content, list(EXACT), tmp_path)
    assert sum(expected.values()) < len(graph.graph.node)
    assert operators(content, idle_optimizers(content), tmp_path) == expected
