"""Counts of what was asked over the Open Inference Protocol, by model."""

import time

from service.v2.models import VERSION
from service.v2.schemas import Duration, ModelStatistics
from service.wire.replies import PredictResponse

NS_PER_S = 10**9
NS_PER_MS = 10**6


class V2Statistics:
    """Counts requests; to be used on the event loop only."""

    def __init__(self) -> None:
        self._models: dict[str, ModelStatistics] = {}

    def of(self, name: str) -> ModelStatistics:
        """Return the statistics of a model."""
        empty = ModelStatistics(name=name, version=VERSION)
        return self._models.setdefault(name, empty)

    def succeeded(self, answer: PredictResponse, input_s: float, output_s: float) -> None:
        """Count an answered request.

        Args:
            answer: to it.
            input_s: seconds until it was read and prepared.
            output_s: seconds that its reply took.
        """
        found = self.of(answer.checkpoint)
        timing, of = answer.timing_ms, found.inference_stats
        found.last_inference = time.time_ns() // NS_PER_MS
        found.inference_count += len(answer.predictions)
        found.execution_count += 1
        total_ms = timing.total + output_s * 1000
        add(of.success, total_ms * NS_PER_MS)
        add(of.queue, timing.queue * NS_PER_MS)
        add(of.compute_input, input_s * NS_PER_S)
        add(of.compute_infer, timing.compute * NS_PER_MS)
        add(of.compute_output, output_s * NS_PER_S)

    def failed(self, name: str, seconds: float) -> None:
        """Count a refused request."""
        add(self.of(name).inference_stats.fail, seconds * NS_PER_S)


def add(duration: Duration, ns: float) -> None:
    """Count one event that took ``ns`` nanoseconds."""
    duration.count += 1
    duration.ns += round(ns)
