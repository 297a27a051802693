"""From the body of an inference request of the Open Inference Protocol to votes to be cast."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from noisevote.models.card import Card
from noisevote.models.errors import InputError
from noisevote.models.specs import InputSpec
from noisevote.service.prediction.arrays import NUMBERS
from noisevote.service.v2.models import bytes_type_of, datatype_of, inputs_of, outputs_of
from noisevote.service.v2.schemas import InferRequest, InputTensor, Parameters
from noisevote.service.wire.errors import input_error_from
from noisevote.service.wire.parsing import object_in, validated, whole_number
from noisevote.service.wire.requests import MAX_DEADLINE_MS, PredictRequest
from noisevote.service.wire.shortened import shortened

HEADER_LENGTH = "Inference-Header-Content-Length"
"""Header that says how many bytes of the body are JSON; tensors follow."""

OPTIONS = (
    "votes", "sigma", "snr_db", "noise", "stop", "delta", "alpha", "seed", "deadline_ms",
    "device", "chip", "chips", "age_s", "temperature_c",
)  # fmt: skip
"""Parameters that mean what they mean in ``/predict``."""

PRIORITY = "priority"
"""In the protocol 1 is the highest and 0 stands for the default."""

IGNORED = ("sequence_id", "sequence_start", "sequence_end", "headers", "binary_data_output")
"""Parameters of the protocol that clients send and that change no votes."""


@dataclass(frozen=True, slots=True)
class Inference:
    """A request, and what its reply is to look like.

    Attributes:
        id: stands in the reply, too.
        outputs: names of the tensors of the reply, and whether each follows the JSON.
        classes: of the model.
        asked: the votes.
    """

    id: str | None
    outputs: dict[str, bool]
    classes: int
    asked: PredictRequest


def inference_of(body: bytes | bytearray, header_length: str | None, card: Card) -> Inference:
    """Read a request.

    Args:
        body: JSON, or JSON and tensors.
        header_length: the value of :data:`HEADER_LENGTH`, if there is one.
        card: card of the model that the path names.

    Raises:
        NotJsonError: it is not JSON, or nested too deeply.
        InputError: it is not of the protocol, or not what the model takes.
    """
    length = json_length(header_length, len(body))
    try:
        request = InferRequest.model_validate(object_in(body[:length]))
    except ValidationError as error:
        raise input_error_from(error) from None
    tensors = checked_tensors(request, card)
    inputs = inputs_in(tensors, card, memoryview(body)[length:])
    options = options_of(request.parameters or {})
    return Inference(
        id=request.id or None,
        outputs=outputs_asked(request, card),
        classes=len(card.labels),
        asked=validated({"checkpoint": card.name, "inputs": inputs, **options}),
    )


def json_length(header_length: str | None, total: int) -> int:
    """Return how many bytes of the body are JSON."""
    if header_length is None:
        return total
    length = whole_number(header_length, total)
    if length is None:
        raise InputError(
            f"{HEADER_LENGTH} is {shortened(header_length)}; allowed is 0 to {total}, the length "
            "of the body"
        )
    return length


def checked_tensors(request: InferRequest, card: Card) -> dict[str, InputTensor]:
    """Return the tensors that the model takes by name, their types and shapes checked."""
    known = inputs_of(card)
    names = [tensor.name for tensor in request.inputs]
    if sorted(names) != sorted(known):
        got = ", ".join(shortened(name) for name in names[:4]) or "none"
        wanted = " and ".join(repr(name) for name in known)
        takes = f"one named {wanted}" if len(known) == 1 else f"those named {wanted}"
        raise InputError(f"the inputs are {got}; model {card.name} takes {takes}")
    for tensor in request.inputs:
        check_tensor(tensor, known[tensor.name], card)
    counts = {tensor.name: tensor.shape[0] for tensor in request.inputs}
    if len(set(counts.values())) > 1:
        each = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise InputError(f"the tensors hold different numbers of inputs: {each}")
    return {tensor.name: tensor for tensor in request.inputs}


def check_tensor(tensor: InputTensor, spec: InputSpec, card: Card) -> None:
    """Refuse a tensor of another type or shape than the model takes."""
    datatype = datatype_of(spec)
    if tensor.datatype != datatype:
        raise InputError(f"{tensor.name} is {shortened(tensor.datatype)}; only {datatype} is taken")
    count, *inner = tensor.shape or [0]
    if count < 1 or tuple(inner) != spec.shape:
        taken = ", ".join(map(str, spec.shape))
        raise InputError(
            f"{tensor.name} has the shape {tensor.shape[:8]}; model {card.name} takes [n, {taken}]"
        )


def inputs_in(tensors: Mapping[str, InputTensor], card: Card, binary: memoryview) -> list[Any]:
    """Return the inputs, each an array or nested lists that are still to be checked.

    Where the model takes several tensors, each input is an object of these by name.
    """
    columns: dict[str, list[Any]] = {}
    known, left = inputs_of(card), len(binary)
    for name, tensor in tensors.items():  # their bytes stand in the order of the request
        if "binary_data_size" in (tensor.parameters or {}):
            rows, size = from_bytes(tensor, known[name], binary[len(binary) - left :])
            columns[name], left = list(rows), left - size
        else:
            columns[name] = from_json(tensor)
    if left:
        raise InputError(f"{left} bytes follow the JSON that no input's binary_data_size counts")
    if len(known) == 1:
        return next(iter(columns.values()))
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def from_json(tensor: InputTensor) -> list[Any]:
    """Return the inputs of a tensor whose elements stand in the JSON."""
    name, data, count = tensor.name, tensor.data, tensor.shape[0]
    if data is None:
        raise InputError(f"{name} has neither data nor binary_data_size")
    if data and isinstance(data[0], list):
        if len(data) != count:
            raise InputError(f"{name} has data for {len(data)} inputs; its shape says {count}")
        return data
    return list(from_flat(name, data, tensor.shape))


def from_bytes(
    tensor: InputTensor, spec: InputSpec, binary: memoryview
) -> tuple[NDArray[Any], int]:
    """Return a tensor whose elements follow the JSON in row-major order, and its bytes.

    Args:
        tensor: as it was described.
        spec: of the input that it is for.
        binary: what follows the JSON and belongs to no tensor before this one.
    """
    name, kind = tensor.name, bytes_type_of(spec)
    needed = kind.itemsize * prod(tensor.shape)
    size = (tensor.parameters or {}).get("binary_data_size")
    if tensor.data is not None:
        raise InputError(f"{name} has both data and binary_data_size; give one of them")
    if size != needed or len(binary) < needed:
        raise InputError(
            f"{name} has the binary_data_size {shortened(size)} and {len(binary)} bytes follow "
            f"the JSON; its shape needs {needed}"
        )
    return np.frombuffer(binary[:needed], kind).reshape(tensor.shape), needed


def from_flat(name: str, data: list[Any], shape: list[int]) -> NDArray[np.float64]:
    """Return a tensor given as one list of numbers."""
    if len(data) != prod(shape):
        raise InputError(f"{name} has {len(data)} numbers; its shape needs {prod(shape)}")
    if not NUMBERS.issuperset(map(type, data)):
        index = next(i for i, item in enumerate(data) if type(item) not in NUMBERS)
        raise InputError(
            f"{name}.data[{index}] is {shortened(data[index])}; only numbers are allowed"
        )
    try:
        return np.array(data, np.float64).reshape(shape)
    except OverflowError:
        raise InputError(f"{name} has a number beyond any float") from None


def options_of(parameters: Parameters) -> dict[str, Any]:
    """Return the fields of a prediction that the parameters of a request set."""
    options: dict[str, Any] = {}
    for name, value in parameters.items():
        if name in OPTIONS:
            options[name] = value
        elif name == "timeout":
            options["deadline_ms"] = milliseconds(value)
        elif name == PRIORITY:
            options[PRIORITY] = priority_of(value)
        elif name not in IGNORED and not name.startswith("triton_"):
            known = ", ".join((*OPTIONS, PRIORITY, "timeout"))
            raise InputError(f"there is no parameter {shortened(name)}; there are: {known}")
    return options


def milliseconds(timeout: object) -> float:
    """Return a timeout, which the protocol gives in microseconds."""
    longest = round(MAX_DEADLINE_MS * 1000)
    if isinstance(timeout, int) and not isinstance(timeout, bool) and 1 <= timeout <= longest:
        return timeout / 1000
    raise InputError(
        f"timeout is {shortened(timeout)}; allowed are whole microseconds from 1 to {longest}"
    )


def priority_of(level: object) -> str:
    """Return a priority; every level below the highest gives way."""
    if isinstance(level, str):
        return level
    return "normal" if level in {0, 1} else "low"


def outputs_asked(request: InferRequest, card: Card) -> dict[str, bool]:
    """Return the tensors that the reply is to hold, and whether each follows the JSON."""
    known = outputs_of(card)
    by_default = (request.parameters or {}).get("binary_data_output") is True
    if request.outputs is None:
        return dict.fromkeys(known, by_default)
    for output in request.outputs:
        if output.name not in known:
            raise InputError(
                f"there is no output {shortened(output.name)}; there are: {', '.join(known)}"
            )
        if "classification" in (output.parameters or {}):
            raise InputError("classification is not served; vote_counts holds all classes")
    return {
        output.name: (output.parameters or {}).get("binary_data", by_default) is True
        for output in request.outputs
    }
