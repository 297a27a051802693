"""Small networks that cannot be taken in."""

from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, helper

from tests.training.importing import zoo_tokens
from tests.training.importing.drawing import FLOAT, INT32, INT64, Declared, Drawing

FEATURES: Declared = {"x": (FLOAT, ["n", 6])}
ML = [helper.make_opsetid("ai.onnx.ml", 3)]


def one_product(**output: Any) -> ModelProto:
    draw = Drawing()
    draw("MatMul", "x", draw.weight("w", 6, 3), to="scores")
    return draw.model(FEATURES, output or {"scores": (FLOAT, ["n", 3])})


def integer_product() -> ModelProto:
    draw = Drawing()
    whole = draw("Cast", "x", to="x8")
    draw.nodes[-1].attribute.append(helper.make_attribute("to", TensorProto.UINT8))
    weights = draw.constant("w", np.ones((6, 3)), "uint8")
    product = draw("MatMulInteger", whole, weights)
    draw.nodes.append(helper.make_node("Cast", [product], ["scores"], to=FLOAT))
    return draw.model(FEATURES, {"scores": (FLOAT, ["n", 3])})


def weights_of_4_bits() -> ModelProto:
    draw = Drawing()
    long = TensorProto(name="long", data_type=TensorProto.INT4, dims=[6, 3000])
    long.raw_data = bytes(9000)
    step = draw.constant("step", 0.1, "float32")
    held = draw("Constant", to="long", value=long)
    wide = draw("MatMul", "x", draw("DequantizeLinear", held, step))
    draw("MatMul", wide, draw.weight("w", 3000, 3), to="scores")
    return draw.model(FEATURES, {"scores": (FLOAT, ["n", 3])}, opset=21)


def zipmap() -> ModelProto:
    draw = Drawing()
    shares = draw("Softmax", draw("MatMul", "x", draw.weight("w", 6, 3)))
    draw("ZipMap", shares, to="scores", domain="ai.onnx.ml", classlabels_int64s=[0, 1, 2])
    model = draw.model(FEATURES, {"scores": (FLOAT, ["n"])}, domains=ML)
    of_map = helper.make_map_type_proto(
        TensorProto.INT64, helper.make_tensor_type_proto(FLOAT, None)
    )
    model.graph.output[0].type.CopyFrom(helper.make_sequence_type_proto(of_map))
    return model


def linear_classifier() -> ModelProto:
    draw = Drawing()
    draw("LinearClassifier", "x", to=["label", "scores"], domain="ai.onnx.ml",
         coefficients=[0.5] * 18, intercepts=[0.0] * 3, classlabels_ints=[0, 1, 2])  # fmt: skip
    outputs: Declared = {"label": (INT64, ["n"]), "scores": (FLOAT, ["n", 3])}
    return draw.model(FEATURES, outputs, domains=ML)


def tree() -> ModelProto:
    draw = Drawing()
    draw("TreeEnsembleClassifier", "x", to=["label", "scores"], domain="ai.onnx.ml",
         nodes_treeids=[0, 0, 0], nodes_nodeids=[0, 1, 2], nodes_featureids=[0, 0, 0],
         nodes_values=[0.0, 0.0, 0.0], nodes_modes=["BRANCH_LEQ", "LEAF", "LEAF"],
         nodes_truenodeids=[1, 0, 0], nodes_falsenodeids=[2, 0, 0], class_treeids=[0, 0],
         class_nodeids=[1, 2], class_ids=[0, 1], class_weights=[1.0, 1.0],
         classlabels_int64s=[0, 1], post_transform="NONE")  # fmt: skip
    outputs: Declared = {"label": (INT64, ["n"]), "scores": (FLOAT, ["n", 2])}
    return draw.model(FEATURES, outputs, domains=ML)


def segmentation() -> ModelProto:
    draw = Drawing()
    draw("Conv", "x", draw.weight("w", 4, 3, 3, 3), to="scores", pads=[1, 1, 1, 1])
    return draw.model({"x": (FLOAT, ["n", 3, 6, 6])}, {"scores": (FLOAT, ["n", 4, 6, 6])})


def mixing() -> ModelProto:
    """Attention over the axis of the inputs."""
    draw = Drawing()
    shares = draw("Softmax", draw("MatMul", "x", draw.weight("w", 6, 3)), axis=0)
    draw("Identity", shares, to="scores")
    return draw.model(FEATURES, {"scores": (FLOAT, ["n", 3])})


def random() -> ModelProto:
    draw = Drawing()
    product = draw("MatMul", "x", draw.weight("w", 6, 3))
    draw("Add", product, draw("RandomNormalLike", product), to="scores")
    return draw.model(FEATURES, {"scores": (FLOAT, ["n", 3])})


def infinite() -> ModelProto:
    draw = Drawing()
    zero = draw.constant("zero", np.zeros(3), "float32")
    draw("Div", draw("Relu", draw("MatMul", "x", draw.weight("w", 6, 3))), zero, to="scores")
    return draw.model(FEATURES, {"scores": (FLOAT, ["n", 3])})


def stateful() -> ModelProto:
    """A number an input, of one axis."""
    draw = Drawing()
    ids = draw.cast("x", INT64)
    draw("MatMul", draw("Gather", draw.weight("e", 9, 4), ids), draw.weight("w", 4, 3), to="scores")
    return draw.model({"x": (INT32, ["n"])}, {"scores": (FLOAT, ["n", 3])})


def batch_of_four() -> ModelProto:
    model = one_product()
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 4
    return model


def of_strings() -> ModelProto:
    draw = Drawing()
    draw("Identity", "x", to="scores")
    return draw.model({"x": (8, ["n", 1])}, {"scores": (8, ["n", 1])})


def mask_without_range() -> ModelProto:
    return zoo_tokens.masked()


def loop_with_weights() -> ModelProto:
    """Weights are multiplied by inside a loop."""
    draw = Drawing()
    first = draw("MatMul", "x", draw.weight("w", 6, 6), to="first")
    value = helper.make_tensor_value_info
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["still"]),
            helper.make_node("MatMul", ["signal", draw.weight("inner", 6, 6)], ["next"]),
        ],
        "body",
        [value("step", 7, []), value("go", 9, []), value("signal", FLOAT, None)],
        [value("still", 9, []), value("next", FLOAT, None)],
    )
    bent = draw("Loop", draw.constant("times", 3), draw.constant("yes", True), first, body=body,
                name="steps")  # fmt: skip
    draw("MatMul", bent, draw.weight("wh", 6, 3), to="scores")
    return draw.model(FEATURES, {"scores": (FLOAT, ["n", 3])})


def cell() -> ModelProto:
    """One step of a recurrent network, whose owner keeps the state."""
    draw = Drawing()
    new = draw("MatMul", "x", draw.weight("w", 6, 4))
    old = draw("MatMul", "state", draw.weight("u", 4, 4))
    state = draw("Tanh", draw("Add", new, old), to="next")
    draw("MatMul", state, draw.weight("wh", 4, 3), to="scores")
    inputs = {**FEATURES, "state": (FLOAT, ["n", 4])}
    return draw.model(inputs, {"scores": (FLOAT, ["n", 3]), "next": (FLOAT, ["n", 4])})
