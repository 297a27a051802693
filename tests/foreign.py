"""Checkpoints of networks that others made: one layer of known weights over any inputs."""

from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save

from noisevote.models.card import CARD_VERSION, Card, Import
from noisevote.models.checkpoint import WEIGHTS_FILE, Checkpoint, sha256_of
from noisevote.models.data.scikit_digits import LEVELS
from noisevote.models.draws.schemes import FIRST
from noisevote.models.noise import NoiseKind
from noisevote.models.specs import InputSpec, NoiseSpec, PointSpec

TYPES = {
    "float32": TensorProto.FLOAT,
    "int64": TensorProto.INT64,
    "int32": TensorProto.INT32,
    "uint8": TensorProto.UINT8,
}


def foreign(
    folder: Path,
    inputs: tuple[InputSpec, ...],
    weights: NDArray[np.float32],
    labels: tuple[str, ...],
    bias: NDArray[np.float32] | None = None,
) -> Checkpoint:
    """Write a checkpoint that answers with the inputs, side by side, times ``weights``.

    Args:
        folder: that it is written to.
        inputs: of the network.
        weights: ``[numbers of all inputs, classes]``.
        labels: of the classes.
        bias: added before the noise ``[classes]``.
    """
    folder.mkdir(parents=True)
    added = np.zeros(len(labels), np.float32) if bias is None else bias
    files = {
        "multiplicative.onnx": graph_of(inputs, weights, added).SerializeToString(),
        WEIGHTS_FILE: save({"weights": weights, "bias": added}),
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    card = Card(
        card_version=CARD_VERSION,
        name=folder.name,
        network="theirs",
        inputs=inputs,
        labels=labels,
        noise_scheme=FIRST.id,
        noise=NoiseSpec(kind=NoiseKind.MULTIPLICATIVE, sigma_train=0.0),
        noise_points=(PointSpec(name="head", shape=(len(labels),), macs=weights.size),),
        tile=4,
        graphs={NoiseKind.MULTIPLICATIVE: "multiplicative.onnx"},
        weights=WEIGHTS_FILE,
        digests={name: sha256_of(content) for name, content in files.items()},
        imported=Import(
            source="theirs.onnx",
            digest="0" * 64,
            command="noisevote-train import theirs.onnx",
            opset=17,
            placement="border",
            largest_difference=0.0,
            compared=1,
        ),
    )
    (folder / "card.json").write_text(card.model_dump_json())
    return Checkpoint(folder)


def drawn(
    folder: Path, inputs: Sequence[InputSpec], labels: Sequence[str] = ("cat", "dog", "owl")
) -> Checkpoint:
    """Write such a checkpoint whose weights are :func:`drawn_weights`."""
    weights = drawn_weights(inputs, len(labels))
    return foreign(folder, tuple(inputs), weights, tuple(labels))


def drawn_weights(inputs: Sequence[InputSpec], classes: int) -> NDArray[np.float32]:
    """Return weights ``[numbers of all inputs, classes]``, drawn at random and always the same."""
    numbers = sum(prod(tensor.shape) for tensor in inputs)
    return np.random.default_rng(0).standard_normal((numbers, classes), np.float32)


def noiseless(
    inputs: Sequence[InputSpec], given: Mapping[str, NDArray[Any]], classes: int = 3
) -> NDArray[np.float32]:
    """Return what a checkpoint of :func:`drawn_weights` gives without noise, by NumPy."""
    rows = [given[tensor.name].reshape(len(given[tensor.name]), -1) for tensor in inputs]
    side_by_side = np.concatenate([row.astype(np.float32) for row in rows], axis=1)
    return side_by_side @ drawn_weights(inputs, classes)


def graph_of(
    inputs: tuple[InputSpec, ...], weights: NDArray[np.float32], bias: NDArray[np.float32]
) -> onnx.ModelProto:
    """Return the graph, with noise as an input."""
    taken: list[Any] = [
        helper.make_tensor_value_info(tensor.name, TYPES[tensor.dtype], ["n", *tensor.shape])
        for tensor in inputs
    ]
    taken.append(helper.make_tensor_value_info("image_of_row", TensorProto.INT64, ["rows"]))
    taken.append(
        helper.make_tensor_value_info("noise.head", TensorProto.FLOAT, ["rows", len(bias)])
    )
    nodes, flat = [], []
    for tensor in inputs:
        name = tensor.name
        nodes += [
            helper.make_node("Gather", [name, "image_of_row"], [f"{name}.rows"]),
            helper.make_node("Cast", [f"{name}.rows"], [f"{name}.floats"], to=TensorProto.FLOAT),
            helper.make_node("Flatten", [f"{name}.floats"], [f"{name}.flat"]),
        ]
        flat.append(f"{name}.flat")
    nodes += [
        helper.make_node("Concat", flat, ["side_by_side"], axis=1),
        helper.make_node("MatMul", ["side_by_side", "weights"], ["product"]),
        helper.make_node("Add", ["product", "bias"], ["signal"]),
        helper.make_node("Mul", ["signal", "noise.head"], ["outputs"]),
    ]
    graph = helper.make_graph(
        nodes,
        "theirs",
        taken,
        [helper.make_tensor_value_info("outputs", TensorProto.FLOAT, ["rows", len(bias)])],
        [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(bias, "bias")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def digits_classifier(
    folder: Path, images: NDArray[np.float32], labels: NDArray[np.int64], **changes: Any
) -> Checkpoint:
    """Write a classifier of scikit-learn's digits, fitted by least squares.

    Args:
        folder: that it is written to.
        images: to learn from ``[n, 64]``.
        labels: of these.
        changes: of what it says of its input.
    """
    wide = np.hstack([images, np.ones((len(images), 1))]).astype(np.float64)
    fitted = np.linalg.lstsq(wide.T @ wide + np.eye(65), wide.T @ np.eye(10)[labels], rcond=None)[0]
    tensor = InputSpec(**({"name": "x", "shape": (64,), "range": LEVELS} | changes))
    weights, bias = fitted[:64].astype(np.float32), fitted[64].astype(np.float32)
    return foreign(folder, (tensor,), weights, tuple("0123456789"), bias)
