"""The service as its users run it: a process of its own, spoken to over a socket."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import httpx
import pytest

from tests.service.processes import WITHIN_S, Log, server_running
from tests.service.support import array, counts_of, noise_image, picture

BODY = {"inputs": [noise_image(1), array(8)], "votes": 40, "seed": 12}


class Server(NamedTuple):
    """A running server, a client of it, and what it logs."""

    process: subprocess.Popen[str]
    client: httpx.Client
    log: Log


@contextmanager
def started(settings: dict[str, str] | None = None, *options: str) -> Iterator[Server]:
    """Start the service on a free port; kill it at the end if it still runs."""
    workers = int(options[options.index("--workers") + 1]) if "--workers" in options else 1
    command = [sys.executable, "-m", "noisevote.service.cli", "serve", "--port", "0", *options]
    environment = os.environ | (settings or {})
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        log = Log(process)
        try:
            log.until(r"(Application startup complete\.)", workers)
            (address,) = log.until(r"running on (http://\S+)")
            with httpx.Client(base_url=address, timeout=60) as client:
                yield Server(process, client, log)
        finally:
            if process.poll() is None:
                process.kill()
            log.to_the_end()


def stopped(server: Server, by: signal.Signals) -> tuple[int, str]:
    """Send a signal and return exit code and log."""
    server.process.send_signal(by)
    code = server.process.wait(WITHIN_S)
    return code, server.log.to_the_end()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with started() as running:
        yield running


def test_a_picture_is_answered_over_a_socket(server: Server) -> None:
    response = server.client.post("/predict", json={"image": picture(7), "sigma": 0})
    assert response.status_code == 200
    assert response.json()["predictions"][0]["label"] == "7"


def test_bad_requests_are_answered_over_a_socket(server: Server) -> None:
    assert server.client.post("/predict", content=b"{").status_code == 400
    assert server.client.post("/predict", content=bytes(2**23 + 1)).status_code == 413
    assert server.client.get("/health/live").json() == {"status": "live"}


def test_a_restarted_server_casts_the_same_votes_and_stops_cleanly(server: Server) -> None:
    first = server.client.post("/predict", json=BODY).json()
    with started() as other:
        second = other.client.post("/predict", json=BODY).json()
        code, log = stopped(other, signal.SIGTERM)
    assert counts_of(second) == counts_of(first)
    assert second["fingerprint"] == first["fingerprint"]
    assert code == -signal.SIGTERM  # uvicorn shuts down, then raises the signal again
    assert "Application shutdown complete." in log
    assert "Traceback" not in log


def test_ctrl_c_stops_the_server_cleanly(server: Server) -> None:
    code, log = stopped(server, signal.SIGINT)
    assert code == 0
    assert "Application shutdown complete." in log
    assert "Traceback" not in log


WITHOUT_TORCH = """
import asyncio, sys
import httpx
from noisevote.service.app import create_app
from noisevote.service.configuration.settings import Settings

async def main():
    app = create_app(Settings(slots=1))
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            body = {"inputs": [[[0.5] * 28] * 28], "votes": 3}
            response = await client.post("/predict", json=body)
            assert response.status_code == 200, response.text

asyncio.run(main())
print(*sorted({"torch", "onnx", "noisevote.models.networks", "matplotlib"} & set(sys.modules)))
"""


SEEN_BY_THE_COLLECTOR = """
import gc
from noisevote.service.main import create
app = create()
print(gc.get_freeze_count(), len(gc.get_objects()))
"""

SEEN_WHILE_IT_SERVES = """
import atexit, gc, sys
from noisevote.service.cli import app
@atexit.register
def tell():
    print("seen", gc.get_freeze_count(), len(gc.get_objects()), file=sys.stderr)
app(["serve", "--port", "0"])
"""


def test_full_garbage_collections_look_at_little_of_what_is_there_from_the_start() -> None:
    script = [sys.executable, "-c", SEEN_BY_THE_COLLECTOR]
    told = subprocess.run(script, capture_output=True, text=True, check=True, timeout=120).stdout
    kept, seen = map(int, told.split())
    assert seen < kept / 10


def test_full_garbage_collections_look_at_little_while_one_process_serves() -> None:
    with server_running(command=("-c", SEEN_WHILE_IT_SERVES)) as server:
        told = server.stop(signal.SIGINT).rpartition("seen ")[2]
    kept, seen = map(int, told.split())
    assert seen < kept / 10


def test_what_serves_predictions_never_imports_torch() -> None:
    script = [sys.executable, "-W", "error", "-c", WITHOUT_TORCH]
    loaded = subprocess.run(script, capture_output=True, text=True, check=False, timeout=120)
    assert loaded.stderr == ""
    assert loaded.stdout == "\n"
