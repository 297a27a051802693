"""What clients are told whom the service refuses, and that they are told."""

import asyncio
import json
import logging
import re
import time
from collections.abc import Iterator, MutableMapping
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from noisevote.service.app import create_app
from noisevote.service.configuration.settings import Settings
from noisevote.service.v2.request import HEADER_LENGTH
from noisevote.service.v2.schemas import EXAMPLE_INFER
from noisevote.service.wire import bodies
from noisevote.service.wire.requests import PredictRequest
from tests.service.hostile.support import attacked, reply_to
from tests.service.processes import Server
from tests.service.support import CHECKPOINT, MIB, Json, array, client_of, error_in
from tests.service.test_stream import scope
from tests.service.wire import WITHIN_S, status_of

INFER = f"/v2/models/{CHECKPOINT}/infer"
USUAL: Json = {"inputs": [array(7)], "votes": 3}
LONG_NUMBERS = (10**19, 10**399, 10**4299, -(10**4299))


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with attacked() as running:
        yield running


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=60) as client:
        yield client


@pytest.mark.parametrize("field", PredictRequest.model_fields)
@pytest.mark.parametrize("number", LONG_NUMBERS, ids=lambda number: f"{len(str(number))} digits")
def test_integers_of_any_length_are_refused_in_every_field(
    client: httpx.Client, field: str, number: int
) -> None:
    for value in (number, [number], {"conv1": number}, [[[number, 1]]]):
        reply = client.post("/predict", json=USUAL | {field: value})
        assert 400 <= reply.status_code < 500
        assert len(reply.content) < 1200


@pytest.mark.parametrize("field", ["votes", "seed", "timeout", "priority", "sigma", "deadline_ms"])
@pytest.mark.parametrize("number", LONG_NUMBERS, ids=lambda number: f"{len(str(number))} digits")
def test_integers_of_any_length_never_break_the_other_protocol(
    client: httpx.Client, field: str, number: int
) -> None:
    reply = client.post(INFER, json=EXAMPLE_INFER | {"parameters": {field: number}})
    assert reply.status_code == (200 if field == "priority" else 400), reply.text
    shape = {**EXAMPLE_INFER["inputs"][0], "shape": [number, 1, 28, 28]}
    assert client.post(INFER, json=EXAMPLE_INFER | {"inputs": [shape]}).status_code == 400
    binary = {
        **EXAMPLE_INFER["inputs"][0],
        "data": None,
        "parameters": {"binary_data_size": number},
    }
    assert client.post(INFER, json=EXAMPLE_INFER | {"inputs": [binary]}).status_code == 400


@pytest.mark.parametrize("length", ["0" * 4300 + "{}", "0" * 20 + "999999", "9" * 5000])
def test_lengths_of_any_length_are_read_as_numbers(client: httpx.Client, length: str) -> None:
    body = json.dumps(EXAMPLE_INFER).encode()
    said = length.replace("{}", str(len(body)))
    status = client.post(INFER, content=body, headers={HEADER_LENGTH: said}).status_code
    assert status == (200 if "{}" in length else 400)


def test_integers_of_any_length_in_headers_are_no_bug(client: httpx.Client) -> None:
    for name in ("Range", "If-Modified-Since", "X-Forwarded-For", "Last-Event-ID", "Max-Forwards"):
        for value in ("9" * 5000, "bytes=" + "9" * 5000 + "-", "bytes=0-" + "0" * 5000):
            assert client.get("/static/page.js", headers={name: value}).status_code < 500


REFUSED = {
    "too large": (b"POST /predict", b"", 413),
    "no such path": (b"POST /nowhere", b"", 404),
    "no such method": (b"PUT /predict", b"", 405),
    "another type": (b"POST /predict", b"Content-Type: text/plain\r\n", 415),
    "compressed": (b"POST /predict", b"Content-Encoding: gzip\r\n", 415),
    "another origin": (b"POST /predict", b"Origin: http://evil.example\r\n", 403),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("close", [b"Connection: close\r\n", b""], ids=["closes", "stays"])
def test_a_refusal_reaches_a_client_that_first_sends_all(
    server: Server, case: str, close: bytes
) -> None:
    start, field, status = REFUSED[case]
    body = b" " * (9 * MIB)
    head = b"%s HTTP/1.1\r\nHost: a.example\r\n%s%sContent-Length: %d\r\n\r\n"
    end = b"" if close else b"GET /health/live HTTP/1.1\r\nConnection: close\r\n\r\n"
    reply = reply_to(server, head % (start, field, close, len(body)) + body + end)
    assert status_of(reply) == status
    assert reply.count(b"HTTP/1.1") == 1
    assert b"\r\nconnection: close\r\n" in reply.lower(), "who would send more hears of it"


@pytest.mark.anyio
async def test_a_refused_client_that_falls_silent_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(bodies, "LINGER_S", 0.1)
    caplog.set_level(logging.INFO, "noisevote.requests")
    parts, sent = [b"x"], []

    async def receive() -> Json:
        if not parts:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": parts.pop(), "more_body": True}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(dict(message))

    asked = scope("/nowhere") | {"headers": [(b"content-length", b"999999999")]}
    began = time.perf_counter()
    async with asyncio.timeout(WITHIN_S):
        await create_app(Settings(slots=1))(asked, receive, send)
    passed_s = time.perf_counter() - began
    assert sent[0]["status"] == 404
    assert not parts, "it was listened to"
    (line,) = (record.__dict__["fields"] for record in caplog.records)
    assert line["duration_ms"] < 1000 * passed_s - 90, "that is no part of the reply"


@pytest.mark.parametrize("path", ["/predict", "/predict/stream", "/attack", INFER])
def test_compressed_bodies_are_refused_as_such(client: httpx.Client, path: str) -> None:
    reply = client.post(path, content=b"\x1f\x8b", headers={"Content-Encoding": "gzip"})
    assert reply.status_code == 415
    assert reply.headers["accept-encoding"] == "identity"
    assert "compressed" in reply.text


def test_probes_may_ask_for_the_head_alone(client: httpx.Client) -> None:
    for path in (
        "/health/live",
        "/health/ready",
        "/v2/health/live",
        "/v2/health/ready",
        "/openapi.json",
    ):
        reply = client.head(path)
        assert (reply.status_code, reply.content) == (200, b"")


def test_parameters_may_be_null(client: httpx.Client) -> None:
    tensor = EXAMPLE_INFER["inputs"][0] | {"parameters": None}
    outputs = [{"name": "mode", "parameters": None}]
    asked = {"inputs": [tensor], "outputs": outputs, "parameters": None, "id": None}
    assert client.post(INFER, json=asked).status_code == 200


@pytest.mark.parametrize("method", ["PROPFIND", "TRACE", "DELETE", "PATCH", "MKCOL"])
def test_methods_that_nothing_takes_are_refused_in_the_shape_of_their_path(
    client: httpx.Client, method: str
) -> None:
    for path in ("/v2", "/v2/health/live", INFER):
        reply = client.request(method, path)
        assert reply.status_code == 405
        assert list(reply.json()) == ["error"]
        assert isinstance(reply.json()["error"], str)
        assert reply.headers["allow"]
    assert isinstance(client.request(method, "/v2/none").json()["error"], str)
    error_in(client.request(method, "/predict"), 405, "method_not_allowed")


def test_a_part_of_a_file_is_never_an_error_that_is_no_json(client: httpx.Client) -> None:
    for asked in ("bytes=99999999-", "bytes=5-1", "lines=1-2", "bytes=a-b"):
        reply = client.get("/static/page.js", headers={"Range": asked})
        assert reply.status_code == 200


FOREIGN: dict[str, tuple[dict[str, str], int]] = {
    "text": ({"Content-Type": "text/plain"}, 415),
    "a form": ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
    "another origin": ({"Origin": "http://evil.example"}, 403),
    "no origin that can be told": ({"Origin": "null"}, 403),
    "another port": ({"Origin": "http://127.0.0.1:1"}, 403),
    "a name that leads here": ({"Origin": "http://evil.example", "Host": "evil.example"}, 403),
}


@pytest.mark.parametrize("case", FOREIGN)
@pytest.mark.parametrize("path", ["/attack", "/predict", INFER, "/attack/x/cancel"])
def test_pages_of_other_origins_start_no_work(client: httpx.Client, path: str, case: str) -> None:
    headers, status = FOREIGN[case]
    reply = client.post(path, content=json.dumps(USUAL), headers=headers)
    assert reply.status_code == (404 if (path, status) == ("/attack/x/cancel", 415) else status)


def test_the_services_own_page_may_start_work(server: Server, client: httpx.Client) -> None:
    assert client.post("/predict", json=USUAL, headers={"Origin": server.url}).status_code == 200


@pytest.fixture(scope="module")
def guarded() -> Iterator[Server]:
    """A server that has one name, behind a proxy."""
    settings = {
        "NOISEVOTE_ALLOWED_HOSTS": "votes.example", "NOISEVOTE_TRUSTED_PROXIES": "127.0.0.0/8",
    }  # fmt: skip
    with attacked(settings) as running:
        yield running


def test_only_allowed_names_lead_to_the_service(guarded: Server) -> None:
    with httpx.Client(base_url=guarded.url, timeout=60) as client:
        for host, origin, status in (
            ("votes.example", "https://votes.example", 200),
            ("votes.example:8000", None, 200),
            ("evil.example", None, 403),
            ("evil.example", "http://evil.example", 403),
            (None, "https://votes.example", 200),
            (None, None, 200),
        ):
            sent = {"Host": host, "Origin": origin}
            headers = {name: value for name, value in sent.items() if value}
            assert client.post("/predict", json=USUAL, headers=headers).status_code == status


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("name", "status"), [("evil.example:8000", 403), ("localhost:8000", 200), ("10.0.0.3", 200)]
)
async def test_pages_under_a_foreign_name_start_no_work_wherever_it_leads(
    app: FastAPI, name: str, status: int
) -> None:
    """A port published from a container to this machine alone has an address that tells nothing."""
    async with client_of(app) as anybody:
        plain = {"Host": name}
        reply = await anybody.post("/predict", json=USUAL, headers=plain)
        assert reply.status_code == 200
        reply = await anybody.post(
            "/predict", json=USUAL, headers=plain | {"Origin": f"http://{name}"}
        )
        assert reply.status_code == status


FORGED = "1.2.3.4 key=admin status=200"


def test_nobody_is_believed_whom_they_speak_for_unless_a_setting_says_so() -> None:
    limits = {"NOISEVOTE_RATE_LIMIT_VOTES_PER_S": "1", "NOISEVOTE_RATE_LIMIT_BURST_VOTES": "8"}
    with attacked(limits) as server, httpx.Client(base_url=server.url, timeout=60) as client:
        statuses = [
            client.post(
                "/predict", json=USUAL, headers={"X-Forwarded-For": f"10.0.0.{i}"}
            ).status_code
            for i in range(4)
        ]
        assert 429 in statuses
        client.get("/checkpoints", headers={"X-Forwarded-For": FORGED})
        log = server.stop()
    assert "key=admin" not in log
    assert "client=10." not in log
    assert len(re.findall(r"client=127\.0\.0\.1", log)) >= 5


def test_a_trusted_proxy_is_believed_and_what_is_no_address_is_not_logged(guarded: Server) -> None:
    with httpx.Client(base_url=guarded.url, timeout=60) as client:
        for forwarded in ("10.0.0.7", FORGED, "10.0.0.8"):
            client.get("/checkpoints", headers={"X-Forwarded-For": forwarded})
    guarded.log.until(r"client=10\.0\.0\.8")
    log = guarded.log.text
    assert "client=10.0.0.7" in log
    assert "key=admin" not in log
    assert "client=unknown" in log


def test_a_client_that_goes_on_after_refusals_is_answered(server: Server) -> None:
    large = json.dumps({"inputs": [array(7)] * 20, "votes": 1}).encode()
    with httpx.Client(base_url=server.url, timeout=WITHIN_S) as client:
        for _ in range(40):
            assert client.put("/predict", content=b"x" * 300_000).status_code == 405
            assert client.post("/predict", content=large).status_code == 200
