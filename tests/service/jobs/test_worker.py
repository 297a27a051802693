"""The real worker of a real server: what it does, and what remains when it is killed."""

import os
import subprocess
import sys
from pathlib import Path
from threading import Lock

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from noisevote.models.checkpoint import SHIPPED, Checkpoint, CheckpointStore
from noisevote.models.data.files import DATA_DIR_VARIABLE, data_dir
from noisevote.models.draws.schemes import NEWEST
from noisevote.models.engines.preference import Preference
from noisevote.models.noise import NoiseKind
from noisevote.models.robustness.assessment import assess
from noisevote.models.robustness.checkpoint_target import CheckpointTarget
from noisevote.models.robustness.plan import Plan
from noisevote.models.robustness.progress import Progress
from noisevote.models.robustness.target import Conditions, Question
from noisevote.models.stopping import StopRule
from noisevote.service.client import AsyncClient, Client
from noisevote.service.client.attacks import AsyncAttacks, Attacks
from noisevote.service.client.exchange import Call, ServiceError
from noisevote.service.configuration.keys import INTERNAL
from noisevote.service.jobs.chosen import chosen_again
from noisevote.service.jobs.http_target import HttpTarget, Meter, RequestLimits
from noisevote.service.jobs.priority import AUTOGROUP, NICENESS
from noisevote.service.jobs.run import run_of
from noisevote.service.jobs.submit import INTERFACE, interface_of, results_bytes
from noisevote.service.wire.attack import JobState
from tests.models.engines.needed import need_openvino
from tests.service.jobs.support import (
    body_of,
    client_of,
    environment,
    request_of,
    serving_jobs,
    some_samples,
    without,
)
from tests.service.processes import server_running
from tests.service.support import CHECKPOINT, noise_image
from tests.service.test_metrics import samples_in, value
from tests.service.test_server import Server, started

STORE = CheckpointStore(SHIPPED)
LIMITS = RequestLimits(
    max_inputs=64, max_body_bytes=2**23, max_request_gmacs=400, allow_client_seed=True
)

COUNTING = Lock()


class CountedTarget(CheckpointTarget):
    """Asked in this process; counts inputs and votes over all targets."""

    queries = 0
    votes = 0

    def question(
        self, inputs: NDArray[np.float32], conditions: Conditions, stop: StopRule
    ) -> Question:
        ask = super().question(inputs, conditions, stop)

        def counted() -> NDArray[np.int64]:
            found = ask()
            with COUNTING:
                CountedTarget.queries += len(inputs)
                CountedTarget.votes += int(found.sum())
            return found

        return counted


def conditions() -> dict[str, Conditions]:
    return {
        "noisy": Conditions(0.7, 9),
        "noiseless": Conditions(0.0, 1),
        "frozen": Conditions(0.7, 5, seed=3),
        "by noise point": Conditions({"conv2": 0.9, "fc2": 0.4}, 9, repeats={"conv2": 2}),
    }


@pytest.mark.parametrize("stop", [StopRule.FULL, StopRule.EXACT])
@pytest.mark.parametrize("case", conditions())
def test_a_target_gives_over_http_the_votes_that_it_gives_in_the_process(
    case: str, stop: StopRule, server: Server
) -> None:
    checkpoint, kind = STORE.find(CHECKPOINT), NoiseKind.ADDITIVE
    adversarial = some_samples(3).inputs + np.float32(1e-3) * np.random.default_rng(0).random(
        (3, 1, 28, 28), np.float32
    )
    inputs = np.clip(adversarial, 0, 1).astype(np.float32)
    meter, votes = Meter(), 0
    with client_of(server) as client:
        over_http = HttpTarget(client, LIMITS, meter, checkpoint, kind, 11)
        here = CheckpointTarget(checkpoint, kind, 11)
        for _ in range(2):
            found = over_http.vote_counts(inputs, conditions()[case], stop)
            assert np.array_equal(found, here.vote_counts(inputs, conditions()[case], stop))
            votes += int(found.sum())
    assert meter.read() == (6, votes)
    assert meter.read() == (0, 0)


def test_requests_are_cut_to_what_the_server_takes(server: Server) -> None:
    limits = LIMITS.model_copy(update={"max_inputs": 2, "allow_client_seed": False})
    with client_of(server) as client:
        target = HttpTarget(
            client, limits, Meter(), STORE.find(CHECKPOINT), NoiseKind.MULTIPLICATIVE, 1
        )
        inputs = np.array([[noise_image()]] * 5, np.float32)
        first, second = (
            target.vote_counts(inputs, Conditions(1.0, 30), StopRule.FULL) for _ in range(2)
        )
    assert first.shape == (5, 10)
    assert (first.sum(axis=1) == 30).all()
    assert not np.array_equal(first, second), "without seeds the server draws fresh noise"
    checkpoint = STORE.find(CHECKPOINT)
    for changes, votes, most in (
        ({"max_inputs": 7}, 1, 7),
        ({"max_body_bytes": 100_000}, 1, 5),
        ({"max_request_gmacs": 0.5}, 10, 0.5e9 / 10 / checkpoint.card.macs),
        ({"max_request_gmacs": 0.001}, 1000, 1),
    ):
        at_once = LIMITS.model_copy(update=changes).inputs_at_once(
            checkpoint, Conditions(0.5, votes)
        )
        assert at_once == max(1, int(most))


@pytest.mark.slow
def test_a_job_ends_with_the_report_that_it_would_have_without_a_server(
    server: Server, folder: Path
) -> None:
    samples = some_samples()
    with client_of(server) as client:
        attacks = Attacks(client)
        job = attacks.submit(request_of(body_of(samples)))
        seen = list(attacks.watch(job.id))
        report = attacks.report(job.id)
        page = attacks.report_page(job.id)
        maps = Path(f"/proc/{server.process.pid}/maps").read_text()
        counted = samples_in(client.call(Call("GET", "/metrics", bytes.decode)))
        kept = [
            sum(array.nbytes for array in np.load(step).values())
            for step in (folder / job.id / "steps").glob("*.npz")
        ]
        attacks.delete(job.id)
        assert attacks.jobs().jobs == []
    assert not (folder / job.id).exists()
    assert len(kept) == report.steps
    assert 0.5 < sum(kept) / results_bytes(report.plan, samples, report.steps) <= 1
    chosen = chosen_again(STORE, report.about)
    run = run_of(
        chosen, report.about, report.plan, samples, folder / "here", Progress(), CountedTarget
    )
    assert report == assess(run, report.about)
    status = seen[-1]
    assert (status.state, status.error, status.progress) == (JobState.DONE, None, 1)
    assert [before.state for before in seen[:-1]].count(JobState.DONE) == 0
    assert [before.progress for before in seen] == sorted(before.progress for before in seen)
    assert len(status.finished_steps) == status.steps == report.steps
    assert all(step.seconds is not None for step in status.finished_steps)
    assert (status.queries, status.votes) == (CountedTarget.queries, CountedTarget.votes)
    assert value(counted, "key_votes_total", key=INTERNAL) == status.votes, "metered apart"
    assert value(counted, "jobs", state="done") == 1
    assert report.verdict is not None
    assert status.results.verdict == report.verdict
    assert "<h2>Verdict</h2>" in page
    assert "torch" not in maps, "the serving process is free of torch"


@pytest.mark.slow
@pytest.mark.skipif(not data_dir().is_dir(), reason="needs the official data")
def test_images_of_a_data_set_of_the_server_are_attacked(tmp_path: Path) -> None:
    asked = without(body_of(), "inputs", "labels") | {"dataset": "mnist", "images": 3}
    settings = environment(tmp_path) | {DATA_DIR_VARIABLE: str(data_dir())}
    with started(settings) as server, client_of(server) as client:
        attacks = Attacks(client)
        *_, status = attacks.watch(attacks.submit(request_of(asked)).id)
        report = attacks.report(status.id)
    assert status.samples == 3
    assert report.about.samples.source == "mnist, first test images"
    assert report.about.samples.indices == (0, 1, 2)


@pytest.mark.slow
def test_a_job_is_done_where_a_setting_says_how_noise_is_drawn(tmp_path: Path) -> None:
    settings = environment(tmp_path) | {"NOISEVOTE_NOISE_SCHEME": NEWEST.id}
    with started(settings) as server, client_of(server) as client:
        attacks = Attacks(client)
        *_, status = attacks.watch(attacks.submit(request_of(body_of())).id)
        assert (status.state, status.error) == (JobState.DONE, None)
        fingerprint = attacks.report(status.id).about.target_fingerprint
    assert fingerprint.startswith(f"{NEWEST.id}:")


@pytest.mark.anyio
async def test_the_asynchronous_client_does_the_same(tmp_path: Path) -> None:
    async with serving_jobs(tmp_path) as (app, _):
        transport = httpx.ASGITransport(app)
        async with AsyncClient("http://service", transport=transport) as client:
            attacks = AsyncAttacks(client)
            job = await attacks.submit(request_of(body_of()))
            assert [summary.id for summary in (await attacks.jobs()).jobs] == [job.id]
            assert (await attacks.status(job.id)).state is JobState.QUEUED
            assert (await attacks.cancel(job.id)).state is JobState.CANCELLED
            assert [seen.state async for seen in attacks.watch(job.id)] == [JobState.CANCELLED]
            assert (await attacks.resume(job.id)).state is JobState.QUEUED
            await attacks.cancel(job.id)
            with pytest.raises(ServiceError, match="nothing to report"):
                await attacks.report(job.id)
            with pytest.raises(ServiceError, match="nothing to report"):
                await attacks.report_page(job.id)
            await attacks.delete(job.id)
            with pytest.raises(ServiceError) as refusal:
                await attacks.status(job.id)
            assert (refusal.value.status, refusal.value.code) == (404, "unknown_job")


def test_a_target_of_another_engine_is_known_by_the_rest_of_its_fingerprint() -> None:
    need_openvino()
    checkpoint, inputs = STORE.find(CHECKPOINT), some_samples().inputs
    conditions = Conditions(sigma=0.5, votes=3)
    with server_running({"NOISEVOTE_ENGINE": "openvino"}) as server, Client(server.url) as client:
        target = HttpTarget(client, LIMITS, Meter(), checkpoint, NoiseKind.MULTIPLICATIVE, seed=1)
        counts = target.vote_counts(inputs, conditions, StopRule.FULL)
        asked = {"inputs": inputs.tolist(), "votes": 3}
        reply = httpx.post(f"{server.url}/predict", json=asked, timeout=60).json()
    assert counts.sum(axis=1).tolist() == [3] * len(inputs)
    assert reply["fingerprint"] == f"{checkpoint.fingerprint}:openvino-float32"


def test_a_report_names_what_computes_the_votes_of_its_target() -> None:
    need_openvino()
    folder = STORE.find(CHECKPOINT).folder
    plan = Plan(kind=NoiseKind.MULTIPLICATIVE, sigma=0.5, epsilon=0.1)
    assert interface_of(Checkpoint(folder), plan) == INTERFACE
    other = Checkpoint(folder, Preference("openvino"))
    assert (
        interface_of(other, plan) == f"{INTERFACE}, votes in openvino-float32 where it suits them"
    )


@pytest.mark.skipif(not AUTOGROUP.is_file(), reason="sessions are not scheduled as groups here")
def test_a_worker_steps_back_among_its_own_threads_and_as_a_session() -> None:
    program = (
        "import os; from noisevote.service.jobs.priority import AUTOGROUP, step_back; "
        "step_back(); print(os.nice(0), AUTOGROUP.read_text().split()[-1])"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], start_new_session=True, capture_output=True, check=True
    )
    own, of_session = map(int, found.stdout.split())
    assert own == min(os.nice(0) + NICENESS, 19)
    assert of_session == NICENESS
