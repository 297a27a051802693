"""``/attack``: robustness assessments as jobs."""

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from noisevote.models.errors import (
    CheckpointError,
    InputError,
    JobStateError,
    LimitError,
    MissingExtraError,
    OverloadedError,
    StorageError,
    UnknownCheckpointError,
    UnknownDeviceError,
    UnknownJobError,
)
from noisevote.models.robustness.report import Report
from noisevote.service.jobs.run import REPORT_HTML, REPORT_JSON
from noisevote.service.jobs.service import JobService
from noisevote.service.jobs.stream import JobStream
from noisevote.service.log.request_record import current_record
from noisevote.service.operations.observer import client_of
from noisevote.service.routes.report_replies import PAGE_REPLY, page_reply
from noisevote.service.service import ServiceDep, service_of
from noisevote.service.wire.attack import AttackRequest, JobList, JobStatus
from noisevote.service.wire.attack_choices import AttackChoices
from noisevote.service.wire.bodies import read_body
from noisevote.service.wire.errors import (
    BodyTooLargeError,
    DrainingError,
    ErrorBody,
    ForeignOriginError,
    NotJsonError,
    UnsupportedMediaError,
    responses_for,
)
from noisevote.service.wire.events import EventStream, one_of_events
from noisevote.service.wire.requests import inlined_schema

router = APIRouter(prefix="/attack", tags=["robustness assessments"])

EVENTS = """
The progress of a job as server-sent events:

* `status`: something has changed; the data are the job as `GET /attack/{job_id}` has it.
* `end`: the job has stopped, the data are the same; the last event.
* `error`: instead of `end`, if something went wrong: the body of an error.

Lines that start with a colon keep the connection open and mean nothing.
"""

JOB_EVENTS: dict[str, type[BaseModel]] = {"status": JobStatus, "end": JobStatus, "error": ErrorBody}


async def jobs_of(request: Request) -> JobService:
    """Return the app's jobs, which learn where the app is reached."""
    jobs = service_of(request.app).jobs
    jobs.reached_at(request.scope.get("server"))
    return jobs


async def take_no_more(service: ServiceDep) -> None:
    """Refuse further work once the process has been told to stop."""
    service.refuse_if_draining()


async def asker_of() -> str:
    """Return who asks, as jobs know their owner: a key, or an address."""
    return client_of(current_record())


JobsDep = Annotated[JobService, Depends(jobs_of)]
AskerDep = Annotated[str, Depends(asker_of)]
KeyHeader = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        description="Anything unique: a request sent again with it gives the job of the first.",
    ),
]


@router.post(
    "",
    status_code=202,
    dependencies=[Depends(take_no_more)],
    responses=responses_for(
        NotJsonError,
        UnknownCheckpointError,
        UnknownDeviceError,
        JobStateError,
        BodyTooLargeError,
        ForeignOriginError,
        UnsupportedMediaError,
        InputError,
        LimitError,
        OverloadedError,
        MissingExtraError,
        CheckpointError,
        DrainingError,
        StorageError,
    ),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": inlined_schema(AttackRequest)}},
        }
    },
)
async def start(
    request: Request,
    response: Response,
    jobs: JobsDep,
    service: ServiceDep,
    asker: AskerDep,
    key: KeyHeader = None,
) -> JobStatus:
    """Queue an assessment of how well noise and votes protect a checkpoint."""
    with service.assessment_bodies.room() as room:  # these wait for their turn
        body = await read_body(request, service.settings.max_body_bytes, room)
        status = await jobs.submit(body, asker, key)
    response.headers["Location"] = status.status_url
    return status


@router.get("", responses=responses_for(StorageError))
async def list_jobs(jobs: JobsDep, asker: AskerDep) -> JobList:
    """List all assessments that are open to the key, the newest first."""
    return await jobs.all(asker)


@router.get("/choices", responses=responses_for())
async def choices(jobs: JobsDep) -> AttackChoices:
    """Tell what assessments can be of here: networks, attacks and data sets that fit each other."""
    return await jobs.choices()


@router.get("/{job_id}", responses=responses_for(UnknownJobError, StorageError))
async def show(job_id: str, jobs: JobsDep, asker: AskerDep) -> JobStatus:
    """Show how far an assessment has come, and what is known so far."""
    return await jobs.status(job_id, asker)


@router.delete(
    "/{job_id}",
    status_code=204,
    responses=responses_for(UnknownJobError, JobStateError, StorageError),
)
async def delete(job_id: str, jobs: JobsDep, asker: AskerDep) -> None:
    """Delete an assessment that has stopped, with its results."""
    await jobs.delete(job_id, asker)


@router.post(
    "/{job_id}/cancel",
    status_code=202,
    responses=responses_for(UnknownJobError, JobStateError, StorageError),
)
async def cancel(job_id: str, jobs: JobsDep, asker: AskerDep) -> JobStatus:
    """Stop an assessment; its finished steps are kept."""
    return await jobs.cancel(job_id, asker)


@router.post(
    "/{job_id}/resume",
    status_code=202,
    dependencies=[Depends(take_no_more)],
    responses=responses_for(
        UnknownJobError, JobStateError, MissingExtraError, DrainingError, StorageError
    ),
)
async def resume(job_id: str, jobs: JobsDep, asker: AskerDep) -> JobStatus:
    """Go on with an assessment that was cancelled, interrupted or failed; no step is done twice."""
    return await jobs.resume(job_id, asker)


@router.get(
    "/{job_id}/events",
    response_class=StreamingResponse,
    description=EVENTS,
    responses={
        200: {
            "description": "Server-sent events; this is one of them.",
            "content": {"text/event-stream": {"schema": one_of_events(JOB_EVENTS)}},
        },
        **responses_for(UnknownJobError, OverloadedError, StorageError),
    },
)
async def events(job_id: str, jobs: JobsDep, asker: AskerDep, request: Request) -> EventStream:
    """Send the progress of an assessment until it stops."""
    return await JobStream(jobs, job_id, asker, request, service_of(request.app).closing).begun()


@router.get(
    "/{job_id}/report",
    response_model=Report,
    responses=responses_for(UnknownJobError, JobStateError, StorageError),
)
async def report(job_id: str, jobs: JobsDep, asker: AskerDep) -> Response:
    """Return the report, of all steps that are finished."""
    content = await jobs.file(job_id, asker, REPORT_JSON)
    return Response(content, media_type="application/json")


@router.get(
    "/{job_id}/report.html",
    response_class=Response,
    responses={
        **PAGE_REPLY,
        **responses_for(UnknownJobError, JobStateError, StorageError),
    },
)
async def report_page(job_id: str, jobs: JobsDep, asker: AskerDep) -> Response:
    """Return the report as a page that needs nothing beside it."""
    content = await jobs.file(job_id, asker, REPORT_HTML)
    return page_reply(content)
