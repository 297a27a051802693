"""What the tests of jobs share: a small assessment, and the service with a folder of its own."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from noisevote.models.robustness.ball import Samples
from noisevote.service.client import Client
from noisevote.service.configuration.keys import digest_of, new_token
from noisevote.service.configuration.settings import Settings
from noisevote.service.jobs.folder import JobFolder
from noisevote.service.jobs.store import JobStore
from noisevote.service.wire.attack import AttackRequest
from tests.models.robustness.worlds import drawn_samples
from tests.service.support import CHECKPOINT, Json, serving
from tests.service.test_server import Server

SURROGATE = "mnist_cnn-clean"
KEY = new_token()
SMALL: Json = {
    "target": CHECKPOINT, "surrogate": SURROGATE, "epsilon": 0.2, "sigma": 0.5, "votes": 3,
    "steps": 1, "restarts": 2, "attacks": ["pgd"], "adaptive": False, "white_box": False,
    "replies": 3, "sweep_replies": 1, "seed": 5,
}  # fmt: skip
ENDLESS: Json = SMALL | {"steps": 100_000}


def store_of(folder: Path) -> JobStore:
    return JobStore(JobFolder(folder).database)


def some_samples(count: int = 2) -> Samples:
    return drawn_samples(count, seed=4)


def body_of(samples: Samples | None = None, **changes: Any) -> Json:
    """Return the body of a small assessment of drawn digits."""
    taken = samples or some_samples()
    uploaded = {"inputs": taken.inputs.tolist(), "labels": taken.labels.tolist()}
    return SMALL | uploaded | changes


def without(body: Json, *names: str) -> Json:
    return {name: value for name, value in body.items() if name not in names}


@asynccontextmanager
async def serving_jobs(
    folder: Path, **settings: Any
) -> AsyncIterator[tuple[FastAPI, httpx.AsyncClient]]:
    """Start the real app without an address, so that its jobs stay queued."""
    chosen: dict[str, Any] = {
        "slots": 1,
        "jobs_dir": folder,
        "data_dir": folder / "none",
    } | settings
    async with serving(Settings(**chosen)) as (app, client):
        yield app, client


async def submitted(client: httpx.AsyncClient, **changes: Any) -> Json:
    """Post a job that must be taken and return its status."""
    response = await client.post("/attack", json=body_of(**changes))
    assert response.status_code == 202, response.text
    status: Json = json.loads(response.text)
    assert response.headers["location"] == status["status_url"]
    return status


def environment(folder: Path) -> dict[str, str]:
    """Return settings of a server with API keys, which its own worker has to have, too."""
    return {
        "NOISEVOTE_JOBS_DIR": str(folder),
        "NOISEVOTE_SLOTS": "1",
        "NOISEVOTE_API_KEYS": json.dumps({"tester": digest_of(KEY)}),
    }


def client_of(server: Server) -> Client:
    return Client(str(server.client.base_url), api_key=KEY)


def request_of(body: Json) -> AttackRequest:
    return AttackRequest.model_validate_json(json.dumps(body))
