"""Bodies of the Open Inference Protocol V2 and of the extensions that are served.

Sources: KServe, "Open Inference Protocol", inference_rest.md; Triton Inference Server, extensions
statistics, model_configuration, binary_data and model_repository.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainValidator

from service.wire.requests import shortened

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


class Live(BaseModel):
    """Whether the server lives."""

    live: bool


class Ready(BaseModel):
    """Whether the server can answer."""

    ready: bool


class ServerMetadata(BaseModel):
    """What the server is and which extensions it has."""

    name: str
    version: str
    extensions: list[str]


class TensorMetadata(BaseModel):
    """A tensor that a model takes or gives; -1 stands for any length."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(BaseModel):
    """What a model takes and gives."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class ModelReady(BaseModel):
    """Whether a model can answer."""

    name: str
    ready: bool


class InputTensor(BaseModel):
    """A tensor of a request.

    Attributes:
        name: of the input.
        shape: with the batch axis.
        datatype: of its elements.
        parameters: ``binary_data_size`` if its elements follow the JSON.
        data: its elements in row-major order, nested or flat, unless they follow the JSON.
    """

    model_config = ConfigDict(strict=True)

    name: str
    shape: Annotated[list[Length], Field(fail_fast=True)]
    datatype: str
    parameters: Parameters | None = None
    data: list[Any] | None = None


class OutputAsked(BaseModel):
    """A tensor that the reply is to hold; ``binary_data`` asks for it behind the JSON."""

    model_config = ConfigDict(strict=True)

    name: str
    parameters: Parameters | None = None


class InferRequest(BaseModel):
    """A request for votes.

    Attributes:
        id: stands in the reply, too.
        parameters: ``votes``, ``sigma``, ``snr_db``, ``noise``, ``stop``, ``delta``, ``alpha``,
            ``seed``, ``deadline_ms``, ``priority``, with the meaning that they have in
            ``/predict``; ``timeout``, a deadline in microseconds; ``binary_data_output``.
        inputs: one tensor.
        outputs: all if absent.
    """

    model_config = ConfigDict(strict=True, json_schema_extra={"examples": [EXAMPLE_INFER]})

    id: str | None = Field(default=None, max_length=MAX_ID)
    parameters: Parameters | None = None
    inputs: Annotated[list[InputTensor], Field(fail_fast=True)]
    outputs: Annotated[list[OutputAsked], Field(fail_fast=True)] | None = None


class OutputTensor(BaseModel):
    """A tensor of a reply; its elements follow the JSON if there are no ``data``."""

    name: str
    shape: list[int]
    datatype: Literal["INT64"]
    parameters: Parameters | None = None
    data: list[int] | None = None


class InferResponse(BaseModel):
    """Modes, counts and numbers of the votes, and what they can be asked for again with."""

    model_name: str
    model_version: str
    id: str | None = None
    parameters: Parameters
    outputs: list[OutputTensor]


class Duration(BaseModel):
    """How often something happened and how long it took in all, in nanoseconds."""

    count: int = 0
    ns: int = 0


class InferStatistics(BaseModel):
    """Where the time of a model's requests went."""

    success: Duration = Field(default_factory=Duration)
    fail: Duration = Field(default_factory=Duration)
    queue: Duration = Field(default_factory=Duration)
    compute_input: Duration = Field(default_factory=Duration)
    compute_infer: Duration = Field(default_factory=Duration)
    compute_output: Duration = Field(default_factory=Duration)
    cache_hit: Duration = Field(default_factory=Duration)
    cache_miss: Duration = Field(default_factory=Duration)


class ModelStatistics(BaseModel):
    """A model's requests over this protocol since the start.

    Attributes:
        name: of the model.
        version: of it.
        last_inference: milliseconds since 1970; 0 before the first.
        inference_count: inputs answered.
        execution_count: requests answered.
        inference_stats: their time.
        batch_stats: empty; votes of several requests share forward passes.
    """

    name: str
    version: str
    last_inference: int = 0
    inference_count: int = 0
    execution_count: int = 0
    inference_stats: InferStatistics = Field(default_factory=InferStatistics)
    batch_stats: list[dict[str, Any]] = Field(default_factory=list)


class Statistics(BaseModel):
    """The statistics of one or all models."""

    model_stats: list[ModelStatistics]


class IndexRequest(BaseModel):
    """Which models to list."""

    model_config = ConfigDict(strict=True)

    ready: bool = False


class IndexEntry(BaseModel):
    """A model in the repository."""

    name: str
    version: str
    state: Literal["READY", "UNAVAILABLE"]
    reason: str


class ErrorText(BaseModel):
    """The body of every reply that is not a success."""

    error: str
