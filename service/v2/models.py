"""Checkpoints as the Open Inference Protocol describes models."""

from typing import Any

from noisevote.models.card import Card
from noisevote.models.noise import sigma_text
from noisevote.service.v2.schemas import ModelMetadata, TensorMetadata

VERSION = "1"
"""A checkpoint has one version; other weights are another checkpoint."""

PLATFORM = "onnx_onnxv1"
INPUT = "input"
INPUT_DATATYPE = "FP32"
OUTPUT_DATATYPE = "INT64"


def outputs_of(card: Card) -> dict[str, int]:
    """Return the outputs of a model and how many numbers each has per input."""
    return {"mode": 1, "vote_counts": len(card.labels), "votes_cast": 1}


def metadata_of(card: Card) -> ModelMetadata:
    """Return what a model takes and gives."""
    return ModelMetadata(
        name=card.name,
        versions=[VERSION],
        platform=PLATFORM,
        inputs=[TensorMetadata(name=INPUT, datatype=INPUT_DATATYPE, shape=[-1, *card.input.shape])],
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
            {"name": INPUT, "data_type": f"TYPE_{INPUT_DATATYPE}", "dims": list(card.input.shape)}
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
