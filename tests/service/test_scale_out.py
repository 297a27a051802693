"""The service on a real local cluster of Ray: answers, refusals, scaling by votes."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from noisevote.service.configuration.settings import Settings
from noisevote.service.processes.scaling import ScaleOut, replicas_wanted
from tests.load.servers import free_port
from tests.service.processes import Log
from tests.service.support import Json, array, counts_of, noise_image, serving

ROOT = Path(__file__).parents[2]
ASKED: Json = {"inputs": [noise_image(1), array(4)], "votes": 40, "seed": 9}
HEAVY: Json = {"inputs": [noise_image(2)] * 4, "votes": 200}


@pytest.mark.parametrize(
    ("fills", "replicas", "wanted"),
    [([0.25], 1, 1), ([1.0], 1, 4), ([0.5, 0.5], 2, 4), ([0.0, 0.0, 0.0], 3, 1), ([1, 0], 2, 4)],
)
def test_replicas_are_as_many_as_bring_the_queues_to_the_target(
    fills: list[float], replicas: int, wanted: float
) -> None:
    assert replicas_wanted(fills, replicas, target=0.25) == wanted


def test_arguments_of_serve_run_are_texts_and_misspelt_ones_are_refused() -> None:
    assert ScaleOut.model_validate({"max_replicas": "3", "target_fill": "0.5"}).max_replicas == 3
    with pytest.raises(ValueError, match="Extra inputs are not permitted"):
        ScaleOut.model_validate({"replicas": "3"})


CLUSTER = """
import json, sys
import ray
from ray import serve
from noisevote.service.scale_out import build

ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False)
serve.start(http_options={"port": int(sys.argv[1])})
serve.run(build(json.loads(sys.argv[2])), route_prefix="/")
print("serving", file=sys.stderr, flush=True)
for line in sys.stdin:
    running = serve.status().applications["default"].deployments["noisevote"].replica_states
    print("replicas", running.get("RUNNING", 0), file=sys.stderr, flush=True)
"""


class Cluster(NamedTuple):
    """A local cluster that serves."""

    process: "subprocess.Popen[str]"
    log: Log
    url: str

    def replicas(self, answers: int) -> int:
        """Ask the cluster how many replicas run; it has been asked ``answers`` times before."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return int(self.log.until(r"replicas (\d+)", answers + 1)[answers])


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    port = free_port()
    scale = {
        "max_replicas": "3", "upscale_delay_s": "1", "downscale_delay_s": "2",
        "metrics_interval_s": "0.5", "look_back_s": "2",
    }  # fmt: skip
    environment = {
        **os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1",
        "RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled",
        # Ray's processes give way to all others, and a proxy must start within 5 seconds: on a busy
        # machine it never does.
        "RAY_worker_niceness": "0",
        "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "120",
        "RAY_SERVE_PROXY_HEALTH_CHECK_TIMEOUT_S": "120",
    }  # fmt: skip
    with subprocess.Popen(
        [sys.executable, "-c", CLUSTER, str(port), json.dumps(scale)],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            log = Log(process)
            log.until("(serving)", within_s=300)
            yield Cluster(process, log, f"http://127.0.0.1:{port}")
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.anyio
async def test_a_cluster_answers_like_one_service_and_scales_by_votes_up_and_down(
    cluster: Cluster,
) -> None:
    async with serving(Settings(slots=1)) as (_, alone):
        expected = (await alone.post("/predict", json=ASKED)).json()
    async with httpx.AsyncClient(base_url=cluster.url, timeout=120) as client:
        reply = await client.post("/predict", json=ASKED)
        assert counts_of(reply.json()) == counts_of(expected)
        wrong = await client.post("/predict", json={"inputs": [[1]]})
        error = wrong.json()["error"]
        assert (wrong.status_code, error["code"]) == (422, "invalid_input")
        # Ray's proxy sends the id that it has drawn a second time.
        assert {*wrong.headers.get_list("x-request-id", True)} == {error["request_id"]}
        assert (await client.get("/v2/health/ready")).json() == {"ready": True}
        stream = await client.post("/predict/stream", json=ASKED)
        assert stream.text.count("event: result") == 1

        polls = replicas = await asyncio.to_thread(cluster.replicas, 0)
        assert replicas == 1
        refused = 0
        while replicas == 1:
            replies = await asyncio.gather(
                *(client.post("/predict", json=HEAVY) for _ in "12345678" * 2)
            )
            assert {one.status_code for one in replies} <= {200, 429}
            refused += sum(one.status_code == 429 for one in replies)
            replicas = await asyncio.to_thread(cluster.replicas, polls)
            polls += 1
        print(f"{replicas} replicas after {polls} rounds, {refused} refused")  # noqa: T201
        while replicas > 1:  # they are taken away under requests, and none of these is lost
            reply = await client.post("/predict", json=ASKED)
            assert reply.status_code == 200
            assert counts_of(reply.json()) == counts_of(expected)
            replicas = await asyncio.to_thread(cluster.replicas, polls)
            polls += 1
