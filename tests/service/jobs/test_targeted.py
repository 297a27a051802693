"""Targeted assessments as jobs: what is taken, what is refused, and how one ends."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from noisevote.models.robustness.report import Report
from noisevote.service.client.attacks import Attacks
from noisevote.service.jobs.job import JobContent, results_of
from noisevote.service.jobs.run import identity_of
from noisevote.service.wire.attack import JobState
from tests.models.robustness.worlds import drawn_samples
from tests.service.jobs.support import (
    body_of,
    client_of,
    environment,
    request_of,
    serving_jobs,
    submitted,
)
from tests.service.jobs.test_old_folders import CONTENT
from tests.service.support import error_in
from tests.service.test_server import started

pytestmark = pytest.mark.anyio

ALONE = {"surrogate": None, "attacks": ["square"]}


@pytest.fixture(scope="module")
async def client(
    anyio_backend: str,  # noqa: ARG001
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[httpx.AsyncClient]:
    async with serving_jobs(tmp_path_factory.mktemp("jobs")) as (_, client):
        yield client


@pytest.mark.parametrize(
    "wanted", [3, 0, [1, 0], "next", "random", "least_likely"], ids=lambda value: str(value)
)
async def test_a_job_says_which_class_is_wanted_and_has_a_step_for_it(
    wanted: Any, client: httpx.AsyncClient
) -> None:
    plain = await submitted(client)
    status = await submitted(client, target_class=wanted)
    assert plain["plan"]["target_class"] is None
    assert status["plan"]["target_class"] == wanted
    assert status["steps"] == plain["steps"] + 1


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"target_class": "nearest"}, "target_class", "it is no rule; needed is a class, a list "
         "with a class for each sample, or one of next, random, least_likely"),
        ({"target_class": 0.5}, "target_class", "needed is a class, a list"),
        ({"target_class": -1}, "target_class", "greater than or equal to 0"),
        ({"target_class": 10**500}, "target_class", "less than or equal to 2147483647"),
        ({"target_class": 10}, "target_class", "10 is no class; the target has 0 to 9"),
        ({"target_class": [1, 10]}, "target_class", "10 is no class"),
        ({"target_class": [1]}, "target_class", "there are 2 samples and 1 target classes"),
        ({"target_class": [0, 1]}, "target_class", "every sample has the target class as its lab"),
        ({"target_class": "least_likely", **ALONE}, "target_class", "there is none; name a class, "
         "or take next, random"),
    ],
)  # fmt: skip
async def test_what_cannot_be_wanted_is_refused_with_what_can(
    changes: dict[str, Any], field: str, said: str, client: httpx.AsyncClient
) -> None:
    reply = await client.post("/attack", json=body_of(**changes))
    error = error_in(reply, 422, "invalid_input")
    assert error["field"] == field
    assert said in error["message"]


async def test_an_attack_without_a_start_of_that_class_is_refused_with_those_that_need_none(
    client: httpx.AsyncClient,
) -> None:
    pytest.importorskip("art")
    body = body_of(target_class=7, surrogate=None, attacks=["hop_skip_jump"])
    error = error_in(await client.post("/attack", json=body), 422, "invalid_input")
    assert error["field"] == "attacks"
    assert "hop_skip_jump is targeted only from a sample of the target class" in error["message"]
    assert "Targeted without one: pgd, momentum_pgd, square" in error["message"]
    await submitted(client, target_class=1, surrogate=None, attacks=["hop_skip_jump"])


def test_steps_of_earlier_untargeted_jobs_are_gone_on_with_and_those_of_others_are_not() -> None:
    content = JobContent.model_validate_json(CONTENT)
    identity = identity_of(content.plan, content.about)
    assert "target_class" not in identity["plan"]
    wanted = content.plan.model_copy(update={"target_class": 3})
    assert identity_of(wanted, content.about) != identity


@pytest.mark.slow
def test_a_targeted_job_that_is_stopped_goes_on_and_reports_what_was_reached(
    tmp_path: Path,
) -> None:
    samples = drawn_samples(4, seed=4)
    asked = request_of(body_of(samples, target_class=3, epsilon=0.4, steps=20))
    with started(environment(tmp_path)) as server, client_of(server) as client:
        attacks = Attacks(client)
        job = attacks.submit(asked)
        next(seen for seen in attacks.watch(job.id) if seen.step == "pgd/restart 1")
        attacks.cancel(job.id)
        *_, status = attacks.watch(job.id)
        assert status.finished_steps[0].name == "target classes"
        if status.state is JobState.CANCELLED:
            attacks.resume(job.id)
        *_, status = attacks.watch(job.id)
        report = attacks.report(job.id)
        page = attacks.report_page(job.id)
    assert (status.state, status.error) == (JobState.DONE, None)
    assert len(status.finished_steps) == status.steps == report.steps
    assert report.targeted is not None
    assert (report.targeted.samples, report.targeted.left_out) == (3, 1)
    assert report.targeted.classes == (3, 3, 3)
    assert report == Report.model_validate_json(report.model_dump_json())
    assert status.results == results_of(report)
    for result in status.results.attacks:
        assert (result.robust_accuracy, result.robust_accuracy_noiseless) == (None, None)
        assert result.target_reached is not None
    assert "Target class reached by any black-box attack" in page
    kept = json.loads((tmp_path / job.id / "steps" / "identity.json").read_text())
    assert kept["plan"]["target_class"] == 3
