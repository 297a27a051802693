"""From a demand to a plan: the study is found, and its recorded votes answer."""

from functools import lru_cache
from pathlib import Path
from typing import Any

from noisevote.models.checkpoint import Checkpoint
from noisevote.models.devices.presets import DeviceStore
from noisevote.models.errors import DataError, InputError, UnknownStudyError
from noisevote.models.study.conclusions import Conclusions
from noisevote.models.study.folders import Studies, Wanted
from noisevote.models.study.head import StudyHead
from noisevote.models.study.planner import Demand, Planned, planned
from noisevote.models.study.store import StudyStore
from noisevote.models.study.weighed import Weighed
from noisevote.service.wire.plan import PlannedOption, PlanRequest, PlanResponse, StudySummary

MOST_KEPT = 16
"""Conclusions that are kept in memory."""


def plan_for(
    checkpoint: Checkpoint, studies: Studies, asked: PlanRequest, devices: DeviceStore
) -> PlanResponse:
    """Return the plan that meets a demand.

    Args:
        checkpoint: whose study answers.
        studies: that there are.
        asked: what is wanted.
        devices: that requests may name.

    Raises:
        UnknownStudyError: there is no study of the checkpoint on the device.
        InputError: nothing meets the demand, or the condition was not studied.
    """
    store = study_for(checkpoint, studies, asked)
    try:
        return planned_from(store, checkpoint, asked, devices)
    except DataError as error:
        raise UnknownStudyError(
            f"the study in {store.folder.name} cannot be read: run its command again"
        ) from error


def study_for(checkpoint: Checkpoint, studies: Studies, asked: PlanRequest) -> StudyStore:
    """Return the study that answers.

    Raises:
        UnknownStudyError: there is none of the checkpoint on the device.
    """
    return studies.find(
        Wanted(
            checkpoint.name,
            checkpoint.fingerprint,
            asked.device,
            asked.noise or checkpoint.card.noise.kind,
            asked.temperature_c,
        )
    )


def planned_from(
    store: StudyStore, checkpoint: Checkpoint, asked: PlanRequest, devices: DeviceStore
) -> PlanResponse:
    """Return the plan that meets a demand, from one study; see :func:`plan_for`.

    Raises:
        DataError: the study has not come to its end, or is damaged.
        InputError: nothing meets the demand, or the condition was not studied.
    """
    demand = Demand(accuracy=asked.accuracy, energy=asked.energy, latency_s=asked.latency_s)
    head = store.head
    if head.device is not None and asked.sigma is not None:
        raise InputError("sigma is given; the study is of a device, with age_s instead", "sigma")
    found = planned(
        conclusions_in(store),
        head,
        checkpoint.card,
        demand,
        asked.sigma if head.device is None else asked.age_s,
        asked.sure,
        devices,
    )
    return reply_of(found, head, store.folder.name)


def conclusions_in(store: StudyStore) -> Conclusions:
    """Return what a study concludes, read again only if its file has changed.

    Raises:
        DataError: it is damaged, or the study has not come to its end.
    """
    return read_conclusions(store.folder, store.changed_ns)


@lru_cache(maxsize=MOST_KEPT)
def read_conclusions(folder: Path, changed_ns: int) -> Conclusions:  # noqa: ARG001 - as above
    """Read what a study concludes."""
    found = StudyStore(folder).conclusions
    if found is None:
        raise DataError(f"the study in {folder.name} has not come to its end")
    return found


def option_of(weighed: Weighed, request: dict[str, Any]) -> PlannedOption:
    """Return an option as a reply has it."""
    return PlannedOption(
        request=request,
        forecast=weighed.choice,
        confirmed=weighed.report,
        energy=weighed.costs.energy,
        latency_s=weighed.costs.latency_s,
    )


def reply_of(planned: Planned, head: StudyHead, folder: str) -> PlanResponse:
    """Return a plan as a reply."""
    chosen = option_of(planned.chosen, planned.body)
    return PlanResponse(
        **dict(chosen),
        checkpoint=head.checkpoint,
        energy_unit=planned.chosen.costs.unit,
        ceiling=planned.ceiling,
        remarks=list(planned.remarks),
        front=[option_of(of, body) for of, body in zip(planned.front, planned.bodies, strict=True)],
        study=StudySummary(
            folder=folder,
            choice=head.choice,
            report=head.report,
            device=head.device_name,
            device_digest=head.device_digest,
            fingerprint=head.fingerprint,
            seeds=head.seeds,
            chips=head.chips,
            votes=head.votes,
        ),
    )
