"""Devices that nobody should ask for: each is refused by name, and nobody else suffers."""

from typing import Any

import httpx
import pytest

from tests.service.support import array, ask, error_in

pytestmark = pytest.mark.anyio


def profile(**parts: Any) -> dict[str, Any]:
    return {"profile": 1, "name": "odd", **parts}


async def refused(client: httpx.AsyncClient, **body: Any) -> tuple[str, str]:
    """Ask for votes that must be refused and return the field and the message."""
    body = {"inputs": [array(7)], "votes": 2, "seed": 1} | body
    error = error_in(await client.post("/predict", json=body), 422, "invalid_input")
    return error.get("field", ""), error["message"]


@pytest.mark.parametrize(
    ("parts", "field", "said"),
    [
        ({"adc": {"bits": 1, "bound": 1.0}}, "device.adc.bits", "greater than or equal to 2"),
        ({"adc": {"bits": 8, "bound": 1e-300}}, "device.adc.bound", "greater than or equal to"),
        ({"dac": {"bits": 1}}, "device.dac", "bits is 1; inputs with a sign take 2 to 24"),
        ({"dac": {"bits": 8, "range": 1e-300}}, "device.dac.range", "greater than or equal to"),
        (
            {"program": {"std_us": {"table": [[0.0, -1.0], [5e-324, 1.0]]}}},
            "device.program.std_us.table",
            "x rising by 1e-09 or more",
        ),
        (
            {"program": {"std_us": [{"coefficients": [1.0], "below": k / 9} for k in range(1, 9)]
                         + [{"coefficients": [1.0]}]}},
            "device.program.std_us",
            "at most 8 items",
        ),
    ],
)  # fmt: skip
async def test_a_profile_that_cannot_be_a_device_is_refused(
    client: httpx.AsyncClient, parts: dict[str, Any], field: str, said: str
) -> None:
    at, message = await refused(client, device=profile(**parts))
    assert at == field
    assert said in message


async def test_one_bit_without_a_sign_is_a_converter(client: httpx.AsyncClient) -> None:
    device = profile(dac={"bits": 1, "signed": False})
    assert (await ask(client, inputs=[array(7)], votes=1, device=device))["device"]["name"] == "odd"


@pytest.mark.parametrize("chip", [[1], {"number": 1}, True, 1.0, -1, 2**53, "fresh!"])
async def test_what_is_no_chip_is_refused(client: httpx.AsyncClient, chip: object) -> None:
    field, message = await refused(client, device="pcm-joshi", chip=chip)
    assert field == "chip"
    assert "allowed is a whole number from 0 to 9007199254740991" in message


async def test_chips_beyond_the_last_are_refused(client: httpx.AsyncClient) -> None:
    _, message = await refused(client, device="pcm-joshi", chip=2**53 - 1, chips=2)
    assert "the last that there is has the number 9007199254740991" in message


async def test_a_long_pattern_is_refused_unread(client: httpx.AsyncClient) -> None:
    _, message = await refused(client, device={"[" * 100_000: "digital"})
    assert "of 100000 letters; allowed are 200" in message
    assert len(message) < 200


@pytest.mark.parametrize(
    "parts",
    [
        {"column": {"gain": 1e6, "gain_std": 1e6}},
        {"column": {"gain": 1e6}, "read": {"a": 1e6, "b": 1e6}},
        {"flicker": {"q": 1e12, "t_read_s": 1e-9}},
    ],
    ids=["without noise", "with noise", "as a last resort"],
)
async def test_outputs_that_overflow_on_a_device_are_the_devices_fault(
    client: httpx.AsyncClient, parts: dict[str, Any]
) -> None:
    age = {"age_s": 1e9} if "flicker" in parts else {}
    field, message = await refused(client, device=profile(**parts), **age)
    assert field == "device"
    assert "the outputs overflow single precision on device odd" in message
