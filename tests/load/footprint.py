"""How fast the service is ready and how much memory it keeps: ``python -m tests.load.footprint``.

Starts the real service several times in the environment that runs this file (use ``.venv``, which
has no torch), waits until it is ready, sends it requests, and reads its resident memory.
"""

import argparse
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

BODY = json.dumps({"inputs": [[[0.5] * 28] * 28], "votes": 20, "seed": 7}).encode()
READY_WITHIN_S = 60.0


def main() -> None:
    """Measure and print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--starts", type=int, default=5)
    parser.add_argument("--requests", type=int, default=200, help="per start")
    arguments = parser.parse_args()
    runs = [measure(arguments.requests) for _ in range(arguments.starts)]
    ready, fresh, used = zip(*runs, strict=True)
    print(  # noqa: T201 - the result of a script
        json.dumps(
            {
                "starts": arguments.starts,
                "requests": arguments.requests,
                "ready_s": spread(ready),
                "resident_mib_when_ready": spread(fresh),
                "resident_mib_after_requests": spread(used),
            }
        )
    )


def measure(requests: int) -> tuple[float, float, float]:
    """Return seconds from start to ready, and resident MiB then and after ``requests``."""
    port = free_port()
    began = time.monotonic()
    server = subprocess.Popen(
        [sys.executable, "-m", "noisevote.service.cli", "serve", "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until_ready(port, began)
        ready_s = time.monotonic() - began
        fresh = resident_mib(server.pid)
        for _ in range(requests):
            ask(port, "/predict", BODY)
        return ready_s, fresh, resident_mib(server.pid)
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=10)


def wait_until_ready(port: int, began: float) -> None:
    """Ask until the service is ready."""
    while time.monotonic() - began < READY_WITHIN_S:
        try:
            ask(port, "/health/ready")
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.005)
        else:
            return
    raise TimeoutError(f"the service was not ready within {READY_WITHIN_S} s")


def ask(port: int, path: str, body: bytes | None = None) -> bytes:
    """Send one request and return the body of the reply."""
    address, kind = f"http://127.0.0.1:{port}{path}", {"Content-Type": "application/json"}
    request = urllib.request.Request(address, data=body, headers=kind)
    with urllib.request.urlopen(request, timeout=30) as response:
        content: bytes = response.read()
    return content


def resident_mib(pid: int) -> float:
    """Return the resident set of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def spread(values: tuple[float, ...]) -> dict[str, float]:
    """Return median, least and most."""
    numbers = {"median": statistics.median(values), "min": min(values), "max": max(values)}
    return {name: round(value, 2) for name, value in numbers.items()}


if __name__ == "__main__":
    main()
