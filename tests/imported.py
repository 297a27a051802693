"""Checkpoints as an import makes them: small networks of others, with any inputs, in plain ONNX.

All inputs, in a row, meet one layer whose weights are drawn from a seed; its products are the
scores.
"""

import hashlib
from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import GraphProto, TensorProto, helper, numpy_helper
from safetensors.numpy import save

from noisevote.models.card import CARD_VERSION, Card, Import
from noisevote.models.noise import NOISE_SCHEME, NoiseKind
from noisevote.models.specs import InputSpec, NoiseSpec, PointSpec

OPSET = 17
OUTPUT = "scores"
POINT = "head"
GRAPH, WEIGHTS = "multiplicative.onnx", "weights.safetensors"
ONNX_TYPES = {
    "float32": TensorProto.FLOAT,
    "int64": TensorProto.INT64,
    "int32": TensorProto.INT32,
    "uint8": TensorProto.UINT8,
}


def put_imported(
    directory: Path,
    name: str,
    inputs: Sequence[InputSpec],
    labels: Sequence[str] = ("cat", "dog", "owl"),
    seed: int = 0,
) -> Path:
    """Write a checkpoint of multiplicative noise and return its folder."""
    folder = directory / name
    folder.mkdir(parents=True)
    weights = weights_of(inputs, len(labels), seed)
    files = {GRAPH: graph_of(inputs, weights), WEIGHTS: save({"head.weight": weights})}
    for file, content in files.items():
        (folder / file).write_bytes(content)
    digests = {file: hashlib.sha256(content).hexdigest() for file, content in files.items()}
    card = Card(
        card_version=CARD_VERSION,
        name=name,
        network="one layer",
        inputs=tuple(inputs),
        output=OUTPUT,
        labels=tuple(labels),
        noise_scheme=NOISE_SCHEME,
        noise=NoiseSpec(kind=NoiseKind.MULTIPLICATIVE, sigma_train=0.0),
        noise_points=(
            PointSpec(name=POINT, shape=(len(labels),), macs=weights.size, operator="MatMul"),
        ),
        graphs={NoiseKind.MULTIPLICATIVE: GRAPH},
        weights=WEIGHTS,
        digests=digests,
        imported=Import(
            source="theirs.onnx",
            digest=digests[GRAPH],
            command="noisevote-train import theirs.onnx",
            opset=OPSET,
            placement="border",
            largest_difference=0.0,
            compared=8,
        ),
    )
    (folder / "card.json").write_text(card.model_dump_json())
    return folder


def weights_of(inputs: Sequence[InputSpec], classes: int, seed: int = 0) -> NDArray[np.float32]:
    """Return the weights of the layer ``[numbers of all inputs, classes]``."""
    numbers = sum(prod(tensor.shape) for tensor in inputs)
    return np.random.default_rng(seed).standard_normal((numbers, classes), np.float32)


def graph_of(inputs: Sequence[InputSpec], weights: NDArray[np.float32]) -> bytes:
    """Return the graph that takes its noise as an input, its weights in a file beside it."""
    nodes, rows = [], []
    for tensor in inputs:
        numbers, row = f"{tensor.name}.numbers", f"{tensor.name}.row"
        nodes += [
            helper.make_node("Cast", [tensor.name], [numbers], to=TensorProto.FLOAT),
            helper.make_node("Flatten", [numbers], [row]),
        ]
        rows.append(row)
    nodes += [
        helper.make_node("Concat", rows, ["their.row"], axis=1),
        helper.make_node("MatMul", ["their.row", "head.weight"], ["head"]),
        helper.make_node("Gather", ["head", "image_of_row"], ["head.by_row"], axis=0),
        helper.make_node("Mul", ["head.by_row", f"noise.{POINT}"], [OUTPUT]),
    ]
    classes = weights.shape[1]
    graph = helper.make_graph(
        nodes,
        "theirs",
        [
            *(
                helper.make_tensor_value_info(
                    tensor.name, ONNX_TYPES[tensor.dtype], ["inputs", *tensor.shape]
                )
                for tensor in inputs
            ),
            helper.make_tensor_value_info("image_of_row", TensorProto.INT64, ["rows"]),
            helper.make_tensor_value_info(f"noise.{POINT}", TensorProto.FLOAT, ["rows", classes]),
        ],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["rows", classes])],
    )
    point_beside(graph, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)
    content: bytes = model.SerializeToString()
    return content


def point_beside(graph: GraphProto, weights: NDArray[np.float32]) -> None:
    """Add the weights as a tensor whose numbers lie at the end of the file beside the graph."""
    external = numpy_helper.from_array(weights, "head.weight")
    external.ClearField("raw_data")
    external.data_location = TensorProto.EXTERNAL
    size = len(save({"head.weight": weights}))
    places = {"location": WEIGHTS, "offset": size - weights.nbytes, "length": weights.nbytes}
    for key, value in places.items():
        external.external_data.add(key=key, value=str(value))
    graph.initializer.append(external)


def noiseless(
    inputs: Sequence[InputSpec], given: dict[str, NDArray[Any]], classes: int = 3
) -> NDArray[np.float32]:
    """Return what the network gives without noise ``[inputs, classes]``, by NumPy."""
    rows = [given[tensor.name].reshape(len(given[tensor.name]), -1) for tensor in inputs]
    features = np.concatenate([row.astype(np.float32) for row in rows], axis=1)
    return features @ weights_of(inputs, classes)
