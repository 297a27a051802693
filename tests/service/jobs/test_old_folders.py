"""Folders of jobs that earlier versions of the service left behind."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from noisevote.models.data.dataset import Labels
from noisevote.models.robustness.assessment import assess
from noisevote.models.robustness.page import html_report
from noisevote.models.robustness.report import Report
from noisevote.service.jobs.job import JobContent
from noisevote.service.jobs.run import identity_of
from tests.models.robustness.assessed import ABOUT, SHORT, run_of
from tests.service.jobs.support import serving_jobs

pytestmark = pytest.mark.anyio

JOB = "0123456789abcdef"

LATER = {
    "target_class", "target_probability", "target_reached", "targeted", "reached", "mean_reached",
}  # fmt: skip
"""Fields of plans and reports that came with targeted assessments."""

VERSION_1 = """
CREATE TABLE jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, state TEXT NOT NULL,
    content TEXT NOT NULL, created REAL NOT NULL, queued REAL NOT NULL, started REAL,
    finished REAL, step TEXT, steps INTEGER NOT NULL, progress REAL NOT NULL DEFAULT 0,
    progress_from REAL NOT NULL DEFAULT 0, paced REAL, queries INTEGER NOT NULL DEFAULT 0,
    votes INTEGER NOT NULL DEFAULT 0, error TEXT, results TEXT NOT NULL DEFAULT '{}',
    wants_cancel INTEGER NOT NULL DEFAULT 0, idempotency_key TEXT UNIQUE, digest TEXT NOT NULL
);
CREATE TABLE steps (job TEXT NOT NULL, name TEXT NOT NULL, seconds REAL, PRIMARY KEY (job, name));
PRAGMA user_version = 1;
"""

CONTENT = """{"plan": {"votes": 5, "norm": "linf", "epsilon": 0.15, "step_size": 0.06, "steps": 6,
"restarts": 1, "attacks": ["pgd", "square"], "queries": 30, "query_samples": 30, "adaptive": false,
"draws": 2, "white_box": false, "replies": 5, "sweep_replies": 3, "stable_share": 0.9,
"sigmas": [], "epsilons": [0.1], "vote_numbers": [], "budgets": [], "alpha": 0.05, "seed": 0,
"kind": "multiplicative", "sigma": 0.5}, "about": {"target": "mnist_cnn-mult-1.0",
"target_fingerprint": "0", "surrogate": "mnist_cnn-clean", "surrogate_fingerprint": "1",
"undefended": null, "undefended_fingerprint": null, "labels": ["0", "1"],
"samples": {"source": "uploaded", "indices": [0, 1], "digest": ""},
"interface": "over HTTP, POST /predict, priority low", "versions": {"torch": "2.11.0"}}}"""

RESULTS = """{"noiseless_accuracy": {"count": 2, "of": 2, "share": 1.0, "interval": [0.1, 1.0]},
"voted_accuracy": null, "attacks": [{"attack": "pgd", "family": "transfer",
"robust_accuracy_noiseless": null, "robust_accuracy": null, "attack_success_rate": null}],
"verdict": null}"""


async def test_a_job_of_an_earlier_version_is_shown_and_can_be_gone_on_with(
    tmp_path: Path,
) -> None:
    with closing(sqlite3.connect(tmp_path / "jobs.sqlite")) as connection:
        connection.executescript(VERSION_1)
        connection.execute(
            "INSERT INTO jobs (id, state, content, created, queued, steps, results, digest) "
            "VALUES (?, 'interrupted', ?, 1.5, 1.5, 20, ?, 'digest')",
            (JOB, CONTENT, RESULTS),
        )
        connection.execute("INSERT INTO steps VALUES (?, 'clean/one vote', 0.25)", (JOB,))
        connection.commit()
    folder = tmp_path / JOB
    folder.mkdir()
    (folder / "report.json").write_text("{}")
    async with serving_jobs(tmp_path) as (_, client):
        status = (await client.get(f"/attack/{JOB}")).json()
        listed = (await client.get("/attack")).json()["jobs"]
        report = await client.get(f"/attack/{JOB}/report")
        resumed = (await client.post(f"/attack/{JOB}/resume")).json()
    assert (status["state"], status["created_at"]) == ("interrupted", "1970-01-01T00:00:01.500000Z")
    assert status["finished_steps"] == [{"name": "clean/one vote", "seconds": 0.25}]
    assert status["plan"]["attacks"] == ["pgd", "square"]
    assert status["results"]["noiseless_accuracy"]["count"] == 2
    assert [job["id"] for job in listed] == [JOB]
    assert report.json() == {}
    assert resumed["state"] == "queued"


async def test_the_plan_of_an_earlier_version_goes_on_with_its_steps() -> None:
    content = JobContent.model_validate_json(CONTENT)
    identity = identity_of(content.plan, content.about)
    before = json.loads(CONTENT)
    del before["about"]["versions"]
    assert identity == {"version": 2, "plan": before["plan"], "about": before["about"]}
    later = content.plan.model_copy(update={"labels": Labels.PREDICTED})
    assert identity_of(later, content.about) != identity
    read_often = content.plan.model_copy(update={"repeats": {"fc2": 20}})
    assert identity_of(read_often, content.about)["plan"]["repeats"] == {"fc2": 20}


def without_later_fields(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: without_later_fields(v) for k, v in value.items() if k not in LATER}
    return [without_later_fields(each) for each in value] if isinstance(value, list) else value


def test_a_report_of_before_targeted_assessments_is_read_and_shown() -> None:
    report = assess(run_of(SHORT), ABOUT)
    old = without_later_fields(json.loads(report.model_dump_json()))
    read = Report.model_validate_json(json.dumps(old))
    assert read == report
    assert "any wrong class (untargeted)" in html_report(read)
