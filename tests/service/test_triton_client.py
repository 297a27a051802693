"""NVIDIA's own clients, unmodified, against a real server."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
import tritonclient.http as triton
import tritonclient.http.aio as triton_aio
from tritonclient.utils import InferenceServerException

from tests.service.support import CHECKPOINT, array, counts_of, noise_image
from tests.service.test_server import Server, started

TENSOR = np.array([[array(5)], [noise_image(2)]], np.float32)
PARAMETERS = {"votes": 16, "seed": 9, "sigma": 0.8}
PERF_ANALYZER = os.environ.get("PERF_ANALYZER") or shutil.which("perf_analyzer")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with started() as running:
        while running.client.get("/health/ready").status_code == httpx.codes.SERVICE_UNAVAILABLE:
            pass  # the self-test of the default checkpoint goes on; it ends one way or the other
        yield running


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[triton.InferenceServerClient]:
    opened = triton.InferenceServerClient(address(server))
    yield opened
    opened.close()


def address(server: Server) -> str:
    return f"{server.client.base_url.host}:{server.client.base_url.port}"


def tensor(is_binary: bool) -> triton.InferInput:
    given = triton.InferInput("input", TENSOR.shape, "FP32")
    given.set_data_from_numpy(TENSOR, binary_data=is_binary)
    return given


def outputs(is_binary: bool) -> list[triton.InferRequestedOutput]:
    names = ("mode", "vote_counts", "votes_cast")
    return [triton.InferRequestedOutput(name, binary_data=is_binary) for name in names]


@pytest.fixture(scope="module")
def expected(server: Server) -> np.ndarray:
    body = {"inputs": TENSOR.tolist(), "checkpoint": CHECKPOINT} | PARAMETERS
    return np.array(counts_of(server.client.post("/predict", json=body).json()))


def test_the_client_sees_a_server_that_is_ready(client: triton.InferenceServerClient) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready(CHECKPOINT)
    assert client.is_model_ready(CHECKPOINT, "1")
    assert not client.is_model_ready("none")
    assert client.get_server_metadata()["name"] == "noisevote"
    assert client.get_model_metadata(CHECKPOINT)["inputs"][0]["shape"] == [-1, 1, 28, 28]
    assert client.get_model_config(CHECKPOINT)["max_batch_size"] == 64
    names = {entry["name"] for entry in client.get_model_repository_index()}
    assert CHECKPOINT in names


@pytest.mark.parametrize("sends_bytes", [True, False])
@pytest.mark.parametrize("takes_bytes", [True, False])
def test_json_and_bytes_get_the_votes_of_predict(
    client: triton.InferenceServerClient,
    expected: np.ndarray,
    sends_bytes: bool,
    takes_bytes: bool,
) -> None:
    result = client.infer(
        CHECKPOINT,
        [tensor(sends_bytes)],
        outputs=outputs(takes_bytes),
        request_id="r1",
        parameters=PARAMETERS,
    )
    assert np.array_equal(result.as_numpy("vote_counts"), expected)
    assert result.as_numpy("mode").ravel().tolist() == expected.argmax(axis=1).tolist()
    assert result.as_numpy("votes_cast").ravel().tolist() == [16, 16]
    assert result.get_response()["id"] == "r1"


def test_without_named_outputs_all_come_as_bytes(
    client: triton.InferenceServerClient, expected: np.ndarray
) -> None:
    result = client.infer(CHECKPOINT, [tensor(True)], parameters=PARAMETERS)
    assert np.array_equal(result.as_numpy("vote_counts"), expected)


def test_requests_in_flight_together_get_their_own_answers(server: Server) -> None:
    client = triton.InferenceServerClient(address(server), concurrency=4)
    waiting = [
        client.async_infer(CHECKPOINT, [tensor(True)], parameters={"votes": 5 + n, "seed": n})
        for n in range(8)
    ]
    cast = [request.get_result().as_numpy("votes_cast")[0, 0] for request in waiting]
    assert cast == list(range(5, 13))
    client.close()


@pytest.mark.anyio
async def test_the_asynchronous_client_gets_the_same(server: Server, expected: np.ndarray) -> None:
    async with triton_aio.InferenceServerClient(address(server)) as client:
        result = await client.infer(CHECKPOINT, [tensor(True)], parameters=PARAMETERS)
    assert np.array_equal(result.as_numpy("vote_counts"), expected)


def test_a_timeout_and_a_priority_are_understood(client: triton.InferenceServerClient) -> None:
    result = client.infer(
        CHECKPOINT, [tensor(True)], timeout=30_000_000, priority=1, parameters={"votes": 3}
    )
    assert result.as_numpy("votes_cast").ravel().tolist() == [3, 3]


def test_errors_reach_the_caller_as_text(client: triton.InferenceServerClient) -> None:
    with pytest.raises(InferenceServerException, match="there is no checkpoint 'none'"):
        client.infer("none", [tensor(True)])
    with pytest.raises(InferenceServerException, match="allowed are 1 to 1000"):
        client.infer(CHECKPOINT, [tensor(True)], parameters={"votes": 5000})
    wrong = triton.InferInput("input", [1, 3], "FP32")
    wrong.set_data_from_numpy(np.zeros((1, 3), np.float32))
    with pytest.raises(InferenceServerException, match=r"takes \[n, 1, 28, 28\]"):
        client.infer(CHECKPOINT, [wrong])


def test_statistics_have_what_the_client_reads(client: triton.InferenceServerClient) -> None:
    client.infer(CHECKPOINT, [tensor(True)], parameters={"votes": 2})
    (found,) = client.get_inference_statistics(CHECKPOINT)["model_stats"]
    assert found["inference_count"] >= 2
    assert found["inference_stats"]["success"]["count"] >= 1


@pytest.mark.slow
@pytest.mark.skipif(PERF_ANALYZER is None, reason="no perf_analyzer: name one with PERF_ANALYZER=")
def test_perf_analyzer_measures_the_service(server: Server, tmp_path: Path) -> None:
    # Its random numbers are no pictures.
    pictures = tmp_path / "pictures.json"
    pixels = {"content": TENSOR[0].ravel().tolist(), "shape": [1, 28, 28]}
    pictures.write_text(json.dumps({"data": [{"input": pixels}]}))
    report = tmp_path / "report.csv"
    words = [str(PERF_ANALYZER), "-m", CHECKPOINT, "-u", address(server), "-b", "1"]
    words += ["--measurement-mode", "count_windows", "--measurement-request-count", "50"]
    words += ["--stability-percentage", "999", "--input-data", str(pictures)]
    words += ["--concurrency-range", "1:2:1", "-f", str(report)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    header, *rows = report.read_text().splitlines()
    assert header.startswith("Concurrency,Inferences/Second")
    assert len([row for row in rows if row]) == 2
