"""A checkpoint folder that was changed at random is refused, or votes as before; others serve."""

import asyncio
import copy
import hashlib
import json
import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import example, given, settings
from hypothesis import strategies as st

from noisevote.models.checkpoint import SHIPPED
from noisevote.models.noise import NoiseKind
from noisevote.service.configuration.settings import Settings
from noisevote.service.operations.reload import CheckpointReloader
from noisevote.service.prediction.predictor import Predictor
from noisevote.service.service import service_of
from tests.service.support import CHECKPOINT, Json, array, copy_of_checkpoint, picture, serving

OTHER = "stroke_lstm-mult-1.0"
FILES = ("card.json", "weights.safetensors", "multiplicative.onnx", "additive.onnx")
HANGS_AFTER_S = 60

VALUES: list[Any] = [
    None, True, -1, 0, 1, 3, 2**31, 2**63, 10**30, 10**4000, -0.5, 0.5, 1e-320, 1e308,
    float("nan"), float("inf"), "", "x", "3", "\x00", "additive", "../x", "/etc/passwd",
    "card.json", "weights.safetensors", "additive.onnx", [], {}, [[]], [0], [1, 28, 28],
    [0.0, 255.0], ["0"] * 10, {"conv1": 0.5},
]  # fmt: skip
ASKED: list[Json] = [
    {"inputs": [array(3)], "noise": kind, "sigma": 1, "votes": 5, "seed": 1} for kind in NoiseKind
]


def places_in(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to everything in a card; of long lists to the first two entries."""
    if path:
        yield path
    if isinstance(node, dict):
        for key in node:
            yield from places_in(node[key], (*path, key))
    if isinstance(node, list):
        for index in range(min(2, len(node))):
            yield from places_in(node[index], (*path, index))


CARD: Json = json.loads((SHIPPED / CHECKPOINT / "card.json").read_text())
PLACES = [place for place in places_in(CARD) if place[0] not in {"evaluations", "thresholds"}]
PLACES += [place for place in places_in(CARD) if place[0] in {"evaluations", "thresholds"}][:40]


def changed(card: Json, place: tuple[Any, ...], change: Callable[[Any, Any], None]) -> Json:
    """Return a card with a change at a place in it."""
    new = copy.deepcopy(card)
    node: Any = new
    for key in place[:-1]:
        node = node[key]
    change(node, place[-1])
    return new


def dropped(node: Any, key: Any) -> None:
    del node[key]


def doubled(node: Any, key: Any) -> None:
    if isinstance(node, list):
        node.append(node[key])
    else:
        node[f"{key}2"] = node[key]


def set_to(value: Any) -> Callable[[Any, Any], None]:
    def change(node: Any, key: Any) -> None:
        node[key] = value

    return change


card_changes = st.tuples(
    st.sampled_from(PLACES),
    st.one_of(
        st.just(dropped), st.just(doubled), st.sampled_from(VALUES).map(set_to), st.just(set_to({}))
    ),
)


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def emptied(path: Path) -> None:
    os.truncate(path, 0)


def grown(path: Path) -> None:
    os.truncate(path, 2**40)


def replaced_by_junk(path: Path) -> None:
    path.write_bytes(b"\x08\x07\xff" * 1000)


def taken(make: Callable[[Path], object]) -> Callable[[Path], None]:
    """Return a change that removes a file and makes something else in its place."""

    def change(path: Path) -> None:
        path.unlink()
        make(path)

    return change


def swapped(path: Path) -> None:
    shutil.copy(SHIPPED / OTHER / path.name, path)


def listening_at(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as taken_by:
        taken_by.bind(os.path.relpath(path))


FILE_CHANGES: list[Callable[[Path], None]] = [
    cut, emptied, grown, replaced_by_junk,
    Path.unlink,
    taken(Path.mkdir),
    taken(os.mkfifo),
    taken(listening_at),
    taken(lambda path: path.symlink_to(path.name)),
    taken(lambda path: path.symlink_to("/dev/zero")),
    taken(lambda path: path.symlink_to("/dev/stdin")),
    taken(lambda path: path.symlink_to(path.parent)),
    taken(lambda path: path.symlink_to("nowhere")),
    taken(lambda path: path.symlink_to(SHIPPED / OTHER / path.name)),
    swapped,
    lambda path: path.chmod(0),
]  # fmt: skip
file_changes = st.tuples(st.sampled_from(FILES), st.sampled_from(FILE_CHANGES))


def with_true_digests(card: Json, folder: Path) -> Json:
    """Return a card whose digests are those of the files that lie there."""
    digests = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.iterdir()
        if path.is_file() and path.stat().st_size < 2**30 and path.name != "card.json"
    }
    return card | {"digests": digests}


async def statuses_of(client: httpx.AsyncClient) -> dict[str, int]:
    """Ask all that can be asked about the mutant and return the status of each answer."""
    asked = [{"image": picture(7), "seed": 1}, {"strokes": [[[0, 0], [5, 5]]], "votes": 3}]
    asked += [{"inputs": [array()], "hardware": {"latency": 1.0}, "stop": "bounded"}]
    replies = {
        f"{body}": (await client.post("/predict", json=body | {"checkpoint": "mutant"})).status_code
        for body in asked
    }
    for path in ("/checkpoints/mutant", "/v2/models/mutant", "/v2/models/mutant/config"):
        replies[path] = (await client.get(path)).status_code
    replies["load"] = (await client.post("/v2/repository/models/mutant/load")).status_code
    replies["index"] = (await client.post("/v2/repository/index")).status_code
    return replies


class Tried:
    """A running app that is given one folder of checkpoints after the other, as at its start."""

    def __init__(self, app: FastAPI, client: httpx.AsyncClient) -> None:
        self._app = app
        self._client = client

    async def try_on(self, directory: Path) -> None:
        """Serve from a folder of a good checkpoint and a mutant; fail if that does any harm."""
        service = service_of(self._app)
        chosen = Settings(slots=1, checkpoints=directory, checkpoint_poll_s=0)
        service.reloader = CheckpointReloader([directory], chosen.default_checkpoint)
        backend = service.predictor.backend
        service.predictor = Predictor(chosen, service.reloader.store, backend)
        try:
            async with asyncio.timeout(HANGS_AFTER_S):
                await service.warm_up()
                await self._try()
        finally:
            service.predictor.close()

    async def _try(self) -> None:
        client, outcomes = self._client, []
        for body in ASKED:
            right = await client.post("/predict", json=body)
            assert right.status_code == 200
            reply = await client.post("/predict", json=body | {"checkpoint": "mutant"})
            outcomes.append(reply.status_code)
            if reply.status_code == 200:
                ours, theirs = right.json()["predictions"], reply.json()["predictions"]
                assert [one["vote_counts"] for one in ours] == [
                    one["vote_counts"] for one in theirs
                ]
            else:
                assert reply.status_code == 503, reply.text
                assert reply.json()["error"]["code"] == "checkpoint_refused"
        statuses = await statuses_of(client)
        assert set(statuses.values()) <= {200, 422, 503}, statuses
        listed = (await client.get("/checkpoints")).json()
        if 503 in outcomes:
            assert "mutant" in listed["refused"]
        assert (await client.get("/health/ready")).status_code == 200
        assert CHECKPOINT in [entry["name"] for entry in listed["checkpoints"]]


Trying = Callable[[Callable[[Path], None]], None]


@pytest.fixture(scope="module")
def tried() -> Iterator[Trying]:
    """Serves from folders that are changed in some way; fails if that does any harm."""
    with asyncio.Runner() as runner:
        running = serving(Settings(slots=1, checkpoint_poll_s=0))
        service = Tried(*runner.run(running.__aenter__()))

        def with_mutant(mutate: Callable[[Path], None]) -> None:
            with tempfile.TemporaryDirectory() as place:
                directory = Path(place)
                copy_of_checkpoint(directory)
                mutate(copy_of_checkpoint(directory, "mutant"))
                runner.run(service.try_on(directory))

        yield with_mutant
        runner.run(running.__aexit__(None, None, None))


def write_card(folder: Path, card: Json) -> None:
    (folder / "card.json").write_text(json.dumps(card | {"name": card.get("name", "mutant")}))


@settings(max_examples=30)
@given(st.lists(card_changes, min_size=1, max_size=2))
@example([(("labels", 9), dropped)])
@example([(("labels", 9), doubled)])
@example([(("noise_points", 0, "macs"), set_to(10**30))])
@example([(("training", "recipe", "seed"), set_to(float("nan")))])
def test_a_card_that_was_changed_at_random_harms_nobody(
    tried: Trying,
    changes: list[tuple[tuple[Any, ...], Callable[[Any, Any], None]]],
) -> None:
    card = CARD | {"name": "mutant"}
    for place, change in changes:
        try:
            card = changed(card, place, change)
        except (KeyError, IndexError, TypeError):  # the first change took the place of the second
            continue
    tried(lambda folder: write_card(folder, card))


@settings(max_examples=25)
@given(st.lists(file_changes, min_size=1, max_size=2, unique_by=lambda one: one[0]), st.booleans())
def test_files_that_were_changed_at_random_harm_nobody(
    tried: Trying, changes: list[tuple[str, Callable[[Path], None]]], are_digests_right: bool
) -> None:
    def mutate(folder: Path) -> None:
        for name, change in changes:
            change(folder / name)
        if are_digests_right and "card.json" not in dict(changes):
            write_card(folder, with_true_digests(CARD | {"name": "mutant"}, folder))

    tried(mutate)
