"""API keys: who is let in, where, and what is said to whom is not."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from starlette.routing import Route

from noisevote.service.app import create_app
from noisevote.service.client import AsyncClient
from noisevote.service.configuration.keys import INTERNAL, KeyRing, digest_of, new_token
from noisevote.service.configuration.settings import Settings
from noisevote.service.operations.authentication import is_open
from noisevote.service.wire.requests import PredictRequest
from tests.service.support import CHECKPOINT, array, client_of, error_in, serving
from tests.service.test_metrics import scraped, value

pytestmark = pytest.mark.anyio

KEYS = {"alice": new_token(), "bob": new_token()}
TOKEN = new_token()
SETTINGS = Settings(
    slots=1,
    api_keys={name: digest_of(key) for name, key in KEYS.items()},
    internal_token=SecretStr(TOKEN),
)
ALICE = {"Authorization": f"Bearer {KEYS['alice']}"}

OPEN = {
    "/": "GET HEAD",
    "/networks": "GET HEAD",
    "/status": "GET HEAD",
    "/assessments": "GET HEAD",
    "/static/{name}": "GET HEAD",
    "/docs": "GET HEAD",
    "/docs/{name}": "GET HEAD",
    "/openapi.json": "GET HEAD",
    "/health/live": "GET HEAD",
    "/health/ready": "GET HEAD",
    "/v2/health/live": "GET HEAD",
    "/v2/health/ready": "GET HEAD",
}
CLOSED = {
    "/predict": "POST",
    "/predict/stream": "POST",
    "/checkpoints": "GET",
    "/checkpoints/{name}": "GET",
    "/checkpoints/{name}/report": "GET",
    "/checkpoints/{name}/report.html": "GET",
    "/plan": "POST",
    "/devices": "GET",
    "/devices/{name}": "GET",
    "/attack": "GET POST",
    "/attack/choices": "GET",
    "/attack/{job_id}": "GET DELETE",
    "/attack/{job_id}/cancel": "POST",
    "/attack/{job_id}/resume": "POST",
    "/attack/{job_id}/events": "GET",
    "/attack/{job_id}/report": "GET",
    "/attack/{job_id}/report.html": "GET",
    "/metrics": "GET",
    "/v2": "GET",
    "/v2/": "GET",
    "/v2/models/stats": "GET",
    "/v2/repository/index": "POST",
    "/v2/repository/models/{name}/load": "POST",
    **{
        f"/v2/models/{{name}}{version}{call}": method
        for version in ("", "/versions/{version}")
        for call, method in {
            "": "GET", "/ready": "GET", "/config": "GET", "/stats": "GET", "/infer": "POST",
        }.items()
    },
}  # fmt: skip


def routes_of(router: Any, prefix: str = "") -> Iterator[tuple[str, set[str]]]:
    """Yield path and methods of every route of an app, those of included routers too."""
    for route in router.routes:
        if isinstance(route, Route):
            yield prefix + route.path, set(route.methods or ())
        else:
            included = route.original_router
            yield from routes_of(included, prefix + route.include_context.prefix)


@pytest.fixture(scope="module")
def closed_app() -> FastAPI:
    return create_app(SETTINGS)


def matrix() -> list[tuple[str, str]]:
    return [
        (method, path) for path, methods in {**OPEN, **CLOSED}.items() for method in methods.split()
    ]


def test_it_has_been_decided_for_every_route_whether_it_needs_a_key(closed_app: FastAPI) -> None:
    found = {(method, path) for path, methods in routes_of(closed_app) for method in methods}
    assert found == set(matrix())


@pytest.mark.parametrize("sent", [None, "Bearer wrong", "Basic YTpi", "Bearer", "bearer  "])
async def test_only_open_routes_answer_without_a_key(closed_app: FastAPI, sent: str | None) -> None:
    headers = {} if sent is None else {"Authorization": sent}
    transport = httpx.ASGITransport(closed_app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        for method, path in matrix():
            concrete = path.replace("{", "").replace("}", "")
            response = await client.request(method, concrete, headers=headers)
            assert (response.status_code == 401) == (path in CLOSED), (method, path)
            if path in CLOSED:
                check_refusal(path, response, is_wrong=sent is not None)


def check_refusal(path: str, response: httpx.Response, is_wrong: bool) -> None:
    assert response.headers["www-authenticate"] == 'Bearer realm="noisevote"'
    if response.request.method == "HEAD":
        assert response.content == b""
    elif path.startswith("/v2"):
        assert list(response.json()) == ["error"]
        assert "API key" in response.json()["error"]
    else:
        message = error_in(response, 401, "unauthorized")["message"]
        assert message.startswith("the API key is not known" if is_wrong else "this needs an API")


@pytest.mark.parametrize(
    "path", ["/nosuch", "/health", "/health/live/", "//health/live", "/HEALTH/live", "/metrics/x"]
)
async def test_what_is_no_route_is_closed_too(closed_app: FastAPI, path: str) -> None:
    async with client_of(closed_app) as client:
        error_in(
            await client.get(httpx.URL("http://service", raw_path=path.encode())),
            401,
            "unauthorized",
        )


@pytest.mark.parametrize(
    "path", ["/static/../metrics", "/static/%2e%2e/metrics", "/docs/../predict"]
)
async def test_an_open_folder_leads_nowhere_else(closed_app: FastAPI, path: str) -> None:
    async with client_of(closed_app) as client:
        url = httpx.URL("http://service").copy_with(raw_path=path.encode())
        response = await client.get(url)
    assert response.status_code in {401, 404}


async def test_keys_let_in_and_their_names_are_counted() -> None:
    body = {"inputs": [array()], "votes": 3}
    async with serving(SETTINGS) as (app, client):
        for headers in (ALICE, {"Authorization": f"bearer {KEYS['bob']}"}):
            assert (await client.post("/predict", json=body, headers=headers)).status_code == 200
        assert (await client.post("/predict", json=body)).status_code == 401
        stranger = {"Authorization": "Bearer nv-stranger"}
        assert (await client.post("/predict", json=body, headers=stranger)).status_code == 401
        worker = {"Authorization": f"Bearer {TOKEN}"}
        assert (await client.post("/predict", json=body, headers=worker)).status_code == 200
        transport = httpx.ASGITransport(app)
        async with AsyncClient("http://s", api_key=KEYS["bob"], transport=transport) as typed:
            asked = PredictRequest.model_validate(body)
            assert (await typed.predict(asked)).checkpoint == CHECKPOINT
        client.headers.update(ALICE)
        samples = await scraped(client)
    assert value(samples, "key_votes_total", key="alice") == 3
    assert value(samples, "key_requests_total", key="bob") == 2
    assert value(samples, "key_votes_total", key=INTERNAL) == 3
    assert value(samples, "rejections_total", code="unauthorized") == 2
    assert not [label for _, labels in samples for label in labels if "nv-" in label[1]]


async def test_without_keys_everything_is_open(client: httpx.AsyncClient) -> None:
    for path in ("/checkpoints", "/metrics", "/v2"):
        assert (await client.get(path)).status_code == 200
        assert (await client.get(path, headers=ALICE)).status_code == 200


def test_the_reference_says_where_a_key_is_needed(closed_app: FastAPI) -> None:
    document = closed_app.openapi()
    assert "api_key" in document["components"]["securitySchemes"]
    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert ("security" in operation) == (path in CLOSED) == (not is_open(path)), path
            assert operation.get("security", [{}])[-1] == {}, "a service may have no keys"
            is_told = path in CLOSED and not path.startswith("/v2")  # which has one for all errors
            assert ("401" in operation["responses"]) == is_told, path


@given(st.dictionaries(st.text(min_size=1, max_size=5), st.text(min_size=1), max_size=5), st.text())
def test_a_ring_knows_its_keys_and_no_others(keys: dict[str, str], other: str) -> None:
    ring = KeyRing({name: digest_of(key) for name, key in keys.items()}, TOKEN)
    assert ring.is_open == (not keys)
    for key in keys.values():
        owner = ring.owner_of(key)
        assert owner is not None
        assert keys[owner] == key
    assert ring.owner_of(TOKEN) == INTERNAL
    assert (ring.owner_of(other) is not None) == (other in keys.values())
    for digest in map(digest_of, keys.values()):
        assert ring.owner_of(digest) is None
