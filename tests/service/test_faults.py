"""Clients that break off, dawdle or lie, spoken to over sockets by a real server."""

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import httpx
import pytest
import uvicorn

from noisevote.service.app import create_app
from noisevote.service.configuration.settings import Settings
from noisevote.service.processes.connections import BOUNDS, MAX_HEAD_BYTES, BoundedHttpProtocol
from noisevote.service.wire.bodies import BYTES_A_REQUEST
from tests.service.processes import Server, server_running
from tests.service.support import CHECKPOINT, Json, array, error_in, noise_image
from tests.service.test_metrics import Samples, samples_in, value
from tests.service.wire import all_of, connected, json_request, request_of, reset, status_of

ASKED = 20_000
LONG: Json = {"inputs": [noise_image()], "votes": ASKED}
SMALL: Json = {"inputs": [array(7)], "votes": 3}
BODY = 4096
SETTINGS = {
    "NOISEVOTE_MAX_BODY_S": "0.3",
    "NOISEVOTE_MAX_BODY_BYTES": str(2**16),
    "NOISEVOTE_MAX_HELD_BYTES": str(4 * (BYTES_A_REQUEST + BODY)),
    "NOISEVOTE_MAX_VOTES": str(ASKED),
}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """One server for all that follows: each test leaves it as it found it."""
    with server_running(SETTINGS) as running:
        yield running
        log = running.stop()
        assert "Traceback" not in log
        assert "Application shutdown complete." in log


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    """A client whose requests are still answered after the test."""
    with httpx.Client(base_url=server.url, timeout=60) as client:
        yield client
        reply = client.post("/predict", json=SMALL)
        assert reply.status_code == 200
        assert value(samples_in(client.get("/metrics").text), "queued_votes") == 0


def until(client: httpx.Client, queued: bool) -> Samples:
    """Ask until votes are queued, or none are, and return all metrics of then."""
    for _ in range(100_000):
        samples = samples_in(client.get("/metrics").text)
        if (value(samples, "queued_votes") > 0) == queued:
            return samples
    pytest.fail("it never came to that")


@pytest.mark.parametrize("path", ["/predict", "/predict/stream"])
@pytest.mark.parametrize("leave", [reset, socket.socket.close], ids=["reset", "close"])
def test_a_client_that_leaves_while_its_votes_are_cast_stops_the_work(
    server: Server, client: httpx.Client, path: str, leave: object
) -> None:
    before = value(until(client, queued=False), "batch_rows_sum", checkpoint=CHECKPOINT)
    with connected(server.port) as line:
        line.sendall(json_request(path, LONG))
        until(client, queued=True)
        assert callable(leave)
        leave(line)
        rows = value(until(client, queued=False), "batch_rows_sum", checkpoint=CHECKPOINT) - before
    assert rows < ASKED


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"POST /predict HTTP/1.1\r\nHost: ser",
        request_of("/predict", length=BODY),
        request_of("/predict", b'{"inputs": [', length=BODY),
        request_of("/v2/models/mnist_cnn-mult-1.0/infer", b'{"inputs": [', length=BODY),
        b'POST /predict HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"vo',
    ],
    ids=["nothing", "half a head", "no body", "half a body", "half a tensor", "half a chunk"],
)
@pytest.mark.parametrize("leave", [reset, socket.socket.close], ids=["reset", "close"])
@pytest.mark.usefixtures("client")
def test_a_client_that_leaves_before_the_end_of_its_request_does_no_harm(
    server: Server, sent: bytes, leave: object
) -> None:
    with connected(server.port) as line:
        line.sendall(sent)
        assert callable(leave)
        leave(line)


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /health/live HTTP/9.9\r\n\r\n",
        b"GET /health/live\0 HTTP/1.1\r\n\r\n",
        b"GET /health/live HTTP/1.1\r\nX: a\0b\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        b"POST /predict HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
    ],
    ids=["TLS", "HTTP 9.9", "NUL in path", "NUL in header", "-1", "two lengths", "two framings"],
)
@pytest.mark.usefixtures("client")
def test_what_is_no_http_is_refused_and_the_connection_closed(server: Server, sent: bytes) -> None:
    with connected(server.port) as line:
        line.sendall(sent)
        assert status_of(all_of(line)) == 400


@pytest.mark.parametrize("start", [b"GET /", b"GET / HTTP/1.1\r\nX: "], ids=["path", "header"])
@pytest.mark.usefixtures("client")
def test_a_head_without_end_is_cut_off(server: Server, start: bytes) -> None:
    with connected(server.port) as line:
        line.sendall(start)
        # More than the kernel takes in before it hears of the end.
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            line.sendall(b"x" * 1000 * MAX_HEAD_BYTES)


def test_slow_bodies_are_given_up_and_keep_others_out_no_longer(
    server: Server, client: httpx.Client
) -> None:
    slow = request_of("/predict", b" " * (BODY - 1), length=BODY)
    lines = [socket.create_connection(("127.0.0.1", server.port), timeout=60) for _ in range(4)]
    for line in lines:
        line.sendall(slow)
    refused = 0
    while (reply := client.post("/predict", json=SMALL)).status_code == 429:
        error_in(reply, 429, "overloaded")
        refused += 1
    assert reply.status_code == 200
    for line in lines:
        line.shutdown(socket.SHUT_WR)
        told = all_of(line)
        line.close()
        assert status_of(told) == 408
        assert b"the body did not arrive within 0.3 s; 4095 bytes of it did" in told
    assert refused > 0


class HastyProtocol(BoundedHttpProtocol):
    """Waits a moment for a head instead of seconds."""

    head_within_s = 0.1
    looks_every_s = 0.02


@contextmanager
def hasty_server() -> Iterator[int]:
    """Run a server on a thread that closes slow connections soon; yield its port."""
    config = uvicorn.Config(
        create_app(Settings(slots=1)), port=0, log_config=None, **{**BOUNDS, "http": HastyProtocol}
    )
    config.load()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()


HEALTHY = b"GET /health/live HTTP/1.1\r\nHost: service\r\n\r\n"


def test_slow_heads_are_closed_and_only_they() -> None:
    with hasty_server() as port:
        with ExitStack() as stack:
            lines = [stack.enter_context(connected(port)) for _ in range(3)]
            for line, dawdling in zip(lines, (b"", HEALTHY[:20], b"\r\n"), strict=True):
                line.sendall(dawdling)
            assert [all_of(line) for line in lines] == [b""] * 3
        with connected(port) as line:
            line.sendall(HEALTHY)
            assert status_of(line.recv(65536)) == 200
            line.sendall(HEALTHY[:20])
            assert b"HTTP" not in all_of(line)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            # Its votes take longer than a head may: what is asked for in time is answered.
            assert client.post("/predict", json={**LONG, "votes": 1000}).status_code == 200
