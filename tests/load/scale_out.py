"""The service on Ray Serve as it is, and behind Ray's own batches of requests weighed by votes.

With ``serve.batch(batch_size_fn=...)`` requests are collected until they ask for enough votes or
have waited long enough; they are handed to the vote batcher together and answered together. All
contenders run on one local cluster, one replica of one slot each, and are loaded by turns.
"""

import asyncio
import random
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from noisevote.training.report.markdown import markdown_table
from tests.load.client import Outcomes, closed_loop, due_times, open_loop
from tests.load.http_load import CLIENTS, VOTES, Row, load_columns, predict_requests
from tests.load.servers import Command, Server, cpu_s_of, processes_of, running

ROUNDS = 8
FEW, MANY = 1, 200
FEW_TO_ONE_OF_MANY = 15
MIXTURE = 16 * 8 + 1
"""Requests until the mixture repeats; odd, so that each client sends all of them."""


@dataclass(frozen=True, slots=True)
class Batches:
    """How ``serve.batch`` collects.

    Attributes:
        votes: in a batch at most; a request of more is refused.
        wait_s: for which a batch waits to be filled.
        side_by_side: batches that are answered at the same time.
    """

    votes: int
    wait_s: float
    side_by_side: int

    def __str__(self) -> str:
        return f"batches, {1000 * self.wait_s:g} ms, {self.side_by_side} at once"


ALONE = "alone"
BATCHED: Mapping[str, Batches] = {
    "batched": Batches(CLIENTS * VOTES, wait_s=0.01, side_by_side=1),  # as Ray does by default
    "patient": Batches(CLIENTS * VOTES, wait_s=0.05, side_by_side=1),
    "eager": Batches(CLIENTS * VOTES, wait_s=0.0, side_by_side=4),
}
"""By the name of the application; a batch has room for one request of every client."""


TEXT = f"""One replica of one slot on a local cluster: as it is, and with Ray's `serve.batch` before
its vote batcher. Batches hold up to {CLIENTS * VOTES} votes (`batch_size_fn`) and wait for the
milliseconds named to be filled; so many are answered at once. All replicas run in one cluster and
take turns in {ROUNDS} rounds; ratios to the replica as it is are medians over the rounds (least to
greatest). In the mixture, {FEW_TO_ONE_OF_MANY} requests for {FEW} vote come to one for {MANY}; the
latencies are those of {FEW} vote. Its rounds are short, so the ratios of p99 compare the slowest of
some dozens of answers. The queues have room for all, so nothing is refused. CPU time is that of the
replica, without Ray's proxy.

"""


@dataclass(frozen=True, slots=True)
class Load:
    """What is sent.

    Attributes:
        name: in the table.
        requests: sent in turn.
        timed_votes: of the requests whose latencies are shown.
        rate: requests a second, or None for clients that send as fast as they are answered.
    """

    name: str
    requests: Sequence[bytes]
    timed_votes: int
    rate: float | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """What happened in some seconds.

    Attributes:
        outcomes: of the requests; latencies of the timed ones only.
        cpu_s: of the process of the replica.
    """

    outcomes: Outcomes
    cpu_s: float


MEASURES: Mapping[str, Callable[[Window], float]] = {
    "answered_per_s": lambda window: window.outcomes.answered_per_s,
    "p50_ms": lambda window: window.outcomes.percentile_ms(50),
    "p99_ms": lambda window: window.outcomes.percentile_ms(99),
    "cpu_ms_per_answer": lambda window: 1000 * window.cpu_s / window.outcomes.statuses[200],
}


def scale_out_rows(seconds: float) -> Iterator[Row]:
    """Measure all contenders under all loads, by turns, and compare them with the app as it is.

    Args:
        seconds: of each window.
    """
    contenders = [ALONE, *BATCHED]
    with running(cluster()) as server:
        loads = warmed_up_loads(server, contenders, seconds)
        windows: dict[tuple[str, str], list[Window]] = {}
        for number in range(ROUNDS):
            for load in loads:
                for name in rotated(contenders, number):
                    found = measured(server, name, load, seconds, seed=number)
                    windows.setdefault((load.name, name), []).append(found)
    for load in loads:
        for name in contenders:
            ours, base = windows[load.name, name], windows[load.name, ALONE]
            title = str(BATCHED.get(name, "as it is"))
            yield {"load": load.name, "replica": title, **columns_of(ours), **ratios(ours, base)}


def rotated(names: Sequence[str], by: int) -> list[str]:
    """Return names from another one on, so that each is the first as often."""
    start = by % len(names)
    return [*names[start:], *names[:start]]


def cluster() -> Command:
    """Return the command that starts the cluster with all contenders."""
    environment = {
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "NOISEVOTE_SLOTS": "1",
        "NOISEVOTE_MAX_QUEUE_GMACS": "80",  # room for a request of many votes of every client
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_AUTH_MODE": "disabled",
        "RAY_worker_niceness": "0",
        "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "120",
    }
    arguments = [sys.executable, "-m", "tests.load.ray_apps", "{port}"]
    return Command("Ray Serve", arguments, f"/{ALONE}/health/ready", environment)


def warmed_up_loads(server: Server, contenders: Sequence[str], seconds: float) -> list[Load]:
    """Return the loads; the rate of the last one is half of what the app alone can answer."""
    even = Load(f"{VOTES} votes, {CLIENTS} clients", predict_requests(VOTES), VOTES)
    mixture = Load(f"mixture, {CLIENTS} clients", mixed_requests(), FEW)
    for name in contenders:
        measured(server, name, even, seconds / 2)
    peak = measured(server, ALONE, mixture, 2 * seconds).outcomes.answered_per_s
    calm = Load("mixture at half the peak", mixture.requests, FEW, peak / 2)
    return [even, mixture, calm]


def mixed_requests() -> list[bytes]:
    """Return requests of few and of many votes in a fixed random order."""
    many = MIXTURE // (FEW_TO_ONE_OF_MANY + 1)
    requests = predict_requests(MANY, count=many) + predict_requests(FEW, count=MIXTURE - many)
    random.Random(0).shuffle(requests)
    return requests


def measured(server: Server, name: str, load: Load, seconds: float, seed: int = 0) -> Window:
    """Load one contender for some seconds."""
    requests = [
        request.replace(b"POST ", b"POST /" + name.encode(), 1) for request in load.requests
    ]
    replica = replica_of(server, name)
    before = cpu_s_of([replica])
    if load.rate is None:
        sending = closed_loop(server.port, requests, CLIENTS, seconds)
    else:
        sending = open_loop(server.port, requests, due_times(load.rate, seconds, seed))
    outcomes = asyncio.run(sending)
    cpu_s = cpu_s_of([replica]) - before
    cast = f'"votes_cast":{load.timed_votes},'.encode()
    outcomes.latencies_s = [
        latency
        for latency, reply in zip(outcomes.latencies_s, outcomes.replies, strict=True)
        if cast in reply
    ]
    return Window(outcomes, cpu_s)


def replica_of(server: Server, name: str) -> int:
    """Return the process of a contender's replica; Ray names it after its application."""
    for pid in processes_of(server.pid):
        title = Path(f"/proc/{pid}/cmdline").read_bytes()
        if title.startswith(f"ray::ServeReplica:{name}:".encode()):
            return pid
    raise RuntimeError(f"there is no replica of {name}")


def columns_of(windows: Sequence[Window]) -> Row:
    """Return the sums of windows as columns."""
    together = Outcomes()
    for window in windows:
        together.statuses += window.outcomes.statuses
        together.latencies_s += window.outcomes.latencies_s
        together.seconds += window.outcomes.seconds
    return load_columns(together, sum(window.cpu_s for window in windows))


def ratios(windows: Sequence[Window], base: Sequence[Window]) -> Row:
    """Return median, least and greatest ratio of each measure over the rounds."""
    columns: Row = {}
    for measure, value in MEASURES.items():
        found = [value(ours) / value(theirs) for ours, theirs in zip(windows, base, strict=True)]
        columns[f"{measure}_ratio"] = float(np.median(found))
        columns[f"{measure}_ratio_low"] = min(found)
        columns[f"{measure}_ratio_high"] = max(found)
    return columns


def scale_out_section(rows: Sequence[Mapping[str, str]]) -> str:
    """Return the contenders side by side.

    Args:
        rows: as :func:`scale_out_rows` gave them.
    """
    head = ["load", "replica"]
    for title in ("answers/s", "p50 ms", "p99 ms", "CPU-ms an answer"):
        head += [title, "ratio"]
    lines = []
    for row in rows:
        line = [row["load"], row["replica"]]
        for measure in MEASURES:
            line += [f"{float(row[measure]):.3g}", shown_ratio(row, measure)]
        lines.append(line)
    return "## Ray Serve\n\n" + TEXT + markdown_table(head, lines)


def shown_ratio(row: Mapping[str, str], measure: str) -> str:
    """Return a ratio with its spread."""
    value, low, high = (float(row[f"{measure}_ratio{end}"]) for end in ("", "_low", "_high"))
    return "" if low == high == 1 else f"{value:.2f} ({low:.2f} to {high:.2f})"
