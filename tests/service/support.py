"""What the tests of the service share: bodies to send, and what every reply must look like."""

import base64
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from fastapi import FastAPI

from noisevote.models.checkpoint import SHIPPED
from noisevote.service.app import create_app
from noisevote.service.configuration.settings import Settings
from noisevote.service.service import service_of
from noisevote.service.wire.errors import ErrorBody
from tests.drawing import draw_digit, png_bytes

CHECKPOINT = "mnist_cnn-mult-1.0"
POINTS = ("conv1", "conv2", "conv3", "conv4", "fc1", "fc2")
MIB = 2**20

Json = dict[str, Any]


def picture(digit: int = 7, **drawing: Any) -> str:
    """Return a drawn digit as base64 PNG."""
    return encoded(png_bytes(draw_digit(digit, **drawing)))


def jpeg(digit: int = 7, **drawing: Any) -> str:
    """Return a drawn digit as base64 JPEG."""
    file = BytesIO()
    draw_digit(digit, **drawing).save(file, "JPEG", quality=85)
    return encoded(file.getvalue())


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def array(digit: int = 7) -> list[list[float]]:
    """Return a drawn digit as 28 rows of 28 numbers from 0 to 1, as MNIST has it."""
    drawn = draw_digit(digit, size=28, stroke=2.5, ink=255, paper=0)
    rows: list[list[float]] = np.round(np.asarray(drawn) / 255, 3).tolist()
    return rows


def noise_image(seed: int = 0) -> list[list[float]]:
    """Return an input that no network is sure about."""
    rows: list[list[float]] = np.random.default_rng(seed).random((28, 28)).round(3).tolist()
    return rows


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[tuple[FastAPI, httpx.AsyncClient]]:
    """Start the real app, warmed up or found unfit, and a client of it; stop both at the end."""
    app = create_app(settings)
    async with app.router.lifespan_context(app), client_of(app) as client:
        await service_of(app).warming_up
        yield app, client


def client_of(app: FastAPI) -> httpx.AsyncClient:
    """Return a client of an app; an exception that leaves the app fails the test."""
    transport = httpx.ASGITransport(app)
    return httpx.AsyncClient(transport=transport, base_url="http://service", timeout=None)


async def ask(client: httpx.AsyncClient, **body: Any) -> Json:
    """Post a prediction that must succeed and return the reply."""
    response = await client.post("/predict", json=body)
    assert response.status_code == 200, response.text
    reply: Json = json.loads(response.text, parse_constant=refuse_constant)
    return reply


async def refused(
    client: httpx.AsyncClient, status: int, code: str, content: Any = None, **body: Any
) -> Json:
    """Post a prediction that must fail in the one error shape and return the error."""
    sent: Json = {"json": body} if content is None else {"content": content}
    return error_in(await client.post("/predict", **sent), status, code)


def error_in(response: httpx.Response, status: int, code: str) -> Json:
    """Return the error of a reply; every error has this shape."""
    assert response.status_code == status, response.text[:1000]
    assert response.headers["content-type"] == "application/json"
    body: Json = json.loads(response.text, parse_constant=refuse_constant)
    assert list(body) == ["error"]
    error: Json = body["error"]
    assert ErrorBody.model_validate(body, strict=True, extra="forbid")
    assert error["code"] == code
    assert error["request_id"] == response.headers["x-request-id"]
    assert error["message"].strip()
    assert len(response.content) < 1200, "an error must not send back what was sent"
    assert "Traceback" not in error["message"]
    assert ".py" not in error["message"]
    return error


def refuse_constant(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


def counts_of(reply: Json) -> list[list[int]]:
    return [prediction["vote_counts"] for prediction in reply["predictions"]]


def copy_of_checkpoint(directory: Path, name: str = CHECKPOINT) -> Path:
    """Copy the shipped checkpoint into ``directory``, under another name if one is given."""
    folder = directory / name
    shutil.copytree(SHIPPED / CHECKPOINT, folder)
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps(card | {"name": name}))
    return folder
