"""What ``GET /attack/choices`` offers: that it is taken, and what it says is missing."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from noisevote.models.data.cifar10 import FOLDER
from noisevote.models.data.datasets import MNIST
from noisevote.service.jobs.chosen import NEEDS_TORCH
from tests.service.jobs.support import body_of, serving_jobs, without
from tests.service.support import CHECKPOINT, Json, error_in

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
async def client(
    anyio_backend: str,  # noqa: ARG001
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[httpx.AsyncClient]:
    async with serving_jobs(tmp_path_factory.mktemp("jobs")) as (_, client):
        yield client


async def choices_of(client: httpx.AsyncClient) -> Json:
    response = await client.get("/attack/choices")
    assert response.status_code == 200, response.text
    found: Json = response.json()
    return found


async def test_whatever_surrogate_is_offered_is_taken_and_no_other(
    client: httpx.AsyncClient,
) -> None:
    targets = {each["name"]: each for each in (await choices_of(client))["targets"]}
    ours = targets[CHECKPOINT]
    assert ours["is_default"]
    assert (ours["sigma"], ours["range"]) == (1.0, [0, 1])
    assert ours["surrogates"][-1] == CHECKPOINT, "the target itself comes last"
    assert targets["mnist_cnn-clean"]["sigma"] is None, "it was trained for no noise"
    for name in targets:
        response = await client.post("/attack", json=body_of(surrogate=name))
        if name in ours["surrogates"]:
            assert response.status_code == 202, response.text
        else:
            assert error_in(response, 422, "invalid_input")["field"] == "surrogate"


async def test_data_sets_are_offered_to_networks_of_their_shape_and_told_to_be_missing(
    client: httpx.AsyncClient,
) -> None:
    found = await choices_of(client)
    fitting = {each["name"]: each["datasets"] for each in found["targets"]}
    assert fitting[CHECKPOINT] == ["mnist"]
    assert fitting["densenet40-clean"] == ["cifar10"]
    assert fitting["stroke_lstm-clean"] == ["mnist_strokes"]
    asked = without(body_of(dataset="mnist"), "inputs", "labels")
    refusal = error_in(await client.post("/attack", json=asked), 422, "invalid_input")
    assert found["datasets"]["mnist"] == refusal["message"]


async def test_a_data_set_whose_files_are_there_is_not_missing(tmp_path: Path) -> None:
    (tmp_path / "mnist").mkdir()
    files = (MNIST.train_images, MNIST.train_labels, MNIST.test_images, MNIST.test_labels)
    for file in files:
        (tmp_path / "mnist" / f"{file.name}.gz").touch()
    (tmp_path / FOLDER).mkdir()
    async with serving_jobs(tmp_path / "jobs", data_dir=tmp_path) as (_, client):
        missing = (await choices_of(client))["datasets"]
    assert missing["mnist"] is missing["cifar10"] is None
    assert missing["mnist_strokes"] is not None


async def test_what_is_not_installed_is_told_before_anything_is_asked_for(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = await choices_of(client)
    assert found["missing"] is None
    assert {each["name"] for each in found["attacks"] if each["missing"]} == set()
    monkeypatch.setitem(sys.modules, "torch", None)  # as import sees it where there is none
    monkeypatch.setitem(sys.modules, "art", None)
    found = await choices_of(client)
    assert found["missing"] == NEEDS_TORCH
    (lacking,) = [each for each in found["attacks"] if each["missing"]]
    assert lacking["name"] == "hop_skip_jump"
    assert 'pip install ".[art]"' in lacking["missing"]
