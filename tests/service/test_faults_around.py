"""What happens around a service: stops under load, killed workers, spoilt files, clocks that jump.

Each runs servers of its own for seconds, so all are marked slow.
"""

import asyncio
import os
import re
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx
import libfaketime
import pytest

from noisevote.service.processes.waiting import GRACE_S
from tests.service.processes import NOISEVOTE, UVICORN, Server, server_running
from tests.service.support import (
    Json,
    array,
    copy_of_checkpoint,
    counts_of,
    noise_image,
)
from tests.service.wire import json_request, status_of

pytestmark = pytest.mark.slow

RATE = 50
REQUESTS = 100
STOP_AFTER = 50
EXPECT = "Expect: 100-continue"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
ASKED: Json = {"inputs": [array(7)], "votes": 20}
REPLAYED: Json = {"inputs": [noise_image(3), array(5)], "votes": 40, "seed": 5}


class Outcomes:
    """What became of requests.

    Attributes:
        accepted: requests whose body the server has asked for.
        answers: statuses of those that were accepted; 0 for one that broke off.
        refused: requests that were not accepted, by what came instead.
    """

    def __init__(self) -> None:
        self.accepted = 0
        self.answers: Counter[int] = Counter()
        self.refused: Counter[str] = Counter()


async def ask_once(port: int, outcomes: Outcomes) -> None:
    """Send a request over a connection of its own; the body only once the server asks for it."""
    head, body = json_request("/predict", ASKED, EXPECT, "Connection: close").split(b"\r\n\r\n", 1)
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head + b"\r\n\r\n")
        told = await reader.readexactly(len(CONTINUE))
    except (ConnectionError, asyncio.IncompleteReadError) as error:
        outcomes.refused[type(error).__name__] += 1
        return
    if told != CONTINUE:
        outcomes.refused[str(status_of(told))] += 1
        writer.close()
        return
    outcomes.accepted += 1
    try:
        writer.write(body)
        reply = await reader.read()
        length = re.search(rb"content-length: (\d+)\r\n", reply)
        is_whole = length is not None and len(reply.split(b"\r\n\r\n", 1)[1]) == int(length[1])
        outcomes.answers[status_of(reply) if is_whole else 0] += 1
    except (ConnectionError, IndexError):
        outcomes.answers[0] += 1
    finally:
        writer.close()


async def ask_at_a_rate(port: int, at_request: int, then: Callable[[], None]) -> Outcomes:
    """Send requests at a set rate, whatever becomes of them; in the middle something happens."""
    outcomes = Outcomes()
    began = time.monotonic()
    asking = []
    for number in range(REQUESTS):
        await asyncio.sleep(began + number / RATE - time.monotonic())
        asking.append(asyncio.create_task(ask_once(port, outcomes)))
        if number == at_request:
            then()
    await asyncio.gather(*asking)
    return outcomes


@pytest.mark.parametrize(
    ("command", "workers"), [(NOISEVOTE, 1), ((*NOISEVOTE, "--workers", "2"), 2)]
)
def test_a_stop_at_50_requests_a_second_loses_none_that_was_accepted(
    command: tuple[str, ...], workers: int
) -> None:
    with server_running(command=command, workers=workers) as server:
        stop = server.process.terminate
        outcomes = asyncio.run(ask_at_a_rate(server.port, STOP_AFTER, stop))
        server.process.wait(GRACE_S)
        log = server.log.to_the_end()
    assert "Traceback" not in log
    assert "Cancel" not in log, "the grace time ran out"
    assert outcomes.accepted >= STOP_AFTER
    assert outcomes.answers == {200: outcomes.accepted}
    assert sum(outcomes.refused.values()) == REQUESTS - outcomes.accepted > 0
    assert set(outcomes.refused) <= {"503", "ConnectionRefusedError", "ConnectionResetError"}


def test_a_stop_breaks_off_a_body_that_does_not_come_and_ends_in_time() -> None:
    with server_running({"NOISEVOTE_MAX_BODY_S": "3600"}) as server:
        head = json_request("/predict", ASKED, EXPECT)[:-1]

        async def stop_with_half_a_body() -> bytes:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(head)
            assert await reader.readexactly(len(CONTINUE)) == CONTINUE
            server.process.terminate()
            rest = await reader.read()
            writer.close()
            return rest

        assert b" 200 " not in asyncio.run(stop_with_half_a_body())
        server.process.wait(GRACE_S)


def workers_of(server: Server) -> set[int]:
    """Return the processes whose event loops serve."""
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text()
    return {
        int(pid)
        for pid in children.split()
        if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
    }


def is_running(pid: int) -> bool:
    """Return whether a process exists and has not ended."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"


@pytest.mark.parametrize("command", [NOISEVOTE, UVICORN], ids=["noisevote", "uvicorn"])
def test_a_killed_worker_is_replaced_and_the_other_answers_meanwhile(
    command: tuple[str, ...],
) -> None:
    with server_running(command=(*command, "--workers", "2"), workers=2) as server:
        before = workers_of(server)
        assert len(before) == 2
        expected = httpx.post(f"{server.url}/predict", json=REPLAYED, timeout=60).json()
        victim = min(before)
        os.kill(victim, signal.SIGKILL)
        while is_running(victim):
            pass
        statuses: Counter[int] = Counter()
        while server.log.count("Application startup complete.") != 3:
            # A connection that the dead worker had not accepted waits for the living one.
            with httpx.Client(base_url=server.url, timeout=60) as client:
                reply = client.post("/predict", json=REPLAYED)
                statuses[reply.status_code] += 1
                assert counts_of(reply.json()) == counts_of(expected)
        assert set(statuses) == {200}
        after = workers_of(server)
        assert len(after) == 2
        assert victim not in after
        server.stop()


@pytest.mark.parametrize("spoil", ["truncate", "overwrite", "exchange graphs", "delete"])
def test_a_running_service_keeps_its_weights_and_a_new_one_refuses_spoilt_files(
    tmp_path: Path, spoil: str
) -> None:
    folder = copy_of_checkpoint(tmp_path)
    settings = {"NOISEVOTE_CHECKPOINTS": str(tmp_path), "NOISEVOTE_CHECKPOINT_POLL_S": "0"}
    with server_running(settings) as server:
        with httpx.Client(base_url=server.url, timeout=60) as client:
            before = client.post("/predict", json=REPLAYED).json()
            spoil_files(folder, spoil)
            after = client.post("/predict", json=REPLAYED)
            assert after.status_code == 200
            assert counts_of(after.json()) == counts_of(before)
            other = client.post("/predict", json={**REPLAYED, "noise": "additive", "sigma": 0.5})
            assert other.status_code == 503
            assert other.json()["error"]["code"] == "checkpoint_refused"
        assert "Traceback" not in server.stop().replace("CheckpointError", "")
    with server_running(settings) as server:
        assert httpx.get(f"{server.url}/health/live").status_code == 200
        refused = httpx.post(f"{server.url}/predict", json=REPLAYED, timeout=60)
        assert refused.status_code == 503
        assert refused.json()["error"]["code"] == "checkpoint_refused"


def spoil_files(folder: Path, how: str) -> None:
    """Do to the files of a checkpoint what a broken copy or a full disk does, in place."""
    weights = folder / "weights.safetensors"
    if how == "truncate":
        os.truncate(weights, 1000)
    elif how == "overwrite":
        with weights.open("r+b") as file:
            file.seek(weights.stat().st_size // 2)
            file.write(bytes(100_000))
    elif how == "delete":
        weights.unlink()
    else:
        graphs = [folder / f"{kind}.onnx" for kind in ("additive", "multiplicative")]
        shutil.move(graphs[0], folder / "other")
        shutil.move(graphs[1], graphs[0])
        shutil.move(folder / "other", graphs[1])


def year_off(client: httpx.Client) -> int:
    """Return how many years the server's clock is off; of 4000 days, 10.95."""
    there = parsedate_to_datetime(client.get("/health/live").headers["date"])
    return round((there.timestamp() - time.time()) / (365.2425 * 86400))


FAKETIME = Path(libfaketime.__file__).parent / "vendor/libfaketime/src/libfaketime.so.1"


def test_jumps_of_the_wall_clock_change_no_deadline_and_break_nothing(tmp_path: Path) -> None:
    clock = tmp_path / "clock"
    clock.write_text("+0")
    settings = {
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    body = {**ASKED, "seed": 1, "deadline_ms": 30_000}
    with (
        server_running(settings) as server,
        httpx.Client(base_url=server.url, timeout=60) as client,
    ):
        before = client.post("/predict", json=body).json()
        for jump, years in (("-4000d", -11), ("+4000d", 11), ("+0", 0)):
            clock.write_text(jump)
            # Uvicorn writes its Date header once a second.
            while year_off(client) != years:
                pass
            reply = client.post("/predict", json=body).json()
            assert reply["predictions"] == before["predictions"]
            assert reply["predictions"][0]["stopped_by"] == "full"
            assert 0 < reply["timing_ms"]["total"] < 30_000
            with client.stream("POST", "/predict/stream", json={**body, "votes": 500}) as stream:
                lines = stream.iter_lines()
                assert next(lines) == "event: votes"
                clock.write_text("+8000d")
                assert "event: result" in list(lines)
        assert "Traceback" not in server.stop()
