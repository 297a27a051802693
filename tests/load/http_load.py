"""The service under HTTP load: votes against latency, overload, processes and slots."""

import asyncio
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from noisevote.models.checkpoint import SHIPPED, CheckpointStore
from tests.load.client import Outcomes, closed_loop, due_times, open_loop, request_bytes
from tests.load.inputs import some_inputs
from tests.load.servers import Server, noisevote, running

CHECKPOINT = "mnist_cnn-mult-1.0"
SIGMA = 0.5
CLIENTS = 16
INPUTS = 64
GRID_VOTES = (1, 5, 10, 20, 50)
GRID_LOADS = (0.25, 0.5, 0.75, 0.9, 1.0)
VOTES = 20

Row = dict[str, object]


@dataclass(frozen=True, slots=True)
class Lengths:
    """Seconds of each kind of run; a smoke test of the benchmark takes shorter ones.

    Attributes:
        peak: of clients that send as fast as they can.
        step: of each set rate.
        overload: of the peak and of twice that, by turns.
        sequential: of one request after the other.
    """

    peak: float = 2.0
    step: float = 3.0
    overload: float = 4.0
    sequential: float = 2.0


def predict_requests(votes: int, stop: str = "full", count: int = INPUTS) -> list[bytes]:
    """Return requests for votes on different images, as arrays."""
    inputs, _ = some_inputs(CheckpointStore(SHIPPED).find(CHECKPOINT).card, count)
    options = {"sigma": SIGMA, "votes": votes, "stop": stop}
    return [
        request_bytes(
            "/predict", json.dumps({"inputs": image.round(4).tolist(), **options}).encode()
        )
        for image in inputs
    ]


def load_columns(outcomes: Outcomes, cpu_s: float) -> Row:
    """Return what became of a load, as columns."""
    answered = outcomes.statuses[200]
    refused = outcomes.statuses[429] + outcomes.statuses[504]
    return {
        "answered_per_s": outcomes.answered_per_s,
        "p50_ms": outcomes.percentile_ms(50),
        "p95_ms": outcomes.percentile_ms(95),
        "p99_ms": outcomes.percentile_ms(99),
        "answered": answered,
        "refused": refused,
        "errors": outcomes.statuses.total() - answered - refused,
        "cpu_ms_per_answer": 1000 * cpu_s / answered if answered else float("nan"),
    }


def measured_peak(
    server: Server, requests: Sequence[bytes], seconds: float
) -> tuple[Row, Outcomes]:
    """Load a server with clients that send as fast as it answers."""
    asyncio.run(closed_loop(server.port, requests, CLIENTS, seconds / 4))
    cpu_s = server.cpu_s()
    outcomes = asyncio.run(closed_loop(server.port, requests, CLIENTS, seconds))
    return load_columns(outcomes, server.cpu_s() - cpu_s), outcomes


def measured_rate(
    server: Server, requests: Sequence[bytes], rate: float, seconds: float
) -> tuple[Row, Outcomes]:
    """Load a server at a set rate, whatever it answers."""
    cpu_s = server.cpu_s()
    due = due_times(rate, seconds, seed=round(1000 * rate))
    outcomes = asyncio.run(open_loop(server.port, requests, due))
    return load_columns(outcomes, server.cpu_s() - cpu_s), outcomes


def votes_cast(outcomes: Outcomes) -> float:
    """Return the mean of the votes cast over all answers."""
    found = [int(count) for reply in outcomes.replies for count in CAST.findall(reply)]
    return float(np.mean(found)) if found else float("nan")


CAST = re.compile(rb'"votes_cast":(\d+)')


def grid_rows(slots: int, lengths: Lengths) -> Iterator[Row]:
    """Measure latency over votes and rates, up to what the service can do."""
    asked = [(votes, "full") for votes in GRID_VOTES]
    asked += [(VOTES, "bounded"), (VOTES, "calibrated")]
    with running(noisevote(slots)) as server:
        for votes, stop in asked:
            requests = predict_requests(votes, stop)
            columns, outcomes = measured_peak(server, requests, lengths.peak)
            peak = outcomes.answered_per_s
            head: Row = {"votes": votes, "stop": stop}
            yield head | {"rate": "peak", "votes_cast": votes_cast(outcomes)} | columns
            for load in GRID_LOADS:
                columns, outcomes = measured_rate(server, requests, load * peak, lengths.step)
                yield head | {"rate": load * peak, "votes_cast": votes_cast(outcomes)} | columns


def scaling_rows(cores: int, lengths: Lengths) -> Iterator[Row]:
    """Measure the peak over processes and slots, up to the cores that there are."""
    for processes, slots in shapes(cores):
        with running(noisevote(slots, processes)) as server:
            columns, _ = measured_peak(server, predict_requests(VOTES), 2 * lengths.peak)
            yield {
                "processes": processes,
                "slots": slots,
                "memory_mib": server.memory_mib(),
                "ready_s": server.ready_s,
                **columns,
            }


def shapes(cores: int) -> list[tuple[int, int]]:
    """Return processes and slots of each: one process with 1, 2, 4, ... slots, and many with 1."""
    powers = [2**power for power in range(cores.bit_length()) if 2**power <= cores]
    return [(1, slots) for slots in powers] + [(count, 1) for count in powers if count > 1]
