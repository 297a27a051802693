"""Checkpoints as the Open Inference Protocol describes models."""

from typing import Any

import numpy as np

from noisevote.models.card import Card
from noisevote.models.noise import sigma_text
from noisevote.models.specs import InputSpec
from noisevote.service.v2.schemas import ModelMetadata, TensorMetadata

VERSION = "1"
"""A checkpoint has one version; other weights are another checkpoint."""

PLATFORM = "onnx_onnxv1"
INPUT = "input"
"""What the input of a network of our own is called, whatever its graph says."""

OUTPUT_DATATYPE = "INT64"

DATATYPES = {"float32": "FP32", "int64": "INT64", "int32": "INT32", "uint8": "UINT8"}
"""What the protocol calls the types of inputs."""


def inputs_of(card: Card) -> dict[str, InputSpec]:
    """Return the inputs of a model by name; those of a network of others bear their own."""
    if card.imported is None:
        return {INPUT: card.input}
    return {tensor.name: tensor for tensor in card.inputs}


def datatype_of(tensor: InputSpec) -> str:
    """Return the type of an input as the protocol calls it."""
    return DATATYPES[tensor.dtype]


def bytes_type_of(tensor: InputSpec) -> np.dtype[Any]:
    """Return the type of an input's elements as they follow the JSON: little-endian."""
    return np.dtype(tensor.dtype).newbyteorder("<")


def outputs_of(card: Card) -> dict[str, int]:
    """Return the outputs of a model and how many numbers each has per input."""
    return {"mode": 1, "vote_counts": len(card.labels), "votes_cast": 1}


def metadata_of(card: Card) -> ModelMetadata:
    """Return what a model takes and gives."""
    return ModelMetadata(
        name=card.name,
        versions=[VERSION],
        platform=PLATFORM,
        inputs=[
            TensorMetadata(name=name, datatype=datatype_of(tensor), shape=[-1, *tensor.shape])
            for name, tensor in inputs_of(card).items()
        ],
        outputs=[
            TensorMetadata(name=name, datatype=OUTPUT_DATATYPE, shape=[-1, length])
            for name, length in outputs_of(card).items()
        ],
    )


def config_of(card: Card, max_inputs: int, slots: int) -> dict[str, Any]:
    """Return a model's configuration as Triton writes it, in the parts that mean something here."""
    described = {
        "network": card.network,
        "noise": card.noise.kind.value,
        "sigma_train": sigma_text(card.noise.sigma_train),
        "labels": ",".join(card.labels),
    }
    return {
        "name": card.name,
        "platform": "onnxruntime_onnx",
        "backend": "onnxruntime",
        "version_policy": {"latest": {"num_versions": 1}},
        "max_batch_size": max_inputs,
        "input": [
            {
                "name": name,
                "data_type": f"TYPE_{datatype_of(tensor)}",
                "dims": list(tensor.shape),
            }
            for name, tensor in inputs_of(card).items()
        ],
        "output": [
            {"name": name, "data_type": f"TYPE_{OUTPUT_DATATYPE}", "dims": [length]}
            for name, length in outputs_of(card).items()
        ],
        "instance_group": [{"name": card.name, "kind": "KIND_CPU", "count": slots}],
        "dynamic_batching": {
            "preferred_batch_size": [card.tile],
            "max_queue_delay_microseconds": 0,
        },
        "model_transaction_policy": {"decoupled": False},
        "parameters": {name: {"string_value": text} for name, text in described.items()},
    }
