"""What a connection can make the process hold, before and after a reply."""

import resource
import select
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from noisevote.service.configuration.settings import Settings
from noisevote.service.processes.connections import MAX_FIELDS, MAX_HEAD_BYTES
from tests.service.hostile.support import (
    MOST_MIB,
    USUAL,
    attacked,
    error_in_reply,
    is_alive,
    json_in,
    reply_on,
    reply_to,
    resident_mib,
    unharmed,
    wait_until_settled,
)
from tests.service.processes import Server
from tests.service.support import MIB
from tests.service.test_keys import SETTINGS as KEYED
from tests.service.wire import all_of, connected, json_request, request_of, status_of

SENT = 12 * 2**20
CHUNKED = b"POST %s HTTP/1.1\r\nHost: service\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n"
HEALTHY = b"GET /health/live HTTP/1.1\r\nHost: service\r\n\r\n"
FILES = 1024


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with attacked() as running:
        yield running


@pytest.fixture(scope="module")
def keyed() -> Iterator[Server]:
    digests = (
        "{" + ", ".join(f'"{name}": "{digest}"' for name, digest in KEYED.api_keys.items()) + "}"
    )
    with attacked({"NOISEVOTE_API_KEYS": digests}) as running:
        yield running


def sent_until_refused(line: socket.socket, part: bytes) -> int:
    """Send the same bytes until the server takes no more; return how many bytes were sent."""
    total = 0
    try:
        while total < SENT:
            line.sendall(part * (2**16 // len(part)))
            total += 2**16
    except (BrokenPipeError, ConnectionResetError):
        pass
    return total


@pytest.mark.parametrize("path", [b"/predict", b"/health/live", b"/nowhere"])
def test_trailers_without_end_are_refused(server: Server, path: bytes) -> None:
    with unharmed(server), connected(server.port) as line:
        line.sendall(CHUNKED % path)
        assert sent_until_refused(line, b"a:b\r\n") < SENT


def test_trailers_without_end_are_refused_without_a_key(keyed: Server) -> None:
    with unharmed(keyed), connected(keyed.port) as line:
        line.sendall(CHUNKED % b"/predict")
        assert sent_until_refused(line, b"a:b\r\n") < SENT


def test_a_refusal_for_want_of_a_key_reaches_a_client_that_first_sends_all(keyed: Server) -> None:
    reply = reply_to(keyed, request_of("/predict", b" " * (9 * MIB), "Connection: close"))
    assert error_in_reply(reply, 401)["code"] == "unauthorized"


@pytest.mark.parametrize(
    "end",
    [
        b"a:b\r\n" * (MAX_FIELDS + 1),
        b"a:" + b"b" * 40 * MAX_HEAD_BYTES + b"\r\n",
    ],
    ids=["many", "long"],
)
def test_the_client_is_told_that_its_trailers_are_too_long(server: Server, end: bytes) -> None:
    error = error_in_reply(reply_to(server, CHUNKED % b"/predict" + end), 431)
    assert "trailers" in error["message"]


def test_a_few_trailers_are_read_and_ignored(server: Server) -> None:
    asked = CHUNKED.replace(b"Transfer", b"Connection: close\r\nTransfer") % b"/predict"
    reply = reply_to(server, asked + b"a: b\r\nc: d\r\n\r\n")
    assert status_of(reply) == 422


def test_heads_of_many_short_fields_are_refused_on_all_connections(server: Server) -> None:
    with unharmed(server), ExitStack() as stack:
        for _ in range(200):
            line = stack.enter_context(connected(server.port))
            line.sendall(b"GET / HTTP/1.1\r\n" + b"a:b\r\n" * (MAX_FIELDS - 1))
            assert is_alive(server)  # one after the other: each may cost little
        error = error_in_reply(reply_to(server, b"GET / HTTP/1.1\r\n" + b"a:b\r\n" * 4000), 431)
        assert str(MAX_FIELDS) in error["message"]


@contextmanager
def few_files() -> Iterator[None]:
    """Let processes that are started inside the block open no more than 1024 files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4 * FILES), hard))


@pytest.fixture(scope="module")
def narrow() -> Iterator[Server]:
    with ExitStack() as stack:
        with few_files():
            running = stack.enter_context(attacked())
        yield running


def test_the_first_one_to_ask_for_the_reference_stalls_nobody(narrow: Server) -> None:
    with unharmed(narrow):
        asked = b"GET /openapi.json HTTP/1.1\r\nConnection: close\r\n\r\n"
        assert status_of(reply_to(narrow, asked)) == 200


@pytest.mark.parametrize("path", [b"/health/live", b"/openapi.json", b"/docs/swagger-ui-bundle.js"])
def test_clients_that_never_read_keep_no_others_out(narrow: Server, path: bytes) -> None:
    asked = b"GET %s HTTP/1.1\r\nHost: service\r\n\r\n" % path
    before = resident_mib(narrow)
    with ExitStack() as stack:
        for _ in range(600):
            line = stack.enter_context(socket.socket())
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            line.connect(("127.0.0.1", narrow.port))
            line.sendall(asked * 8)
        wait_until_settled(narrow)
        with unharmed(narrow):
            predict = json_request("/predict", USUAL, "Connection: close")
            assert status_of(reply_to(narrow, predict)) == 200
        assert resident_mib(narrow) - before <= MOST_MIB


def test_a_connection_too_many_takes_the_place_of_the_one_that_waited_longest_for_its_client(
    narrow: Server,
) -> None:
    with ExitStack() as stack:
        lines = [stack.enter_context(connected(narrow.port))]
        wait_until_settled(narrow)
        others = range(Settings().max_connections - 1)
        lines += [stack.enter_context(connected(narrow.port)) for _ in others]
        wait_until_settled(narrow)
        closed, _, _ = select.select(lines, [], [], 0)
        assert closed == lines[:1]
        assert lines[0].recv(1) == b""
        lines[-1].sendall(HEALTHY)
        assert status_of(lines[-1].recv(65536)) == 200


def test_a_setting_says_how_many_connections_are_open() -> None:
    with attacked({"NOISEVOTE_MAX_CONNECTIONS": "3"}) as few, ExitStack() as stack:
        lines = []
        for _ in range(5):  # each has an answer, and is kept for further requests
            lines.append(stack.enter_context(connected(few.port)))
            lines[-1].sendall(HEALTHY)
            assert status_of(reply_on(lines[-1])) == 200
        assert [line.recv(1) for line in lines[:2]] == [b"", b""]
        for line in lines[2:]:
            line.sendall(HEALTHY)
            assert status_of(reply_on(line)) == 200


def test_pipelined_requests_are_answered_in_order_and_no_more_than_a_few(server: Server) -> None:
    asked = json_request("/predict", USUAL) + HEALTHY * 3
    with unharmed(server):
        with connected(server.port) as line:
            line.sendall(asked + HEALTHY.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            assert all_of(line).count(b"HTTP/1.1 200") == 5
        reply = reply_to(server, asked * 500)
        assert 1 <= reply.count(b"HTTP/1.1 200") <= 10
        assert b"connection: close" in reply


def test_bodies_of_pipelined_requests_are_held_only_up_to_the_bound(server: Server) -> None:
    large = json_request("/predict", USUAL | {"checkpoint": "x" * MAX_HEAD_BYTES})
    reply = reply_to(server, json_request("/predict", USUAL) + large)
    assert reply.count(b"HTTP/1.1") == 1
    assert status_of(reply) == 200


@pytest.mark.parametrize("body_first", [True, False], ids=["at once", "later"])
def test_a_wish_for_another_protocol_is_ignored(server: Server, body_first: bool) -> None:
    asked = json_request(
        "/predict",
        USUAL,
        "Connection: Upgrade, HTTP2-Settings",
        "Upgrade: h2c",
        "HTTP2-Settings: AAMAAABk",
    )
    head, end, body = asked.partition(b"\r\n\r\n")
    with unharmed(server), connected(server.port) as line:
        line.sendall(asked if body_first else head + end)
        if not body_first:
            line.sendall(body[:100])
            line.sendall(body[100:])
        reply = reply_on(line)
        assert status_of(reply) == 200
        assert len(json_in(reply)["predictions"]) == 1
        line.sendall(HEALTHY)
        assert status_of(reply_on(line)) == 200


def test_a_web_socket_is_answered_as_if_it_were_none(server: Server) -> None:
    wish = ("Connection: Upgrade, close", "Upgrade: websocket", "Sec-WebSocket-Version: 13")
    asked = b"GET /predict HTTP/1.1\r\nHost: service\r\n" + "\r\n".join([*wish, "", ""]).encode()
    assert error_in_reply(reply_to(server, asked), 405)["code"] == "method_not_allowed"


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n{}",
        b"POST /predict HTTP/1.1\r\nHost: service\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
    ids=["TLS", "HTTP/2", "HTTP 9.9", "CONNECT", "a length beyond all", "no chunk"],
)
def test_what_is_no_http_is_told_so_in_json(server: Server, sent: bytes) -> None:
    with unharmed(server):
        assert error_in_reply(reply_to(server, sent), 400)["code"] == "bad_request"


def test_a_head_that_is_too_long_is_told_so_in_json(server: Server) -> None:
    sent = b"GET /" + b"x" * 4 * MAX_HEAD_BYTES + b" HTTP/1.1\r\nHost: service\r\n\r\n"
    error = error_in_reply(reply_to(server, sent), 431)
    assert error["code"] == "request_header_fields_too_large"


def test_clients_that_let_a_service_wait_hardly_hold_up_its_stop() -> None:
    with attacked() as stopping, ExitStack() as stack:
        half = stack.enter_context(connected(stopping.port))
        half.sendall(request_of("/predict", b"{", length=1000))
        unread = stack.enter_context(socket.socket())
        unread.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        unread.connect(("127.0.0.1", stopping.port))
        unread.sendall(b"GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: service\r\n\r\n")
        wait_until_settled(stopping)
        log = stopping.stop()
        assert "graceful shutdown exceeded" not in log
        assert "Exception in ASGI application" not in log
        assert "Application shutdown complete." in log
