"""OpenTelemetry traces: a span a request, and in it the waiting and the voting of a prediction.

The server span is made by Starlette's own middleware. This module is imported only where traces are
asked for, since the extra ``otel`` may be missing.
"""

import time
from importlib.metadata import version

from fastapi import FastAPI
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from starlette.middleware.opentelemetry import OpenTelemetryMiddleware

from noisevote.service.log.request_record import RequestRecord
from noisevote.service.wire.replies import PredictResponse

NOT_TRACED = "/health/,/metrics$"
"""What machines ask every few seconds."""

NS_PER_MS = 10**6


class Traces:
    """Sends spans to a collector, in batches and off the event loop.

    Args:
        endpoint: endpoint of the collector, for OTLP over HTTP.
    """

    def __init__(self, endpoint: str) -> None:
        about = {"service.name": "noisevote", "service.version": version("noisevote")}
        self._provider = TracerProvider(resource=Resource.create(about))
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint)))
        self._tracer = self._provider.get_tracer("noisevote")

    def surround(self, app: FastAPI) -> None:
        """Make a span of every request but those of probes."""
        app.add_middleware(
            OpenTelemetryMiddleware, excluded_urls=NOT_TRACED, tracer_provider=self._provider
        )

    def trace_id(self) -> str | None:
        """Return the id of the trace that the running request belongs to."""
        context = trace.get_current_span().get_span_context()
        return trace.format_trace_id(context.trace_id) if context.is_valid else None

    def answered(self, record: RequestRecord, answer: PredictResponse) -> None:
        """Add what is known of a prediction to the span of its request; call it at once."""
        span = trace.get_current_span()
        span.set_attributes(
            {
                "noisevote.checkpoint": answer.checkpoint,
                "noisevote.votes_requested": record.votes_requested,
                "noisevote.votes_cast": record.votes_cast,
                "noisevote.stopped_by": sorted(record.stopped_by),
            }
        )
        end = time.time_ns()
        started = end - round(answer.timing_ms.compute * NS_PER_MS)
        asked = started - round(answer.timing_ms.queue * NS_PER_MS)
        for name, first, last in (("queue", asked, started), ("votes", started, end)):
            self._tracer.start_span(name, start_time=first).end(last)

    def close(self) -> None:
        """Send what has not been sent."""
        self._provider.shutdown()
