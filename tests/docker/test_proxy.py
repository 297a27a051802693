"""The proxy of the compose file, the real program, before two real replicas."""

import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

import httpx
import pytest

from tests.docker.dockerfile import ROOT
from tests.docker.name_server import NameServer
from tests.docker.ports import free_port
from tests.service.processes import Log
from tests.service.support import array

CADDY = f"{sys.prefix}/bin/caddy"
CADDYFILE = str(ROOT / "docker" / "Caddyfile")
ADDRESSES = ["127.0.0.2", "127.0.0.3"]

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux has more than one loopback address by itself"
)

BODY = {"inputs": [array(3)], "votes": 4, "seed": 1}


class Site(NamedTuple):
    """The proxy's client and the replicas by address."""

    client: httpx.Client
    replicas: dict[str, subprocess.Popen[str]]
    names: NameServer


@contextmanager
def replica(address: str, port: int) -> Iterator[subprocess.Popen[str]]:
    """Start the service on an address of its own, as a container would have."""
    words = [
        sys.executable,
        "-m",
        "noisevote.service.cli",
        "serve",
        "--host",
        address,
        "--port",
        str(port),
    ]
    with subprocess.Popen(
        words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        log = Log(process)
        try:
            log.until("(Uvicorn running)")
            yield process
        finally:
            process.kill()
            log.to_the_end()


@contextmanager
def site() -> Iterator[Site]:
    """Start two replicas, a name server that knows them, and the proxy."""
    port, listen = free_port(), free_port()
    with ExitStack() as stack:
        replicas = {address: stack.enter_context(replica(address, port)) for address in ADDRESSES}
        names = stack.enter_context(NameServer({"service": list(ADDRESSES)}))
        environment = os.environ | {
            "LISTEN_PORT": str(listen),
            "REPLICA_PORT": str(port),
            "RESOLVER": f"127.0.0.1:{names.port}",
        }
        words = [CADDY, "run", "--config", CADDYFILE, "--adapter", "caddyfile"]
        proxy = stack.enter_context(
            subprocess.Popen(words, env=environment, stderr=subprocess.PIPE, text=True)
        )
        stack.callback(proxy.kill)
        assert proxy.stderr is not None
        for line in proxy.stderr:
            if "serving initial configuration" in line:
                break
        stack.callback(proxy.stderr.close)
        client = httpx.Client(base_url=f"http://127.0.0.1:{listen}", timeout=60)
        yield Site(stack.enter_context(client), replicas, names)


@pytest.fixture(scope="module")
def running() -> Iterator[Site]:
    with site() as started:
        yield started


def test_the_proxys_file_is_well_formed() -> None:
    words = [CADDY, "fmt", "--diff", CADDYFILE]
    shown = subprocess.run(words, capture_output=True, text=True, check=False).stdout
    assert not re.search(r"^[-+]", shown, re.MULTILINE)


def test_counts_of_one_replica_stay_inside(running: Site) -> None:
    assert running.client.get("/metrics").status_code == 404


def test_without_the_container_for_assessments_a_replica_answers(running: Site) -> None:
    reply = running.client.get("/attack/none")
    assert "error" in reply.json()
    assert reply.status_code in {404, 501}


def test_no_request_is_lost_when_a_replica_leaves(running: Site) -> None:
    before = [running.client.post("/predict", json=BODY).json() for _ in range(6)]
    gone = running.replicas[ADDRESSES[0]]
    gone.terminate()
    gone.wait(timeout=60)
    replies = [running.client.post("/predict", json=BODY) for _ in range(12)]
    assert Counter(reply.status_code for reply in replies) == {200: 12}
    counts = [reply.json()["predictions"][0]["vote_counts"] for reply in replies]
    assert all(count == before[0]["predictions"][0]["vote_counts"] for count in counts)
