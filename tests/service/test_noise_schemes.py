"""The setting that has all noise drawn by one scheme."""

import asyncio

import httpx
import pytest

from noisevote.models.checkpoint import SHIPPED, Checkpoint
from noisevote.models.draws.schemes import FIRST, NEWEST
from noisevote.models.engines.preference import Preference
from noisevote.models.errors import InputError
from noisevote.service.configuration.reading import load_settings
from noisevote.service.configuration.settings import Settings
from tests.service.support import CHECKPOINT, Json, array, ask, noise_image, serving

UNSURE: Json = {"inputs": [noise_image(1), array(8), noise_image(2)], "votes": 30, "seed": 5}
ON_DEVICE: Json = {"inputs": [array(8)], "device": "reram-cmo", "chip": 1, "seed": 5}


@pytest.mark.anyio
async def test_all_noise_is_drawn_by_the_scheme_of_the_setting_and_fingerprints_name_it(
    client: httpx.AsyncClient,
) -> None:
    by_card = await ask(client, **UNSURE)
    async with serving(Settings(slots=1, noise_scheme=NEWEST.id)) as (_, newest):
        first = await ask(newest, **UNSURE)
        together, _ = await asyncio.gather(ask(newest, **UNSURE), ask(newest, inputs=[array(3)]))
        on_device = await ask(newest, **ON_DEVICE)
    shipped = Checkpoint(SHIPPED / CHECKPOINT).fingerprint
    assert by_card["fingerprint"] == shipped
    assert shipped.startswith(f"{FIRST.id}:")
    assert first["fingerprint"] == shipped.replace(FIRST.id, NEWEST.id)
    assert first["predictions"] != by_card["predictions"]
    assert together["predictions"] == first["predictions"]
    assert on_device["fingerprint"].startswith(f"{NEWEST.id}:")


@pytest.mark.anyio
async def test_naming_the_scheme_of_the_card_changes_nothing(client: httpx.AsyncClient) -> None:
    async with serving(Settings(slots=1, noise_scheme=FIRST.id)) as (_, same):
        found = await ask(same, **UNSURE)
    by_card = await ask(client, **UNSURE)
    assert found["predictions"] == by_card["predictions"]
    assert found["fingerprint"] == by_card["fingerprint"]


def test_an_unknown_scheme_is_refused_with_those_that_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NOISEVOTE_NOISE_SCHEME", "mt19937")
    with pytest.raises(InputError, match=NEWEST.id):
        load_settings()


def test_a_preferred_scheme_leaves_the_card_on_disk_as_it_is() -> None:
    folder = SHIPPED / CHECKPOINT
    assert Checkpoint(folder, Preference(noise_scheme=NEWEST.id)).card.noise_scheme == NEWEST.id
    assert Checkpoint(folder).card.noise_scheme == FIRST.id
