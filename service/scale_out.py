"""The service on Ray Serve: ``serve run service.scale_out:build max_replicas=4``; extra ``ray``.

Ray starts replicas, spreads requests over them, and adds and removes them. Each replica is the same
app as everywhere (``create_app``), with one slot and its own vote batcher. Ray's ``serve.batch`` is
not used, though its ``batch_size_fn`` could weigh requests by their votes: it hands over whole
requests and answers them together, while the app's batcher mixes single votes of many requests in
one forward pass, lets decided requests go and refuses what would wait too long. Measured before the
app's batcher as Ray sets it by default (320 votes a batch), it brought 1.01 times the answers/s of
20 votes (0.84 to 1.24 in 8 rounds), 0.91 of the replica's CPU time (0.80 to 1.00), and for single
votes among requests of 200, at half the peak, a p99 of 319 instead of 180 ms; without a wait and
with 4 batches at once 1.12 (0.96 to 1.29), 0.92 (0.79 to 0.98) and 161 ms, but 902 instead of 426
ms at the peak (``tests/load/results``).

What Ray cannot see from outside is how much waits: a request of 1000 votes counts as one. So each
replica tells how full its queue is, by the cost of its votes, and the replicas are scaled by that.

Sources: Ray Serve, "Advanced autoscaling", custom policies and metrics; "Dynamic request batching".
"""

from fastapi import FastAPI
from ray import serve
from ray.serve import Application
from ray.serve.config import AutoscalingConfig, AutoscalingPolicy

from noisevote.service.app import create_app
from noisevote.service.configuration.reading import load_settings
from noisevote.service.configuration.settings import Settings
from noisevote.service.processes.scaling import QUEUE_FILL, QueueFillPolicy, ScaleOut
from noisevote.service.processes.waiting import GRACE_S
from noisevote.service.service import service_of
from noisevote.service.wire.errors import NotReadyError

ONGOING_REQUESTS = 1000
"""Of a replica; its own queue refuses sooner, with the time to come back."""


class Replica:
    """One app, as Ray runs it.

    Args:
        settings: settings of the app.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._app: FastAPI | None = None

    def __serve_build_asgi_app__(self) -> FastAPI:
        """Return the app; Ray asks for it in the process of the replica."""
        self._app = create_app(self._settings)
        return self._app

    async def check_health(self) -> None:
        """Wait for the end of the warm-up; a replica that failed it gets no requests.

        Raises:
            NotReadyError: the default checkpoint cannot serve, or no thread that votes is left.
        """
        if self._app is None:
            return
        service = service_of(self._app)
        await service.warming_up
        if (reason := service.why_not_ready) is not None:
            raise NotReadyError(reason)

    def record_autoscaling_stats(self) -> dict[str, float]:
        """Tell Ray how full the queue is."""
        if self._app is None:
            return {}
        return {QUEUE_FILL: service_of(self._app).predictor.backend.load.queue_fill}


def build(arguments: dict[str, str]) -> Application:
    """Build the application of Ray Serve.

    Args:
        arguments: fields of :class:`ScaleOut` by name. The service itself has its settings from
            environment or file, read here and sent to all replicas.

    Raises:
        InputError: a setting is wrong.
        ValidationError: an argument is.
    """
    asked = ScaleOut.model_validate(arguments)
    settings = load_settings()
    if "slots" not in settings.model_fields_set:
        settings = settings.model_copy(update={"slots": 1})
    return deployed(Replica, asked, settings)


def deployed(
    replica: type[Replica], asked: ScaleOut, settings: Settings, *more: object
) -> Application:
    """Return the application of Ray Serve whose replicas are of a class.

    Args:
        replica: the class.
        asked: how far to scale.
        settings: settings of the app; the first argument of the class.
        more: its further arguments.
    """
    deployment = serve.deployment(
        serve.ingress()(replica),
        name="noisevote",
        max_ongoing_requests=ONGOING_REQUESTS,
        graceful_shutdown_timeout_s=GRACE_S,
        ray_actor_options={"num_cpus": settings.slots},
        autoscaling_config=AutoscalingConfig(
            min_replicas=asked.min_replicas,
            max_replicas=asked.max_replicas,
            upscale_delay_s=asked.upscale_delay_s,
            downscale_delay_s=asked.downscale_delay_s,
            metrics_interval_s=asked.metrics_interval_s,
            look_back_period_s=asked.look_back_s,
            policy=AutoscalingPolicy(
                policy_function=QueueFillPolicy,
                policy_kwargs={"target_fill": asked.target_fill},
            ),
        ),
    )
    application: Application = deployment.bind(settings, *more)
    return application
