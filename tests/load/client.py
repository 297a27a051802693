"""A load client: requests at a set rate over kept connections, timed from when they were due.

An ordinary client waits for a reply before it sends the next request, so a slow server slows the
load down and the waiting goes unseen (coordinated omission). Here the times at which requests are
due are fixed in advance, and latency counts from then.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

READ_BYTES = 2**16


@dataclass(slots=True)
class Outcomes:
    """What became of a number of requests.

    Attributes:
        statuses: how many replies had each status; 0 stands for a broken connection.
        latencies_s: of the replies of status 200, from when the request was due.
        seconds: from the first due time to the last reply.
        replies: bodies of the replies of status 200.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    latencies_s: list[float] = field(default_factory=list)
    seconds: float = 0.0
    replies: list[bytes] = field(default_factory=list)

    @property
    def answered_per_s(self) -> float:
        """Replies of status 200 per second."""
        return self.statuses[200] / self.seconds

    def percentile_ms(self, share: float) -> float:
        """Return a percentile of the latencies in milliseconds, NaN if there are none."""
        if not self.latencies_s:
            return float("nan")
        return 1000 * float(np.percentile(self.latencies_s, share))


def request_bytes(path: str, body: bytes, content_type: str = "application/json") -> bytes:
    """Return a POST request as it goes over the wire."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Connections:
    """Kept connections to one server; as many as are needed at the same time."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def send(self, request: bytes) -> tuple[int, bytes]:
        """Send a request and return status and body of the reply; status 0 if the line broke."""
        if self._free:
            reader, writer = self._free.pop()
        else:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            status, length, stays_open = parsed_head(head)
            body = await reader.readexactly(length)
        except (ConnectionError, asyncio.IncompleteReadError):
            writer.close()
            return 0, b""
        if stays_open:
            self._free.append((reader, writer))
        else:
            writer.close()
        return status, body

    def close(self) -> None:
        """Close the connections that are free."""
        for _, writer in self._free:
            writer.close()


def parsed_head(head: bytes) -> tuple[int, int, bool]:
    """Return status, length of the body, and whether the connection stays open."""
    lines = head.decode("latin-1").lower().split("\r\n")
    fields = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
    status = int(lines[0].split(" ", 2)[1])
    return status, int(fields.get("content-length", 0)), fields.get("connection") != "close"


def due_times(rate: float, seconds: float, seed: int) -> NDArray[np.float64]:
    """Return when requests are due: a Poisson process, the same for the same seed."""
    generator = np.random.default_rng(seed)
    times = np.cumsum(generator.exponential(1 / rate, round(rate * seconds)))
    return times * seconds / times[-1] if len(times) else times


async def open_loop(port: int, requests: Sequence[bytes], due: NDArray[np.float64]) -> Outcomes:
    """Send requests when they are due, whatever has become of the earlier ones.

    Args:
        port: of the server.
        requests: sent in turn, again and again.
        due: seconds from now at which each is sent.
    """
    connections, outcomes = Connections(port), Outcomes()
    began = time.perf_counter()

    async def send(number: int, due_s: float) -> None:
        status, body = await connections.send(requests[number % len(requests)])
        outcomes.statuses[status] += 1
        if status == 200:
            outcomes.latencies_s.append(time.perf_counter() - began - due_s)
            outcomes.replies.append(body)

    sending = []
    for number, due_s in enumerate(due.tolist()):
        delay = began + due_s - time.perf_counter()
        if delay > 0:
            await asyncio.sleep(delay)
        sending.append(asyncio.create_task(send(number, due_s)))
    await asyncio.gather(*sending)
    outcomes.seconds = time.perf_counter() - began
    connections.close()
    return outcomes


async def closed_loop(
    port: int, requests: Sequence[bytes], clients: int, seconds: float
) -> Outcomes:
    """Let clients send one request after the other for some seconds: the peak of the throughput.

    Args:
        port: of the server.
        requests: sent in turn by each client.
        clients: side by side.
        seconds: after which no further request is sent.
    """
    connections, outcomes = Connections(port), Outcomes()
    began = time.perf_counter()

    async def client(first: int) -> None:
        number = first
        while (sent := time.perf_counter()) - began < seconds:
            status, body = await connections.send(requests[number % len(requests)])
            number += clients
            outcomes.statuses[status] += 1
            if status == 200:
                outcomes.latencies_s.append(time.perf_counter() - sent)
                outcomes.replies.append(body)

    await asyncio.gather(*(client(first) for first in range(clients)))
    outcomes.seconds = time.perf_counter() - began
    connections.close()
    return outcomes
