"""Assessments of a target on an analog device: what is taken, what is refused, how one ends."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from pydantic import ValidationError

from noisevote.models.checkpoint import SHIPPED, CheckpointStore
from noisevote.models.devices.asked import AskedDevice
from noisevote.models.devices.presets import DeviceStore
from noisevote.models.devices.profile import profile_of
from noisevote.models.errors import CheckpointError
from noisevote.models.noise import NoiseKind
from noisevote.models.robustness.checkpoint_target import CheckpointTarget
from noisevote.models.robustness.plan import Plan
from noisevote.models.robustness.report import Report
from noisevote.models.robustness.target import Conditions
from noisevote.models.stopping import StopRule
from noisevote.service.client.attacks import Attacks
from noisevote.service.jobs.http_target import HttpTarget, Meter, RequestLimits
from noisevote.service.jobs.job import JobContent
from noisevote.service.jobs.run import device_of, identity_of
from noisevote.service.wire.attack import JobState
from tests.service.jobs.support import (
    SURROGATE,
    body_of,
    client_of,
    environment,
    request_of,
    serving_jobs,
    submitted,
    without,
)
from tests.service.jobs.test_old_folders import CONTENT
from tests.service.on_devices import BOTH, FRESH, FROZEN, as_before
from tests.service.support import CHECKPOINT, POINTS, Json, error_in, noise_image
from tests.service.test_server import started

pytestmark = pytest.mark.anyio

PRESET = "reram-wan"
LIMITS = RequestLimits(
    max_inputs=64, max_body_bytes=2**20, max_request_gmacs=400.0, allow_client_seed=True
)


@pytest.fixture(scope="module")
async def client(
    anyio_backend: str,  # noqa: ARG001
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[httpx.AsyncClient]:
    folder = tmp_path_factory.mktemp("jobs")
    async with serving_jobs(folder, max_chips=8) as (_, client):
        yield client


def on_device(**changes: Any) -> Json:
    return without(body_of(), "sigma") | {"device": PRESET} | changes


async def post(client: httpx.AsyncClient, body: Json) -> httpx.Response:
    return await client.post("/attack", content=json.dumps(body))


async def test_a_job_on_a_device_keeps_its_profile_and_says_what_it_is(
    client: httpx.AsyncClient,
) -> None:
    changes = {"chip": 7, "chips": 3, "age_s": 86400.0}
    response = await post(client, on_device(**changes))
    assert response.status_code == 202, response.text
    plan = response.json()["plan"]
    assert (plan["kind"], plan["sigma"]) == (None, None)
    kept = AskedDevice.model_validate_json(json.dumps(plan["device"]))
    assert kept.profiles == DeviceStore().find(PRESET)
    assert (kept.chip, kept.chips, kept.age_s) == (7, 3, 86400.0)


@pytest.mark.parametrize("device", [BOTH, {"conv*": PRESET, "fc?": BOTH, "fc2": "digital"}])
async def test_profiles_in_the_request_and_by_pattern_are_taken(
    device: Json, client: httpx.AsyncClient
) -> None:
    response = await post(client, on_device(device=device, chip="fresh"))
    assert response.status_code == 202, response.text


async def test_a_device_leaves_out_what_averages_gradients_over_noise(
    client: httpx.AsyncClient,
) -> None:
    changes = {"adaptive": True, "white_box": True, "attacks": ["pgd", "square"], "queries": 20}
    of_noise = (await submitted(client, **changes))["steps"]
    response = await post(client, on_device(**changes))
    assert response.status_code == 202, response.text
    assert response.json()["steps"] < of_noise


@pytest.mark.parametrize(
    ("changes", "status", "field", "said"),
    [
        ({"device": "none-such"}, 404, "device", "there is no device 'none-such'"),
        ({"device": FRESH | {"read": {"a": -1}}}, 422, "device.read.a", "greater than or equal"),
        ({"sigma": 0.5}, 422, "sigma", "device and sigma both say what noise there is"),
        ({"snr_db": 3.0}, 422, "snr_db", "device and snr_db both"),
        ({"noise": "additive"}, 422, "noise", "device and noise both"),
        ({"sigmas": [0.1]}, 422, "sigmas", "a device has no sigma to sweep over"),
        ({"chips": 4}, 422, "chips", "allowed are 1 to 3, no more than votes"),
        ({"chips": 9, "votes": 20}, 422, "chips", "allowed are 1 to 8"),
        ({"chips": 0}, 422, "chips", "greater than or equal to 1"),
        ({"chips": 2, "device": FRESH}, 422, "chips", "has no frozen errors"),
        ({"chip": -1}, 422, "chip", "allowed is a whole number from 0"),
        ({"age_s": 1e9}, 422, "age_s", "is known from 1 to 172800"),
        ({"temperature_c": 40.0}, 422, "temperature_c", "nothing of device reram-wan"),
        ({"repeats": {"fc9": 2}}, 422, "repeats", "is no noise point"),
        ({"device": {"fc9": PRESET}}, 422, "device", "fits no noise point"),
    ],
)  # fmt: skip
async def test_what_cannot_be_assessed_on_a_device_is_refused_with_the_field(
    changes: Json, status: int, field: str, said: str, client: httpx.AsyncClient
) -> None:
    response = await post(client, on_device(**changes))
    error = error_in(response, status, response.json()["error"]["code"])
    assert error["field"] == field
    assert said in error["message"]


async def test_chips_without_a_device_are_refused(client: httpx.AsyncClient) -> None:
    error = error_in(await post(client, body_of(chips=2)), 422, "invalid_input")
    assert "chips is that of a device; give a device, too" in error["message"]


async def test_a_target_that_is_not_ready_is_refused_with_how_to_make_it(tmp_path: Path) -> None:
    copies = as_before(as_before(tmp_path / "checkpoints", CHECKPOINT), SURROGATE)
    async with serving_jobs(tmp_path / "jobs", checkpoints=(copies,)) as (_, client):
        error = error_in(await post(client, on_device()), 422, "invalid_input")
    assert error["field"] == "device"
    assert "noisevote-train fit-devices" in error["message"]


def test_two_devices_are_two_assessments_and_names_alone_are_none() -> None:
    content = JobContent.model_validate_json(CONTENT)
    plain = content.plan.model_dump() | {"kind": None, "sigma": None}

    def identity(profile: Json) -> Json:
        device = AskedDevice(profiles=profile_of(profile))
        plan = type(content.plan).model_validate(plain | {"device": device})
        return identity_of(plan, content.about)

    assert identity(BOTH) != identity(FROZEN)
    assert identity(BOTH) != identity_of(content.plan, content.about)
    kept = json.loads(json.dumps(identity(BOTH)))
    read = type(content.plan).model_validate_json(json.dumps(kept["plan"]))
    assert read.device is not None
    assert read.device.profiles == profile_of(BOTH)


@pytest.mark.parametrize("may_hold", [True, False], ids=["inline", "by name"])
def test_a_target_on_a_device_gives_over_http_the_votes_that_it_gives_here(
    may_hold: bool, tmp_path: Path
) -> None:
    checkpoint = CheckpointStore(SHIPPED).find(CHECKPOINT)
    inputs = np.array([[noise_image(seed)] for seed in range(6)], np.float32)
    device = AskedDevice(profiles=DeviceStore().find(PRESET), chip=5, chips=2, age_s=86400.0)
    if may_hold:  # reads of so much noise that averaging them counts
        device = AskedDevice(profiles=profile_of(BOTH | {"read": {"a": 0.3}}), chip=5, chips=2)
    settings = environment(tmp_path) | {
        "NOISEVOTE_ALLOW_INLINE_DEVICES": str(may_hold),
    }
    limits = LIMITS.model_copy(update={"allow_inline_devices": may_hold})
    with started(settings) as server, client_of(server) as http:
        there = HttpTarget(http, limits, Meter(), checkpoint, NoiseKind.MULTIPLICATIVE, 11)
        here = CheckpointTarget(checkpoint, NoiseKind.MULTIPLICATIVE, 11)
        for conditions in (
            Conditions(0.0, 6, device=device),
            Conditions(0.0, 1, device=device),
            Conditions(0.0, 9, seed=3, repeats=dict.fromkeys(POINTS, 100), device=device),
            Conditions(0.0, 1),
        ):
            for stop in (StopRule.FULL, StopRule.EXACT):
                counts = there.vote_counts(inputs, conditions, stop)
                assert (counts == here.vote_counts(inputs, conditions, stop)).all()
        other = profile_of(FROZEN | {"name": PRESET})
        if not may_hold:
            with pytest.raises(CheckpointError, match="votes with another device or checkpoint"):
                there.vote_counts(
                    inputs, Conditions(0.0, 2, device=AskedDevice(profiles=other)), StopRule.FULL
                )


def test_chips_take_room_in_a_request() -> None:
    checkpoint = CheckpointStore(SHIPPED).find(CHECKPOINT)
    device = AskedDevice(profiles=profile_of(BOTH), chips=20)
    gmacs = checkpoint.card.macs / 1e9
    limits = LIMITS.model_copy(
        update={"max_request_gmacs": 1640.5 * gmacs, "max_body_bytes": 2**22}
    )
    assert limits.inputs_at_once(checkpoint, Conditions(0.5, 20)) == 64
    assert limits.inputs_at_once(checkpoint, Conditions(0.0, 20, device=device)) == 2
    assert limits.inputs_at_once(checkpoint, Conditions(0.0, 1, device=device)) == 64


def test_a_plan_is_of_noise_or_of_a_device_and_of_no_strength_beside_it() -> None:
    plain = JobContent.model_validate_json(CONTENT).plan.model_dump()
    device = AskedDevice(profiles=profile_of(BOTH))
    for changes in ({"kind": None}, {"sigma": None}, {}):
        with pytest.raises(ValidationError, match="and not both"):
            Plan.model_validate(plain | {"device": device} | changes)
    with pytest.raises(ValidationError, match="and not both"):
        Plan.model_validate(plain | {"sigma": None})


async def test_chips_take_room_in_the_requests_of_a_job(tmp_path: Path) -> None:
    gmacs = CheckpointStore(SHIPPED).find(CHECKPOINT).card.macs / 1e9
    body = on_device(chips=2, attacks=["pgd"])
    async with serving_jobs(tmp_path, max_request_gmacs=170.5 * gmacs) as (_, client):
        error = error_in(await post(client, body | {"votes": 11}), 422, "limit_exceeded")
        assert error["field"] == "votes"
        assert (await post(client, body | {"votes": 10})).status_code == 202


def test_chips_are_told_where_they_differ() -> None:
    target = CheckpointStore(SHIPPED).find(CHECKPOINT)
    plan = JobContent.model_validate_json(CONTENT).plan
    each: list[tuple[Json, Any, int, Any]] = [
        (BOTH, 3, 2, (3, 4)), (BOTH, "fresh", 2, "fresh"), (BOTH, "none", 1, ()), (FRESH, 3, 1, ()),
    ]  # fmt: skip
    for profile, chip, chips, told in each:
        device = AskedDevice(profiles=profile_of(profile), chip=chip, chips=chips)
        about = device_of(plan.model_copy(update={"device": device, "votes": 5}), target)
        assert about is not None
        assert about.chips == told


@pytest.mark.slow
def test_a_job_on_a_device_goes_on_when_its_preset_has_changed_and_reports_the_first(
    tmp_path: Path,
) -> None:
    presets = tmp_path / "devices"
    presets.mkdir()
    mine = presets / "mine.toml"
    first = 'profile = 1\nname = "mine"\n[program]\nstd_us = 0.05\n[read]\na = 0.02\n'
    mine.write_text(first)
    settings = environment(tmp_path / "jobs") | {
        "NOISEVOTE_DEVICES": str(presets),
    }
    asked = request_of(on_device(device="mine", chip=3, votes=5, steps=20))
    with started(settings) as server, client_of(server) as client:
        attacks = Attacks(client)
        job = attacks.submit(asked)
        next(seen for seen in attacks.watch(job.id) if seen.step == "pgd/restart 0")
        attacks.cancel(job.id)
        *_, status = attacks.watch(job.id)
        mine.write_text(first.replace("0.05", "0.5"))
        assert status.state is JobState.CANCELLED
        attacks.resume(job.id)
        *_, status = attacks.watch(job.id)
        assert (status.state, status.error) == (JobState.DONE, None)
        report: Report = attacks.report(job.id)
        page = attacks.report_page(job.id)
        changed = client.device("mine").digest
    about = report.about.device
    assert about is not None
    assert (about.name, about.chips, about.age_s) == ("mine", (3,), None)
    assert (
        about.digest
        == profile_of(
            {"profile": 1, "name": "x", "program": {"std_us": 0.05}, "read": {"a": 0.02}}
        ).digest
    )
    assert about.digest != changed
    assert f"device mine, digest {about.digest}, chip 3" in page
    assert "the clean network, on no device" in page
    assert {each.attack for each in report.untried} >= {"eot_pgd", "white_box"}
    assert report.verdict is not None
    assert any("all that the device does" in said for said in report.verdict.sentences)
