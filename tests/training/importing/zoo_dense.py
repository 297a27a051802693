"""Networks of dense layers: perceptrons and their relatives."""

import numpy as np
from onnx import ModelProto

from tests.training.importing.drawing import (
    FLOAT,
    INT64,
    Declared,
    Drawing,
    Specimen,
    signs,
    two_classes,
)


def features(count: int) -> dict[str, tuple[int, list[int | str]]]:
    return {"x": (FLOAT, ["n", count])}


def scores(count: int) -> dict[str, tuple[int, list[int | str]]]:
    return {"scores": (FLOAT, ["n", count])}


def perceptron() -> ModelProto:
    draw = Drawing()
    first = draw("Gemm", "x", draw.weight("w1", 6, 8), draw.weight("b1", 8), to="first")
    hidden = draw("Relu", first)
    last = draw("Gemm", hidden, draw.weight("w2", 8, 4), draw.weight("b2", 4), to="last")
    draw("Softmax", last, to="scores", axis=1)
    return draw.model(features(6), scores(4))


def transposed_gemm() -> ModelProto:
    """As torch writes linear layers; scaled ones, too."""
    draw = Drawing()
    w1, b1 = draw.weight("net.0.weight", 8, 6), draw.weight("net.0.bias", 8)
    first = draw("Gemm", "x", w1, b1, to="first", transB=1, alpha=0.5, beta=2.0)
    hidden = draw("Tanh", first)
    w2 = draw.weight("net.2.weight", 4, 8)
    draw("Gemm", hidden, w2, to="scores", transB=1)
    return draw.model(features(6), scores(4))


def sigmoid_column() -> ModelProto:
    draw = Drawing()
    hidden = draw("Relu", draw("MatMul", "x", draw.weight("w1", 6, 8), to="hidden"))
    logit = draw("Gemm", hidden, draw.weight("w2", 8, 1), draw.weight("b2", 1), to="logit")
    draw("Sigmoid", logit, to="scores")
    return draw.model(features(6), scores(1))


def one_logit() -> ModelProto:
    """One number an input that is no probability, of one axis."""
    draw = Drawing()
    hidden = draw("Relu", draw("MatMul", "x", draw.weight("w1", 6, 8), to="hidden"))
    logit = draw("MatMul", hidden, draw.weight("w2", 8, 1), to="logit")
    draw("Squeeze", logit, draw.constant("axes", [1]), to="scores")
    return draw.model(features(6), {"scores": (FLOAT, ["n"])})


def autoencoder_head() -> ModelProto:
    """A bottleneck, a decoder that gives an output of its own, and a head on the code."""
    draw = Drawing()
    code = draw("Tanh", draw("Gemm", "x", draw.weight("enc", 12, 3), to="encoder"))
    draw("Gemm", code, draw.weight("dec", 3, 12), to="decoded")
    draw("Gemm", code, draw.weight("head", 3, 4), to="scores")
    outputs: Declared = {"decoded": (FLOAT, ["n", 12]), **scores(4)}
    return draw.model(features(12), outputs)


def label_and_probabilities() -> ModelProto:
    draw = Drawing()
    logits = draw("Gemm", "x", draw.weight("w", 6, 3), draw.weight("b", 3), to="logits")
    draw("ArgMax", logits, to="label", axis=1, keepdims=0)
    draw("Softmax", logits, to="probabilities", axis=1)
    outputs: Declared = {"label": (INT64, ["n"]), "probabilities": (FLOAT, ["n", 3])}
    return draw.model(features(6), outputs)


def two_heads() -> ModelProto:
    draw = Drawing()
    trunk = draw("Relu", draw("Gemm", "x", draw.weight("w", 6, 8), to="trunk"))
    draw("Gemm", trunk, draw.weight("wc", 8, 3), to="colour")
    draw("Gemm", trunk, draw.weight("ws", 8, 5), to="shape")
    return draw.model(features(6), {"colour": (FLOAT, ["n", 3]), "shape": (FLOAT, ["n", 5])})


def towers() -> ModelProto:
    """Two inputs with a tower each, whose product is judged."""
    draw = Drawing()
    user = draw("Tanh", draw("MatMul", "user", draw.weight("wu", 5, 6), to="user_tower"))
    item = draw("Tanh", draw("MatMul", "item", draw.weight("wi", 3, 6), to="item_tower"))
    both = draw("Concat", user, item, draw("Mul", user, item), axis=1)
    draw("Gemm", both, draw.weight("w", 18, 2), to="scores")
    inputs: Declared = {"user": (FLOAT, ["n", 5]), "item": (FLOAT, ["n", 3])}
    return draw.model(inputs, scores(2))


def shared_weights() -> ModelProto:
    """One layer that is passed twice, as in a recurrent network that was unrolled."""
    draw = Drawing()
    weights, bias = draw.weight("cell.weight", 6, 6), draw.weight("cell.bias", 6)
    signal = "x"
    for step in (1, 2):
        product = draw("MatMul", signal, weights, to=f"product{step}")
        signal = draw("Tanh", draw("Add", product, bias, to=f"step{step}"))
    draw("MatMul", signal, draw.weight("head.weight", 6, 3), to="scores")
    return draw.model(features(6), scores(3))


def mixer() -> ModelProto:
    """Weights on the left side mix tokens, on the right side channels (MLP-Mixer)."""
    draw = Drawing()
    mixed = draw("MatMul", draw.weight("tokens", 5, 5), "x", to="over_tokens")
    hidden = draw("Relu", draw("Add", mixed, "x"))
    channels = draw("MatMul", hidden, draw.weight("channels", 4, 4), to="over_channels")
    mean = draw("ReduceMean", draw("Relu", channels), axes=[1], keepdims=0)
    draw("Gemm", mean, draw.weight("head", 4, 3), to="scores")
    return draw.model({"x": (FLOAT, ["n", 5, 4])}, scores(3))


def gated() -> ModelProto:
    """Half of a layer's outputs gates the other half (GLU)."""
    draw = Drawing()
    both = draw("Gemm", "x", draw.weight("w", 6, 16), draw.weight("b", 16), to="both")
    draw("Split", both, to=["value", "gate"], axis=1)
    hidden = draw("Mul", "value", draw("Sigmoid", "gate"))
    draw("Gemm", hidden, draw.weight("head", 8, 3), to="scores")
    return draw.model(features(6), scores(3))


def graph_convolution() -> ModelProto:
    """A constant adjacency matrix, then weights, twice (GCN)."""
    draw = Drawing()
    adjacency = draw.constant("adjacency", np.eye(5) * 0.5 + 0.1, "float32")
    signal = "x"
    for layer, (less, more) in enumerate([(3, 6), (6, 4)]):
        mixed = draw("MatMul", adjacency, signal, to=f"mixed{layer}")
        product = draw("MatMul", mixed, draw.weight(f"w{layer}", less, more), to=f"layer{layer}")
        signal = draw("Relu", product)
    draw("ReduceSum", signal, draw.constant("axes", [1]), to="scores", keepdims=0)
    return draw.model({"x": (FLOAT, ["n", 5, 3])}, scores(4))


def fourier_features() -> ModelProto:
    draw = Drawing()
    angles = draw("MatMul", "x", draw.weight("frequencies", 2, 8), to="angles")
    waves = draw("Concat", draw("Sin", angles), draw("Cos", angles), axis=1)
    draw("Gemm", waves, draw.weight("head", 16, 3), to="scores")
    return draw.model(features(2), scores(3))


def einsum() -> ModelProto:
    draw = Drawing()
    heads = draw("Einsum", "x", draw.weight("w", 6, 2, 4), to="heads", equation="nf,fhd->nhd")
    hidden = draw("Relu", heads)
    out = draw("Einsum", hidden, draw.weight("v", 2, 4, 3), to="out", equation="nhd,hdc->nc")
    draw("Identity", out, to="scores")
    return draw.model(features(6), scores(3))


def scaled_bias() -> ModelProto:
    """A bias and a scale a channel belong to the layer; a scalar belongs to what follows."""
    draw = Drawing()
    product = draw("MatMul", "x", draw.weight("w", 6, 4), to="product")
    scaled = draw("Mul", product, draw.weight("scale", 4), to="scaled")
    shifted = draw("Add", scaled, draw.weight("shift", 1, 4), to="shifted")
    three = draw("Add", shifted, draw.constant("three", 3.0, "float32"))
    six = draw.constant("six", 6.0, "float32")
    hard = draw("Clip", three, draw.constant("zero", 0.0, "float32"), six)
    draw("Gemm", draw("Div", hard, six), draw.weight("head", 4, 3), to="scores")
    return draw.model(features(6), scores(3))


E = ("--noise-after", "Einsum")

SPECIMENS = {
    "perceptron": Specimen("perceptron", perceptron, {"first": "first", "last": "last"}),
    "transposed Gemm": Specimen(
        "perceptron", transposed_gemm, {"net.0": "first", "net.2": "scores"}
    ),
    "sigmoid column": Specimen(
        "binary classifier", sigmoid_column, {"hidden": "hidden", "logit": "logit"},
        ("--binary",), scores=two_classes,
    ),
    "one logit": Specimen(
        "binary classifier", one_logit, {"hidden": "hidden", "logit": "logit"},
        ("--binary",), scores=signs,
    ),
    "autoencoder head": Specimen(
        "autoencoder", autoencoder_head, {"encoder": "encoder", "scores": "scores"},
        ("--output", "scores"),
    ),
    "label and probabilities": Specimen(
        "logistic regression", label_and_probabilities, {"logits": "logits"},
        output="probabilities",
    ),
    "two heads": Specimen(
        "several outputs", two_heads, {"trunk": "trunk", "shape": "shape"},
        ("--output", "shape"), output="shape",
    ),
    "towers": Specimen(
        "several inputs", towers,
        {"user_tower": "user_tower", "item_tower": "item_tower", "scores": "scores"},
    ),
    "shared weights": Specimen(
        "recurrent, unrolled", shared_weights,
        {"cell": "step1", "cell:2": "step2", "head": "scores"},
    ),
    "mixer": Specimen(
        "mixer", mixer,
        {"over_tokens": "over_tokens", "over_channels": "over_channels", "scores": "scores"},
    ),
    "gated": Specimen("gated", gated, {"both": "both", "scores": "scores"}),
    "graph convolution": Specimen(
        "graph network", graph_convolution,
        {"mixed0": "mixed0", "layer0": "layer0", "mixed1": "mixed1", "layer1": "layer1"},
    ),
    "Fourier features": Specimen(
        "coordinate network", fourier_features, {"angles": "angles", "scores": "scores"}
    ),
    "Einsum": Specimen("Einsum", einsum, {"heads": "heads", "out": "out"}, E, None),
    "scaled bias": Specimen("perceptron", scaled_bias, {"product": "shifted", "scores": "scores"}),
}  # fmt: skip
