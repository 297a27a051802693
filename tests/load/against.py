"""What a change has saved: answers of this checkout against those of another one, in CPU time.

A server of each is up at the same time; they take turns, one turn right after the other, and what
is reported are ratios of such pairs. Alone, requests come one after the other; busy, sixteen
clients ask at once.
"""

import asyncio
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from noisevote.models.checkpoint import SHIPPED, CheckpointStore
from tests.load.client import Connections, closed_loop
from tests.load.engines_http import BODY
from tests.load.http_load import CHECKPOINT, CLIENTS, VOTES, Lengths, Row
from tests.load.inputs import some_inputs
from tests.load.overhead import IMAGES, bodies_of, request_for
from tests.load.servers import Server, noisevote, running

ROUNDS = 48
SEED = 7


def against_rows(other: Path | None, lengths: Lengths) -> Iterator[Row]:
    """Measure answers of one vote and of 20, on one slot.

    Args:
        other: root of a checkout whose modules are compiled.
        lengths: of the turns.

    Raises:
        RuntimeError: there is no other, or the two do not answer alike.
    """
    if other is None:
        raise RuntimeError("give the checkout to compare with: --other FOLDER")
    inputs, _ = some_inputs(CheckpointStore(SHIPPED).find(CHECKPOINT).card, IMAGES)
    bodies = bodies_of(inputs)[BODY]
    before = replace(noisevote(1), folder=other.resolve())
    with running(noisevote(1)) as here, running(before) as there:
        check_alike(here, there, [request_for(body, VOTES, SEED) for body in bodies])
        for votes in (1, VOTES):
            requests = [request_for(body, votes) for body in bodies]
            for clients in (1, CLIENTS):
                turns = pairs(here, there, requests, clients, lengths.sequential / 8)
                ours, theirs = (1000 * np.median(turns, axis=0)).tolist()
                ratios = turns[:, 0] / turns[:, 1]
                low, ratio, high = np.percentile(ratios, [25, 50, 75]).tolist()
                yield {
                    "input": BODY,
                    "votes": votes,
                    "clients": clients,
                    "cpu_ms_per_answer": ours,
                    "other_cpu_ms": theirs,
                    "ratio": ratio,
                    "low": low,
                    "high": high,
                    "rounds": ROUNDS,
                }


def pairs(
    here: Server, there: Server, requests: Sequence[bytes], clients: int, seconds: float
) -> NDArray[np.float64]:
    """Return CPU seconds of both for an answer, of each round ``[rounds, 2]``."""
    found = np.zeros((ROUNDS + 1, 2))
    for turn in range(ROUNDS + 1):  # the first one warms up
        servers = [(0, here), (1, there)]
        for place, server in servers if turn % 2 else servers[::-1]:
            before = server.threads_cpu_s()
            outcomes = asyncio.run(closed_loop(server.port, requests, clients, seconds))
            found[turn, place] = (server.threads_cpu_s() - before) / len(outcomes.latencies_s)
    return found[1:]


def check_alike(here: Server, there: Server, requests: Sequence[bytes]) -> None:
    """Refuse to compare servers that answer the same requests in another way.

    Raises:
        RuntimeError: they do.
    """
    answers = [asyncio.run(answers_of(server, requests)) for server in (here, there)]
    if answers[0] != answers[1]:
        raise RuntimeError("the other checkout answers the same requests in another way")


async def answers_of(server: Server, requests: Sequence[bytes]) -> list[Row]:
    """Return what a server answers, but for how long it took."""
    connections, found = Connections(server.port), []
    for request in requests:
        answer: Row = json.loads((await connections.send(request))[1])
        found.append({name: value for name, value in answer.items() if name != "timing_ms"})
    connections.close()
    return found
