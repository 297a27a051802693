"""The graph pass, on graphs that this file makes and on foreign ones."""

from collections.abc import Sequence

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper

from noisevote.models.errors import ExportError
from noisevote.models.noise import NoiseKind
from noisevote.training.export.graph import with_noise_inputs
from noisevote.training.importing.layers import Rule, layers_in, marked
from noisevote.training.importing.measure import measured

Array = NDArray[np.float32]


def model_of(
    nodes: Sequence[onnx.NodeProto], weights: dict[str, Array], classes: int
) -> ModelProto:
    """A classifier ``[images, 3] -> [images, classes]``."""
    graph = helper.make_graph(
        nodes,
        "classifier",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["images", 3])],
        [helper.make_tensor_value_info("outputs", TensorProto.FLOAT, ["images", classes])],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def weights(*shape: int) -> Array:
    return np.random.default_rng(shape).normal(size=shape).astype(np.float32)


def mark_by_rule(model: ModelProto) -> tuple[ModelProto, dict[str, tuple[int, ...]]]:
    """Mark the noise points of a classifier that knows of none."""
    layers = layers_in(model, Rule())
    found = measured(model, layers, {"images": weights(8, 3)}, (3, 8))
    return marked(model, layers), {each.layer.name: each.shape for each in found}


@pytest.fixture
def foreign() -> ModelProto:
    """MatMul, bias, ReLU, Gemm, with the input also added behind the first layer."""
    return model_of(
        [
            helper.make_node("MatMul", ["images", "w1"], ["product"], name="first"),
            helper.make_node("Add", ["product", "b1"], ["sum"]),
            helper.make_node("Add", ["sum", "images"], ["residual"]),
            helper.make_node("Relu", ["residual"], ["hidden"]),
            helper.make_node("Gemm", ["hidden", "w2", "b2"], ["outputs"], name="second"),
        ],
        {"w1": weights(3, 3), "b1": weights(3), "w2": weights(3, 4), "b2": weights(4)},
        classes=4,
    )


def run(model: ModelProto, **inputs: NDArray[np.generic]) -> Array:
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    outputs: Array = session.run(None, inputs)[0]
    return outputs


def expected(kind: NoiseKind, images: Array, noise: dict[str, Array]) -> Array:
    def noisy(signal: Array, name: str) -> Array:
        tensor = noise[name]
        return signal * tensor if kind is NoiseKind.MULTIPLICATIVE else signal + tensor

    first = noisy(images @ weights(3, 3) + weights(3), "first")
    return noisy(np.maximum(first + images, 0) @ weights(3, 4) + weights(4), "second")


@pytest.mark.parametrize("kind", list(NoiseKind))
def test_foreign_classifier_gets_its_noise_points_by_rule(
    foreign: ModelProto, kind: NoiseKind
) -> None:
    by_rule, shapes = mark_by_rule(foreign)
    assert shapes == {"first": (3,), "second": (4,)}
    noisy = with_noise_inputs(by_rule, kind, shapes)
    images, of_row = weights(2, 3), np.array([1, 0, 1])
    noise = {"first": weights(3, 3) + 1, "second": weights(3, 4) + 1}
    outputs = run(
        noisy,
        images=images,
        image_of_row=of_row,
        **{f"noise.{name}": tensor for name, tensor in noise.items()},
    )
    np.testing.assert_allclose(outputs, expected(kind, images[of_row], noise), rtol=1e-4, atol=1e-5)


def test_what_comes_before_the_first_noise_runs_once_per_image(foreign: ModelProto) -> None:
    by_rule, shapes = mark_by_rule(foreign)
    nodes = with_noise_inputs(by_rule, NoiseKind.ADDITIVE, shapes).graph.node
    gathers = [node for node in nodes if node.op_type == "Gather"]
    # The signal of the first layer and the input that bypasses it, each repeated once.
    assert len(gathers) == 2
    order = [node.op_type for node in nodes]
    assert order.index("MatMul") < order.index("Gather") < order.index("Gemm")


def test_batch_norm_that_follows_belongs_to_its_layer() -> None:
    model = model_of(
        [
            helper.make_node("MatMul", ["images", "w"], ["product"], name="layer"),
            helper.make_node(
                "BatchNormalization", ["product", "scale", "bias", "mean", "var"], ["outputs"]
            ),
        ],
        {
            "w": weights(3, 4), "scale": weights(4), "bias": weights(4),
            "mean": weights(4), "var": weights(4) ** 2 + 1,
        },
        classes=4,
    )  # fmt: skip
    by_rule, shapes = mark_by_rule(model)
    assert list(shapes) == ["layer"]
    assert [node.op_type for node in by_rule.graph.node][-1] == "NoisePoint"


def test_original_model_is_left_alone(foreign: ModelProto) -> None:
    before = foreign.SerializeToString()
    by_rule, shapes = mark_by_rule(foreign)
    with_noise_inputs(by_rule, NoiseKind.ADDITIVE, shapes)
    assert foreign.SerializeToString() == before


def test_marks_that_are_not_the_expected_ones_are_refused(foreign: ModelProto) -> None:
    by_rule, _ = mark_by_rule(foreign)
    with pytest.raises(ExportError, match=r"marks the noise points \['first', 'second'\]"):
        with_noise_inputs(by_rule, NoiseKind.ADDITIVE, {"other": (3,)})


def test_graph_that_fixes_the_number_of_images_is_refused() -> None:
    model = model_of(
        [
            helper.make_node("MatMul", ["images", "w"], ["product"], name="layer"),
            helper.make_node("Shape", ["images"], ["shape"]),
            helper.make_node("Reshape", ["product", "shape"], ["outputs"]),
        ],
        {"w": weights(3, 3)},
        classes=3,
    )
    by_rule, shapes = mark_by_rule(model)
    with pytest.raises(ExportError, match="fixes the number of images"):
        with_noise_inputs(by_rule, NoiseKind.ADDITIVE, shapes)
