"""``POST /predict`` with everything that it accepts."""

import math
from collections.abc import Callable
from itertools import pairwise

import httpx
import pytest

from noisevote.models.checkpoint import SHIPPED, Checkpoint
from noisevote.service.wire.requests import EXAMPLE_REQUEST
from tests.service.support import (
    CHECKPOINT,
    POINTS,
    Json,
    array,
    ask,
    counts_of,
    jpeg,
    noise_image,
    picture,
)

pytestmark = pytest.mark.anyio


async def test_a_reply_has_every_field_and_nothing_else(client: httpx.AsyncClient) -> None:
    reply = await ask(client, inputs=[array(5)], sigma=0.5, seed=7)
    [prediction] = reply["predictions"]
    timing = reply["timing_ms"]
    assert list(reply) == [
        "checkpoint",
        "noise",
        "seed",
        "fingerprint",
        "guarantee",
        "predictions",
        "timing_ms",
    ]
    assert reply["checkpoint"] == CHECKPOINT
    assert reply["noise"] == {
        "kind": "multiplicative",
        "sigma": 0.5,
        "snr_db": 6.0206,
        "repeats": None,
    }
    assert reply["seed"] == 7
    assert reply["fingerprint"] == Checkpoint(SHIPPED / CHECKPOINT).fingerprint
    assert prediction == {
        "mode": 5,
        "label": "5",
        "vote_counts": prediction["vote_counts"],
        "votes_cast": 20,
        "stopped_by": "full",
        "agreement": prediction["vote_counts"][5] / 20,
        "interval": prediction["interval"],
        "p_value": prediction["p_value"],
        "abstain": False,
        "abstains_below": 6,
        "cost": None,
    }
    assert len(prediction["vote_counts"]) == 10
    assert sum(prediction["vote_counts"]) == 20
    assert 0 < prediction["interval"][0] < prediction["agreement"] <= prediction["interval"][1] <= 1
    assert 0 < prediction["p_value"] < 0.05
    assert timing["total"] >= timing["compute"] > 0
    assert timing["queue"] >= 0


async def test_what_is_left_out_has_the_documented_default(client: httpx.AsyncClient) -> None:
    reply = await ask(client, inputs=[array()])
    said = {
        "checkpoint": CHECKPOINT,
        "noise": "multiplicative",
        "sigma": 1.0,
        "votes": 20,
        "stop": "full",
        "alpha": 0.05,
    }
    assert counts_of(reply) == counts_of(
        await ask(client, inputs=[array()], seed=reply["seed"], **said)
    )
    assert reply["noise"] == {
        "kind": "multiplicative",
        "sigma": 1.0,
        "snr_db": 0.0,
        "repeats": None,
    }
    assert 0 <= reply["seed"] < 2**53


async def test_a_field_that_is_null_counts_as_left_out(client: httpx.AsyncClient) -> None:
    nothing = dict.fromkeys(
        ("checkpoint", "image", "strokes", "noise", "sigma", "snr_db", "repeats")
    )
    plain = await ask(client, inputs=[array()], seed=3)
    assert counts_of(await ask(client, inputs=[array()], seed=3, **nothing)) == counts_of(plain)


async def test_the_documented_example_is_answered(client: httpx.AsyncClient) -> None:
    reply = await ask(client, **EXAMPLE_REQUEST)
    assert reply["predictions"][0]["label"] == "7"


async def test_leading_axes_of_length_1_may_be_left_out(client: httpx.AsyncClient) -> None:
    flat = await ask(client, inputs=[array(3)], seed=5)
    deep = await ask(client, inputs=[[array(3)]], seed=5)
    mixed = await ask(client, inputs=[array(3), [array(3)]], seed=5, sigma=0)
    assert counts_of(flat) == counts_of(deep)
    assert counts_of(mixed)[0] == counts_of(mixed)[1]


async def test_a_batch_gets_one_prediction_an_input_in_order(client: httpx.AsyncClient) -> None:
    digits = [7, 1, 0, 3]
    reply = await ask(client, inputs=[array(digit) for digit in digits], sigma=0)
    assert [prediction["mode"] for prediction in reply["predictions"]] == digits


async def test_as_many_inputs_as_allowed_are_answered(client: httpx.AsyncClient) -> None:
    reply = await ask(client, inputs=[array(i % 10) for i in range(64)], votes=2)
    assert len(reply["predictions"]) == 64
    assert all(sum(counts) == 2 for counts in counts_of(reply))


@pytest.mark.parametrize("form", [picture, jpeg])
async def test_dark_on_light_and_light_on_dark_pictures_are_read_alike(
    client: httpx.AsyncClient, form: Callable[..., str]
) -> None:
    dark = await ask(client, image=form(3), sigma=0)
    light = await ask(client, image=form(3, ink=255, paper=0), sigma=0)
    assert dark["predictions"][0]["label"] == light["predictions"][0]["label"] == "3"


async def test_a_picture_may_be_a_data_url(client: httpx.AsyncClient) -> None:
    plain = await ask(client, image=picture(2), seed=1)
    data_url = await ask(client, image="data:image/png;base64," + picture(2), seed=1)
    assert counts_of(plain) == counts_of(data_url)


@pytest.mark.parametrize(
    "options",
    [{}, {"votes": 1}, {"votes": 33}, {"stop": "exact"}, {"sigma": 0}, {"alpha": 1e-300}],
    ids=str,
)
async def test_vote_counts_sum_to_votes_cast(client: httpx.AsyncClient, options: Json) -> None:
    reply = await ask(client, inputs=[array(8), noise_image()], **options)
    for prediction in reply["predictions"]:
        counts = prediction["vote_counts"]
        assert sum(counts) == prediction["votes_cast"] <= options.get("votes", 20)
        assert counts.index(max(counts)) == prediction["mode"]
        assert prediction["agreement"] == max(counts) / sum(counts)


async def test_without_noise_the_votes_are_unanimous(client: httpx.AsyncClient) -> None:
    reply = await ask(client, inputs=[array(4), noise_image()], sigma=0, votes=1000)
    assert reply["noise"]["snr_db"] is None
    for prediction in reply["predictions"]:
        assert prediction["votes_cast"] == max(prediction["vote_counts"]) == 1000
        assert prediction["agreement"] == 1


async def test_without_noise_an_exact_stop_needs_just_over_half(client: httpx.AsyncClient) -> None:
    reply = await ask(client, inputs=[array(4)], sigma=0, votes=20, stop="exact")
    [prediction] = reply["predictions"]
    # 11 of 20 decide; 10 do if the mode wins ties against every rival, as class 0 does.
    assert prediction["votes_cast"] == (10 if prediction["mode"] == 0 else 11)
    assert prediction["stopped_by"] == "exact"


async def test_an_snr_of_0_db_is_a_sigma_of_1(client: httpx.AsyncClient) -> None:
    by_snr = await ask(client, inputs=[noise_image()], snr_db=0, votes=50, seed=11)
    by_sigma = await ask(client, inputs=[noise_image()], sigma=1.0, votes=50, seed=11)
    assert by_snr["noise"] == by_sigma["noise"]
    assert counts_of(by_snr) == counts_of(by_sigma)


async def test_a_map_of_one_sigma_for_all_points_is_that_sigma(client: httpx.AsyncClient) -> None:
    inputs = [noise_image()]
    single = await ask(client, inputs=inputs, sigma=0.7, votes=50, seed=2)
    mapped = await ask(client, inputs=inputs, sigma=dict.fromkeys(POINTS, 0.7), votes=50, seed=2)
    assert counts_of(single) == counts_of(mapped)
    assert mapped["noise"]["sigma"] == dict.fromkeys(POINTS, 0.7)
    assert mapped["noise"]["snr_db"] is None


async def test_noise_points_left_out_of_a_map_get_no_noise(client: httpx.AsyncClient) -> None:
    inputs = [noise_image()]
    none = await ask(client, inputs=inputs, sigma={}, votes=50, seed=2)
    last = await ask(client, inputs=inputs, sigma={"fc2": 1}, votes=50, seed=2)
    assert none["noise"]["sigma"] == dict.fromkeys(POINTS, 0.0)
    assert last["noise"]["sigma"] == dict.fromkeys(POINTS, 0.0) | {"fc2": 1.0}
    assert max(counts_of(none)[0]) == 50
    assert max(counts_of(last)[0]) < 50


async def test_more_noise_makes_the_votes_agree_less(client: httpx.AsyncClient) -> None:
    replies = [
        await ask(client, inputs=[array(8)], sigma=sigma, votes=100, seed=1)
        for sigma in (0, 1.0, 3.0)
    ]
    agreements = [reply["predictions"][0]["agreement"] for reply in replies]
    assert all(before > after for before, after in pairwise(agreements))


@pytest.mark.parametrize("reads", [1, 2, 20])
async def test_averaged_reads_divide_sigma_by_the_root_of_their_number(
    client: httpx.AsyncClient, reads: int
) -> None:
    repeats = {"fc2": reads, "conv1": 3}
    sigma = dict.fromkeys(POINTS, 1.0) | {
        "fc2": 1 / math.sqrt(reads),
        "conv1": 1 / math.sqrt(3),
    }
    read = await ask(client, inputs=[noise_image()], repeats=repeats, votes=60, seed=9)
    divided = await ask(client, inputs=[noise_image()], sigma=sigma, votes=60, seed=9)
    assert counts_of(read) == counts_of(divided)
    assert read["noise"]["repeats"] == repeats
    assert read["noise"]["sigma"] == 1.0


async def test_the_other_kind_of_noise_is_served_with_a_sigma(client: httpx.AsyncClient) -> None:
    reply = await ask(client, inputs=[array()], noise="additive", sigma=0.3)
    assert reply["noise"] == {"kind": "additive", "sigma": 0.3, "snr_db": None, "repeats": None}


@pytest.mark.parametrize("kind", ["additive", "multiplicative"])
async def test_the_strongest_noise_allowed_is_answered(
    client: httpx.AsyncClient, kind: str
) -> None:
    reply = await ask(client, inputs=[array()], noise=kind, sigma=1000, votes=10)
    assert sum(counts_of(reply)[0]) == 10


async def test_exact_casts_a_prefix_of_the_full_votes_and_finds_their_mode(
    client: httpx.AsyncClient,
) -> None:
    body: Json = {"inputs": [array(8), noise_image(1), array(1)], "votes": 60, "seed": 4}
    full = await ask(client, **body)
    exact = await ask(client, **body, stop="exact")
    for whole, part in zip(full["predictions"], exact["predictions"], strict=True):
        assert part["mode"] == whole["mode"]
        pairs = zip(part["vote_counts"], whole["vote_counts"], strict=True)
        assert all(few <= many for few, many in pairs)
        assert part["stopped_by"] == ("exact" if part["votes_cast"] < 60 else "full")
    assert exact["predictions"][2]["votes_cast"] < 60


async def test_statistics_that_hold_for_full_votes_only_are_null_after_other_stops(
    client: httpx.AsyncClient,
) -> None:
    reply = await ask(client, inputs=[array(1), noise_image()], stop="exact", votes=1)
    for prediction in reply["predictions"]:
        assert prediction["interval"] is None
        assert prediction["p_value"] is None
        assert prediction["abstain"] is None
        assert prediction["abstains_below"] is None


@pytest.mark.parametrize(("alpha", "fewest"), [(0.05, 6), (0.001, 11), (0.5, 2)])
async def test_the_reply_says_from_how_many_votes_on_the_test_can_come_out(
    client: httpx.AsyncClient, alpha: float, fewest: int
) -> None:
    for votes in (fewest - 1, fewest):
        body: Json = {"inputs": [array(1)], "sigma": 0.1, "votes": votes, "alpha": alpha}
        (prediction,) = (await ask(client, **body))["predictions"]
        assert prediction["agreement"] == 1
        assert prediction["abstain"] == (votes < fewest)
        assert prediction["abstains_below"] == fewest


async def test_without_noise_one_vote_is_enough_not_to_abstain(client: httpx.AsyncClient) -> None:
    (prediction,) = (await ask(client, inputs=[array(1)], sigma=0, votes=1))["predictions"]
    assert (prediction["abstain"], prediction["abstains_below"]) == (False, 1)


async def test_alpha_sets_the_width_of_the_interval_and_when_to_abstain(
    client: httpx.AsyncClient,
) -> None:
    body: Json = {"inputs": [noise_image()], "votes": 30, "seed": 1}
    replies = [await ask(client, **body, alpha=alpha) for alpha in (0.5, 0.001)]
    loose, tight = (reply["predictions"][0] for reply in replies)
    assert tight["interval"][0] < loose["interval"][0] < loose["interval"][1] < tight["interval"][1]
    assert loose["p_value"] == tight["p_value"]
    assert tight["abstain"] == (tight["p_value"] > 0.001)
    assert loose["abstain"] == (loose["p_value"] > 0.5)
