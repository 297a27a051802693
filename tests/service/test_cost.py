"""What the votes cost on hardware that the request describes."""

import httpx
import pytest

from tests.service.support import POINTS, array, ask, refused

pytestmark = pytest.mark.anyio

MACS = 9 * 28**2 * (32 + 32 * 32) + 9 * 14**2 * (32 * 64 + 64 * 64) + 64 * 7 * 7 * 256 + 2560
EACH = dict.fromkeys(POINTS, 1.0)


async def test_votes_cost_what_the_papers_formulas_say(client: httpx.AsyncClient) -> None:
    reply = await ask(client, inputs=[array()], votes=20, hardware={"latency": 3, "energy": 0.5})
    assert reply["predictions"][0]["cost"] == {
        "sequential_latency": 20 * 6 * 3,
        "pipelined_latency": (6 + 20 - 1) * 3,
        "parallel_latency": 6 * 3,
        "energy": 20 * 6 * 0.5,
        "equal_energy_sigma": pytest.approx(20**-0.5),
    }


async def test_early_stop_costs_only_the_votes_that_were_cast(client: httpx.AsyncClient) -> None:
    reply = await ask(client, inputs=[array()], votes=20, stop="exact", sigma=0.1, hardware={})
    (prediction,) = reply["predictions"]
    assert prediction["votes_cast"] < 20
    assert prediction["cost"]["energy"] == MACS * prediction["votes_cast"]


async def test_reading_the_last_layer_again_costs_next_to_nothing(
    client: httpx.AsyncClient,
) -> None:
    body = {"inputs": [array()], "votes": 1, "hardware": {}}
    once, again = [await ask(client, **body, **more) for more in ({}, {"repeats": {"fc2": 20}})]
    energies = [reply["predictions"][0]["cost"]["energy"] for reply in (once, again)]
    assert energies[0] == MACS
    assert energies[1] / energies[0] < 1.01


async def test_repeats_cost_their_layer_alone(client: httpx.AsyncClient) -> None:
    hardware = {"energy": EACH | {"conv1": 95.0}}
    body = {"inputs": [array()], "votes": 1, "hardware": hardware}
    reply = await ask(client, **body, sigma=dict.fromkeys(POINTS, 0.5), repeats={"fc2": 20})
    cost = reply["predictions"][0]["cost"]
    assert cost["energy"] == 100 + 19
    assert cost["equal_energy_sigma"]["conv1"] == pytest.approx(0.5 / 1.19**0.5)


async def test_without_hardware_no_cost_is_made_up(client: httpx.AsyncClient) -> None:
    reply = await ask(client, inputs=[array()])
    assert reply["predictions"][0]["cost"] is None


@pytest.mark.parametrize(
    ("hardware", "message"),
    [
        ({"latency": 0}, "hardware.latency: got 0; allowed is a number above 0 "),
        ({"energy": EACH | {"fc1": -1}}, 'hardware.energy: got -1 for "fc1"; allowed is'),
        ({"energy": {"conv1": 1.0}}, "lacks conv2"),
        ({"energy": EACH | {"conv9": 1.0}}, "no noise point"),
        ({"power": 1}, 'hardware: got "power"; allowed is an object of latency and energy'),
        (3, "hardware: got 3; allowed is an object of latency and energy"),
        ([1], "hardware: got an array; allowed is an object of latency and energy"),
    ],
)
async def test_hardware_that_makes_no_sense_is_refused(
    client: httpx.AsyncClient, hardware: object, message: str
) -> None:
    error = await refused(client, 422, "invalid_input", inputs=[array()], hardware=hardware)
    assert message in error["message"]
