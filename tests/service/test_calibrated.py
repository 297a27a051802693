"""The stop rule ``calibrated`` over HTTP: threshold, promise, and what it does not cover."""

import httpx
import pytest

from noisevote.models.checkpoint import SHIPPED, Checkpoint
from noisevote.models.measured import Threshold
from noisevote.models.noise import NoiseKind
from tests.service.support import CHECKPOINT, POINTS, Json, array, ask, noise_image, refused

pytestmark = pytest.mark.anyio

SIGMA, VOTES = 0.5, 20
ASKED: Json = {"sigma": SIGMA, "votes": VOTES, "stop": "calibrated", "seed": 3}


def threshold(delta: float = 0.001) -> Threshold:
    """Return the shipped threshold for what is asked."""
    card = Checkpoint(SHIPPED / CHECKPOINT).card
    return next(
        entry
        for entry in card.thresholds
        if (entry.kind, entry.sigma, entry.votes, entry.delta)
        == (NoiseKind.MULTIPLICATIVE, SIGMA, VOTES, delta)
    )


async def test_voting_stops_as_soon_as_the_mode_leads_by_the_margin_of_the_card(
    client: httpx.AsyncClient,
) -> None:
    reply = await ask(client, inputs=[array(1)], **ASKED)
    (prediction,) = reply["predictions"]
    first, second = sorted(prediction["vote_counts"])[-1:-3:-1]
    assert first - second == threshold().margin
    assert prediction["votes_cast"] == first + second < VOTES
    assert prediction["stopped_by"] == "calibrated"
    assert prediction["interval"] is None


async def test_the_reply_names_the_promise_and_its_condition(client: httpx.AsyncClient) -> None:
    reply = await ask(client, inputs=[array(1)], **ASKED)
    entry = threshold()
    assert reply["guarantee"] == {
        "delta": 0.001,
        "condition": f"inputs like the {entry.inputs} validation inputs that the margin was chosen "
        f"on, with confidence {entry.confidence:g}",
        "margin": entry.margin,
    }
    assert reply["fingerprint"].endswith(f":margin-{entry.margin}")


@pytest.mark.parametrize(
    ("options", "guarantee"),
    [
        ({"stop": "full"}, None),
        ({"stop": "exact"}, {"delta": 0, "condition": "any input", "margin": None}),
        (
            {"stop": "bounded", "delta": 0.02},
            {"delta": 0.02, "condition": "any input", "margin": None},
        ),
    ],
)
async def test_every_other_rule_names_its_promise(
    client: httpx.AsyncClient, options: Json, guarantee: Json | None
) -> None:
    assert (await ask(client, inputs=[array()], **options))["guarantee"] == guarantee


async def test_calibrated_votes_are_a_prefix_of_all_votes(client: httpx.AsyncClient) -> None:
    inputs = [array(3), noise_image(1), noise_image(2), array(8)]
    early = await ask(client, inputs=inputs, **ASKED)
    for position, prediction in enumerate(early["predictions"]):
        prefix = await ask(
            client, inputs=inputs, **ASKED | {"stop": "full", "votes": prediction["votes_cast"]}
        )
        assert prediction["vote_counts"] == prefix["predictions"][position]["vote_counts"]


async def test_a_larger_delta_uses_the_threshold_of_the_largest_below(
    client: httpx.AsyncClient,
) -> None:
    loose = threshold(delta=0.01)
    assert loose.margin < threshold().margin
    for asked, entry in ((0.005, threshold()), (0.01, loose), (0.3, loose)):
        reply = await ask(client, inputs=[array(1)], **ASKED, delta=asked)
        assert reply["guarantee"]["delta"] == entry.delta <= asked
        assert reply["guarantee"]["margin"] == entry.margin


@pytest.mark.parametrize(
    "options",
    [
        {"sigma": 0.51},
        {"votes": 19},
        {"delta": 1e-6},
        {"noise": "additive"},
        {"repeats": {"fc2": 4}},
        {"sigma": dict.fromkeys(POINTS[1:], SIGMA)},
        {"checkpoint": "mnist_cnn-clean"},
    ],
    ids=str,
)
async def test_what_was_not_calibrated_is_refused_with_what_was(
    client: httpx.AsyncClient, options: Json
) -> None:
    error = await refused(client, 422, "invalid_input", **{"inputs": [array()], **ASKED, **options})
    assert error["field"] == "stop"
    there_are = "none" if "checkpoint" in options else "multiplicative sigma 0.5, votes 20, delta"
    assert f"there are: {there_are}" in error["message"]
    assert "noisevote-train calibrate" in error["message"]


async def test_the_same_sigma_said_in_another_way_is_calibrated(client: httpx.AsyncClient) -> None:
    plain = await ask(client, inputs=[array(4)], **ASKED)
    for options in (
        {"sigma": dict.fromkeys(POINTS, SIGMA)},
        {"sigma": 2 * SIGMA, "repeats": dict.fromkeys(POINTS, 4)},
    ):
        reply = await ask(client, inputs=[array(4)], **{**ASKED, **options})
        assert reply["predictions"] == plain["predictions"]


async def test_without_noise_nothing_needs_to_be_calibrated(client: httpx.AsyncClient) -> None:
    reply = await ask(client, inputs=[array(4)], **ASKED | {"sigma": 0})
    assert reply["guarantee"] == {"delta": 0, "condition": "any input", "margin": None}
    assert reply["predictions"][0]["agreement"] == 1
