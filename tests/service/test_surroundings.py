"""What the service meets where it is run: odd interpreters, homes, disks, hang-ups, no extras."""

import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import httpx
import pytest

from noisevote.service.configuration.settings import Settings
from noisevote.service.processes.worker_folder import EACH_ITS_OWN, VARIABLE, shared_counters
from noisevote.training.__main__ import SETTINGS
from tests.service.jobs.support import body_of, serving_jobs, some_samples, submitted
from tests.service.processes import server_running
from tests.service.support import array, ask, error_in, serving

MODULES = {"noisevote": "noisevote.service.cli", "noisevote-train": "noisevote.training.__main__"}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python with these arguments, as noisevote-train runs itself."""
    return subprocess.run(
        [sys.executable, *arguments],
        env=os.environ | SETTINGS,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("module", MODULES.values(), ids=list(MODULES))
def test_each_command_shows_the_version(module: str) -> None:
    done = run("-m", module, "--version")
    assert (done.stdout, done.returncode) == (f"noisevote {version('noisevote')}\n", 0)


def test_training_shows_its_version_without_its_extra() -> None:
    script = "import sys; sys.modules['torch'] = None; from training.__main__ import main; main()"
    done = run("-c", script, "--version")
    assert (done.stdout, done.returncode) == (f"noisevote {version('noisevote')}\n", 0)


@pytest.mark.parametrize("missing", ["torch", "matplotlib"])
def test_training_without_its_extra_says_what_to_install(missing: str) -> None:
    script = f"import sys; sys.modules[{missing!r}] = None; from training.__main__ import main; "
    done = run("-c", script + "main()")
    assert done.returncode == 1
    assert done.stderr == (
        f'error: noisevote-train needs {missing}; install it with: pip install ".[train]", in the '
        "folder of noisevote's source\n"
    )


def test_python_without_docstrings_serves_and_lists_settings() -> None:
    with (
        server_running(
            command=("-OO", "-m", "noisevote.service.cli", "serve", "--port", "0")
        ) as server,
        httpx.Client(base_url=server.url, timeout=60) as client,
    ):
        reply = client.post("/predict", json={"inputs": [array()], "votes": 2})
        assert reply.status_code == 200
        assert client.post("/predict", content=b"{").json()["error"]["code"] == "not_json"
        assert client.get("/openapi.json").status_code == 200
    listed = run("-OO", "-m", "noisevote.service.cli", "settings")
    assert "| `max_votes` | Most votes for one input | `1000` |" in listed.stdout


@pytest.mark.anyio
async def test_a_folder_of_jobs_that_cannot_be_reached_stops_assessments_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    nowhere = tmp_path / ("x" * 300) / "jobs"  # longer than a name may be, also for root
    async with serving(Settings(slots=1, jobs_dir=nowhere)) as (_, client):
        assert "no assessments: their folder cannot be used" in caplog.text
        await ask(client, inputs=[array()], votes=2)
        assert (await client.get("/health/ready")).status_code == 200
        assert (await client.get("/metrics")).status_code == 200
        reply = await client.post("/attack", json=body_of(some_samples()))
        error = error_in(reply, 507, "storage")
        assert "the folder of the jobs cannot be used: File name too long" in error["message"]
        error_in(await client.get("/attack"), 507, "storage")
        error_in(await client.get(f"/attack/{'0' * 16}"), 507, "storage")
        error_in(await client.delete(f"/attack/{'0' * 16}"), 507, "storage")


@pytest.mark.anyio
async def test_a_folder_of_jobs_that_cannot_be_written_is_said_at_the_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    folder = tmp_path / "file" / "jobs"
    async with serving(Settings(slots=1, jobs_dir=folder)) as (_, client):
        assert f"no assessments: {folder} cannot be written" in caplog.text
        await ask(client, inputs=[array()], votes=2)
        assert (await client.get("/attack")).json() == {"jobs": []}
        error_in(await client.post("/attack", json=body_of(some_samples())), 507, "storage")


@pytest.mark.anyio
async def test_a_database_of_jobs_that_is_damaged_stops_assessments_alone(tmp_path: Path) -> None:
    async with serving_jobs(tmp_path) as (_, client):
        await submitted(client)
    with sqlite3.connect(tmp_path / "jobs.sqlite") as connection:
        connection.execute("UPDATE jobs SET content = '{'")
    async with serving_jobs(tmp_path) as (_, client):
        await ask(client, inputs=[array()], votes=2)
        error_in(await client.get("/attack"), 507, "storage")
    (tmp_path / "jobs.sqlite").write_bytes(b"no database" * 1000)
    async with serving_jobs(tmp_path) as (_, client):
        await ask(client, inputs=[array()], votes=2)
        error_in(await client.get("/attack"), 507, "storage")


def test_workers_without_a_folder_to_write_serve_with_counters_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    monkeypatch.delenv(VARIABLE, raising=False)
    with shared_counters():
        assert VARIABLE not in os.environ
    assert EACH_ITS_OWN in caplog.text


def test_a_hang_up_lets_a_single_process_finish() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup may have run the tests
    try:
        with server_running() as server:
            log = server.stop(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert "Application shutdown complete." in log
    assert server.process.returncode == -signal.SIGTERM
