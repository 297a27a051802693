"""What ``POST /attack`` refuses, and that it says why."""

import json
import sys
from collections.abc import AsyncIterator
from math import ceil
from pathlib import Path
from typing import Any

import httpx
import pytest

from noisevote.models.checkpoint import SHIPPED, Checkpoint
from noisevote.models.robustness.assessment import steps_of
from noisevote.models.robustness.plan import Plan
from noisevote.models.robustness.run import Parties
from noisevote.service.jobs.chosen import NEEDS_TORCH
from noisevote.service.jobs.submit import results_bytes
from tests.service.jobs.support import body_of, serving_jobs, some_samples, without
from tests.service.support import Json, error_in

pytestmark = pytest.mark.anyio

LIMITS = {
    "max_votes": 60,
    "max_attack_samples": 20,
    "max_job_bytes": 5 * 2**20,
    "max_job_passes": 3_000_000,
    "max_body_bytes": 900_000,
}


@pytest.fixture(scope="module")
async def client(
    anyio_backend: str,  # noqa: ARG001
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[httpx.AsyncClient]:
    async with serving_jobs(tmp_path_factory.mktemp("jobs"), **LIMITS) as (_, client):
        yield client


def with_pixel(value: float) -> list[Any]:
    inputs: list[Any] = some_samples().inputs.tolist()
    inputs[1][0][3][4] = value
    return inputs


STROKES = {"target": "stroke_lstm-mult-1.0", "surrogate": "stroke_lstm-clean"}

FAULTS: dict[str, tuple[Json, str, str]] = {
    "label out of range": ({"labels": [0, 10]}, "labels", "labels[1] is 10; checkpoint"),
    "huge label": ({"labels": [10**30, 0]}, "labels", "labels[0] is 1000000"),
    "negative label": ({"labels": [-1, 0]}, "labels", "has the classes 0 to 9"),
    "label that is no number": ({"labels": [0, "1"]}, "labels.1", "valid integer"),
    "too few labels": ({"labels": [0]}, "labels", "2 samples and 1 labels"),
    "negative epsilon": ({"epsilon": -0.1}, "epsilon", "greater than 0; got -0.1"),
    "epsilon beyond all inputs": (
        {"epsilon": 1e308}, "epsilon",
        "no two inputs of mnist_cnn-mult-1.0 are farther apart than 1",
    ),
    "epsilon beyond all inputs in the sweep": (
        {"epsilons": [0.1, 1.5]}, "epsilons", "epsilons asks for 1.5",
    ),
    "epsilon beyond all inputs in L2": (
        {"epsilon": 28.1, "norm": "l2"}, "epsilon", "farther apart than 28",
    ),
    "step beyond all inputs": ({"step_size": 1e300}, "step_size", "asks for 1e+300"),
    "point of a sweep that is there twice": (
        {"sigmas": [0.1, 0.1000000001]}, "sigmas", "0.1 is there twice; six digits count",
    ),
    "sigma beyond what /predict takes": ({"sigma": 1e30}, "sigma", "less than or equal to 1000"),
    "too many draws": ({"draws": 1001}, "draws", "less than or equal to 1000"),
    "alpha all but zero": ({"alpha": 1e-320}, "alpha", "greater than or equal to 0.000001"),
    "too much work": (
        {"steps": 100_000, "restarts": 3}, "", "forward passes; allowed are 3e+06 a job",
    ),
    "epsilon that is text": ({"epsilon": "0.1"}, "epsilon", "valid number"),
    "no epsilon": ({"epsilon": None}, "epsilon", "valid number"),
    "surrogate with another input": (
        {"surrogate": "stroke_lstm-clean"}, "surrogate", "its shape is [48, 2], that of the target",
    ),
    "undefended with another input": (
        {"undefended": "stroke_lstm-clean"}, "undefended", "takes another input than",
    ),
    "pixel above the range": ({"inputs": with_pixel(1.5)}, "inputs", "inputs[1][0][3][4] is 1.5"),
    "pixel that is none": ({"inputs": with_pixel(float("nan"))}, "inputs", "allowed is 0 to 1"),
    "ragged sample": ({"inputs": [[[0.0] * 28] * 27] * 2}, "inputs", "27 items instead of 28"),
    "zero samples": ({"inputs": [], "labels": []}, "inputs", "at least 1 item"),
    "labels without inputs": ({"inputs": None}, "", "got neither"),
    "two places": ({"dataset": "mnist"}, "", "got both"),
    "images with inputs": ({"images": 2}, "", "images counts those of a dataset"),
    "no such data set": (
        {"inputs": None, "labels": None, "dataset": "fashion"}, "dataset", 'no data set "fashion"',
    ),
    "data set that is not there": (
        {"inputs": None, "labels": None, "dataset": "mnist", "images": 5}, "dataset",
        "name their folder in NOISEVOTE_DATA_DIR",
    ),
    "data set whose folder is named": (
        {"inputs": None, "labels": None, "dataset": "mnist", "images": 5}, "dataset",
        "the data set mnist is not in /",
    ),
    "too many images": (
        {"inputs": None, "labels": None, "dataset": "mnist", "images": 21}, "images",
        "21 samples are too many; allowed are 20",
    ),
    "too many results": ({"restarts": 1000}, "", "allowed are 5 MiB a job"),
    "too many restarts": ({"restarts": 1001}, "restarts", "less than or equal to 1000"),
    "too many votes": ({"votes": 61}, "votes", "asks for 61 votes in a reply; allowed are 60"),
    "too many votes of the adaptive attacker": (
        {"votes": 16, "adaptive": True, "attacks": ["pgd", "square"]}, "votes", "asks for 64 votes",
    ),
    "too many votes in the sweep": ({"vote_numbers": [1, 61]}, "vote_numbers", "61 votes"),
    "too many points": ({"sigmas": [0.1] * 101}, "sigmas", "at most 100 items"),
    "even replies": ({"replies": 4}, "replies", "an odd number is needed"),
    "no attack on the surrogate": ({"attacks": ["square"]}, "attacks", "pgd is missing"),
    "attack that there is not": ({"attacks": ["fgsm"]}, "attacks.0", "'hop_skip_jump'"),
    "budget above the queries": (
        {"budgets": [500]}, "budgets", "the budget 500 is above the 200 queries",
    ),
    "sigma of zero": ({"sigma": 0}, "sigma", "greater than 0"),
    "other noise without a sigma": (
        {"noise": "additive", "sigma": None}, "sigma", "sigma is needed",
    ),
    "noiseless target without a sigma": (
        {"target": "mnist_cnn-clean", "sigma": None}, "sigma", "sigma is needed",
    ),
    "squares on strokes": (
        STROKES | {"attacks": ["pgd", "square"]}, "attacks", "square needs pictures",
    ),
    "sigma of a noise point that there is not": (
        {"sigma": {"conv9": 0.1}}, "sigma", '"conv9" is no noise point of checkpoint',
    ),
    "sigma of a noise point out of range": (
        {"sigma": {"conv1": -1.0}}, "sigma.conv1", "greater than or equal to 0",
    ),
    "no noise at any point": ({"sigma": {"conv1": 0.0}}, "sigma", "no noise point gets noise"),
    "sigma that is text": ({"sigma": "0.1"}, "sigma", "valid number"),
    "two strengths": ({"snr_db": 3.0}, "", "sigma and snr_db say the same thing"),
    "repeats of a noise point that there is not": (
        {"repeats": {"fc9": 2}}, "repeats", '"fc9" is no noise point of checkpoint',
    ),
    "no reads at all": ({"repeats": {"fc2": 0}}, "repeats.fc2", "greater than or equal to 1"),
    "adaptive attacker without the target's noise points": (
        {"sigma": {"conv4": 1.0}, "surrogate": "madry_cnn-adv", "adaptive": True}, "adaptive",
        "the surrogate madry_cnn-adv has no noise point conv4",
    ),
    "negative seed": ({"seed": -1}, "seed", "greater than or equal to 0"),
    "field that there is not": ({"eps": 0.1}, "eps", 'there is no field "eps"; there are: '),
}  # fmt: skip


@pytest.mark.parametrize("case", FAULTS)
async def test_what_cannot_be_assessed_is_refused_with_the_field(
    case: str, client: httpx.AsyncClient
) -> None:
    changes, field, message = FAULTS[case]
    content = json.dumps(body_of(**changes))  # with NaN, which httpx would refuse
    response = await client.post("/attack", content=content)
    code = response.json()["error"]["code"]
    error = error_in(response, 422, code)
    assert code in {"invalid_input", "limit_exceeded"}
    assert error.get("field", "") == field
    assert message in error["message"]
    assert (await client.get("/attack")).json() == {"jobs": []}


@pytest.mark.parametrize("field", ["target", "surrogate", "undefended"])
async def test_an_unknown_checkpoint_is_blamed_on_its_field(
    field: str, client: httpx.AsyncClient
) -> None:
    response = await client.post("/attack", json=body_of() | {field: "none"})
    error = error_in(response, 404, "unknown_checkpoint")
    assert error["field"] == field
    assert "there is no checkpoint 'none'; there are:" in error["message"]


async def test_a_missing_surrogate_and_bodies_that_are_none_are_refused(
    client: httpx.AsyncClient,
) -> None:
    lacking = await client.post("/attack", json=without(body_of(), "surrogate"))
    assert error_in(lacking, 422, "invalid_input")["field"] == "surrogate"
    error_in(await client.post("/attack", content=b"{"), 400, "not_json")
    error_in(await client.post("/attack", content=b"[]"), 422, "invalid_input")
    error_in(await client.post("/attack", content=b" " * 900_001), 413, "body_too_large")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""), ("DELETE", ""), ("POST", "/cancel"), ("POST", "/resume"), ("GET", "/events"),
        ("GET", "/report"), ("GET", "/report.html"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("job_id", ["0123456789abcdef", "%2e%2e%2fetc"])
async def test_an_unknown_job_is_not_found(
    method: str, path: str, job_id: str, client: httpx.AsyncClient
) -> None:
    response = await client.request(method, f"/attack/{job_id}{path}")
    error_in(response, 404, "unknown_job" if job_id[0] == "0" else "not_found")


async def test_without_torch_it_says_what_to_install(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)  # as import sees it where there is none
    for path in ("/attack", "/attack/0123456789abcdef/resume"):
        error = error_in(await client.post(path, json={}), 501, "missing_extra")
        assert error["message"] == NEEDS_TORCH
    assert (await client.get("/attack")).json() == {"jobs": []}


async def test_without_art_its_attack_is_refused_and_the_others_are_not(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "art", None)
    asked = body_of(attacks=["pgd", "hop_skip_jump"], labels=[0, 10])
    error = error_in(await client.post("/attack", json=asked), 501, "missing_extra")
    assert 'pip install ".[art]"' in error["message"]
    error_in(await client.post("/attack", json=asked | {"attacks": ["pgd"]}), 422, "invalid_input")


@pytest.mark.parametrize("name", ["file", "file/jobs"])
async def test_a_folder_that_cannot_be_used_is_said_without_its_path(
    name: str, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    async with serving_jobs(tmp_path / name) as (_, client):
        assert (await client.get("/attack")).json() == {"jobs": []}
        error = error_in(await client.post("/attack", json=body_of()), 507, "storage")
    assert "the folder of the jobs cannot be used: " in error["message"]
    assert "setting jobs_dir" in error["message"]
    assert str(tmp_path) not in error["message"]


ALLOWED: dict[str, Json] = {
    "epsilon as large as the range": {"epsilon": 1.0},
    "noise by noise point, and reads that are averaged": {
        "sigma": {"conv1": 0.5, "fc2": 1.0}, "repeats": {"fc2": 20}, "adaptive": True,
    },
    "noise as SNR": {"sigma": None, "snr_db": 3.0},
    "L2 norm of the farthest two inputs": {"epsilon": 28.0, "norm": "l2"},
    "adaptive attacker who asks the target nothing": {"votes": 60, "adaptive": True},
    "no more votes than are allowed, asked fourfold": {
        "votes": 15, "adaptive": True, "attacks": ["pgd", "square"], "queries": 20, "budgets": [],
    },
}  # fmt: skip


@pytest.mark.parametrize("case", ALLOWED)
async def test_what_just_keeps_to_the_limits_is_taken(case: str, client: httpx.AsyncClient) -> None:
    response = await client.post("/attack", json=body_of(**ALLOWED[case]))
    assert response.status_code == 202, response.text


async def test_noise_is_kept_as_it_was_asked_for(client: httpx.AsyncClient) -> None:
    asked: Json = {"sigma": {"conv1": 0.5, "fc2": 1}, "repeats": {"fc2": 20}}
    plan = (await client.post("/attack", json=body_of(**asked))).json()["plan"]
    assert (plan["sigma"], plan["repeats"]) == (asked["sigma"], asked["repeats"])
    by_snr = await client.post("/attack", json=body_of(sigma=None, snr_db=20.0))
    assert by_snr.json()["plan"]["sigma"] == pytest.approx(0.1)


async def test_limits_of_votes_room_and_work_are_those_of_the_settings_to_the_last_one(
    tmp_path: Path, client: httpx.AsyncClient
) -> None:
    status = (await client.post("/attack", json=body_of())).json()
    plan, samples = Plan.model_validate(status["plan"]), some_samples()
    size = results_bytes(plan, samples, status["steps"])
    parties = Parties(own=False, undefended=False, may_freeze=True)
    passes = sum(step.work for step in steps_of(plan, parties, len(samples)))
    votes_gmacs = 3 * Checkpoint(SHIPPED / "mnist_cnn-mult-1.0").card.macs / 1e9
    enough = {
        "max_job_bytes": size, "max_job_passes": ceil(passes), "max_request_gmacs": votes_gmacs,
    }  # fmt: skip
    too_little = {
        "max_job_bytes": size - 1,
        "max_job_passes": ceil(passes) - 1,
        "max_request_gmacs": 0.99 * votes_gmacs,
    }
    async with serving_jobs(tmp_path / "enough", **enough) as (_, taking):
        assert (await taking.post("/attack", json=body_of())).status_code == 202
    for name, limit in too_little.items():
        async with serving_jobs(tmp_path / name, **(enough | {name: limit})) as (_, refusing):
            refused = await refusing.post("/attack", json=body_of())
            error_in(refused, 422, "limit_exceeded")


async def test_noise_is_frozen_only_where_clients_may_choose_seeds(
    tmp_path: Path, client: httpx.AsyncClient
) -> None:
    body = body_of(white_box=True)
    steps = (await client.post("/attack", json=body)).json()["steps"]
    async with serving_jobs(tmp_path, allow_client_seed=False) as (_, strict):
        fewer = (await strict.post("/attack", json=body)).json()["steps"]
    assert fewer < steps
