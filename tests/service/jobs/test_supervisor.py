"""What the supervisor tells its worker, and what it does when that ends badly or not at all."""

import asyncio
import json
import os
import threading
from pathlib import Path

import pytest
from pydantic import SecretStr

from noisevote.models.draws.schemes import NEWEST
from noisevote.models.errors import StorageError
from noisevote.service.configuration.settings import Settings
from noisevote.service.jobs import supervisor
from noisevote.service.jobs.folder import JobFolder
from noisevote.service.wire.attack import JobState
from tests.service.jobs.support import serving_jobs, store_of, submitted
from tests.service.processes import WITHIN_S
from tests.service.support import array, ask
from tests.service.test_keys import TOKEN
from tests.service.test_stream import events_in

pytestmark = pytest.mark.anyio

NOWHERE = "http://127.0.0.1:9"
TELLS = """
import json, os, sys
seen = dict(os.environ) | {"orders": json.loads(sys.stdin.readline()), "session": os.getsid(0)}
with open(os.environ["SEEN"], "w") as file:
    json.dump(seen | {"pid": os.getpid()}, file)
os._exit(7)
"""
WORKS = """
import json, os, sqlite3, sys
folder = json.loads(sys.stdin.readline())["folder"]
with sqlite3.connect(os.path.join(folder, "jobs.sqlite"), timeout=60) as connection:
    first = "(SELECT min(number) FROM jobs WHERE state = 'queued')"
    connection.execute(f"UPDATE jobs SET state = 'done', finished = 1 WHERE number = {first}")
os._exit(0)
"""
ENDS = "import os; os._exit(7)"
HANGS = """
import os, signal
with open(os.environ["SEEN"], "w") as pipe:
    pipe.write(str(os.getpid()))
signal.pause()
"""


@pytest.fixture
def seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a worker leaves what it has seen."""
    path = tmp_path / "seen"
    monkeypatch.setenv("SEEN", str(path))
    return path


def breaking(monkeypatch: pytest.MonkeyPatch, folder: Path, module: str, script: str) -> None:
    """Have workers run a script when they import a module.

    NumPy they import before they take a job, torch for their first one.
    """
    (folder / module).mkdir(parents=True)
    (folder / module / "__init__.py").write_text(script)
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    )


async def test_a_worker_is_told_all_it_needs_and_if_it_ends_before_any_job_the_next_one_fails(
    tmp_path: Path, seen: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaking(monkeypatch, tmp_path / "broken", "numpy", TELLS)
    settings = {
        "attack_url": NOWHERE, "internal_token": SecretStr(TOKEN), "max_inputs": 7,
        "attack_threads": 3, "noise_scheme": NEWEST.id,
    }  # fmt: skip
    jobs = tmp_path / "jobs"
    async with serving_jobs(jobs, **settings) as (_, client):
        job = await submitted(client)
        *_, (_, ended) = events_in((await client.get(job["events_url"])).text)
    assert (ended["state"], ended["error"]) == (
        "failed",
        "its worker ended unexpectedly, with exit code 7",
    )
    found = json.loads(seen.read_text())
    assert found["OMP_NUM_THREADS"] == found["MKL_NUM_THREADS"] == "1"
    assert found["NO_PROXY"] == found["no_proxy"] == "*"
    assert found["session"] == found["pid"], "Ctrl-C of the terminal is not for it"
    orders = found["orders"]
    assert (orders["folder"], orders["url"], orders["token"]) == (str(jobs), NOWHERE, TOKEN)
    assert orders["limits"]["max_inputs"] == 7
    assert orders["threads"] == 3
    assert orders["noise_scheme"] == NEWEST.id


async def test_a_worker_that_ends_unexpectedly_interrupts_its_job_and_predictions_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaking(monkeypatch, tmp_path / "broken", "torch", ENDS)
    async with serving_jobs(tmp_path / "jobs", attack_url=NOWHERE) as (_, client):
        job = await submitted(client)
        *_, (_, ended) = events_in((await client.get(job["events_url"])).text)
        assert (ended["state"], ended["error"]) == (
            "interrupted",
            "its worker ended unexpectedly, with exit code 7",
        )
        await ask(client, inputs=[array()], votes=2)


async def test_after_a_worker_that_ended_well_another_does_what_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    breaking(monkeypatch, tmp_path / "broken", "numpy", WORKS)
    async with serving_jobs(tmp_path / "jobs", attack_url=NOWHERE) as (_, client):
        jobs = [await submitted(client) for _ in range(2)]
        for job in jobs:
            *_, (_, ended) = events_in((await client.get(job["events_url"])).text)
            assert ended["state"] == "done"
    assert "ended with exit code" not in caplog.text


async def test_a_worker_that_does_not_stop_is_killed_with_the_server_and_its_job_interrupted(
    tmp_path: Path, seen: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaking(monkeypatch, tmp_path / "broken", "numpy", HANGS)
    os.mkfifo(seen)  # whoever reads it waits for the worker
    monkeypatch.setattr(supervisor, "STOPS_WITHIN_S", 0.1)
    jobs = tmp_path / "jobs"
    async with serving_jobs(jobs, attack_url=NOWHERE) as (_, client):
        job = await submitted(client)
        worker = int(await asyncio.to_thread(seen.read_text))
        assert store_of(jobs).claim() is not None  # as if it had done so
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)
    left = store_of(jobs).find(job["id"])
    assert (left.state, left.error) == (JobState.INTERRUPTED, "the server was stopped")


async def test_running_jobs_that_a_dead_worker_of_another_process_left_are_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "LOOKS_EVERY_S", 0.05)
    async with serving_jobs(tmp_path) as (_, client):
        job = await submitted(client)
        assert store_of(tmp_path).claim() is not None
        *_, (_, ended) = events_in((await client.get(job["events_url"])).text)
    assert ended["state"] == "interrupted"
    assert ended["error"] == "its worker ended unexpectedly"


class BrokenFolder(JobFolder):
    """Cannot be read, for one reason and then for another."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.reasons = ["gone", "gone", "gone", "locked", "locked"]
        self.is_mended = threading.Event()

    @property
    def is_there(self) -> bool:
        if self.reasons:
            raise StorageError(self.reasons.pop(0))
        self.is_mended.set()
        return False


async def test_what_keeps_the_supervisor_from_looking_is_complained_of_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "LOOKS_EVERY_S", 0.001)
    folder, closing = BrokenFolder(tmp_path), asyncio.Event()
    looking = asyncio.create_task(
        supervisor.Supervisor(Settings(jobs_dir=tmp_path), folder, store_of(tmp_path)).run(closing)
    )
    assert await asyncio.to_thread(folder.is_mended.wait, WITHIN_S)
    closing.set()
    await looking
    complaints = [str(record.exc_info[1]) for record in caplog.records if record.exc_info]
    assert complaints == ["gone", "locked"]
