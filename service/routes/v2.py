"""The Open Inference Protocol V2 under ``/v2``: what clients of Triton and KServe speak.

A model is a checkpoint, in its one version. Sources: see ``service/v2/schemas.py``.
"""

import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import Response
from pydantic import ValidationError

from noisevote.models.card import Card
from noisevote.models.errors import CheckpointError, NoisevoteError, UnknownCheckpointError
from noisevote.service.routes.prediction_body import body_of, room_in
from noisevote.service.service import ServiceDep
from noisevote.service.v2.models import VERSION, config_of, metadata_of
from noisevote.service.v2.reply import reply_to
from noisevote.service.v2.request import HEADER_LENGTH, inference_of
from noisevote.service.v2.schemas import (
    EXAMPLE_MODEL,
    ErrorText,
    IndexEntry,
    IndexRequest,
    InferRequest,
    InferResponse,
    Live,
    ModelMetadata,
    ModelReady,
    Ready,
    ServerMetadata,
    Statistics,
)
from noisevote.service.wire.bodies import read_body
from noisevote.service.wire.disconnect import unless_client_leaves
from noisevote.service.wire.errors import NotReadyError, input_error_from
from noisevote.service.wire.parsing import object_in
from noisevote.service.wire.requests import inlined_schema
from noisevote.service.wire.shortened import shortened

EXTENSIONS = ["binary_tensor_data", "model_configuration", "parameters", "statistics"]
SMALL_BODY_BYTES = 4096

REFUSALS: dict[int | str, dict[str, Any]] = {
    "default": {"model": ErrorText, "description": "Any error; the text says what is allowed."}
}

router = APIRouter(prefix="/v2", tags=["open inference protocol"], responses=REFUSALS)


ModelName = Annotated[str, Path(examples=[EXAMPLE_MODEL])]


def card_of(name: ModelName, request: Request, service: ServiceDep) -> Card:
    """Return the card of the model that the path names.

    Raises:
        UnknownCheckpointError: there is no such model, or no such version of it.
    """
    asked = request.path_params.get("version", VERSION)
    card = service.store.find(name).card
    if asked != VERSION:
        raise UnknownCheckpointError(
            f"model {name} has no version {shortened(asked)}; there is: {VERSION}"
        )
    return card


CardDep = Annotated[Card, Depends(card_of)]


Endpoint = Callable[..., Any]


def of_model(method: str, call: str = "", **options: Any) -> Callable[[Endpoint], Endpoint]:
    """Add a route of a model, with and without a version in its path."""

    def add(endpoint: Endpoint) -> Endpoint:
        for path, is_shown in (("", True), ("/versions/{version}", False)):
            router.api_route(
                f"/models/{{name}}{path}{call}",
                methods=[method],
                include_in_schema=is_shown,
                **options,
            )(endpoint)
        return endpoint

    return add


@router.head("/health/live", include_in_schema=False)
@router.get("/health/live")
async def v2_live() -> Live:
    """Answer as long as the event loop turns."""
    return Live(live=True)


@router.head("/health/ready", include_in_schema=False)
@router.get("/health/ready")
async def v2_ready(service: ServiceDep) -> Ready:
    """Answer 200 once the default checkpoint has passed its warm-up and self-test."""
    if (reason := service.why_not_ready) is not None:
        raise NotReadyError(reason)
    return Ready(ready=True)


@router.get("/", include_in_schema=False)
@router.get("")
async def server_metadata() -> ServerMetadata:
    """Say what the server is."""
    return ServerMetadata(name="noisevote", version=version("noisevote"), extensions=EXTENSIONS)


@router.get("/models/stats")
async def all_statistics(service: ServiceDep) -> Statistics:
    """Count what was asked over this protocol, for every model."""
    return Statistics(
        model_stats=[service.v2_statistics.of(name) for name in service.store.names()]
    )


@of_model("GET")
async def model_metadata(card: CardDep) -> ModelMetadata:
    """Say what a model takes and gives."""
    return metadata_of(card)


@of_model("GET", "/ready")
async def model_ready(card: CardDep) -> ModelReady:
    """Say whether a model can answer."""
    return ModelReady(name=card.name, ready=True)


@of_model("GET", "/config")
async def model_config(card: CardDep, service: ServiceDep) -> dict[str, Any]:
    """Describe a model as Triton's configuration does."""
    return config_of(card, service.settings.max_inputs, service.settings.slots)


@of_model("GET", "/stats")
async def model_statistics(card: CardDep, service: ServiceDep) -> Statistics:
    """Count what was asked over this protocol, for one model."""
    return Statistics(model_stats=[service.v2_statistics.of(card.name)])


@router.post(
    "/repository/index",
    openapi_extra={
        "requestBody": {"content": {"application/json": {"schema": inlined_schema(IndexRequest)}}}
    },
)
async def repository_index(service: ServiceDep, request: Request) -> list[IndexEntry]:
    """List the models, and those that were refused with the reason."""
    with service.bodies.room() as room:
        body = await read_body(request, SMALL_BODY_BYTES, room)
    try:
        asked = IndexRequest.model_validate(object_in(body) if body else {})
    except ValidationError as error:
        raise input_error_from(error) from None
    store = service.store
    refused = dict(store.refused)
    index = [  # one that serves and has a reason is older than what lies in its folder
        IndexEntry(name=name, version=VERSION, state="READY", reason=refused.pop(name, ""))
        for name in store.names()
    ]
    if not asked.ready:
        index += [
            IndexEntry(name=name, version=VERSION, state="UNAVAILABLE", reason=reason)
            for name, reason in refused.items()
        ]
    return index


@router.post("/repository/models/{name}/load")
async def load_model(name: ModelName, service: ServiceDep) -> dict[str, str]:
    """Look at the folder of the checkpoints now; what is new there serves when this returns.

    A model that was refused is an error that says why; one that it was to replace goes on serving.
    """
    await service.look_for_changes()
    store = service.store
    if (reason := store.refused.get(name)) is not None:
        raise CheckpointError(reason)
    store.find(name)
    return {}


@of_model(
    "POST",
    "/infer",
    response_model=InferResponse,
    response_model_exclude_none=True,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": inlined_schema(InferRequest)}},
        }
    },
)
async def infer(card: CardDep, service: ServiceDep, request: Request) -> Response:
    """Cast noisy votes on the inputs; answer with modes, counts and numbers of votes."""
    began, statistics = time.monotonic(), service.v2_statistics
    header_length = request.headers.get(HEADER_LENGTH)
    try:
        with room_in(service) as room:
            body = await body_of(request, service, room)
            inference = await body.read(lambda content: inference_of(content, header_length, card))
            prepared = await body.prepare(inference.asked)
        input_s = time.monotonic() - began
        answer = await unless_client_leaves(request, service.answer(prepared))
    except NoisevoteError:
        statistics.failed(card.name, time.monotonic() - began)
        raise
    answered = time.monotonic()
    reply = reply_to(inference, answer)
    statistics.succeeded(answer, input_s, time.monotonic() - answered)
    return reply
