"""``POST /plan``, and the reports of studies: ``GET /checkpoints/{name}/report``."""

import asyncio
import time
from typing import Annotated, Self

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from noisevote.models.errors import (
    CheckpointError,
    InputError,
    LimitError,
    OverloadedError,
    UnknownCheckpointError,
    UnknownStudyError,
)
from noisevote.models.files import regular_content
from noisevote.models.noise import NoiseKind
from noisevote.models.study.folders import REPORT_HTML, REPORT_JSON, Wanted
from noisevote.service.prediction.planning import plan_for
from noisevote.service.routes.prediction_body import room_in
from noisevote.service.routes.report_replies import PAGE_REPLY, page_reply
from noisevote.service.service import Service, ServiceDep
from noisevote.service.wire.bodies import read_body
from noisevote.service.wire.device import Celsius
from noisevote.service.wire.errors import (
    BodyTimeoutError,
    BodyTooLargeError,
    DrainingError,
    ForeignOriginError,
    NotJsonError,
    RateLimitedError,
    UnsupportedMediaError,
    responses_for,
)
from noisevote.service.wire.parsing import parse_as
from noisevote.service.wire.plan import PlanRequest, PlanResponse
from noisevote.service.wire.requests import inlined_schema

router = APIRouter(tags=["studies"])

MAX_BODY_BYTES = 16 * 1024
MAX_REPORT_BYTES = 8 * 2**20

WORK_S = 0.02
"""That a plan is taken to need before it was made; the rest is charged afterwards."""


class WhichStudy(BaseModel):
    """Which study of a checkpoint a report is asked of."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    device: str | None = Field(default=None, min_length=1, max_length=200)
    """Name of the device, or digest of its profile. Default: none, noise of a strength."""
    temperature_c: Celsius | None = None
    """Temperature of the device that was studied. Default: that at which its profile holds."""
    noise: NoiseKind | None = None
    """Kind of the noise, where there is no device. Default: the checkpoint's."""

    @model_validator(mode="after")
    def names_one_study(self) -> Self:
        """Refuse fields that exclude each other."""
        if self.device is not None and self.noise is not None:
            raise ValueError("device and noise both say what noise there is; give one")
        if self.device is None and self.temperature_c is not None:
            raise ValueError("temperature_c is that of a device; give a device, too")
        return self


Which = Annotated[WhichStudy, Query()]


@router.post(
    "/plan",
    responses=responses_for(
        NotJsonError,
        UnknownCheckpointError,
        UnknownStudyError,
        BodyTimeoutError,
        BodyTooLargeError,
        ForeignOriginError,
        UnsupportedMediaError,
        InputError,
        LimitError,
        OverloadedError,
        RateLimitedError,
        CheckpointError,
        DrainingError,
    ),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": inlined_schema(PlanRequest)}},
        }
    },
)
async def plan(request: Request, service: ServiceDep) -> PlanResponse:
    """Return the votes, stop rule, reads and chips that meet a demand, from a study's votes."""
    with room_in(service) as room:
        body = await read_body(request, MAX_BODY_BYTES, room)
        asked = parse_as(PlanRequest, body)
        began = time.monotonic()
        took = service.observer.prepares(WORK_S)
        name = asked.checkpoint
        checkpoint = service.predictor.default() if name is None else service.store.find(name)
        try:
            return await asyncio.to_thread(
                plan_for, checkpoint, service.studies, asked, service.predictor.devices
            )
        finally:
            took(time.monotonic() - began)


@router.get(
    "/checkpoints/{name}/report",
    responses=responses_for(UnknownCheckpointError, UnknownStudyError, InputError),
)
async def report(name: str, service: ServiceDep, which: Which) -> Response:
    """Return the report of a checkpoint's study as JSON."""
    content = await asyncio.to_thread(report_file, service, name, which, REPORT_JSON)
    return Response(content, media_type="application/json")


@router.get(
    "/checkpoints/{name}/report.html",
    response_class=Response,
    responses={
        **PAGE_REPLY,
        **responses_for(UnknownCheckpointError, UnknownStudyError, InputError),
    },
)
async def report_page(name: str, service: ServiceDep, which: Which) -> Response:
    """Return the report of a checkpoint's study as a page that needs nothing beside it."""
    content = await asyncio.to_thread(report_file, service, name, which, REPORT_HTML)
    return page_reply(content)


def report_file(service: Service, name: str, which: WhichStudy, file: str) -> bytes:
    """Return a file of a study.

    Raises:
        UnknownCheckpointError: there is no such checkpoint.
        UnknownStudyError: there is no study of it that has come to its end.
    """
    checkpoint = service.store.find(name)
    kind = which.noise or checkpoint.card.noise.kind
    wanted = Wanted(name, checkpoint.fingerprint, which.device, kind, which.temperature_c)
    store = service.studies.find(wanted)
    path = store.folder / file
    if path.resolve().parent != store.folder.resolve():
        raise UnknownStudyError(f"{file} of the study of {name} is a link that leads out of it")
    try:
        return regular_content(path, MAX_REPORT_BYTES)
    except OSError as error:
        raise UnknownStudyError(
            f"{file} of the study of {name} cannot be read: {error.strerror}; make it anew with "
            "the command of the study"
        ) from error
