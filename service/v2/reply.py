"""The reply to an inference request of the Open Inference Protocol: JSON, or JSON and tensors.

And the counts of these replies, by model.
"""

import time

import numpy as np
from numpy.typing import NDArray
from starlette.responses import Response

from noisevote.service.v2.models import VERSION
from noisevote.service.v2.request import HEADER_LENGTH, Inference
from noisevote.service.v2.schemas import (
    Duration,
    InferResponse,
    ModelStatistics,
    OutputTensor,
    Parameters,
)
from noisevote.service.wire.replies import PredictResponse
from noisevote.service.wire.requests import PredictRequest

NS_PER_S = 10**9
NS_PER_MS = 10**6


def reply_to(inference: Inference, answer: PredictResponse) -> Response:
    """Return the reply; tensors that are asked for as bytes follow the JSON."""
    found = tensors_of(answer, inference.classes)
    tensors = {name: found[name] for name in inference.outputs}
    body = InferResponse(
        model_name=answer.checkpoint,
        model_version=VERSION,
        id=inference.id,
        parameters=parameters_of(answer, inference.asked),
        outputs=[
            described(name, tensors[name], is_binary)
            for name, is_binary in inference.outputs.items()
        ],
    )
    header = body.model_dump_json(exclude_none=True).encode()
    if not any(inference.outputs.values()):
        return Response(header, media_type="application/json")
    behind = [tensors[name].tobytes() for name, is_binary in inference.outputs.items() if is_binary]
    return Response(
        b"".join([header, *behind]),
        media_type="application/octet-stream",
        headers={HEADER_LENGTH: str(len(header))},
    )


def tensors_of(answer: PredictResponse, classes: int) -> dict[str, NDArray[np.int64]]:
    """Return all outputs ``[inputs, numbers]`` of a model of so many classes."""
    found = answer.predictions
    return {
        "mode": np.array([[prediction.mode] for prediction in found], "<i8"),
        "vote_counts": np.array([prediction.counts_of(classes) for prediction in found], "<i8"),
        "votes_cast": np.array([[prediction.votes_cast] for prediction in found], "<i8"),
    }


def described(name: str, tensor: NDArray[np.int64], is_binary: bool) -> OutputTensor:
    """Return a tensor as it stands in the JSON."""
    return OutputTensor(
        name=name,
        shape=list(tensor.shape),
        datatype="INT64",
        parameters={"binary_data_size": tensor.nbytes} if is_binary else None,
        data=None if is_binary else tensor.ravel().tolist(),
    )


def parameters_of(answer: PredictResponse, asked: PredictRequest) -> Parameters:
    """Return what the same votes can be asked for again with."""
    told: Parameters = {"seed": answer.seed, "fingerprint": answer.fingerprint}
    noise, device = answer.noise, answer.device
    if noise is not None:
        told["noise"] = noise.kind.value
        if isinstance(noise.sigma, float):
            told["sigma"] = noise.sigma
    if device is not None and isinstance(device.name, str):
        told |= {"device": device.name, "device_digest": str(device.digest)}
        if device.chips or asked.chip is not None:
            told["chip"] = 0 if asked.chip is None else asked.chip
        if len(device.chips) > 1:
            told["chips"] = len(device.chips)
        told |= {
            name: value
            for name, value in (("age_s", device.age_s), ("temperature_c", device.temperature_c))
            if isinstance(value, float)
        }
    return told


class V2Statistics:
    """Counts requests; to be used on the event loop only."""

    def __init__(self) -> None:
        self._models: dict[str, ModelStatistics] = {}

    def of(self, name: str) -> ModelStatistics:
        """Return the statistics of a model."""
        empty = ModelStatistics(name=name, version=VERSION)
        return self._models.setdefault(name, empty)

    def succeeded(self, answer: PredictResponse, input_s: float, output_s: float) -> None:
        """Count an answered request.

        Args:
            answer: answer to the request.
            input_s: seconds until it was read and prepared.
            output_s: seconds that its reply took.
        """
        found = self.of(answer.checkpoint)
        timing, of = answer.timing_ms, found.inference_stats
        found.last_inference = time.time_ns() // NS_PER_MS
        found.inference_count += len(answer.predictions)
        found.execution_count += 1
        total_ms = timing.total + output_s * 1000
        add(of.success, total_ms * NS_PER_MS)
        add(of.queue, timing.queue * NS_PER_MS)
        add(of.compute_input, input_s * NS_PER_S)
        add(of.compute_infer, timing.compute * NS_PER_MS)
        add(of.compute_output, output_s * NS_PER_S)

    def failed(self, name: str, seconds: float) -> None:
        """Count a refused request."""
        add(self.of(name).inference_stats.fail, seconds * NS_PER_S)


def add(duration: Duration, ns: float) -> None:
    """Count one event that took ``ns`` nanoseconds."""
    duration.count += 1
    duration.ns += round(ns)
