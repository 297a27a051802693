"""Assessments of networks that others made, which have no gradients."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from noisevote.models.data.scikit_digits import LEVELS
from noisevote.models.specs import InputSpec
from noisevote.service.client.attacks import Attacks
from noisevote.service.wire.attack import JobState
from tests.foreign import digits_classifier, drawn, noiseless
from tests.models.robustness.worlds import drawn_samples
from tests.service.jobs.support import client_of, environment, request_of, serving_jobs
from tests.service.support import CHECKPOINT, Json, copy_of_checkpoint, error_in
from tests.service.test_server import started

pytestmark = pytest.mark.anyio

PICTURES = InputSpec(name="photo", shape=(1, 28, 28), range=(0, 1))
UNBOUNDED = InputSpec(name="x", shape=(64,), range=None)

ALONE: Json = {
    "target": "theirs", "surrogate": None, "epsilon": 0.1, "sigma": 0.3, "votes": 3, "queries": 5,
    "query_samples": 2, "replies": 3, "sweep_replies": 1, "seed": 5,
}  # fmt: skip
DIGITS: Json = ALONE | {"target": "digits", "epsilon": 2.0, "dataset": "digits", "images": 4}
LABELS = tuple("0123456789")


def folder_of(path: Path) -> Path:
    """Write imported checkpoints: one of pictures, one of 64 numbers, one without a range."""
    drawn(path / "theirs", [PICTURES], LABELS)
    drawn(path / "boundless", [UNBOUNDED], LABELS)
    generator = np.random.default_rng(0)
    images = generator.uniform(*LEVELS, (300, 64)).astype(np.float32)
    digits_classifier(path / "digits", images, generator.integers(0, 10, 300))
    copy_of_checkpoint(path)
    return path


def uploaded(**changes: Any) -> Json:
    samples = drawn_samples(2, seed=4)
    return ALONE | {"inputs": samples.inputs.tolist(), "labels": samples.labels.tolist()} | changes


@pytest.fixture(scope="module")
async def client(
    anyio_backend: str,  # noqa: ARG001
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[httpx.AsyncClient]:
    folder = tmp_path_factory.mktemp("jobs")
    checkpoints = folder_of(folder / "checkpoints")
    async with serving_jobs(folder / "kept", checkpoints=checkpoints) as (_, client):
        assert (await client.get("/checkpoints")).json()["refused"] == {}
        yield client


async def test_without_a_surrogate_the_attacks_are_those_that_need_none(
    client: httpx.AsyncClient,
) -> None:
    reply = await client.post("/attack", json=uploaded())
    assert reply.status_code == 202, reply.text
    status = reply.json()
    assert status["surrogate"] is None
    assert status["plan"]["attacks"] == ["square"]
    assert (await client.get("/attack")).json()["jobs"][0]["surrogate"] is None


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"attacks": ["pgd"]}, "attacks", "needs the gradients of a surrogate, and there is none; "
         "allowed without one: square, hop_skip_jump"),
        ({"attacks": ["square", "momentum_pgd"]}, "attacks", "the attack momentum_pgd needs"),
        ({"surrogate": "theirs"}, "surrogate", "checkpoint theirs was imported, so its gradients "
         "are not at hand"),
        ({"sigmas": [0.1]}, "sigmas", "needs a surrogate, and there is none; leave it out"),
        ({"epsilons": [0.1]}, "epsilons", "is about the examples of pgd"),
        ({"vote_numbers": [1]}, "vote_numbers", "is about the examples of pgd"),
        ({"undefended": "theirs"}, "undefended", "is about the examples of pgd"),
        ({"target": "boundless", "inputs": [[0.0] * 64] * 2}, "target", "import it again with "
         "--range"),
        ({"target": "digits", "attacks": ["square"]}, "attacks", "needs pictures; digits takes "
         "[64]. Leave it out of attacks; allowed: hop_skip_jump"),
    ],
)  # fmt: skip
async def test_what_cannot_be_tried_is_refused_with_what_can(
    changes: Json, field: str, said: str, client: httpx.AsyncClient
) -> None:
    error = error_in(await client.post("/attack", json=uploaded(**changes)), 422, "invalid_input")
    assert error["field"] == field
    assert said in error["message"]


async def test_an_imported_target_is_attacked_on_a_surrogate_of_ours(
    client: httpx.AsyncClient,
) -> None:
    reply = await client.post("/attack", json=uploaded(surrogate=CHECKPOINT))
    assert reply.status_code == 202, reply.text
    status = reply.json()
    assert status["plan"]["attacks"] == ["pgd", "momentum_pgd", "square"]
    other = await client.post("/attack", json=uploaded(surrogate=CHECKPOINT, target=CHECKPOINT))
    assert other.json()["steps"] > status["steps"], "without the target's own gradients fewer"


async def test_the_digits_of_scikit_learn_fit_a_network_of_64_numbers(
    client: httpx.AsyncClient,
) -> None:
    pytest.importorskip("art")
    reply = await client.post("/attack", json=DIGITS)
    assert reply.status_code == 202, reply.text
    assert reply.json()["plan"]["attacks"] == ["hop_skip_jump"]
    body = DIGITS | {"target": "theirs", "epsilon": 0.1}
    error = error_in(await client.post("/attack", json=body), 422, "invalid_input")
    assert (
        "the data set digits does not fit: digits, test examples has rows of 64 "
        in (error["message"])
    )


async def test_without_labels_the_targets_own_answers_stand_for_them(
    client: httpx.AsyncClient,
) -> None:
    reply = await client.post("/attack", json=uploaded(labels="predicted"))
    assert reply.status_code == 202, reply.text
    given = await client.post("/attack", json=uploaded())
    assert reply.json()["plan"]["labels"] == "predicted"
    assert given.json()["plan"]["labels"] == "given"
    assert reply.json()["steps"] == given.json()["steps"] + 1
    of_data_set = DIGITS | {"labels": "predicted", "attacks": ["hop_skip_jump"]}
    assert (await client.post("/attack", json=of_data_set)).status_code == 202


@pytest.mark.parametrize(
    ("labels", "field", "said"),
    [
        (None, "", 'the inputs have no labels; give the class of each, or "predicted"'),
        ("guessed", "labels", 'labels: got "guessed"; needed is a list of classes, or'),
        ([0, "1"], "labels.1", "valid integer"),
        ({"0": 1}, "labels", "needed is a list of classes"),
        ([0, 10], "labels", "labels[1] is 10; checkpoint theirs has the classes 0 to 9"),
    ],
)
async def test_labels_that_are_none_are_refused_with_what_is_needed(
    labels: Any, field: str, said: str, client: httpx.AsyncClient
) -> None:
    error = error_in(
        await client.post("/attack", json=uploaded(labels=labels)), 422, "invalid_input"
    )
    assert error.get("field", "") == field
    assert said in error["message"]


@pytest.mark.slow
def test_a_job_by_queries_alone_ends_with_a_report_that_says_so(tmp_path: Path) -> None:
    settings = environment(tmp_path / "jobs") | {
        "NOISEVOTE_CHECKPOINTS": str(folder_of(tmp_path / "checkpoints")),
        "NOISEVOTE_DEFAULT_CHECKPOINT": "theirs",
    }
    with started(settings) as server, client_of(server) as client:
        attacks = Attacks(client)
        *_, status = attacks.watch(attacks.submit(request_of(uploaded())).id)
        report = attacks.report(status.id)
        page = attacks.report_page(status.id)
    assert (status.state, status.error, status.surrogate) == (JobState.DONE, None, None)
    assert len(status.finished_steps) == status.steps == report.steps
    assert report.about.surrogate is None
    assert [row.attack for row in report.attacks] == ["square", "adaptive_square", "random_noise"]
    assert {each.attack for each in report.untried} == {
        "pgd", "momentum_pgd", "eot_pgd", "hop_skip_jump", "white_box",
    }  # fmt: skip
    assert "the attacker can only ask" in page
    assert json.loads(report.model_dump_json())["verdict"]["answer"]


@pytest.mark.slow
def test_labels_are_asked_for_once_and_outlive_the_worker(tmp_path: Path) -> None:
    checkpoints = folder_of(tmp_path / "checkpoints")
    settings = environment(tmp_path / "jobs") | {
        "NOISEVOTE_CHECKPOINTS": str(checkpoints),
        "NOISEVOTE_DEFAULT_CHECKPOINT": "theirs",
    }
    asked = request_of(uploaded(labels="predicted"))
    with started(settings) as server, client_of(server) as client:
        attacks = Attacks(client)
        *_, status = attacks.watch(attacks.submit(asked).id)
        report = attacks.report(status.id)
    assert (status.state, status.error) == (JobState.DONE, None)
    assert status.finished_steps[0].name == "labels"
    assert len(status.finished_steps) == status.steps == report.steps
    samples = drawn_samples(2, seed=4)
    expected = noiseless([PICTURES], {"photo": samples.inputs}, 10).argmax(axis=1)
    with np.load(tmp_path / "jobs" / status.id / "steps" / "labels.npz") as kept:
        assert kept["labels"].tolist() == expected.tolist()
    assert report.clean is not None
    assert report.clean.noiseless.share == 1
