"""How many replicas are wanted: by how full their queues are, in votes.

Free of Ray, whose types are only named; ``service/scale_out.py`` hands this to it.
"""

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from ray.serve.config import AutoscalingContext

QUEUE_FILL = "queue_fill"
"""Name under which a replica tells how full its queue is."""


class ScaleOut(BaseModel):
    """How far to scale; arguments of ``serve run``.

    Attributes:
        min_replicas: replicas that always run.
        max_replicas: replicas that are started at most; each needs a core.
        target_fill: fill of the queues, on average, that replicas are added or removed for.
        upscale_delay_s: seconds for which more must have been needed.
        downscale_delay_s: seconds for which fewer must have been enough.
        metrics_interval_s: between two looks at the queues.
        look_back_s: over which their fill is averaged.
    """

    model_config = ConfigDict(extra="forbid")

    min_replicas: int = Field(default=1, ge=1)
    max_replicas: int = Field(default=4, ge=1)
    target_fill: float = Field(default=0.25, gt=0, le=1)
    upscale_delay_s: float = Field(default=10, ge=0)
    downscale_delay_s: float = Field(default=300, ge=0)
    metrics_interval_s: float = Field(default=1, gt=0)
    look_back_s: float = Field(default=10, gt=0)


class QueueFillPolicy:
    """Wants as many replicas as keep the queues at a set fill.

    Args:
        target_fill: fill of the queues that is aimed at, on average.
    """

    def __init__(self, target_fill: float) -> None:
        self._target = target_fill

    def __call__(self, context: "AutoscalingContext") -> tuple[float, dict[str, Any]]:
        """Return the replicas wanted; Ray keeps them within bounds and delays."""
        fills = (context.aggregated_metrics or {}).get(QUEUE_FILL, {})
        if not fills:
            return context.target_num_replicas, {}
        return replicas_wanted(list(fills.values()), context.current_num_replicas, self._target), {}


def replicas_wanted(fills: list[float], replicas: int, target: float) -> float:
    """Return how many replicas would bring the average fill of the queues to a target."""
    return max(1.0, replicas * sum(fills) / len(fills) / target)
