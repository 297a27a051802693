"""Traces: what a collector receives, and what is said when the extra is missing."""

import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from pydantic import HttpUrl

from noisevote.models.errors import MissingExtraError
from noisevote.service.app import create_app
from noisevote.service.configuration.settings import Settings
from tests.service.support import CHECKPOINT, array, ask, serving
from tests.service.test_logs import Lines, lines  # noqa: F401 - a fixture

pytestmark = pytest.mark.anyio

PARENT = "0af7651916cd43dd8448eb211c80319c"


class Collector(ThreadingHTTPServer):
    """Receives spans over HTTP, as the collectors of OpenTelemetry do."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        super().__init__(("127.0.0.1", 0), Receiving)


class Receiving(BaseHTTPRequestHandler):
    """Takes one batch."""

    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            for scope in resource.scope_spans:
                self.server.spans += scope.spans
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    server = Collector()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


async def test_a_prediction_is_a_span_with_its_waiting_and_its_votes(
    collector: Collector,
    lines: Lines,  # noqa: F811
) -> None:
    endpoint = HttpUrl(f"http://127.0.0.1:{collector.server_port}/v1/traces")
    async with serving(Settings(slots=1, traces_endpoint=endpoint)) as (_, client):
        client.headers["traceparent"] = f"00-{PARENT}-b7ad6b7169203331-01"
        reply = await ask(client, inputs=[array(7)], votes=9)
        assert (await client.get("/health/live")).status_code == 200
        assert (await client.get("/metrics")).status_code == 200
    spans = {span.name: span for span in collector.spans}  # closing the app has sent them
    assert set(spans) == {"POST /predict", "queue", "votes"}
    assert {span.trace_id.hex() for span in spans.values()} == {PARENT}
    request, votes = spans["POST /predict"], spans["votes"]
    assert {span.parent_span_id for span in (spans["queue"], votes)} == {request.span_id}
    attributes = {entry.key: entry.value for entry in request.attributes}
    assert attributes["noisevote.checkpoint"].string_value == CHECKPOINT
    assert attributes["noisevote.votes_cast"].int_value == 9
    assert attributes["http.response.status_code"].int_value == 200
    took_ms = (votes.end_time_unix_nano - votes.start_time_unix_nano) / 1e6
    assert took_ms == pytest.approx(reply["timing_ms"]["compute"], abs=0.01)
    assert votes.end_time_unix_nano <= request.end_time_unix_nano
    (line,) = [line for line in lines.new() if line.get("route") == "/predict"]
    assert line["trace_id"] == PARENT


def test_traces_without_their_extra_are_refused_at_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "noisevote.service.operations.traces", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(MissingExtraError, match=r'pip install "\.\[otel\]"'):
        create_app(Settings(slots=1, traces_endpoint=HttpUrl("http://127.0.0.1:4318/v1/traces")))
