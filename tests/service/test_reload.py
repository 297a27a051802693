"""Checkpoints that appear, change, break and disappear while the service runs."""

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from noisevote.models.checkpoint import SHIPPED, Checkpoint
from noisevote.models.noise import NoiseKind
from noisevote.service.configuration.settings import Settings
from noisevote.service.operations.reload import CheckpointReloader, signatures_in
from noisevote.service.service import service_of
from tests.service.gated import GatedCheckpoint
from tests.service.support import (
    CHECKPOINT,
    Json,
    array,
    ask,
    copy_of_checkpoint,
    counts_of,
    error_in,
    noise_image,
    refused,
    serving,
)
from tests.service.test_checkpoints import flip_a_bit

pytestmark = pytest.mark.anyio

OTHER = "mnist_cnn-clean"
ASKED: Json = {"inputs": [noise_image(), noise_image(1), array(3)], "votes": 30, "seed": 3}


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[tuple[FastAPI, httpx.AsyncClient]]:
    """A service that looks when it is told to."""
    copy_of_checkpoint(tmp_path)
    settings = Settings(slots=1, checkpoints=tmp_path, checkpoint_poll_s=0)
    async with serving(settings) as app_and_client:
        yield app_and_client


async def load(client: httpx.AsyncClient, name: str = CHECKPOINT) -> httpx.Response:
    return await client.post(f"/v2/repository/models/{name}/load")


def put_in_place_of(folder: Path, source: Path) -> None:
    """Copy the files of another network over a checkpoint's, in place as ``cp`` does."""
    for file in source.iterdir():
        with (folder / file.name).open("r+b") as target:
            target.truncate(0)
            target.write(file.read_bytes())
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps(card | {"name": folder.name}))


async def test_a_new_checkpoint_serves_without_a_restart(
    served: tuple[FastAPI, httpx.AsyncClient], tmp_path: Path
) -> None:
    _, client = served
    await refused(client, 404, "unknown_checkpoint", **ASKED, checkpoint="new")
    assert (await load(client, "new")).status_code == 404
    copy_of_checkpoint(tmp_path, "new")
    assert (await load(client, "new")).json() == {}
    expected = await ask(client, **ASKED)
    assert counts_of(await ask(client, **ASKED, checkpoint="new")) == counts_of(expected)
    names = [entry["name"] for entry in (await client.get("/checkpoints")).json()["checkpoints"]]
    assert names == sorted([CHECKPOINT, "new"])


async def test_a_replaced_checkpoint_serves_its_new_votes(
    served: tuple[FastAPI, httpx.AsyncClient], tmp_path: Path
) -> None:
    _, client = served
    before = await ask(client, **ASKED, sigma=1)
    put_in_place_of(tmp_path / CHECKPOINT, SHIPPED / OTHER)
    # Overwritten in place, and not looked at yet: the old one has its weights in memory.
    assert counts_of(await ask(client, **ASKED, sigma=1)) == counts_of(before)
    assert (await load(client)).status_code == 200
    after = await ask(client, **ASKED, sigma=1)
    assert after["fingerprint"] == Checkpoint(SHIPPED / OTHER).fingerprint
    assert after["fingerprint"] != before["fingerprint"]
    assert counts_of(after) != counts_of(before)


async def test_a_checkpoint_measured_anew_for_devices_serves_its_new_chips(
    served: tuple[FastAPI, httpx.AsyncClient], tmp_path: Path
) -> None:
    _, client = served
    asked = ASKED | {"device": "pcm-nandakumar"}
    before = await ask(client, **asked)
    card = json.loads((tmp_path / CHECKPOINT / "card.json").read_text())
    for of in card["devices"]["arrays"].values():
        of["input_range"] /= 10
    (tmp_path / CHECKPOINT / "card.json").write_text(json.dumps(card))
    assert (await load(client)).status_code == 200
    after = await ask(client, **asked)
    assert after["fingerprint"] != before["fingerprint"]
    assert counts_of(after) != counts_of(before)


async def test_damaged_files_of_devices_are_refused_and_the_old_ones_go_on(
    served: tuple[FastAPI, httpx.AsyncClient], tmp_path: Path
) -> None:
    _, client = served
    asked = ASKED | {"device": "pcm-nandakumar"}
    before = await ask(client, **asked)
    flip_a_bit(tmp_path / CHECKPOINT / "device-full.onnx")
    assert (await load(client)).status_code == 503
    assert counts_of(await ask(client, **asked)) == counts_of(before)


@pytest.mark.parametrize("damage", ["bit", "truncated", "missing", "card", "swapped weights"])
async def test_what_is_damaged_is_refused_and_the_old_one_goes_on(
    served: tuple[FastAPI, httpx.AsyncClient], tmp_path: Path, damage: str
) -> None:
    _, client = served
    before = await ask(client, **ASKED)
    weights = tmp_path / CHECKPOINT / "weights.safetensors"
    if damage == "bit":
        flip_a_bit(weights)
    elif damage == "truncated":
        os.truncate(weights, 100)
    elif damage == "missing":
        weights.unlink()
    elif damage == "card":
        (tmp_path / CHECKPOINT / "card.json").write_text('{"card_version": 1')
    else:
        shutil.copy(SHIPPED / OTHER / "weights.safetensors", weights)
    answer = await load(client)
    assert answer.status_code == 503
    reason = answer.json()["error"]
    assert (await client.get("/checkpoints")).json()["refused"] == {CHECKPOINT: reason}
    after = await ask(client, **ASKED)
    assert (counts_of(after), after["fingerprint"]) == (counts_of(before), before["fingerprint"])
    assert (await client.get("/health/ready")).status_code == 200
    (entry,) = (await client.post("/v2/repository/index")).json()
    assert (entry["state"], entry["reason"]) == ("READY", reason)
    shutil.rmtree(tmp_path / CHECKPOINT)
    copy_of_checkpoint(tmp_path)
    assert (await load(client)).status_code == 200
    assert (await client.get("/checkpoints")).json()["refused"] == {}


async def test_requests_that_run_finish_on_the_old_one(
    served: tuple[FastAPI, httpx.AsyncClient], tmp_path: Path
) -> None:
    app, client = served
    before = await ask(client, **ASKED)
    gated = GatedCheckpoint()
    service_of(app).reloader.store.put(gated)
    running = asyncio.create_task(ask(client, **ASKED))
    await asyncio.to_thread(gated.gated.begun.wait)
    put_in_place_of(tmp_path / CHECKPOINT, SHIPPED / OTHER)
    assert (await load(client)).status_code == 200
    waiting = asyncio.create_task(ask(client, **ASKED))
    gated.gated.gate.set()
    finished, later = await running, await waiting
    assert finished["fingerprint"] == before["fingerprint"] != later["fingerprint"]
    assert counts_of(finished) == counts_of(before)


async def test_a_removed_checkpoint_serves_no_more_unless_it_is_the_default(
    served: tuple[FastAPI, httpx.AsyncClient], tmp_path: Path
) -> None:
    _, client = served
    copy_of_checkpoint(tmp_path, "other")
    assert (await load(client, "other")).status_code == 200
    shutil.rmtree(tmp_path / "other")
    shutil.rmtree(tmp_path / CHECKPOINT)
    assert (await load(client)).status_code == 200
    await refused(client, 404, "unknown_checkpoint", **ASKED, checkpoint="other")
    await ask(client, **ASKED)


async def test_a_service_becomes_ready_when_its_default_is_repaired(tmp_path: Path) -> None:
    flip_a_bit(copy_of_checkpoint(tmp_path) / "weights.safetensors")
    settings = Settings(slots=1, checkpoints=tmp_path, checkpoint_poll_s=0)
    async with serving(settings) as (_, client):
        error_in(await client.get("/health/ready"), 503, "not_ready")
        shutil.copy(SHIPPED / CHECKPOINT / "weights.safetensors", tmp_path / CHECKPOINT)
        assert (await load(client)).status_code == 200
        assert (await client.get("/health/ready")).status_code == 200
        await ask(client, **ASKED)


async def test_the_folder_is_looked_at_by_itself(tmp_path: Path) -> None:
    copy_of_checkpoint(tmp_path)
    settings = Settings(slots=1, checkpoints=tmp_path, checkpoint_poll_s=0.01)
    async with serving(settings) as (app, client):
        copy_of_checkpoint(tmp_path, "new")
        async with asyncio.timeout(60):
            while "new" not in service_of(app).predictor.store.names():
                await asyncio.sleep(0.01)
        await ask(client, **ASKED, checkpoint="new")


async def test_a_look_at_an_unchanged_folder_changes_nothing(tmp_path: Path) -> None:
    copy_of_checkpoint(tmp_path)
    watch = CheckpointReloader([tmp_path], CHECKPOINT)
    before = watch.store.find(CHECKPOINT)
    before.runtime(NoiseKind.ADDITIVE)
    assert watch.look() == set()
    assert watch.store.find(CHECKPOINT) is before
    os.utime(tmp_path / CHECKPOINT / "card.json")
    assert watch.look() == {CHECKPOINT}
    after = watch.store.find(CHECKPOINT)
    # What was loaded is loaded again, so that no request waits for it.
    assert set(after.loaded_kinds) == {NoiseKind.ADDITIVE, NoiseKind.MULTIPLICATIVE}


def test_hidden_folders_and_files_are_no_checkpoints(tmp_path: Path) -> None:
    for name in (".git", "_old", "good"):
        (tmp_path / name).mkdir()
    (tmp_path / "file").write_text("")
    assert list(signatures_in([tmp_path])) == ["good"]
    assert signatures_in([tmp_path / "none"]) == {}


async def test_votes_do_not_change_when_the_file_of_the_weights_is_emptied(
    served: tuple[FastAPI, httpx.AsyncClient], tmp_path: Path
) -> None:
    _, client = served
    before = await ask(client, inputs=[array(3)], votes=5, seed=1)
    os.truncate(tmp_path / CHECKPOINT / "weights.safetensors", 0)
    after = await ask(client, inputs=[array(3)], votes=5, seed=1)
    assert counts_of(after) == counts_of(before)


@pytest.fixture
async def of_two_folders(tmp_path: Path) -> AsyncIterator[tuple[Path, httpx.AsyncClient]]:
    """A service of a user's folder and a second one that has the default."""
    mine, other = tmp_path / "mine", tmp_path / "other"
    mine.mkdir()
    copy_of_checkpoint(other)
    settings = Settings(slots=1, checkpoints=f"{mine}{os.pathsep}{other}", checkpoint_poll_s=0)
    async with serving(settings) as (_, client):
        yield mine, client


async def test_checkpoints_of_several_folders_serve_and_come_and_go(
    of_two_folders: tuple[Path, httpx.AsyncClient],
) -> None:
    mine, client = of_two_folders
    await ask(client, **ASKED)
    copy_of_checkpoint(mine, "theirs")
    assert (await load(client, "theirs")).status_code == 200
    await ask(client, **ASKED, checkpoint="theirs")
    shutil.rmtree(mine / "theirs")
    assert (await load(client, "theirs")).status_code == 404


async def test_a_name_that_comes_to_stand_twice_is_refused_and_the_old_one_goes_on(
    of_two_folders: tuple[Path, httpx.AsyncClient],
) -> None:
    mine, client = of_two_folders
    before = await ask(client, **ASKED)
    copy_of_checkpoint(mine)
    answer = await load(client)
    assert answer.status_code == 503
    reason = answer.json()["error"]
    assert "stands in several of the folders of checkpoints, 1 (mine) and 2 (other)" in reason
    assert (await client.get("/checkpoints")).json()["refused"] == {CHECKPOINT: reason}
    assert counts_of(await ask(client, **ASKED)) == counts_of(before)
    shutil.rmtree(mine / CHECKPOINT)
    assert (await load(client)).status_code == 200
    assert (await client.get("/checkpoints")).json()["refused"] == {}


async def test_a_name_that_stands_twice_serves_from_neither_folder_and_others_serve(
    tmp_path: Path,
) -> None:
    folders = tmp_path / "mine", tmp_path / "other"
    for folder in folders:
        copy_of_checkpoint(folder, "twice")
    copy_of_checkpoint(folders[1])
    settings = Settings(slots=1, checkpoints=folders, checkpoint_poll_s=0)
    async with serving(settings) as (_, client):
        await ask(client, **ASKED)
        error = await refused(client, 503, "checkpoint_refused", **ASKED, checkpoint="twice")
        assert "checkpoint twice stands in several" in error["message"]
        assert str(tmp_path) not in error["message"]
        shutil.rmtree(folders[0] / "twice")
        assert (await load(client, "twice")).status_code == 200
        await ask(client, **ASKED, checkpoint="twice")
