"""A service of networks of others, small ones of several kinds of inputs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray

from noisevote.models.specs import InputSpec, PictureSpec
from noisevote.service.configuration.settings import Settings
from tests.foreign import drawn
from tests.service.support import (
    Json,
    copy_of_checkpoint,
    serving,
)

TEXT = [
    InputSpec(name="ids", dtype="int64", shape=(5,), range=(0, 999)),
    InputSpec(name="mask", dtype="int32", shape=(5,), range=(0, 1)),
    InputSpec(name="age", shape=(1,), range=None),
]
PLAIN = [InputSpec(name="features", shape=(4,), range=None)]
BYTES = [InputSpec(name="pixels", dtype="uint8", shape=(2, 2, 3), range=(0, 255))]
SEEN = [
    InputSpec(
        name="photo",
        shape=(3, 6, 8),
        range=None,
        picture=PictureSpec(shortest_side=7, crop=(6, 8), mean=(0.5,) * 3, std=(0.25,) * 3),
    )
]
MANY = [f"bird {number}" for number in range(30)]
TAKES = "checkpoint text takes objects of ids [5] and mask [5] and age [1]"


def sample(**changes: Any) -> Json:
    return {"ids": [7, 999, 0, 3, 3], "mask": [1, 1, 1, 0, 0], "age": [31.5]} | changes


def arrays(samples: list[Json]) -> dict[str, NDArray[Any]]:
    return {
        tensor.name: np.array([each[tensor.name] for each in samples], tensor.dtype)
        for tensor in TEXT
    }


def make_imported(folder: Path) -> None:
    """Make networks of others, and one of ours, in ``folder``."""
    for name, inputs in {"text": TEXT, "plain": PLAIN, "bytes": BYTES, "seen": SEEN}.items():
        drawn(folder / name, inputs)
    drawn(folder / "birds", PLAIN, MANY)
    drawn(folder / "twenty", PLAIN, MANY[:20])
    copy_of_checkpoint(folder)


@asynccontextmanager
async def serving_imported(folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Serve networks of others, and one of ours, that are made in ``folder``."""
    make_imported(folder)
    settings = Settings(slots=1, checkpoints=folder, default_checkpoint="text")
    async with serving(settings) as (_, client):
        assert (await client.get("/checkpoints")).json()["refused"] == {}
        yield client
