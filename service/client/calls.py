"""The calls of predictions, checkpoints and devices: what is asked, and how a reply is read."""

from pydantic import TypeAdapter

from noisevote.service.client.exchange import Call
from noisevote.service.wire.checkpoints import ServedCheckpoint
from noisevote.service.wire.devices import DeviceList, ServedDevice
from noisevote.service.wire.plan import PlanRequest, PlanResponse
from noisevote.service.wire.replies import (
    CheckpointList,
    PredictResponse,
    VotesEvent,
)
from noisevote.service.wire.requests import PredictRequest

Heard = VotesEvent | PredictResponse
"""An event of a prediction."""

HEARD: TypeAdapter[Heard] = TypeAdapter(Heard)
CHECKPOINTS = Call("GET", "/checkpoints", CheckpointList.model_validate_json)
DEVICES = Call("GET", "/devices", DeviceList.model_validate_json)


def predicting(asked: PredictRequest) -> Call[PredictResponse]:
    """Return the call of a prediction."""
    content = asked.model_dump_json(exclude_unset=True)
    return Call("POST", "/predict", PredictResponse.model_validate_json, content)


def planning(asked: PlanRequest) -> Call[PlanResponse]:
    """Return the call of a plan."""
    content = asked.model_dump_json(exclude_unset=True)
    return Call("POST", "/plan", PlanResponse.model_validate_json, content)


def streaming(asked: PredictRequest) -> Call[Heard]:
    """Return the call of a prediction whose votes are told."""
    content = asked.model_dump_json(exclude_unset=True)
    return Call("POST", "/predict/stream", HEARD.validate_json, content)


def showing(name: str) -> Call[ServedCheckpoint]:
    """Return the call of a checkpoint's card."""
    return Call("GET", f"/checkpoints/{name}", ServedCheckpoint.model_validate_json)


def showing_device(name: str) -> Call[ServedDevice]:
    """Return the call of a device."""
    return Call("GET", f"/devices/{name}", ServedDevice.model_validate_json)
