"""The vote drift monitor: quiet when votes agree as the card says, loud when they do not."""

import json
from collections.abc import AsyncIterator
from copy import copy
from dataclasses import replace
from pathlib import Path

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from numpy.typing import NDArray

from noisevote.models.checkpoint import SHIPPED, Checkpoint, CheckpointStore
from noisevote.models.draws.schemes import FIRST
from noisevote.models.drift import shares_of
from noisevote.models.engines.arithmetic import REFERENCE, Arithmetic
from noisevote.models.engines.loading import load_session
from noisevote.models.measured import AgreementReference
from noisevote.models.noise import NoiseKind
from noisevote.models.runtime import GraphRuntime, Rows
from noisevote.service.configuration.settings import Settings
from noisevote.service.operations.drift import DriftMonitor
from noisevote.service.prediction.predictor import Predictor
from noisevote.service.prediction.prepared import Prepared
from noisevote.service.service import service_of
from noisevote.service.wire.replies import PredictResponse
from noisevote.service.wire.requests import PredictRequest
from tests.service.support import CHECKPOINT, Json, array, ask, copy_of_checkpoint, serving
from tests.service.test_metrics import scraped, value

pytestmark = pytest.mark.anyio

VOTES = 5
DIGITS = [array(digit) for digit in range(10)] * 4


class LouderRuntime(GraphRuntime):
    """Hardware with more noise than it is said to have.

    Attributes:
        times: as much of it.
    """

    times = 1.0

    def outputs(self, rows: Rows) -> NDArray[np.float32]:
        return super().outputs(replace(rows, sigma=self.times * rows.sigma))


class LouderCheckpoint(Checkpoint):
    """Its multiplicative noise is louder than it is said to be."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        kind = NoiseKind.MULTIPLICATIVE
        self.louder = LouderRuntime(load_session(folder / self.card.graphs[kind]), self.card, kind)

    def loaded(self, kind: NoiseKind, arithmetic: Arithmetic = REFERENCE) -> GraphRuntime | None:
        is_louder = kind is NoiseKind.MULTIPLICATIVE
        return self.louder if is_louder else super().loaded(kind, arithmetic)


def measured(sigma: float, replies: list[Json]) -> AgreementReference:
    """Return what a card would say of these replies."""
    counts = np.array([one["vote_counts"] for reply in replies for one in reply["predictions"]])
    agreement, margin = shares_of(counts).T
    return AgreementReference(
        kind=NoiseKind.MULTIPLICATIVE,
        sigma=sigma,
        votes=int(counts[0].sum()),
        inputs=len(counts),
        agreement_mean=agreement.mean(),
        agreement_sd=agreement.std(),
        margin_mean=margin.mean(),
        margin_sd=margin.std(),
        seed=0,
        noise_scheme=FIRST.id,
        command="measured in a test",
    )


@pytest.fixture(scope="module")
async def followed(
    anyio_backend: str,  # noqa: ARG001
    client: httpx.AsyncClient,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[tuple[FastAPI, httpx.AsyncClient, LouderRuntime]]:
    """A service whose card was measured on drawn digits."""
    references = []
    for sigma in (0.7, 1.0, 1.4):
        asked = {"inputs": DIGITS, "votes": VOTES, "sigma": sigma}
        references.append(measured(sigma, [await ask(client, **asked, seed=n) for n in range(2)]))
    directory = tmp_path_factory.mktemp("checkpoints")
    card_file = copy_of_checkpoint(directory) / "card.json"
    card = json.loads(card_file.read_text())
    card["agreements"] = [reference.model_dump(mode="json") for reference in references]
    card_file.write_text(json.dumps(card))
    settings = Settings(slots=1, checkpoints=directory, checkpoint_poll_s=0)
    async with serving(settings) as (app, loud_client):
        checkpoint = LouderCheckpoint(directory / CHECKPOINT)
        service_of(app).predictor.store.put(checkpoint)
        yield app, loud_client, checkpoint.louder


async def drift_at(client: httpx.AsyncClient, sigma: float = 1.0) -> Json:
    drift = (await client.get(f"/checkpoints/{CHECKPOINT}")).json()["drift"]
    (found,) = [entry for entry in drift if entry["sigma"] == sigma]
    body: Json = found
    return body


async def test_votes_are_followed_and_an_alarm_tells_of_noisier_hardware(
    followed: tuple[FastAPI, httpx.AsyncClient, LouderRuntime], caplog: pytest.LogCaptureFixture
) -> None:
    _, client, runtime = followed
    for seed in (11, 12, 13):
        await ask(client, inputs=DIGITS, votes=VOTES, seed=seed)
    quiet = await drift_at(client)
    assert (quiet["answers"], quiet["state"]) == (120, "too_few")
    low, high = quiet["effective_sigma_interval"]
    assert low <= 1.0 <= high
    assert not quiet["is_noisier_than_hardened_for"]
    samples = await scraped(client)
    at = {
        "checkpoint": CHECKPOINT, "noise": "multiplicative", "sigma": "1", "votes": str(VOTES),
    }  # fmt: skip
    assert value(samples, "drift_state", **at) == 0
    runtime.times = 2.0
    for seed in (14, 15, 16):
        await ask(client, inputs=DIGITS, votes=VOTES, seed=seed)
    loud = await drift_at(client)
    assert loud["state"] == "lower"
    assert loud["agreement"]["seen"] < quiet["agreement"]["seen"] - 0.05
    assert loud["agreement"]["expected"] == quiet["agreement"]["expected"]
    assert loud["effective_sigma"] > 1.05
    assert loud["is_noisier_than_hardened_for"]
    samples = await scraped(client)
    assert value(samples, "drift_alarms_total", checkpoint=CHECKPOINT, direction="lower") == 1
    assert value(samples, "drift_state", **at) == -1
    seen = value(samples, "drift_shares", **at, share="agreement", of="seen")
    expected = value(samples, "drift_shares", **at, share="agreement", of="expected")
    assert seen < expected == pytest.approx(loud["agreement"]["expected"])
    margin = value(samples, "drift_shares", **at, share="margin", of="expected")
    assert margin == pytest.approx(loud["margin"]["expected"])
    assert value(samples, "drift_effective_sigma", **at) > 1
    assert "agree less than its card says" in caplog.text


@pytest.mark.parametrize(
    "body",
    [
        {"stop": "exact"},
        {"sigma": 0.9},
        {"sigma": {"conv1": 1.4}},
        {"repeats": {"fc2": 4}},
        {"votes": 4},
        {"priority": "low"},
        {"noise": "additive", "sigma": 1.0},
        {"sigma": 0},
    ],
    ids=str,
)
async def test_what_the_card_has_no_figures_for_is_not_compared(
    followed: tuple[FastAPI, httpx.AsyncClient, LouderRuntime], body: Json
) -> None:
    _, client, _ = followed
    url = f"/checkpoints/{CHECKPOINT}"
    before = (await client.get(url)).json()["drift"]
    await ask(client, **{"inputs": [array(7)], "votes": VOTES, **body})
    assert (await client.get(url)).json()["drift"] == before


async def test_more_votes_than_the_cards_are_thinned(
    followed: tuple[FastAPI, httpx.AsyncClient, LouderRuntime],
) -> None:
    _, client, runtime = followed
    runtime.times = 1.0
    await ask(client, inputs=DIGITS, votes=3 * VOTES, sigma=0.7, seed=1)
    drift = await drift_at(client, 0.7)
    assert drift["answers"] == len(DIGITS)
    assert drift["agreement"]["seen"] == pytest.approx(drift["agreement"]["expected"], abs=0.1)


@pytest.fixture
async def answered(
    followed: tuple[FastAPI, httpx.AsyncClient, LouderRuntime],
) -> tuple[Prepared, PredictResponse]:
    """A request of ten digits, and its answer."""
    predictor: Predictor = service_of(followed[0]).predictor
    body = {"inputs": DIGITS[:10], "votes": VOTES, "sigma": 0.7, "seed": 1}
    prepared = predictor.prepare(PredictRequest.model_validate(body), began=0.0)
    return prepared, await predictor.answer(prepared)


async def test_an_answer_counts_for_the_most_votes_that_it_has_and_a_curve_is_of_one_number(
    answered: tuple[Prepared, PredictResponse],
) -> None:
    prepared, answer = answered
    checkpoint = copy(prepared.checkpoint)
    of = checkpoint.card.agreements[0]
    for numbers in ((2, VOTES, 9), (9, VOTES, 2)):
        figures = [of.model_copy(update={"votes": votes}) for votes in numbers]
        checkpoint.card = checkpoint.card.model_copy(update={"agreements": figures})
        monitor = DriftMonitor(lambda *_: None)
        for _ in range(10):
            monitor.answered(replace(prepared, checkpoint=checkpoint), answer)
        found = monitor.bodies(checkpoint.card, checkpoint.fingerprint)
        assert {about.votes: about.answers for about in found} == {2: 0, VOTES: 100, 9: 0}
        assert [about.effective_sigma for about in found] == [None] * 3


async def test_the_listener_is_told_every_fifty_answers_and_nothing_of_those_cut_short(
    answered: tuple[Prepared, PredictResponse],
) -> None:
    prepared, answer = answered
    told: list[int] = []
    monitor = DriftMonitor(lambda _, about, __: told.append(about.answers))
    for _ in range(12):
        monitor.answered(prepared, answer)
    assert told == [50, 100]
    update = {"stopped_by": "deadline"}
    cut = [one.model_copy(update=update) for one in answer.predictions]
    monitor.answered(prepared, answer.model_copy(update={"predictions": cut}))
    checkpoint = prepared.checkpoint
    drift = monitor.bodies(checkpoint.card, checkpoint.fingerprint)
    assert [about.answers for about in drift if about.sigma == 0.7] == [120]


async def test_a_replaced_checkpoint_begins_anew_though_requests_still_end_on_the_old_one(
    answered: tuple[Prepared, PredictResponse],
) -> None:
    first, answer = answered
    second, third = (replace(first, checkpoint=copy(first.checkpoint)) for _ in range(2))
    second.checkpoint.__dict__["fingerprint"] = "second"
    third.checkpoint.__dict__["fingerprint"] = "third"
    monitor = DriftMonitor(lambda *_: None)

    def count_of(prepared: Prepared) -> int:
        found = monitor.bodies(prepared.checkpoint.card, prepared.checkpoint.fingerprint)
        return sum(about.answers for about in found)

    for prepared in (first, second, first, second):
        monitor.answered(prepared, answer)
    assert count_of(second) == 20
    monitor.answered(third, answer)
    assert count_of(third) == 10
    assert count_of(first) == 0, "nothing is kept of what was replaced long ago"


COSTLY_MACS = 10**8
"""Of a vote: a DenseNet takes 10 ms for one, so its cards are measured on fewer images."""


def test_every_shipped_card_says_what_the_monitor_is_to_expect() -> None:
    store = CheckpointStore(SHIPPED)
    for name in store.names():
        card = store.find(name).card
        at = {(entry.kind, entry.sigma, entry.votes) for entry in card.agreements}
        if card.noise.largest_sigma:
            assert (card.noise.kind, card.noise.largest_sigma, 20) in at, name
        is_costly = card.macs > COSTLY_MACS
        assert len({sigma for _, sigma, votes in at if votes == 20}) >= (2 if is_costly else 5), (
            name
        )
        for entry in card.agreements:
            assert 0 < entry.margin_mean < entry.agreement_mean <= 1
            assert entry.inputs >= (200 if is_costly else 1000)
            assert entry.command.startswith(f"noisevote-train agreement {name}")
