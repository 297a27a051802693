"""What the OpenAPI description allows, and what it forbids, is sent to a real server.

Schemathesis reads the live description, so routes that are added are tested without a change here.
Every reply must have a status, type, headers and body that the description knows for it; whatever
breaks the description must be refused; no reply may be a 500. Streams are read to their end, and
each of their events is checked.

Left out, with the reason:
* that every request which fits the description is accepted: whether an array or picture fits
  depends on the checkpoint, which JSON Schema cannot say;
* 501 and 504 are no faults: an extra is not installed, the request's own deadline has passed;
* binary tensors of the Open Inference Protocol, which OpenAPI cannot describe: they are in
  ``test_v2.py`` and, with a client that others wrote, in ``test_triton_client.py``;
* assessments that the requests themselves start, which takes real samples: one that is done is
  there before, and half of what is asked about assessments is asked about it;
* the page and the reference, which are not part of the description: ``tests/service/page``.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from noisevote.service.client import Client
from noisevote.service.client.attacks import Attacks
from noisevote.service.wire.attack import JobState
from tests.service.jobs.support import body_of, request_of
from tests.service.processes import server_running
from tests.service.support import Json

CONFIGURATION = """
continue-on-failure = true

[checks]
positive_data_acceptance.enabled = false
not_a_server_error.expected-statuses = ["2xx", "3xx", "4xx", "501", "504"]
"""

KNOWN_JOB = """
[dictionaries.jobs]
values = ["{}"]

[[operations]]
include-path-regex = "^/attack/"
exclude-method = "DELETE"
parameters = {{ "path.job_id" = {{ dictionary = "jobs", probability = 0.5 }} }}
"""

SEED = "20261122"

ACCEPTED = (
    "POST /predict",
    "POST /predict/stream",
    "POST /v2/models/{name}/infer",
    "GET /attack/{job_id}",
    "GET /attack/{job_id}/events",
    "GET /attack/{job_id}/report",
    "GET /attack/{job_id}/report.html",
)


def finished_job(url: str) -> str:
    """Have a small assessment done; return its id."""
    with Client(url) as client:
        attacks = Attacks(client)
        job = attacks.submit(request_of(body_of()))
        *_, last = attacks.watch(job.id)
    assert last.state is JobState.DONE
    return job.id


def report_on(folder: Path, *options: str, has_job: bool = False) -> Json:
    """Send what the options ask for to a server of its own; return the report of all cases."""
    file = folder / "schemathesis.toml"
    report = folder / "report.json"
    settings = {
        "NOISEVOTE_DATA_DIR": str(folder / "none"),
        "NOISEVOTE_JOBS_DIR": str(folder / "jobs"),
        "NOISEVOTE_MAX_JOBS": "2",  # should requests find out how to start some
    }
    with server_running(settings) as server:
        known = KNOWN_JOB.format(finished_job(server.url)) if has_job else ""
        file.write_text(CONFIGURATION + known)
        schemathesis = Path(sys.executable).with_name("schemathesis")
        command = [
            str(schemathesis), "--config-file", str(file), "run", "--no-color", "--seed", SEED,
            "--report-json-path", str(report), *options, f"{server.url}/openapi.json",
        ]  # fmt: skip
        ran = subprocess.run(
            command, cwd=folder, env=os.environ, capture_output=True, text=True, check=False
        )
        description = httpx.get(f"{server.url}/openapi.json").json()
        assert "Traceback" not in server.stop()
    assert ran.returncode == 0, ran.stdout
    content: Json = json.loads(report.read_text())
    operations = sum(len(methods) for methods in description["paths"].values())
    assert content["operations"]["tested"] == content["operations"]["total"] == operations
    assert content["test_cases"]["errored"] == 0
    assert not content["failures"]
    return content


def accepted(report: Json, operation: str) -> int:
    """Return how many requests of an operation were answered with a success."""
    return sum(phase["accepted"] for phase in report["valid_rates"][operation].values())


def test_a_hundred_requests_by_the_description_find_no_fault(tmp_path: Path) -> None:
    report = report_on(tmp_path, "--phases", "examples,fuzzing", "--max-examples", "7")
    assert report["test_cases"]["generated"] >= 100
    assert accepted(report, "POST /predict") > 0


@pytest.mark.slow
def test_five_thousand_requests_by_the_description_find_no_fault(tmp_path: Path) -> None:
    report = report_on(tmp_path, "--max-examples", "175", has_job=True)
    assert report["test_cases"]["generated"] >= 5000
    for operation in ACCEPTED:
        assert accepted(report, operation) > 0, operation
    print(json.dumps(report["test_cases"]))  # noqa: T201 - how much was tested
