"""``GET /checkpoints`` and ``GET /checkpoints/{name}``."""

from fastapi import APIRouter, Request

from models.errors import CheckpointError, UnknownCheckpointError
from service.operations.drift import DriftMonitor
from service.routes.dependencies import PredictorDep
from service.wire.errors import responses_for
from service.wire.replies import CheckpointList, CheckpointSummary, ServedCheckpoint

router = APIRouter(tags=["checkpoints"])


@router.get("/checkpoints", responses=responses_for())
async def list_checkpoints(predictor: PredictorDep) -> CheckpointList:
    """List the checkpoints that serve, and those that were refused with the reason."""
    store = predictor.store
    cards = [store.find(name).card for name in store.names()]
    return CheckpointList(
        checkpoints=[
            CheckpointSummary(
                name=card.name,
                network=card.network,
                noise=card.noise.kind,
                sigma_train=card.noise.sigma_train,
                input_shape=card.input.shape,
                labels=card.labels,
                is_default=card.name == predictor.settings.default_checkpoint,
            )
            for card in cards
        ],
        refused=store.refused,
    )


@router.get(
    "/checkpoints/{name}",
    responses=responses_for(UnknownCheckpointError, CheckpointError),
)
async def show_checkpoint(name: str, predictor: PredictorDep, request: Request) -> ServedCheckpoint:
    """Return a checkpoint's card, and whether votes agree as it says.

    It holds input, noise points, training and measured accuracies.
    """
    checkpoint = predictor.store.find(name)
    drift: DriftMonitor = request.app.state.drift
    bodies = drift.bodies(checkpoint.card, checkpoint.fingerprint)
    return ServedCheckpoint(**dict(checkpoint.card), drift=bodies)
