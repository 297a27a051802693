"""Pictures and drawings that take long to read, sent by clients that leave, or that say little."""

import json
import struct
import zlib
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest

from models.pictures import PNG_SIGNATURE
from tests.service.hostile.support import (
    attacked,
    is_alive,
    large_png,
    reply_to,
    resident_mib,
    unharmed,
)
from tests.service.processes import Server
from tests.service.support import Json, encoded, picture
from tests.service.wire import connected, json_request, status_of

LEAVERS = 200
LEFT_BEHIND_MIB = 20.0
NEVER = 1e9
"""MiB; while a picture of 16 million pixels is read, one such is in memory."""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with attacked() as running:
        reply_to(running, json_request("/predict", {"image": picture(7)}, "Connection: close"))
        yield running


def chunk(kind: bytes, content: bytes) -> bytes:
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )


def header(width: int, height: int) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))


def png_of_two_sizes() -> bytes:
    """Return a PNG that says 28 x 28 pixels first, and 4096 x 4096 behind that."""
    rows = zlib.compress(bytes(4096 * 513), 9)
    return (
        PNG_SIGNATURE
        + header(28, 28)
        + header(4096, 4096)
        + chunk(b"IDAT", rows)
        + chunk(b"IEND", b"")
    )


def png_with_much_text() -> bytes:
    """Return a PNG of 28 x 28 pixels whose texts unpack to a megabyte each."""
    text = chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(2**20 - 100), 9))
    rows = zlib.compress(bytes(28 * 5), 9)
    return PNG_SIGNATURE + header(28, 28) + text * 4 + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


SLOW: dict[str, Json] = {
    "two sizes": {"image": encoded(png_of_two_sizes())},
    "text": {"image": encoded(png_with_much_text())},
    "junk": {"image": encoded(b"\xff\xd8" + b"\0" * 40_000)},
    "6,000 strokes": {
        "strokes": [[[i, i % 7]] for i in range(6000)], "checkpoint": "stroke_lstm-clean",
    },
    "one long stroke": {
        "strokes": [[[i % 97, i % 89] for i in range(5000)]], "checkpoint": "stroke_lstm-clean",
    },
    "a boundary": {"image": picture(7), "stop": "bounded", "votes": 1000, "delta": 0.0123},
}  # fmt: skip


@pytest.mark.parametrize("case", SLOW)
def test_what_takes_long_to_prepare_stalls_nobody(server: Server, case: str) -> None:
    sent = json_request("/predict", SLOW[case], "Connection: close")
    assert len(sent) < 2**17
    with unharmed(server, mib=NEVER):
        assert status_of(reply_to(server, sent)) in {200, 422}


def test_pictures_of_clients_that_left_hold_up_nobody(server: Server) -> None:
    leaver = json_request("/predict", {"image": encoded(large_png())})
    asked = {"image": picture(7), "deadline_ms": 10_000}
    before = resident_mib(server)
    with unharmed(server, mib=NEVER):
        for _ in range(LEAVERS):
            with connected(server.port) as line:
                line.sendall(leaver)
            assert is_alive(server)
        reply = httpx.post(f"{server.url}/predict", json=asked, timeout=60)
        assert reply.status_code == 200
        assert reply.json()["timing_ms"]["total"] < 10_000
    for _ in range(10_000):  # the last one that is being read takes its memory with it
        if is_alive(server) and resident_mib(server) - before <= LEFT_BEHIND_MIB:
            return
    pytest.fail(f"it kept {resident_mib(server) - before:.1f} MiB")


def test_no_more_pictures_wait_than_can_be_read_soon(server: Server) -> None:
    large = json_request("/predict", {"image": encoded(large_png())}, "Connection: close")
    with ExitStack() as stack:
        lines = [stack.enter_context(connected(server.port)) for _ in range(20)]
        for line in lines:
            line.sendall(large)
        statuses = [status_of(line.recv(2**16)) for line in lines]
    assert set(statuses) <= {200, 422, 429}
    assert statuses.count(429) >= 10
    assert statuses.count(429) < 20


def test_a_picture_is_given_up_at_its_deadline(server: Server) -> None:
    large = {"image": encoded(large_png()), "deadline_ms": 1}
    reply = httpx.post(f"{server.url}/predict", json=large, timeout=60)
    assert reply.status_code == 504


def test_large_pictures_count_for_the_rate_limit() -> None:
    limits = {"NOISEVOTE_RATE_LIMIT_VOTES_PER_S": "100", "NOISEVOTE_RATE_LIMIT_BURST_VOTES": "100"}
    with attacked(limits) as server, httpx.Client(base_url=server.url, timeout=60) as client:
        broken = {"image": encoded(png_of_two_sizes()[:-40]), "votes": 1}
        statuses = [client.post("/predict", json=broken).status_code for _ in range(2)]
        assert statuses == [422, 429]
        reply = client.post("/predict", content=json.dumps(broken))
        assert int(reply.headers["retry-after"]) > 10
