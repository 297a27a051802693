"""Several worker processes behind one port: they count, log and let in as one."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from noisevote.service.configuration.keys import digest_of
from noisevote.service.configuration.settings import Settings
from noisevote.service.processes.worker_folder import (
    PREFIX,
    VARIABLE,
    is_alive,
    shared_counters,
)
from noisevote.service.server import environment_of_workers
from tests.service.support import CHECKPOINT, array
from tests.service.test_metrics import samples_in, value
from tests.service.test_server import started, stopped

TOKEN = "shared-by-all-workers"
REQUESTS = 6


def ask_anew(url: str, method: str, path: str, key: str, **sent: object) -> httpx.Response:
    """Send a request over a connection of its own, which any worker may take."""
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.request(method, url + path, headers=headers, timeout=60, **sent)  # type: ignore[arg-type]


@pytest.mark.slow
def test_workers_count_log_and_let_in_as_one(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(
        f'log_format = "json"\nslots = 1\ninternal_token = "{TOKEN}"\n'
        f'[api_keys]\nalice = "{digest_of("alice")}"\n'
    )
    environment = {"TMPDIR": str(tmp_path)}
    with started(environment, "--workers", "2", "--settings", str(file)) as server:
        url = str(server.client.base_url)
        body = {"inputs": [array(7)], "votes": 3}
        workers = {
            json.loads(line)["process"]
            for line in server.log.text.splitlines()
            if "Application startup complete." in line
        }
        assert len(workers) == 2
        for worker, key in zip(workers, ("alice", TOKEN), strict=True):
            with halted(worker):
                for _ in range(REQUESTS):
                    assert ask_anew(url, "POST", "/predict", key, json=body).status_code == 200
        found = []
        for worker in workers:
            with halted(worker):
                found.append(samples_in(ask_anew(url, "GET", "/metrics", "alice").text))
        _, log = stopped(server, signal.SIGTERM)
    for samples in found:
        assert value(samples, "votes_cast_total", checkpoint=CHECKPOINT) == 6 * REQUESTS
        assert value(samples, "requests_total", route="/predict", status="200") == 2 * REQUESTS
        assert value(samples, "key_votes_total", key="internal") == 3 * REQUESTS
        assert value(samples, "workers") == value(samples, "slots") == 2
        assert value(samples, "memory_bytes") > 2**20
        assert value(samples, "queued_votes") == 0
    lines = [json.loads(line) for line in log.splitlines()]
    asked = [line for line in lines if line.get("route") == "/predict"]
    assert len(asked) == 2 * REQUESTS == len({line["request_id"] for line in asked})
    assert {line["process"] for line in asked} == workers
    assert not list(tmp_path.glob(f"{PREFIX}*"))


@contextmanager
def halted(pid: int) -> Iterator[None]:
    """Stop a process for a while, so that what is asked meanwhile is answered by others."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


TWO_PROCESSES = """
import os
from noisevote.service.operations.metrics import Metrics
from noisevote.service.log.request_record import RequestRecord

metrics = Metrics()

def count(times):
    for _ in range(times):
        metrics.replied("/predict", 200, 0.5, RequestRecord(key="alice", votes_cast=3))
    metrics._queued.inc(times)

child = os.fork()
count(5 if child == 0 else 2)
if child == 0:
    os._exit(0)
os.waitpid(child, 0)
print(metrics.text().decode())
"""


def test_counters_of_all_processes_are_summed_and_gauges_of_living_ones(tmp_path: Path) -> None:
    environment = {**os.environ, VARIABLE: str(tmp_path)}
    script = [sys.executable, "-c", TWO_PROCESSES]
    ran = subprocess.run(script, env=environment, capture_output=True, text=True, check=True)
    samples = samples_in(ran.stdout)
    assert value(samples, "requests_total", route="/predict", status="200") == 7
    assert value(samples, "request_seconds_sum", route="/predict") == 3.5
    assert value(samples, "request_seconds_bucket", route="/predict", le="0.5") == 7
    assert value(samples, "key_votes_total", key="alice") == 21
    assert value(samples, "queued_votes") == 2


def test_workers_share_the_cores_and_the_token() -> None:
    settings = Settings(internal_token=SecretStr(TOKEN))
    shared = environment_of_workers(settings, Path("x.toml"), 64)
    assert shared == {
        "NOISEVOTE_INTERNAL_TOKEN": TOKEN,
        "NOISEVOTE_SETTINGS_FILE": "x.toml",
        "NOISEVOTE_SLOTS": "1",
    }
    assert "NOISEVOTE_SLOTS" not in environment_of_workers(Settings(slots=3), None, 64)


def test_a_folder_that_is_set_already_is_left_to_whoever_set_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    with shared_counters():
        assert os.environ[VARIABLE] == str(tmp_path)
    assert tmp_path.is_dir()


def test_the_folder_of_the_workers_is_removed_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    with shared_counters():
        folder = Path(os.environ[VARIABLE])
        assert folder.is_dir()
    assert not folder.exists()
    assert VARIABLE not in os.environ


PLAIN_SERVER = """
import multiprocessing, os
from noisevote.service.processes.worker_folder import VARIABLE, share_counters_if_worker

def joined(_):
    share_counters_if_worker()
    return os.environ.get(VARIABLE)

if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        print(joined(0), os.getpid(), *pool.map(joined, range(2), chunksize=1))
"""


def test_workers_of_a_server_that_knows_nothing_of_it_find_each_other(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        dead.wait()
    assert not is_alive(dead.pid)
    left_behind = tmp_path / f"{PREFIX}of-{dead.pid}"
    left_behind.mkdir()
    script = tmp_path / "server.py"
    script.write_text(PLAIN_SERVER)
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    environment.pop(VARIABLE, None)
    environment["PYTHONPATH"] = str(Path(__file__).parents[2])
    ran = subprocess.run(
        [sys.executable, script], env=environment, capture_output=True, text=True, check=True
    )
    alone, parent, *workers = ran.stdout.split()
    assert alone == "None"  # the server itself is no worker
    assert workers == [str(tmp_path / f"{PREFIX}of-{parent}")] * 2
    assert not left_behind.exists()
