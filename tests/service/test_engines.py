"""A service with another engine: its votes replay, and everything names what cast them."""

import asyncio
import logging
from collections.abc import AsyncIterator

import httpx
import pytest

from noisevote.models.engines.arithmetic import arithmetic_in
from noisevote.models.engines.preference import Preference, has_bfloat16
from noisevote.models.errors import InputError
from noisevote.service.configuration.reading import check_at_start, load_settings
from noisevote.service.configuration.settings import Settings
from tests.models.engines.needed import need_openvino
from tests.service.support import CHECKPOINT, Json, array, ask, counts_of, noise_image, serving
from tests.service.test_metrics import scraped, value

need_openvino()
pytestmark = pytest.mark.anyio

PREFERRED = str(Preference("openvino", "auto").arithmetic({}))
UNSURE: Json = {"inputs": [noise_image(1), array(8), noise_image(2)], "votes": 30, "seed": 5}
BY_REFERENCE: list[Json] = [
    {"inputs": [array(8)], "stop": "calibrated", "sigma": 0.5, "votes": 20, "delta": 0.001},
    {"inputs": [array(8)], "device": "reram-cmo", "chip": 1},
]


@pytest.fixture(scope="module")
async def other(anyio_backend: str) -> AsyncIterator[httpx.AsyncClient]:  # noqa: ARG001
    async with serving(Settings(slots=2, engine="openvino", precision="auto")) as (_, client):
        yield client


async def test_a_fingerprint_names_the_engine_and_the_votes_are_nearly_the_reference_s(
    client: httpx.AsyncClient, other: httpx.AsyncClient
) -> None:
    expected, found = await ask(client, **UNSURE), await ask(other, **UNSURE)
    assert found["fingerprint"] == f"{expected['fingerprint']}:{PREFERRED}"
    moved = [
        sum(abs(one - two) for one, two in zip(*pair, strict=True)) // 2
        for pair in zip(counts_of(found), counts_of(expected), strict=True)
    ]
    assert max(moved) <= 2  # of 30


async def test_its_votes_replay_in_a_crowd_and_after_a_restart(other: httpx.AsyncClient) -> None:
    first = await ask(other, **UNSURE)
    crowd: list[Json] = [{"inputs": [array(digit)], "votes": 7 + digit} for digit in range(9)]
    again, *_ = await asyncio.gather(ask(other, **UNSURE), *(ask(other, **body) for body in crowd))
    assert again["predictions"] == first["predictions"]
    settings = Settings(slots=1, engine="openvino", precision="auto")
    async with serving(settings) as (_, restarted):
        after = await ask(restarted, **UNSURE)
    assert after["predictions"] == first["predictions"]
    assert after["fingerprint"] == first["fingerprint"]


@pytest.mark.parametrize("body", BY_REFERENCE, ids=["calibrated", "device"])
async def test_margins_and_devices_keep_the_votes_that_they_were_measured_with(
    client: httpx.AsyncClient, other: httpx.AsyncClient, body: Json
) -> None:
    expected, found = await ask(client, seed=3, **body), await ask(other, seed=3, **body)
    assert found["predictions"] == expected["predictions"]
    assert found["fingerprint"] == expected["fingerprint"]


@pytest.mark.skipif(not has_bfloat16(), reason="this processor has no bfloat16")
@pytest.mark.parametrize("sigma", [0, 0.05, {"conv1": 1.0, "fc2": 0.01}])
async def test_quiet_noise_is_met_by_the_reference(
    client: httpx.AsyncClient, other: httpx.AsyncClient, sigma: float | dict[str, float]
) -> None:
    body = {**UNSURE, "sigma": sigma}
    expected, found = await ask(client, **body), await ask(other, **body)
    assert found["predictions"] == expected["predictions"]
    assert found["fingerprint"] == expected["fingerprint"]


async def test_list_metrics_and_log_name_what_casts_the_votes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "noisevote.requests")
    async with serving(Settings(slots=1, engine="openvino", precision="auto")) as (_, client):
        await ask(client, **UNSURE)
        await ask(client, **UNSURE, sigma=0)
        listed = (await client.get("/checkpoints")).json()["checkpoints"]
        samples = await scraped(client)
    wanted = arithmetic_in(f"x:{PREFERRED}")
    for one in listed:
        told = one["engine"], one["precision"], one["engine_refused"]
        assert told == (wanted.engine, wanted.precision, None)
    fields = [record.__dict__["fields"] for record in caplog.records if "fields" in record.__dict__]
    named = [(of["engine"], of["precision"]) for of in fields if "engine" in of]
    assert (wanted.engine, wanted.precision) in named
    counted = {
        name: value(
            samples, "engine_predictions_total",
            checkpoint=CHECKPOINT, engine=name[0], precision=name[1],
        )
        for name in set(named)
    }  # fmt: skip
    assert sum(counted.values()) == 2 * len(UNSURE["inputs"])


@pytest.mark.parametrize(
    ("engine", "precision", "said"),
    [
        ("onnxruntime", "bfloat16", "set engine to openvino or auto"),
        ("tensorrt", "float32", "engine"),
        ("openvino", "int8", "precision"),
    ],
)
def test_settings_that_make_no_sense_are_refused_at_the_start(
    monkeypatch: pytest.MonkeyPatch, engine: str, precision: str, said: str
) -> None:
    monkeypatch.setenv("NOISEVOTE_ENGINE", engine)
    monkeypatch.setenv("NOISEVOTE_PRECISION", precision)
    with pytest.raises(InputError, match=said):
        check_at_start(load_settings())
