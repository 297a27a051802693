"""Whether memory grows with requests: ``python -m tests.load.memory``.

Starts the real service, sends it a mixture of everything that clients send (arrays, pictures,
strokes, streams, the Open Inference Protocol, errors, clients that leave), and reads its resident
memory after the warm-up and then every thousand requests. Ends with 1 if it has grown by more than
5 % since the warm-up.
"""

import asyncio
import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console

from noisevote.models.checkpoint import SHIPPED
from noisevote.training.measure.results import machine, write_table
from tests.load.footprint import resident_mib
from tests.load.mixture import Mixture, send_all
from tests.load.servers import Command, Server, running

RESULTS = Path(__file__).parent / "results" / "memory.csv"
ALLOWED_GROWTH = 0.05
CLIENTS = 4

SERVICE = Command(
    "noisevote",
    [sys.executable, "-m", "noisevote.service.cli", "serve", "--port", "{port}"],
    "/health/ready",
    {"NOISEVOTE_SLOTS": "1"},
)

console = Console(stderr=True, soft_wrap=True)


class Course:
    """Resident memory over requests.

    Attributes:
        sizes: MiB by number of requests since the warm-up.
        statuses: how many replies of each kind had each status, since the warm-up.
    """

    def __init__(self) -> None:
        self.sizes: dict[int, float] = {}
        self.statuses: Counter[str] = Counter()

    @property
    def growth(self) -> float:
        """Share by which it has grown since the warm-up, on a line through all sizes."""
        requests = np.array([*self.sizes], np.float64)
        per_request, start = np.polyfit(requests, np.array([*self.sizes.values()]), 1)
        return float(per_request * requests[-1] / start)

    @property
    def last_over_first(self) -> float:
        """Share by which the last size exceeds the one after the warm-up."""
        first, *_, last = self.sizes.values()
        return last / first - 1


def course_of(server: Server, warm_up: int, requests: int, every: int) -> Course:
    """Send requests and read the memory.

    Args:
        server: whose memory is read.
        warm_up: requests before the first reading.
        requests: after it.
        every: requests between two readings.
    """
    course = Course()

    async def measure() -> None:
        clients = [Mixture(server.port, course.statuses) for _ in range(CLIENTS)]
        await send_all(clients, range(warm_up))
        course.statuses.clear()
        course.sizes[0] = resident_mib(server.pid)
        for first in range(0, requests, every):
            await send_all(clients, range(first, first + every))
            course.sizes[first + every] = resident_mib(server.pid)
            console.print(f"{first + every} requests: {course.sizes[first + every]:.1f} MiB")
        for client in clients:
            client.close()

    asyncio.run(measure())
    return course


def rows_of(course: Course) -> Iterator[dict[str, str]]:
    """Yield the rows of the table."""
    for requests, size in course.sizes.items():
        yield {"requests": str(requests), "resident MiB": f"{size:.1f}"}


def run(
    requests: Annotated[int, typer.Option(help="After the warm-up.")] = 10_000,
    warm_up: Annotated[int, typer.Option(help="Requests before the first reading.")] = 2_000,
    results: Annotated[Path, typer.Option(help="File of the result.")] = RESULTS,
) -> None:
    """Measure, and write a table."""
    with running(SERVICE) as server:
        course = course_of(server, warm_up, requests, every=1_000)
    about = {
        "command": f"python -m tests.load.memory --requests {requests} --warm-up {warm_up}",
        "checkpoints": str(len([*SHIPPED.glob("*/card.json")])),
        "replies": ", ".join(
            f"{name} x {count}" for name, count in sorted(course.statuses.items())
        ),
        "growth": f"{100 * course.growth:.2f} % on a line, "
        f"{100 * course.last_over_first:.2f} % from first to last",
        "load before": ", ".join(f"{load:.2f}" for load in os.getloadavg()),
        **machine(),
    }
    rows = [*rows_of(course)]
    write_table(results, about, [*rows[0]], rows)
    console.print(about["replies"])
    console.print(f"growth: {about['growth']}")
    if max(course.growth, course.last_over_first) >= ALLOWED_GROWTH:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(run)
