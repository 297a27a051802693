"""What ``tests.load.scale_out`` measures: the service on Ray, with and without ``serve.batch``.

``python -m tests.load.ray_apps PORT`` starts a local cluster that serves each contender on a
replica of its own, under a path of its own. One cluster for all: they share Ray's proxy, and by
turns the machine.
"""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import ray
from fastapi import FastAPI
from ray import serve
from ray.serve import RunTarget

from noisevote.models.voting import Observer
from noisevote.service.configuration.reading import load_settings
from noisevote.service.configuration.settings import Settings
from noisevote.service.prediction.predictor import Predictor
from noisevote.service.prediction.prepared import Prepared
from noisevote.service.processes.scaling import ScaleOut
from noisevote.service.scale_out import Replica, deployed
from noisevote.service.service import service_of
from noisevote.service.wire.replies import PredictResponse
from tests.load.scale_out import ALONE, BATCHED, Batches


class BatchedPredictor(Predictor):
    """Collects requests by their votes, hands them over together and answers them together.

    Args:
        alone: answers requests one by one; it does the rest here, too.
        batches: how requests are collected.
    """

    def __init__(self, alone: Predictor, batches: Batches) -> None:
        super().__init__(alone.settings, alone.store, alone.backend)
        self._collected = serve.batch(
            max_batch_size=batches.votes,
            batch_wait_timeout_s=batches.wait_s,
            max_concurrent_batches=batches.side_by_side,
            batch_size_fn=votes_in,
        )(self._answers)

    async def answer(self, prepared: Prepared, observer: Observer | None = None) -> PredictResponse:
        """Vote on the inputs of a prepared request; one that is observed is not collected."""
        if observer is not None:
            return await super().answer(prepared, observer)
        answer: PredictResponse | BaseException = await self._collected(prepared)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    async def _answers(self, batch: list[Prepared]) -> list[PredictResponse | BaseException]:
        """Answer a batch; Ray hands the answers out when all are there."""
        one_by_one = super().answer
        return await asyncio.gather(*map(one_by_one, batch), return_exceptions=True)


def votes_in(batch: Sequence[Prepared]) -> int:
    """Return the votes that requests ask for."""
    return sum(prepared.request.votes * prepared.request.count for prepared in batch)


class BatchedReplica(Replica):
    """A replica with ``serve.batch`` before its predictor.

    Args:
        settings: of the app.
        batches: how requests are collected.
    """

    def __init__(self, settings: Settings, batches: Batches) -> None:
        super().__init__(settings)
        self._batches = batches

    def __serve_build_asgi_app__(self) -> FastAPI:
        app = super().__serve_build_asgi_app__()
        started = app.router.lifespan_context

        @asynccontextmanager
        async def lifespan(app: FastAPI) -> AsyncIterator[None]:
            async with started(app):
                service = service_of(app)
                service.predictor = BatchedPredictor(service.predictor, self._batches)
                yield

        app.router.lifespan_context = lifespan
        return app


def main() -> None:
    """Serve all contenders until this is told to end."""
    settings = load_settings()
    asked = ScaleOut(max_replicas=1)
    apps = {ALONE: deployed(Replica, asked, settings)}
    for name, batches in BATCHED.items():
        apps[name] = deployed(BatchedReplica, asked, settings, batches)
    ray.init(num_cpus=len(apps) * settings.slots, include_dashboard=False, log_to_driver=False)
    serve.start(http_options={"port": int(sys.argv[1])})
    serve.run_many([RunTarget(app, name, f"/{name}") for name, app in apps.items()])
    signal.sigwait({signal.SIGTERM, signal.SIGINT})


if __name__ == "__main__":
    main()
