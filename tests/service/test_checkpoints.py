"""``/checkpoints``, and what becomes of checkpoints that are damaged."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from noisevote.models.card import Card
from noisevote.models.checkpoint import SHIPPED
from noisevote.service.configuration.settings import Settings
from tests.service.support import (
    CHECKPOINT,
    POINTS,
    array,
    ask,
    copy_of_checkpoint,
    counts_of,
    error_in,
    refused,
    serving,
)

pytestmark = pytest.mark.anyio


async def test_the_list_says_what_each_checkpoint_takes(client: httpx.AsyncClient) -> None:
    reply = (await client.get("/checkpoints")).json()
    assert reply["refused"] == {}
    [summary] = [entry for entry in reply["checkpoints"] if entry["name"] == CHECKPOINT]
    assert summary == {
        "name": CHECKPOINT,
        "network": "mnist_cnn",
        "noise": "multiplicative",
        "sigma_train": 1.0,
        "input_shape": [1, 28, 28],
        "labels": [str(digit) for digit in range(10)],
        "engine": "onnxruntime",
        "precision": "float32",
        "engine_refused": None,
        "is_default": True,
    }


async def test_every_shipped_folder_is_listed(client: httpx.AsyncClient) -> None:
    reply = (await client.get("/checkpoints")).json()
    folders = sorted(folder.name for folder in SHIPPED.iterdir() if folder.is_dir())
    assert [entry["name"] for entry in reply["checkpoints"]] == folders
    assert sum(entry["is_default"] for entry in reply["checkpoints"]) == 1


async def test_a_card_is_served_as_it_stands_in_its_file(client: httpx.AsyncClient) -> None:
    reply = await client.get(f"/checkpoints/{CHECKPOINT}")
    assert reply.status_code == 200
    card = Card.read((SHIPPED / CHECKPOINT / "card.json").read_bytes())
    body = reply.json()
    assert body.pop("drift") is not None
    assert {study["device"] for study in body.pop("studies")} == {None, "pcm-hermes-2t"}
    assert Card.model_validate(body) == card


async def test_the_card_of_an_unknown_checkpoint_is_not_found(client: httpx.AsyncClient) -> None:
    error = error_in(await client.get("/checkpoints/nosuch"), 404, "unknown_checkpoint")
    assert "there is no checkpoint 'nosuch'; there are: " in error["message"]
    assert CHECKPOINT in error["message"]


@pytest.fixture(scope="module")
async def damaged(
    anyio_backend: str,  # noqa: ARG001
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[tuple[FastAPI, httpx.AsyncClient]]:
    """A service whose default checkpoint has a flipped bit, among others good and bad."""
    directory = tmp_path_factory.mktemp("checkpoints")
    flip_a_bit(copy_of_checkpoint(directory) / "weights.safetensors")
    copy_of_checkpoint(directory, "good")
    (copy_of_checkpoint(directory, "bad_card") / "card.json").write_text('{"card_version": 1')
    (copy_of_checkpoint(directory, "no_card") / "card.json").unlink()
    (copy_of_checkpoint(directory, "no_graph") / "additive.onnx").unlink()
    copy_of_checkpoint(directory, "renamed").rename(directory / "other_name")
    (directory / "a_file").write_text("not a checkpoint")
    async with serving(Settings(slots=1, checkpoints=directory)) as app_and_client:
        yield app_and_client


@pytest.fixture(scope="module")
def damaged_client(damaged: tuple[FastAPI, httpx.AsyncClient]) -> httpx.AsyncClient:
    return damaged[1]


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


async def test_weights_with_a_flipped_bit_are_refused_by_their_digest(
    damaged_client: httpx.AsyncClient,
) -> None:
    for sigma in (1, 0):  # the first refusal must not make the second request go through
        error = await refused(
            damaged_client, 503, "checkpoint_refused", inputs=[array()], sigma=sigma
        )
        assert f"weights.safetensors of checkpoint {CHECKPOINT} has the SHA-256" in error["message"]


async def test_a_checkpoint_that_lacks_a_file_is_refused(damaged_client: httpx.AsyncClient) -> None:
    error = await refused(
        damaged_client, 503, "checkpoint_refused", inputs=[array()], checkpoint="no_graph"
    )
    assert error["message"] == "checkpoint no_graph lacks its file additive.onnx"


async def test_the_good_checkpoints_serve_beside_damaged_ones(
    client: httpx.AsyncClient, damaged_client: httpx.AsyncClient
) -> None:
    beside = await ask(damaged_client, inputs=[array(8)], checkpoint="good", seed=2, votes=50)
    shipped = await ask(client, inputs=[array(8)], seed=2, votes=50)
    assert beside["checkpoint"] == "good"
    assert beside["predictions"] == shipped["predictions"]
    assert beside["fingerprint"] == shipped["fingerprint"]


async def test_checkpoints_without_a_readable_card_are_listed_as_refused(
    damaged_client: httpx.AsyncClient,
) -> None:
    reply = (await damaged_client.get("/checkpoints")).json()
    assert {"bad_card", "no_card", "other_name"} <= set(reply["refused"])
    assert "is not a valid card" in reply["refused"]["bad_card"]
    assert "cannot be read" in reply["refused"]["no_card"]
    assert "is the card of 'renamed'" in reply["refused"]["other_name"]


async def test_what_is_found_wrong_at_loading_is_listed_as_refused_from_then_on(
    damaged_client: httpx.AsyncClient,
) -> None:
    for name in (CHECKPOINT, "no_graph"):
        error = await refused(
            damaged_client, 503, "checkpoint_refused", inputs=[array()], checkpoint=name
        )
        reply = (await damaged_client.get("/checkpoints")).json()
        assert reply["refused"][name] == error["message"]
        assert name not in [entry["name"] for entry in reply["checkpoints"]]


async def test_a_refused_checkpoint_answers_503_with_the_reason(
    damaged_client: httpx.AsyncClient,
) -> None:
    error = error_in(await damaged_client.get("/checkpoints/bad_card"), 503, "checkpoint_refused")
    asked = await refused(
        damaged_client, 503, "checkpoint_refused", inputs=[array()], checkpoint="bad_card"
    )
    assert error["message"] == asked["message"]


async def test_a_damaged_default_keeps_the_service_alive_but_not_ready(
    damaged_client: httpx.AsyncClient,
) -> None:
    assert (await damaged_client.get("/health/live")).status_code == 200
    error = error_in(await damaged_client.get("/health/ready"), 503, "not_ready")
    assert "has the SHA-256" in error["message"]


async def test_a_checkpoint_hardened_layer_by_layer_runs_at_the_sigma_of_each(
    tmp_path: Path,
) -> None:
    folder = copy_of_checkpoint(tmp_path, "by-layer")
    card = json.loads((folder / "card.json").read_text())
    by_layer = {"conv1": 0.5, "fc2": 1.5}
    card["noise"]["sigma_train"] = by_layer
    (folder / "card.json").write_text(json.dumps(card))
    settings = Settings(checkpoints=tmp_path, default_checkpoint="by-layer", slots=1)
    async with serving(settings) as (_, client):
        [summary] = (await client.get("/checkpoints")).json()["checkpoints"]
        assert summary["sigma_train"] == by_layer
        by_default = await ask(client, inputs=[array()], seed=1)
        asked = await ask(client, inputs=[array()], seed=1, sigma=by_layer)
    assert by_default["noise"] == asked["noise"]
    assert by_default["noise"]["sigma"] == dict.fromkeys(POINTS, 0.0) | by_layer
    assert counts_of(by_default) == counts_of(asked)
