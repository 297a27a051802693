"""A server under attack, and what is seen of it meanwhile: its memory, and whether it still turns.

A stall is what the thread of the event loop computes between a request for ``/health/live`` and its
answer; beside it stands for how long it sleeps meanwhile though there is work, since another thread
of the server computes and holds the interpreter's lock. Unlike the time that passes, neither
depends on what else runs on the machine.
"""

import http.client
import json
import os
import re
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from tests.service.processes import WITHIN_S, Server, server_running
from tests.service.support import Json, array
from tests.service.wire import all_of, connected, json_request, status_of

USUAL: Json = {"inputs": [array(7)], "votes": 3}

MOST_MIB = 20.0
MOST_STALL_MS = 20.0
MOST_LOCKED_MS = 60.0
"""More than the lock is held for a copy of the largest picture, and than the threads of a test hold
up each other."""

NS_PER_MS = 10**6
KIB_PER_MIB = 2**10
PAUSE_S = 0.01


class Times(NamedTuple):
    """Nanoseconds so far.

    Attributes:
        passed: on the clock.
        others: computed by the threads of the server but that of the event loop.
        awake: in which that one, or the thread that asks, computed or waited for a core.
    """

    passed: int
    others: int
    awake: int

    @classmethod
    def now(cls, server: Server) -> "Times":
        """Return the times of a server, to be asked by the thread that asks it."""
        pid = server.process.pid
        loop, loop_waited = times_of(pid, pid)
        own, own_waited = times_of(os.getpid(), threading.get_native_id())
        threads = [int(task.name) for task in Path(f"/proc/{pid}/task").iterdir()]
        others = sum(times_of(pid, thread)[0] for thread in threads if thread != pid)
        return cls(time.monotonic_ns(), others, loop + loop_waited + own + own_waited)

    def locked_since(self, before: "Times") -> int:
        """Return for how long nobody went on though there was work, but another thread did."""
        asleep = (self.passed - before.passed) - (self.awake - before.awake)
        return max(0, min(asleep, self.others - before.others))


def times_of(pid: int, thread: int) -> tuple[int, int]:
    """Return the nanoseconds that a thread has computed, and has waited for a core."""
    try:
        computed, waited, _ = Path(f"/proc/{pid}/task/{thread}/schedstat").read_text().split()
    except FileNotFoundError:  # it has ended
        return 0, 0
    return int(computed), int(waited)


class Lookout:
    """Asks a server again and again whether it lives, and looks how large it is.

    Attributes:
        stall_ms: the longest that the event loop computed before an answer.
        locked_ms: the longest that it slept before one while another thread computed.
        mib: what the server has grown by, at most.
        refused: how often there was no answer.
    """

    def __init__(self, server: Server) -> None:
        self.stall_ms = self.locked_ms = self.mib = 0.0
        self.refused = 0
        self._server = server
        self._before = resident_mib(server)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Look no more."""
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ended.is_set():
            before = Times.now(self._server)
            began = loop_ns(self._server)
            self.refused += not is_alive(self._server)
            self.stall_ms = max(self.stall_ms, (loop_ns(self._server) - began) / NS_PER_MS)
            locked_ns = Times.now(self._server).locked_since(before)
            self.locked_ms = max(self.locked_ms, locked_ns / NS_PER_MS)
            self.mib = max(self.mib, resident_mib(self._server) - self._before)
            self._ended.wait(PAUSE_S)


@contextmanager
def unharmed(
    server: Server, mib: float = MOST_MIB, stall_ms: float = MOST_STALL_MS
) -> Iterator[None]:
    """Fail unless the server stays small and awake inside the block, and answers after it."""
    lookout = Lookout(server)
    try:
        yield
    finally:
        lookout.end()
    assert lookout.refused == 0
    assert lookout.mib <= mib, f"it grew by {lookout.mib:.1f} MiB"
    assert lookout.stall_ms <= stall_ms, f"it stalled for {lookout.stall_ms:.1f} ms"
    assert lookout.locked_ms <= MOST_LOCKED_MS, f"it was locked for {lookout.locked_ms:.1f} ms"
    assert is_alive(server)


def wait_until_settled(server: Server) -> None:
    """Wait until the requests of a flood are answered, and only what it holds is left."""
    until = time.monotonic() + WITHIN_S
    while time.monotonic() < until:
        began = loop_ns(server)
        if is_alive(server) and loop_ns(server) - began < MOST_STALL_MS * NS_PER_MS:
            return
    raise AssertionError("it never settled")


READY = b"GET /health/ready HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"


def wait_until_loaded(server: Server) -> None:
    """Wait until the networks are there: with keys no request has waited for them so far."""
    until = time.monotonic() + WITHIN_S
    while status_of(reply_to(server, READY)) != HTTPStatus.OK:
        assert time.monotonic() < until, "it never got ready"


@contextmanager
def attacked(settings: Mapping[str, str] | None = None) -> Iterator[Server]:
    """Start a server that has been used; in the end its log must hold no trace of a bug."""
    with server_running(settings) as server:
        for path in ("/predict", "/predict/stream", "/attack", "/nowhere"):
            reply_to(server, json_request(path, USUAL, "Connection: close"))
        reply_to(server, b"no HTTP\r\n\r\n")
        wait_until_loaded(server)
        yield server
        assert "Traceback" not in server.stop()


def is_alive(server: Server) -> bool:
    """Return whether the server answers on a new connection."""
    line = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    try:
        line.request("GET", "/health/live")
        return line.getresponse().status == 200
    except OSError:
        return False
    finally:
        line.close()


def resident_mib(server: Server) -> float:
    """Return the memory of the server in MiB."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / KIB_PER_MIB


def loop_ns(server: Server) -> int:
    """Return the nanoseconds that the thread of the event loop has computed."""
    return times_of(server.process.pid, server.process.pid)[0]


def reply_to(server: Server, sent: bytes) -> bytes:
    """Send bytes and return what comes until the server closes the connection."""
    with connected(server.port) as line:
        line.sendall(sent)
        return all_of(line)


def reply_on(line: socket.socket) -> bytes:
    """Return the next whole reply of a connection that stays open.

    Raises:
        ConnectionResetError: it was closed instead.
    """
    reply = b""
    while b"\r\n\r\n" not in reply:
        reply += received(line)
    head = reply.partition(b"\r\n\r\n")[0]
    length = re.search(rb"content-length: (\d+)", head)
    assert length is not None, reply
    while len(reply) < len(head) + 4 + int(length[1]):
        reply += received(line)
    return reply


def received(line: socket.socket) -> bytes:
    """Return what has come on a connection, or wait for it."""
    some = line.recv(2**16)
    if not some:
        raise ConnectionResetError
    return some


def json_in(reply: bytes) -> Json:
    """Return the JSON of the only reply in some bytes; all errors are such."""
    head, _, body = reply.partition(b"\r\n\r\n")
    assert b"content-type: application/json" in head.lower(), reply[:1000]
    content: Json = json.loads(body)
    return content


def error_in_reply(reply: bytes, status: int) -> Json:
    """Return the error of a reply in the shape of all errors."""
    assert status_of(reply) == status, reply[:1000]
    content = json_in(reply)
    assert list(content) == ["error"]
    error: Json = content["error"]
    assert {"code", "message", "request_id"} <= set(error)
    return error


def large_png() -> bytes:
    """Return a PNG of 4096 x 4096 pixels and few bytes: two colours, one of them transparent."""
    picture = Image.new("P", (4096, 4096))
    picture.putpalette([0, 0, 0, 255, 255, 255])
    file = BytesIO()
    picture.save(file, "PNG", bits=1, transparency=0, optimize=True)
    return file.getvalue()
