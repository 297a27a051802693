"""What an answer over HTTP costs by each engine, in CPU time of the server.

A server for each arithmetic is up at the same time; they take turns under sixteen clients, and
what is reported are ratios of the same turn.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

import numpy as np

from noisevote.models.checkpoint import SHIPPED, CheckpointStore
from noisevote.models.engines.arithmetic import REFERENCE
from noisevote.models.engines.preference import arithmetics_here
from tests.load.client import closed_loop
from tests.load.http_load import CHECKPOINT, CLIENTS, VOTES, Lengths, Row
from tests.load.inputs import some_inputs
from tests.load.overhead import IMAGES, bodies_of, request_for
from tests.load.servers import Server, noisevote, running

TURNS = 8
BODY = "array 28 x 28"


def engines_http_rows(lengths: Lengths) -> Iterator[Row]:
    """Measure answers of 20 votes and of one, on one slot."""
    inputs, _ = some_inputs(CheckpointStore(SHIPPED).find(CHECKPOINT).card, IMAGES)
    bodies = bodies_of(inputs)[BODY]
    with ExitStack() as stack:
        servers = {
            str(one): stack.enter_context(
                running(noisevote(1, engine=one.engine, precision=one.precision))
            )
            for one in arithmetics_here()
        }
        for votes in (1, VOTES):
            requests = [request_for(body, votes) for body in bodies]
            costs = in_turns(servers, requests, lengths.sequential / 2)
            reference = np.array(costs[str(REFERENCE)])
            for name, of in costs.items():
                low, ratio, high = np.percentile(np.array(of) / reference, [25, 50, 75]).tolist()
                yield {
                    "arithmetic": name,
                    "votes": votes,
                    "cpu_ms_per_answer": 1000 * float(np.median(of)),
                    "ratio": ratio,
                    "low": low,
                    "high": high,
                    "turns": TURNS,
                }


def in_turns(
    servers: dict[str, Server], requests: Sequence[bytes], seconds: float
) -> dict[str, list[float]]:
    """Return CPU seconds of each server for an answer, turn by turn."""
    costs: dict[str, list[float]] = {name: [] for name in servers}
    for turn in range(-1, TURNS):  # the first one warms up
        for name, server in servers.items():
            before = server.cpu_s()
            outcomes = asyncio.run(closed_loop(server.port, requests, CLIENTS, seconds))
            if turn >= 0:
                costs[name].append((server.cpu_s() - before) / len(outcomes.latencies_s))
    return costs
