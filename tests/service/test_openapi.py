"""What the service says about itself: the OpenAPI file, its table of errors, the documentation."""

import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

import noisevote.models.errors
import noisevote.service.wire.errors
from noisevote.models.errors import NoisevoteError
from noisevote.models.stopping import StopRule
from noisevote.service.wire.attack import EXAMPLE_ATTACK, AttackRequest
from noisevote.service.wire.errors import ROUTER_STATUS, STATUS, status_and_code
from noisevote.service.wire.requests import EXAMPLE_REQUEST, PredictRequest, inlined_schema
from tests.service.support import Json

DOCUMENT = Path(__file__).parents[2] / "docs" / "http-api.md"
METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}

CODES_OF_JOBS = {"missing_extra", "unknown_job", "job_state", "storage"}
CODES = {code for _, code in STATUS.values()} | set(ROUTER_STATUS.values())


@pytest.fixture(scope="module")
def document(app: FastAPI) -> Json:
    content: Json = json.loads(json.dumps(app.openapi()))
    return content


def operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for value in part.values():
            yield from references(value)
    elif isinstance(part, list):
        for value in part:
            yield from references(value)


def resolved(document: Json, reference: str) -> Any:
    root, *path = reference.split("/")
    assert root == "#"
    part: Any = document
    for name in path:
        part = part[name.replace("~1", "/").replace("~0", "~")]
    return part


def fields_in(part: Any, where: str = "") -> Iterator[tuple[str, Json]]:
    """Yield every field of every body, and where it stands."""
    if isinstance(part, dict):
        is_object = part.get("type") == "object"
        for name, field in part.get("properties", {}).items() if is_object else ():
            yield f"{where}: {name}", field
        for key, value in part.items():
            yield from fields_in(value, f"{where}/{key}")
    elif isinstance(part, list):
        for index, value in enumerate(part):
            yield from fields_in(value, f"{where}/{index}")


def test_every_field_of_request_and_reply_says_what_it_means(document: Json) -> None:
    fields = dict(fields_in(document))
    assert len(fields) > 300
    assert [where for where, field in fields.items() if not field.get("description")] == []


@pytest.mark.anyio
async def test_the_document_is_served(client: httpx.AsyncClient, document: Json) -> None:
    assert (await client.get("/openapi.json")).json() == document


def test_the_document_has_the_structure_of_openapi_3_1(document: Json) -> None:
    assert document["openapi"].startswith("3.1.")
    assert document["info"]["title"] == "noisevote"
    assert document["info"]["version"]
    ids = []
    for path, method, operation in operations(document):
        assert path.startswith("/")
        assert method in METHODS
        assert operation["summary"]
        ids.append(operation["operationId"])
        declared = {p["name"] for p in operation.get("parameters", []) if p["in"] == "path"}
        assert declared == {part[1:-1] for part in path.split("/") if part.startswith("{")}
        for status, response in operation["responses"].items():
            assert status == "default" or 200 <= int(status) < 600
            assert response["description"]
            if status == "204":
                assert "content" not in response
                continue
            (media_type,) = response["content"]
            assert media_type in {"application/json", "text/event-stream", "text/html"}
            assert "schema" in response["content"][media_type]
    assert len(ids) == len(set(ids))


def test_every_reference_in_the_document_leads_somewhere(document: Json) -> None:
    found = set(references(document))
    assert found
    for reference in found:
        assert isinstance(resolved(document, reference), dict), reference


def test_every_route_is_in_the_document(document: Json) -> None:
    assert {(path, method) for path, method, _ in operations(document)} == {
        ("/predict", "post"),
        ("/predict/stream", "post"),
        ("/checkpoints", "get"),
        ("/checkpoints/{name}", "get"),
        ("/checkpoints/{name}/report", "get"),
        ("/checkpoints/{name}/report.html", "get"),
        ("/plan", "post"),
        ("/devices", "get"),
        ("/devices/{name}", "get"),
        ("/attack", "post"),
        ("/attack", "get"),
        ("/attack/choices", "get"),
        ("/attack/{job_id}", "get"),
        ("/attack/{job_id}", "delete"),
        ("/attack/{job_id}/cancel", "post"),
        ("/attack/{job_id}/resume", "post"),
        ("/attack/{job_id}/events", "get"),
        ("/attack/{job_id}/report", "get"),
        ("/attack/{job_id}/report.html", "get"),
        ("/health/live", "get"),
        ("/health/ready", "get"),
        ("/v2", "get"),
        ("/v2/health/live", "get"),
        ("/v2/health/ready", "get"),
        ("/v2/models/stats", "get"),
        ("/v2/models/{name}", "get"),
        ("/v2/models/{name}/config", "get"),
        ("/v2/models/{name}/infer", "post"),
        ("/v2/models/{name}/ready", "get"),
        ("/v2/models/{name}/stats", "get"),
        ("/v2/repository/index", "post"),
        ("/v2/repository/models/{name}/load", "post"),
    }


def test_the_body_of_a_prediction_is_described_field_by_field(document: Json) -> None:
    body = document["paths"]["/predict"]["post"]["requestBody"]
    schema = body["content"]["application/json"]["schema"]
    assert body["required"] is True
    assert schema["examples"] == [EXAMPLE_REQUEST]
    assert schema["additionalProperties"] is False
    assert set(schema["properties"]) == set(PredictRequest.model_fields)
    assert all(field["description"] for field in schema["properties"].values())


def test_the_body_of_an_assessment_is_described_field_by_field(document: Json) -> None:
    body = document["paths"]["/attack"]["post"]["requestBody"]
    schema = body["content"]["application/json"]["schema"]
    assert body["required"] is True
    assert schema["examples"] == [EXAMPLE_ATTACK]
    assert schema["additionalProperties"] is False
    assert set(schema["properties"]) == set(AttackRequest.model_fields)
    undescribed = {
        name for name, field in schema["properties"].items() if "description" not in field
    }
    assert not undescribed


def test_every_error_reply_has_the_one_shape(document: Json) -> None:
    for path, _, operation in operations(document):
        assert "default" in operation["responses"], path
        for status, response in operation["responses"].items():
            if not status.startswith("2"):
                schema = response["content"]["application/json"]["schema"]
                shape = "ErrorText" if path.startswith("/v2") else "ErrorBody"
                assert schema == {"$ref": f"#/components/schemas/{shape}"}, (path, status)


def test_every_error_code_is_in_the_document(document: Json) -> None:
    for code in CODES:
        assert f"`{code}`" in document["info"]["description"], code


def test_every_reply_names_the_codes_that_it_can_have(document: Json) -> None:
    responses = document["paths"]["/predict"]["post"]["responses"]
    for status, code in STATUS.values():
        if code not in {"internal", "not_ready", "unknown_study", *CODES_OF_JOBS}:
            assert f"`{code}`: " in responses[str(status)]["description"]
    of_path = document["paths"]["/attack"]["post"]["responses"]
    of_job = document["paths"]["/attack/{job_id}"]["delete"]["responses"]
    for status, code in STATUS.values():
        if code in CODES_OF_JOBS:
            described = (of_job if code == "unknown_job" else of_path)[str(status)]["description"]
            assert f"`{code}`: " in described
    ready = document["paths"]["/health/ready"]["get"]["responses"]
    assert "`not_ready`: " in ready["503"]["description"]


def error_classes() -> list[type[NoisevoteError]]:
    found = [
        value
        for module in (noisevote.models.errors, noisevote.service.wire.errors)
        for _, value in inspect.getmembers(module, inspect.isclass)
        if issubclass(value, NoisevoteError)
    ]
    return sorted(set(found), key=lambda kind: kind.__name__)


@pytest.mark.parametrize("kind", error_classes())
def test_every_class_of_errors_has_a_row_in_the_table_of_status_codes(
    kind: type[NoisevoteError],
) -> None:
    assert kind in STATUS
    assert status_and_code(kind) == STATUS[kind]
    status, code = STATUS[kind]
    assert 400 <= status < 600
    assert (status == 500) == (code == "internal")


def test_a_class_without_a_row_takes_that_of_its_nearest_base() -> None:
    class WorsePictureError(noisevote.models.errors.PictureError):
        pass

    assert status_and_code(WorsePictureError) == (422, "invalid_picture")


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_error_code_stands_in_the_readme(code: str) -> None:
    assert code in DOCUMENT.read_text()


async def test_the_page_offers_the_stop_rules_of_the_description(
    client: httpx.AsyncClient,
) -> None:
    page = (await client.get("/")).text
    (choice,) = re.findall(r'<select id="stop">(.*?)</select>', page, re.DOTALL)
    assert re.findall(r'value="(\w+)"', choice) == list(StopRule)
    described = inlined_schema(PredictRequest)["properties"]["stop"]
    for rule in StopRule:
        assert f"{rule}: {rule.rule.text}" in described["description"]
