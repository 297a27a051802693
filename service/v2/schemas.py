"""Bodies of the Open Inference Protocol V2 and of the extensions that are served.

Sources: KServe, "Open Inference Protocol", inference_rest.md; Triton Inference Server, extensions
statistics, model_configuration, binary_data and model_repository.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainValidator

from noisevote.service.wire.shortened import shortened

EXAMPLE_MODEL = "mnist_cnn-mult-1.0"
"""Which takes :data:`EXAMPLE_INFER`."""

EXAMPLE_INFER: dict[str, Any] = {
    "inputs": [
        {
            "name": "input",
            "shape": [1, 1, 28, 28],
            "datatype": "FP32",
            "data": [int(4 <= at // 28 < 24 and 13 <= at % 28 < 16) for at in range(28 * 28)],
        }
    ],
    "parameters": {"votes": 20, "seed": 7},
}
"""A vertical stroke, for the checkpoints that read digits."""

MAX_ID = 1000
"""Characters of the id of a request, which its reply holds, too."""


def scalar(value: object) -> object:
    """Return a value that is a scalar; an alternative of types would complain once for each.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(value, str | int | float):
        message = f"got {shortened(value)}; allowed are strings, numbers and booleans"
        raise ValueError(message)  # noqa: TRY004 - pydantic knows no other
    return value


Scalar = Annotated[
    str | int | float | bool,
    PlainValidator(scalar, json_schema_input_type=str | int | float | bool),
]
Parameters = dict[str, Scalar]
"""Scalars by name; the protocol knows no others."""


Length = Annotated[int, Field(ge=-1, le=2**31 - 1)]
"""Of an axis of a tensor that is sent; that none is -1 or 0 is said by what the model takes."""


class Part(BaseModel):
    """Base of the bodies; what stands under a field is its description."""

    model_config = ConfigDict(use_attribute_docstrings=True)


class Live(Part):
    """Whether the server lives."""

    live: bool
    """Whether the event loop turns."""


class Ready(Part):
    """Whether the server can answer."""

    ready: bool
    """Whether the default checkpoint has passed its warm-up."""


class ServerMetadata(Part):
    """What the server is and which extensions it has."""

    name: str
    """Name of the server."""
    version: str
    """Version of the server."""
    extensions: list[str]
    """Extensions of the protocol that are served."""


class TensorMetadata(Part):
    """A tensor that a model takes or gives; -1 stands for any length."""

    name: str
    """Name of the tensor."""
    datatype: str
    """Type of its elements."""
    shape: list[int]
    """Length of each axis, the batch first."""


class ModelMetadata(Part):
    """What a model takes and gives."""

    name: str
    """Name of the model."""
    versions: list[str]
    """Versions that there are: one."""
    platform: str
    """What the model is written for."""
    inputs: list[TensorMetadata]
    """Tensors that the model takes."""
    outputs: list[TensorMetadata]
    """Tensors that the model gives."""


class ModelReady(Part):
    """Whether a model can answer."""

    name: str
    """Name of the model."""
    ready: bool
    """Whether it can answer."""


class InputTensor(Part):
    """A tensor of a request."""

    model_config = ConfigDict(strict=True)

    name: str
    """Name of the input."""
    shape: Annotated[list[Length], Field(fail_fast=True)]
    """Length of each axis, the batch first."""
    datatype: str
    """Type of the elements."""
    parameters: Parameters | None = None
    """Parameters of the tensor: ``binary_data_size`` if its elements follow the JSON."""
    data: list[Any] | None = None
    """Elements in row-major order, nested or flat, unless they follow the JSON."""


class OutputAsked(Part):
    """A tensor that the reply is to hold; ``binary_data`` asks for it behind the JSON."""

    model_config = ConfigDict(strict=True)

    name: str
    """Name of the output."""
    parameters: Parameters | None = None
    """Parameters of the tensor: ``binary_data`` asks for it behind the JSON."""


class InferRequest(Part):
    """A request for votes."""

    model_config = ConfigDict(strict=True, json_schema_extra={"examples": [EXAMPLE_INFER]})

    id: str | None = Field(default=None, max_length=MAX_ID)
    """Id that stands in the reply, too."""
    parameters: Parameters | None = None
    """Options by name: ``votes``, ``sigma``, ``snr_db``, ``noise``, ``stop``, ``delta``, ``alpha``,
    ``seed``, ``deadline_ms``, ``priority``, with the meaning that they have in ``/predict``;
    ``timeout``, a deadline in microseconds; ``binary_data_output``."""
    inputs: Annotated[list[InputTensor], Field(fail_fast=True)]
    """Tensors to vote on: one of each name that the model takes."""
    outputs: Annotated[list[OutputAsked], Field(fail_fast=True)] | None = None
    """Tensors that the reply is to hold; all if absent."""


class OutputTensor(Part):
    """A tensor of a reply; its elements follow the JSON if there are no ``data``."""

    name: str
    """Name of the output."""
    shape: list[int]
    """Length of each axis, the batch first."""
    datatype: Literal["INT64"]
    """Type of the elements."""
    parameters: Parameters | None = None
    """Parameters of the tensor: ``binary_data_size`` if its elements follow the JSON."""
    data: list[int] | None = None
    """Elements in row-major order, unless they follow the JSON."""


class InferResponse(Part):
    """Modes, counts and numbers of the votes, and what they can be asked for again with."""

    model_name: str
    """Name of the model that voted."""
    model_version: str
    """Version of the model."""
    id: str | None = None
    """Id of the request, if it had one."""
    parameters: Parameters
    """What the same votes can be asked for again with: seed, fingerprint, noise and sigma."""
    outputs: list[OutputTensor]
    """Tensors that were asked for."""


class Duration(Part):
    """How often something happened and how long it took in all, in nanoseconds."""

    count: int = 0
    """Number of times."""
    ns: int = 0
    """Nanoseconds in all."""


class InferStatistics(Part):
    """Where the time of a model's requests went."""

    success: Duration = Field(default_factory=Duration)
    """Requests that were answered."""
    fail: Duration = Field(default_factory=Duration)
    """Requests that were refused."""
    queue: Duration = Field(default_factory=Duration)
    """Waiting for a free slot."""
    compute_input: Duration = Field(default_factory=Duration)
    """Reading and preparing of requests."""
    compute_infer: Duration = Field(default_factory=Duration)
    """Voting."""
    compute_output: Duration = Field(default_factory=Duration)
    """Writing of replies."""
    cache_hit: Duration = Field(default_factory=Duration)
    """Answers from a cache: none, there is no cache."""
    cache_miss: Duration = Field(default_factory=Duration)
    """Questions to a cache: none, there is no cache."""


class ModelStatistics(Part):
    """A model's requests over this protocol since the start."""

    name: str
    """Name of the model."""
    version: str
    """Version of the model."""
    last_inference: int = 0
    """Milliseconds since 1970 of the last answer; 0 before the first."""
    inference_count: int = 0
    """Number of inputs answered."""
    execution_count: int = 0
    """Number of requests answered."""
    inference_stats: InferStatistics = Field(default_factory=InferStatistics)
    """Time of the requests."""
    batch_stats: list[dict[str, Any]] = Field(default_factory=list)
    """Statistics of batches: empty, as votes of several requests share forward passes."""


class Statistics(Part):
    """The statistics of one or all models."""

    model_stats: list[ModelStatistics]
    """Statistics of each model."""


class IndexRequest(Part):
    """Which models to list."""

    model_config = ConfigDict(strict=True)

    ready: bool = False
    """Whether to list only models that can answer."""


class IndexEntry(Part):
    """A model in the repository."""

    name: str
    """Name of the model."""
    version: str
    """Version of the model."""
    state: Literal["READY", "UNAVAILABLE"]
    """Whether the model can answer."""
    reason: str
    """Why it cannot, or why what lies in its folder now does not replace it; else empty."""


class ErrorText(Part):
    """The body of every reply that is not a success."""

    error: str
    """What went wrong and what is allowed."""
