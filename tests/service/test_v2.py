"""The Open Inference Protocol: shapes of the specification, refusals, statistics."""

import json
from typing import Any

import httpx
import numpy as np
import pytest

from noisevote.service.configuration.settings import Settings
from tests.service.support import CHECKPOINT, Json, array, ask, noise_image, serving

pytestmark = pytest.mark.anyio

MODEL = f"/v2/models/{CHECKPOINT}"
TENSOR = np.array([[array(3)], [noise_image()]], np.float32)
HEADER_LENGTH = "Inference-Header-Content-Length"


def asked(data: Any, shape: list[int] | None = None, **parts: Any) -> Json:
    tensor = {"name": "input", "datatype": "FP32", "shape": shape or [2, 1, 28, 28], "data": data}
    return {"inputs": [tensor], "parameters": {"votes": 12, "seed": 4}} | parts


async def infer(client: httpx.AsyncClient, body: Json) -> Json:
    response = await client.post(f"{MODEL}/infer", json=body)
    assert response.status_code == 200, response.text
    reply: Json = response.json()
    return reply


async def refused(client: httpx.AsyncClient, status: int, **sent: Any) -> str:
    response = await client.post(f"{MODEL}/infer", **sent)
    assert response.status_code == status, response.text
    assert list(response.json()) == ["error"]
    error: str = response.json()["error"]
    assert isinstance(error, str)
    assert error
    assert response.headers["x-request-id"]
    return error


def outputs_of(reply: Json) -> dict[str, list[int]]:
    return {output["name"]: output["data"] for output in reply["outputs"]}


async def test_health_and_metadata_have_the_shapes_of_the_specification(
    client: httpx.AsyncClient,
) -> None:
    assert (await client.get("/v2/health/live")).json() == {"live": True}
    assert (await client.get("/v2/health/ready")).json() == {"ready": True}
    server = (await client.get("/v2")).json()
    assert server == (await client.get("/v2/")).json()
    assert set(server) == {"name", "version", "extensions"}
    assert {"binary_tensor_data", "model_configuration", "statistics"} <= set(server["extensions"])
    model = (await client.get(MODEL)).json()
    assert model == (await client.get(f"{MODEL}/versions/1")).json()
    assert model == {
        "name": CHECKPOINT,
        "versions": ["1"],
        "platform": "onnx_onnxv1",
        "inputs": [{"name": "input", "datatype": "FP32", "shape": [-1, 1, 28, 28]}],
        "outputs": [
            {"name": "mode", "datatype": "INT64", "shape": [-1, 1]},
            {"name": "vote_counts", "datatype": "INT64", "shape": [-1, 10]},
            {"name": "votes_cast", "datatype": "INT64", "shape": [-1, 1]},
        ],
    }
    assert (await client.get(f"{MODEL}/ready")).json() == {"name": CHECKPOINT, "ready": True}


async def test_nested_and_flat_data_and_bytes_get_the_votes_of_predict(
    client: httpx.AsyncClient,
) -> None:
    plain = await ask(
        client, inputs=TENSOR.tolist(), votes=12, seed=4, checkpoint=CHECKPOINT, sigma=0.7
    )
    counts = [prediction["vote_counts"] for prediction in plain["predictions"]]
    parameters = {"votes": 12, "seed": 4, "sigma": 0.7}
    nested = await infer(client, asked(TENSOR.tolist(), parameters=parameters))
    flat = await infer(client, asked(TENSOR.ravel().tolist(), parameters=parameters))
    response = await post_bytes(client, TENSOR.tobytes(), parameters=parameters)
    binary = response.json()
    for reply in (nested, flat, binary):
        found = outputs_of(reply)
        assert np.reshape(found["vote_counts"], (2, 10)).tolist() == counts
        assert found["mode"] == [prediction["mode"] for prediction in plain["predictions"]]
        assert found["votes_cast"] == [12, 12]
        assert (reply["model_name"], reply["model_version"]) == (CHECKPOINT, "1")
        assert reply["parameters"]["seed"] == 4
        assert reply["parameters"]["sigma"] == 0.7
        assert reply["parameters"]["fingerprint"] == plain["fingerprint"]
    shapes = {output["name"]: output["shape"] for output in nested["outputs"]}
    assert shapes == {"mode": [2, 1], "vote_counts": [2, 10], "votes_cast": [2, 1]}


async def post_bytes(
    client: httpx.AsyncClient, content: bytes, size: Any = None, **parts: Any
) -> httpx.Response:
    body = asked(None, **parts)
    del body["inputs"][0]["data"]
    body["inputs"][0]["parameters"] = {"binary_data_size": len(content) if size is None else size}
    head = json.dumps(body).encode()
    headers = {HEADER_LENGTH: str(len(head))}
    return await client.post(f"{MODEL}/infer", content=head + content, headers=headers)


async def test_outputs_can_be_chosen_and_follow_as_bytes(client: httpx.AsyncClient) -> None:
    outputs = [{"name": "vote_counts", "parameters": {"binary_data": True}}, {"name": "mode"}]
    body = asked(TENSOR.tolist(), outputs=outputs, id="a7")
    response = await client.post(f"{MODEL}/infer", json=body)
    assert response.headers["content-type"] == "application/octet-stream"
    length = int(response.headers[HEADER_LENGTH])
    head, rest = json.loads(response.content[:length]), response.content[length:]
    assert head["id"] == "a7"
    assert [output["name"] for output in head["outputs"]] == ["vote_counts", "mode"]
    assert head["outputs"][0]["parameters"] == {"binary_data_size": 160}
    assert "data" not in head["outputs"][0]
    counts = np.frombuffer(rest, "<i8").reshape(2, 10)
    every = outputs_of(await infer(client, asked(TENSOR.tolist())))
    assert counts.ravel().tolist() == every["vote_counts"]
    assert head["outputs"][1]["data"] == every["mode"]


async def test_an_id_is_echoed_only_if_given(client: httpx.AsyncClient) -> None:
    assert "id" not in await infer(client, asked(TENSOR.tolist()))
    assert (await infer(client, asked(TENSOR.tolist(), id="x")))["id"] == "x"


async def test_parameters_mean_what_they_mean_in_predict(client: httpx.AsyncClient) -> None:
    parameters = {"votes": 40, "stop": "exact", "seed": 4, "snr_db": 6.0, "timeout": 60_000_000}
    parameters |= {"priority": 1, "sequence_id": 0, "triton_enable_empty_final_response": True}
    reply = await infer(client, asked(TENSOR.tolist(), parameters=parameters))
    body = {"inputs": TENSOR.tolist(), "votes": 40, "stop": "exact", "seed": 4, "snr_db": 6.0}
    plain = await ask(client, checkpoint=CHECKPOINT, **body)
    cast = [prediction["votes_cast"] for prediction in plain["predictions"]]
    assert outputs_of(reply)["votes_cast"] == cast
    assert min(cast) < 40


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": "images"}, "takes one named 'input'"),
        ({"datatype": "FP64"}, "only FP32"),
        ({"shape": [2, 28, 28]}, "takes [n, 1, 28, 28]"),
        ({"shape": []}, "takes [n, 1, 28, 28]"),
        ({"shape": [-1, 1, 28, 28]}, "takes [n, 1, 28, 28]"),
        ({"shape": [0, 1, 28, 28], "data": []}, "takes [n, 1, 28, 28]"),
        ({"shape": [3, 1, 28, 28]}, "data for 2 inputs; its shape says 3"),
        ({"data": [0.5] * 10}, "has 10 numbers; its shape needs 1568"),
        ({"data": [0.5] * 1567 + ["x"]}, "input.data[1567]"),
        ({"data": [0.5] * 1567 + [True]}, "only numbers"),
        ({"data": [0.5] * 1567 + [10**400]}, "beyond any float"),
        ({"data": [0.5] * 1567 + [2]}, "allowed is 0 to 1"),
        ({"data": [[[[0.5] * 28] * 28], "x"]}, "inputs[1]"),
        ({"data": None}, "neither data nor binary_data_size"),
        ({"parameters": {"binary_data_size": 4}}, "both data and binary_data_size"),
        ({"shape": [1 << 30, 1, 28, 28], "data": [0.5]}, "its shape needs"),
        ({"shape": [10**4299, 1, 28, 28]}, "less than or equal to 2147483647"),
    ],
)
async def test_a_tensor_that_is_not_the_models_is_refused_with_400(
    client: httpx.AsyncClient, change: Json, said: str
) -> None:
    body = asked(TENSOR.tolist())
    body["inputs"][0] |= change
    assert said in await refused(client, 400, json=body)


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"inputs": []}, "the inputs are none"),
        ({"inputs": 3}, "inputs"),
        ({"parameters": {"vote": 3}}, "there is no parameter"),
        ({"parameters": {"votes": "20"}}, "votes"),
        ({"parameters": {"votes": 0}}, "votes"),
        ({"parameters": {"votes": [3]}}, "parameters"),
        ({"parameters": {"timeout": -1}}, "timeout"),
        ({"parameters": {"priority": "urgent"}}, "priority"),
        ({"outputs": [{"name": "logits"}]}, "there is no output"),
        (
            {"outputs": [{"name": "mode", "parameters": {"classification": 3}}]},
            "classification is not served",
        ),
    ],
)
async def test_a_request_that_is_not_of_the_protocol_is_refused_with_400(
    client: httpx.AsyncClient, parts: Json, said: str
) -> None:
    assert said in await refused(client, 400, json=asked(TENSOR.tolist(), **parts))


async def test_bodies_that_cannot_be_read_are_refused(client: httpx.AsyncClient) -> None:
    assert "not JSON" in await refused(client, 400, content=b"{")
    assert "must be an object" in await refused(client, 400, content=b"[]")
    gzip = {"content-encoding": "gzip"}
    assert "compressed" in await refused(client, 415, content=b"\x1f\x8b", headers=gzip)
    for length in ("-1", "1e3", "99", "9" * 5000, "0" * 20 + "999999", "0" * 4300 + "99"):
        headers = {HEADER_LENGTH: length}
        assert HEADER_LENGTH in await refused(client, 400, content=b"{}", headers=headers)
    await refused(client, 413, content=bytes(2**23 + 1))


async def test_bytes_that_do_not_fit_are_refused(client: httpx.AsyncClient) -> None:
    async def error_of(content: bytes, size: Any = None) -> str:
        response = await post_bytes(client, content, size)
        assert response.status_code == 400
        error: str = response.json()["error"]
        return error

    assert "its shape needs 6272" in await error_of(TENSOR.tobytes()[:-1])
    assert "its shape needs 6272" in await error_of(TENSOR.tobytes() + b"x")
    assert "its shape needs 6272" in await error_of(TENSOR.tobytes(), size="all")
    assert "allowed is 0 to 1" in await error_of(np.full_like(TENSOR, np.nan).tobytes())
    assert "allowed is 0 to 1" in await error_of((TENSOR + 2).tobytes())
    head = json.dumps(asked(TENSOR.tolist())).encode()
    headers = {HEADER_LENGTH: str(len(head))}
    assert "bytes follow" in await refused(client, 400, content=head + b"rest", headers=headers)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v2/models/none", 404),
        ("GET", "/v2/models/none/ready", 404),
        ("POST", "/v2/models/none/infer", 404),
        ("GET", f"{MODEL}/versions/2", 404),
        ("GET", f"{MODEL}/versions/2/stats", 404),
        ("POST", "/v2/repository/models/x/load", 404),
        ("GET", "/v2/no/such/call", 404),
        ("DELETE", MODEL, 405),
        ("OPTIONS", MODEL, 405),
        ("TRACE", "/v2/", 405),
        ("POST", "/v2", 405),
    ],
)
async def test_what_does_not_exist_is_an_error_in_the_shape_of_the_protocol(
    client: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    response = await client.request(method, path)
    assert response.status_code == status
    assert isinstance(response.json()["error"], str)
    assert response.headers.get("allow") == ("GET" if status == 405 else None)


async def test_a_full_queue_says_when_to_come_back_in_the_shape_of_the_protocol() -> None:
    settings = Settings(slots=1, max_held_bytes=1)
    async with serving(settings) as (_, client):
        response = await client.post(f"{MODEL}/infer", json=asked(TENSOR.tolist()))
        assert response.status_code == 429
        assert isinstance(response.json()["error"], str)
        assert int(response.headers["retry-after"]) >= 1


async def test_the_repository_lists_every_checkpoint(client: httpx.AsyncClient) -> None:
    index = (await client.post("/v2/repository/index")).json()
    listed = (await client.get("/checkpoints")).json()["checkpoints"]
    assert {entry["name"] for entry in index} == {entry["name"] for entry in listed}
    assert {(entry["version"], entry["state"], entry["reason"]) for entry in index} == {
        ("1", "READY", "")
    }
    assert (await client.post("/v2/repository/index", json={"ready": True})).json() == index
    wrong = await client.post("/v2/repository/index", json={"ready": "yes"})
    assert wrong.status_code == 400
    assert isinstance(wrong.json()["error"], str)


async def test_statistics_count_inputs_requests_and_refusals() -> None:
    async with serving(Settings(slots=1)) as (_, client):
        for _ in range(3):
            await infer(client, asked(TENSOR.tolist()))
        await refused(client, 400, json=asked([]))
        (found,) = (await client.get(f"{MODEL}/stats")).json()["model_stats"]
        every = (await client.get("/v2/models/stats")).json()["model_stats"]
        assert found in every
        assert (found["inference_count"], found["execution_count"]) == (6, 3)
        assert found["last_inference"] > 10**12
        stats = found["inference_stats"]
        assert (stats["success"]["count"], stats["fail"]["count"]) == (3, 1)
        parts = [stats[name] for name in ("queue", "compute_input", "compute_infer")]
        assert all(part["count"] == 3 for part in parts)
        assert stats["compute_infer"]["ns"] > 0
        assert sum(part["ns"] for part in parts) <= stats["success"]["ns"] * 1.01


async def test_the_configuration_tells_what_load_generators_ask(
    client: httpx.AsyncClient,
) -> None:
    config = (await client.get(f"{MODEL}/config")).json()
    assert config["name"] == CHECKPOINT
    assert config["max_batch_size"] == 64
    assert config["input"] == [{"name": "input", "data_type": "TYPE_FP32", "dims": [1, 28, 28]}]
    assert [output["dims"] for output in config["output"]] == [[1], [10], [1]]
    assert config["parameters"]["sigma_train"] == {"string_value": "1"}
