"""Pictures and drawings that take long to read, sent by clients that leave, or that say little."""

import asyncio
import json
import math
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from io import BytesIO

import httpx
import pytest
from PIL import Image

from noisevote.models.errors import OverloadedError
from noisevote.models.inputs.pictures import PNG_SIGNATURE
from noisevote.service.prediction.preparation import Preparation, untold
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


def arithmetic_jpeg(scans: int = 90) -> bytes:
    """Return a JPEG of 4096 x 4096 pixels, coded arithmetically in many scans that say nothing."""

    def segment(kind: int, content: bytes) -> bytes:
        return bytes([0xFF, kind]) + struct.pack(">H", len(content) + 2) + content

    table, frame = b"\0" + b"\1" * 64, struct.pack(">BHHB", 8, 4096, 4096, 1) + b"\1\x11\0"
    scan = segment(0xDA, b"\1\1\0\1\x3f\0") + bytes(4)
    first = segment(0xDA, b"\1\1\0\0\0\0") + bytes(4)
    start = b"\xff\xd8" + segment(0xDB, table) + segment(0xCA, frame)
    return start + first + scan * scans + b"\xff\xd9"


def png_of_packed_texts() -> bytes:
    """Return a PNG of 28 x 28 pixels whose texts in UTF-8 unpack to 60 megabytes."""
    text = chunk(b"iTXt", b"a\0\1\0\0\0" + zlib.compress(bytes(2**20 - 100), 9))
    rows = zlib.compress(bytes(28 * 5), 9)
    return PNG_SIGNATURE + header(28, 28) + text * 60 + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def lined(width: int, height: int, step: int) -> str:
    """Return the picture of a page with lines across it, in base64."""
    page = Image.new("L", (width, height), 255)
    for y in range(0, height, step):
        page.paste(0, (0, y, width, y + 1))
    file = BytesIO()
    page.save(file, "PNG")
    return encoded(file.getvalue())


SLOW: dict[str, Json] = {
    "lines on a narrow page": {"image": lined(8, 512, 10)},
    "lines on a page": {"image": lined(64, 64, 5)},
    "arithmetic coding": {"image": encoded(arithmetic_jpeg())},
    "packed texts": {"image": encoded(png_of_packed_texts())},
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


def test_what_took_longer_than_its_size_told_is_paid_for_later() -> None:
    limits = {"NOISEVOTE_RATE_LIMIT_VOTES_PER_S": "1", "NOISEVOTE_RATE_LIMIT_BURST_VOTES": "20"}
    with attacked(limits) as server, httpx.Client(base_url=server.url, timeout=60) as client:
        lines = {"image": lined(384, 384, 5), "votes": 1}
        statuses = [client.post("/predict", json=lines).status_code for _ in range(2)]
        assert statuses == [422, 429]


@pytest.mark.anyio
async def test_fewer_pictures_wait_while_they_take_longer_than_they_look() -> None:
    preparation, gate = Preparation(), threading.Event()
    judged_s, deadline = 0.04, math.inf

    def slow() -> None:
        until = time.thread_time() + 4 * judged_s
        while time.thread_time() < until:
            pass

    async def asked() -> bool:
        preparation.check_room(judged_s)
        return await preparation.run(gate.wait, judged_s, deadline, untold)

    async def waiting() -> list[object]:
        tasks = [asyncio.create_task(asked()) for _ in range(80)]
        await asyncio.sleep(0)  # all have asked
        gate.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    assert not any(isinstance(one, OverloadedError) for one in await waiting())
    for _ in range(8):
        await preparation.run(slow, judged_s, deadline, untold)
    gate.clear()
    assert sum(isinstance(one, OverloadedError) for one in await waiting()) >= 20
    preparation.close()


def test_large_pictures_count_for_the_rate_limit() -> None:
    limits = {"NOISEVOTE_RATE_LIMIT_VOTES_PER_S": "100", "NOISEVOTE_RATE_LIMIT_BURST_VOTES": "100"}
    with attacked(limits) as server, httpx.Client(base_url=server.url, timeout=60) as client:
        broken = {"image": encoded(png_of_two_sizes()[:-40]), "votes": 1}
        statuses = [client.post("/predict", json=broken).status_code for _ in range(2)]
        assert statuses == [422, 429]
        reply = client.post("/predict", content=json.dumps(broken))
        assert int(reply.headers["retry-after"]) > 10
