"""Assessments under load: how long one takes, and what requests notice of it.

The priorities of the worker (``service/jobs/priority.py``) and of the batcher decide what the two
take from each other; neither is set here. The worker is left out of the CPU time of the server.
"""

import asyncio
import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from noisevote.models.checkpoint import SHIPPED, CheckpointStore
from noisevote.models.data.files import data_dir
from noisevote.models.engines.arithmetic import REFERENCE, Arithmetic
from noisevote.models.engines.preference import arithmetics_here
from noisevote.service.client import Client
from noisevote.service.client.attacks import Attacks
from noisevote.service.wire.attack import AttackRequest, JobState, JobStatus
from tests.load.client import Outcomes, closed_loop
from tests.load.http_load import CHECKPOINT, CLIENTS, SIGMA, VOTES, Row, predict_requests
from tests.load.inputs import some_inputs
from tests.load.servers import (
    Server,
    cpu_s_of,
    cpu_s_with_ended,
    noisevote,
    processes_of,
    running,
)

SURROGATE = "mnist_cnn-clean"
EPSILON = 0.3
STEPS = 20
RESTARTS = 5
ENDS_WITHIN_S = 10.0
"""The worker, once its last job is done."""

WINDOWS = 4
"""Of each kind; their numbers are summed."""

CLIMBING, ASKING = "beside the surrogate's gradients", "beside queries and verification"


@dataclass(frozen=True, slots=True)
class Window:
    """What happened in some seconds.

    Attributes:
        outcomes: of the requests.
        cpu_s: of the serving process.
        job_votes: cast for the assessment.
    """

    outcomes: Outcomes
    cpu_s: float
    job_votes: int = 0


def assessment(images: int, seed: int) -> AttackRequest:
    """Return the assessment that is timed: PGD alone, on test images if they are at hand."""
    options = {
        "target": CHECKPOINT, "surrogate": SURROGATE, "sigma": SIGMA, "votes": VOTES,
        "epsilon": EPSILON, "steps": STEPS, "restarts": RESTARTS, "attacks": ["pgd"],
        "adaptive": False, "white_box": False, "seed": seed,
    }  # fmt: skip
    if data_dir().is_dir():
        samples: dict[str, object] = {"dataset": "mnist", "images": images}
    else:
        inputs, _ = some_inputs(CheckpointStore(SHIPPED).find(CHECKPOINT).card, images)
        labels = [number % 10 for number in range(images)]
        samples = {"inputs": inputs.round(4).tolist(), "labels": labels}
    return AttackRequest.model_validate_json(json.dumps(options | samples))


@contextmanager
def attacked_server(
    slots: int, arithmetic: Arithmetic = REFERENCE
) -> Iterator[tuple[Server, Attacks]]:
    """Start a server with a folder of jobs of its own."""
    with tempfile.TemporaryDirectory() as folder:
        command = noisevote(
            slots,
            jobs_dir=Path(folder) / "jobs",
            engine=arithmetic.engine,
            precision=arithmetic.precision,
        )
        with running(command) as server, Client(f"http://127.0.0.1:{server.port}") as client:
            yield server, Attacks(client)


def duration_rows(slots: int, images: int) -> Iterator[Row]:
    """Time an assessment that has the machine to itself, part by part, in each arithmetic."""
    for arithmetic in arithmetics_here():
        yield from duration_in(arithmetic, slots, images)


def duration_in(arithmetic: Arithmetic, slots: int, images: int) -> Iterator[Row]:
    """Time one assessment; its CPU time is that of the server and of the worker."""
    with attacked_server(slots, arithmetic) as (server, attacks):
        before = cpu_s_with_ended(server.pid)
        job = attacks.submit(assessment(images, seed=0))
        *_, status = attacks.watch(job.id)
        until = time.monotonic() + ENDS_WITHIN_S
        while len(processes_of(server.pid)) > 1 and time.monotonic() < until:
            time.sleep(0.05)
        cpu_s = cpu_s_with_ended(server.pid) - before
    check_done(status)
    if status.started_at is None or status.finished_at is None:
        raise RuntimeError("the assessment has no times")
    parts: dict[str, float] = {}
    for step in status.finished_steps:
        part = part_of(step.name)
        parts[part] = parts.get(part, 0.0) + (step.seconds or 0.0)
    total = (status.finished_at - status.started_at).total_seconds()
    parts["start of the worker, reports"] = total - sum(parts.values())
    parts["all"] = total
    parts["all but verification"] = total - parts.get("verification", 0.0)
    for part, seconds in parts.items():
        is_all = part == "all"
        yield {
            "arithmetic": str(arithmetic), "images": images, "steps": STEPS, "restarts": RESTARTS,
            "part": part, "seconds": seconds, "cpu_s": cpu_s if is_all else "",
            "votes": status.votes if is_all else "",
        }  # fmt: skip


def part_of(step: str) -> str:
    """Return what a step is for: attack, checks, or asking the target."""
    if "/restart " in step:
        return "attack"
    if step.startswith("check/") and step.endswith(("climb", "convergence")):
        return "checks on the surrogate"
    return "search of the worst" if step.endswith("search") else "verification"


def interleaved_rows(slots: int, images: int, seconds: float) -> Iterator[Row]:
    """Measure requests alone, beside each part of an assessment, and alone again."""
    requests = predict_requests(VOTES)
    with attacked_server(slots) as (server, attacks):
        measured(server, requests, seconds)  # warms everything up
        alone = [measured(server, requests, seconds) for _ in range(WINDOWS)]
        job = attacks.submit(assessment(images, seed=1))
        beside = {
            ASKING: windows_beside(server, attacks, job.id, requests, seconds, "clean/"),
            CLIMBING: windows_beside(server, attacks, job.id, requests, seconds, "pgd/restart "),
        }
        attacks.cancel(job.id)
        *_, _ = attacks.watch(job.id)
        alone += [measured(server, requests, seconds) for _ in range(WINDOWS)]
    base = columns_of(alone)
    yield {"load": "alone", **base, "throughput_ratio": 1.0, "cpu_ratio": 1.0}
    for load, windows in beside.items():
        columns = columns_of(windows)
        yield {
            "load": load,
            **columns,
            "throughput_ratio": columns["answered_per_s"] / base["answered_per_s"],
            "cpu_ratio": columns["cpu_ms_per_vote"] / base["cpu_ms_per_vote"],
        }


def windows_beside(
    server: Server,
    attacks: Attacks,
    job_id: str,
    requests: list[bytes],
    seconds: float,
    steps: str,
) -> list[Window]:
    """Measure windows that lie inside steps whose names begin alike; at least one is needed.

    Raises:
        RuntimeError: these steps were over too soon.
    """
    windows: list[Window] = []
    for _ in attacks.watch(job_id):
        before = attacks.status(job_id)  # the events may have waited for a window to end
        while len(windows) < WINDOWS and (before.step or "").startswith(steps):
            window = measured(server, requests, seconds)
            after = attacks.status(job_id)
            if not (after.step or "").startswith(steps):
                break
            windows.append(Window(window.outcomes, window.cpu_s, after.votes - before.votes))
            before = after
        is_past = windows and not (before.step or "").startswith(steps)
        if len(windows) == WINDOWS or is_past:
            return windows
    raise RuntimeError(f"no window lies inside the steps {steps}...; take more images")


def measured(server: Server, requests: list[bytes], seconds: float) -> Window:
    """Load a server with clients that send as fast as it answers."""
    cpu_s = cpu_s_of([server.pid])
    outcomes = asyncio.run(closed_loop(server.port, requests, CLIENTS, seconds))
    return Window(outcomes, cpu_s_of([server.pid]) - cpu_s)


def columns_of(windows: list[Window]) -> dict[str, float]:
    """Return the sums of windows as columns; a vote of the assessment costs like any other."""
    together = Outcomes()
    for window in windows:
        together.statuses += window.outcomes.statuses
        together.latencies_s += window.outcomes.latencies_s
        together.seconds += window.outcomes.seconds
    answered = together.statuses[200]
    cpu_ms = 1000 * sum(window.cpu_s for window in windows)
    job_votes = sum(window.job_votes for window in windows)
    return {
        "answered_per_s": together.answered_per_s,
        "p50_ms": together.percentile_ms(50),
        "p99_ms": together.percentile_ms(99),
        "answered": answered,
        "cpu_ms_per_answer": cpu_ms / answered,
        "cpu_ms_per_vote": cpu_ms / (answered * VOTES + job_votes),
        "job_votes_per_s": job_votes / together.seconds,
    }


def check_done(status: JobStatus) -> None:
    """Refuse to time an assessment that did not come to its end.

    Raises:
        RuntimeError: it did not.
    """
    if status.state is not JobState.DONE:
        raise RuntimeError(f"the assessment is {status.state}: {status.error}")
