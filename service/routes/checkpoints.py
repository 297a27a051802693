"""``GET /checkpoints`` and ``GET /checkpoints/{name}``."""

import asyncio

from fastapi import APIRouter

from noisevote.models.errors import CheckpointError, UnknownCheckpointError
from noisevote.service.service import ServiceDep
from noisevote.service.wire.checkpoints import ServedCheckpoint, ServedStudy
from noisevote.service.wire.errors import responses_for
from noisevote.service.wire.replies import CheckpointList, CheckpointSummary

router = APIRouter(tags=["checkpoints"])


@router.get("/checkpoints", responses=responses_for())
async def list_checkpoints(service: ServiceDep) -> CheckpointList:
    """List the checkpoints that serve, and those that were refused with the reason."""
    store = service.store
    found = [store.find(name) for name in store.names()]
    return CheckpointList(
        checkpoints=[
            CheckpointSummary(
                name=one.name,
                network=card.network,
                noise=card.noise.kind,
                sigma_train=card.noise.sigma_train,
                input_shape=card.input.shape
                if len(card.inputs) == 1
                else {tensor.name: tensor.shape for tensor in card.inputs},
                labels=card.labels,
                engine=one.arithmetic.engine,
                precision=one.arithmetic.precision,
                engine_refused=one.engine_refusals.get(one.preferred),
                is_default=one.name == service.settings.default_checkpoint,
            )
            for one in found
            for card in (one.card,)
        ],
        refused=store.refused,
    )


@router.get(
    "/checkpoints/{name}",
    responses=responses_for(UnknownCheckpointError, CheckpointError),
)
async def show_checkpoint(name: str, service: ServiceDep) -> ServedCheckpoint:
    """Return a checkpoint's card, whether votes agree as it says, and its studies.

    It holds input, noise points, training and measured accuracies.
    """
    checkpoint = service.store.find(name)
    bodies = service.observer.drift.bodies(checkpoint.card, checkpoint.fingerprint)
    heads = await asyncio.to_thread(service.studies.of, name, checkpoint.fingerprint)
    studies = [
        ServedStudy(
            device=of.device_name,
            device_digest=of.device_digest,
            temperature_c=of.temperature_c,
            noise=of.kind if of.device is None else None,
        )
        for of in heads
    ]
    return ServedCheckpoint(**dict(checkpoint.card), drift=bodies, studies=studies)
