"""Rate limits: votes over time, by key or address, and what is given back."""

from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from noisevote.service.configuration.keys import digest_of
from noisevote.service.configuration.settings import Settings
from noisevote.service.operations.rate_limit import RateLimit, network_of
from noisevote.service.wire.errors import RateLimitedError
from tests.service.support import (
    CHECKPOINT,
    array,
    ask,
    copy_of_checkpoint,
    error_in,
    noise_image,
    serving,
)

pytestmark = pytest.mark.anyio

SLOW = {"rate_limit_votes_per_s": 1e-3, "rate_limit_burst_votes": 30}


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_who_owes_is_told_so_when_asking_for_nothing_that_is_charged() -> None:
    limit = RateLimit(2, 10, Clock())
    limit.owe("a", 14)
    with pytest.raises(RateLimitedError, match=r"what is owed is paid in 2\.0 s"):
        limit.take("a", 0)


@given(
    st.floats(0.1, 100),
    st.floats(1, 1000),
    st.lists(st.tuples(st.floats(0, 20), st.integers(1, 500)), min_size=1, max_size=60),
)
def test_no_more_votes_pass_than_the_rate_allows(
    rate: float, burst: float, arrivals: list[tuple[float, int]]
) -> None:
    clock = Clock()
    limit = RateLimit(rate, burst, clock)
    passed, largest = 0, 0
    for pause, votes in arrivals:
        clock.now += pause
        try:
            limit.take("a", votes)
        except RateLimitedError as error:
            # Whoever waits as long as it says is let in.
            clock.now += error.retry_after_s * (1 + 1e-9) + 1e-9
            limit.take("a", votes)
        passed += votes
        largest = max(largest, votes)
        assert passed <= burst + rate * clock.now + largest + 1e-6


def test_a_request_larger_than_the_bucket_passes_when_it_is_full_and_is_owed() -> None:
    clock = Clock()
    limit = RateLimit(10, 100, clock)
    limit.take("a", 250)
    with pytest.raises(RateLimitedError) as refusal:
        limit.take("a", 1)
    assert refusal.value.retry_after_s == pytest.approx(15.1)
    limit.take("b", 100)


def test_what_is_given_back_can_be_asked_for_again_and_no_more() -> None:
    limit = RateLimit(1, 100, Clock())
    limit.take("a", 100)
    limit.give_back("a", 40)
    with pytest.raises(RateLimitedError):
        limit.take("a", 41)
    limit.take("a", 40)
    limit.give_back("a", 1000)
    limit.take("a", 100)
    with pytest.raises(RateLimitedError):
        limit.take("a", 1)


def test_ten_seconds_of_votes_may_be_asked_for_at_once_unless_a_setting_says_otherwise() -> None:
    limit = RateLimit(3, clock=Clock())
    limit.take("a", 30)
    with pytest.raises(RateLimitedError):
        limit.take("a", 1)


def test_of_more_than_ten_thousand_clients_the_one_that_asked_longest_ago_is_forgotten() -> None:
    limit = RateLimit(1, 10, Clock())
    for number in range(10_000):
        limit.take(f"client {number}", 10)
    with pytest.raises(RateLimitedError):
        limit.take("client 0", 1)  # which makes client 1 the one that asked longest ago
    limit.take("another client", 10)
    for number in (0, 2, 9_999):
        with pytest.raises(RateLimitedError):
            limit.take(f"client {number}", 1)
    limit.take("client 1", 10)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("10.1.2.3", "10.1.2.3"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:10.1.2.3", "10.1.2.3"),
        ("/run/socket", "/run/socket"),
        ("", ""),
    ],
)
def test_an_ipv6_client_is_its_network(address: str, network: str) -> None:
    assert network_of(address) == network


async def test_too_many_votes_are_refused_on_every_way_in() -> None:
    async with serving(Settings(slots=1, **SLOW)) as (_, client):  # type: ignore[arg-type]
        await ask(client, inputs=[array(7)], votes=25)
        body = {"inputs": [array(7)], "votes": 6}
        refused = await client.post("/predict", json=body)
        error = error_in(refused, 429, "rate_limited")
        assert error["message"].startswith("the limit is 0.001 votes a second and 30 at once; ")
        assert 900 < int(refused.headers["retry-after"]) <= 1000
        error_in(await client.post("/predict/stream", json=body), 429, "rate_limited")
        tensor = {"name": "input", "shape": [1, 1, 28, 28], "datatype": "FP32"}
        inferred = await client.post(
            f"/v2/models/{CHECKPOINT}/infer",
            json={"inputs": [tensor | {"data": [[array(7)]]}], "parameters": {"votes": 6}},
        )
        assert inferred.status_code == 429
        assert inferred.json()["error"].startswith("the limit is ")
        assert "retry-after" in inferred.headers
        await ask(client, inputs=[array(7)], votes=5)
        assert (await client.get("/checkpoints")).status_code == 200


async def test_votes_that_early_stopping_saved_are_given_back() -> None:
    async with serving(Settings(slots=1, **SLOW)) as (_, client):  # type: ignore[arg-type]
        reply = await ask(client, inputs=[array(7)], votes=30, stop="exact", sigma=0.1)
        left = 30 - reply["predictions"][0]["votes_cast"]
        assert left > 0
        await ask(client, inputs=[array(7)], votes=left)
        error_in(
            await client.post("/predict", json={"inputs": [array(7)], "votes": 1}),
            429,
            "rate_limited",
        )


async def test_votes_of_a_checkpoint_that_turns_out_damaged_are_given_back(tmp_path: Path) -> None:
    copy_of_checkpoint(tmp_path)
    (copy_of_checkpoint(tmp_path, "damaged") / "weights.safetensors").write_bytes(b"")
    settings = Settings(slots=1, checkpoints=tmp_path, **SLOW)  # type: ignore[arg-type]
    async with serving(settings) as (_, client):
        body = {"inputs": [array(7)], "votes": 30}
        for _ in range(2):
            reply = await client.post("/predict", json=body | {"checkpoint": "damaged"})
            error_in(reply, 503, "checkpoint_refused")
        await ask(client, **body)


async def test_without_noise_one_vote_is_charged() -> None:
    async with serving(Settings(slots=1, **SLOW)) as (_, client):  # type: ignore[arg-type]
        for _ in range(5):
            await ask(client, inputs=[array(7)], votes=30, sigma=0)


async def test_each_key_has_its_own_limit_and_the_service_itself_has_none() -> None:
    settings = Settings(
        slots=1,
        api_keys={name: digest_of(name) for name in ("alice", "bob")},
        internal_token=SecretStr("of-the-service-itself"),
        **SLOW,  # type: ignore[arg-type]
    )
    body = {"inputs": [noise_image()], "votes": 30}
    async with serving(settings) as (_, client):

        async def status_for(key: str) -> int:
            headers = {"Authorization": f"Bearer {key}"}
            return (await client.post("/predict", json=body, headers=headers)).status_code

        asked = ("alice", "alice", "bob", "bob", *["of-the-service-itself"] * 3)
        assert [await status_for(key) for key in asked] == [200, 429, 200, 429, 200, 200, 200]


async def test_forbidden_seeds_are_refused_on_every_way_in() -> None:
    async with serving(Settings(slots=1, allow_client_seed=False)) as (_, client):
        body = {"inputs": [array(7)], "votes": 2, "seed": 5}
        for path in ("/predict", "/predict/stream"):
            error = error_in(await client.post(path, json=body), 422, "invalid_input")
            assert error["field"] == "seed"
        tensor = {"name": "input", "shape": [1, 1, 28, 28], "datatype": "FP32"}
        sent = {"inputs": [tensor | {"data": [[array(7)]]}], "parameters": {"votes": 2, "seed": 5}}
        refused: httpx.Response = await client.post(f"/v2/models/{CHECKPOINT}/infer", json=sent)
        assert refused.status_code == 400
        assert "draws all seeds itself" in refused.json()["error"]
