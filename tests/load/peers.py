"""The same network and votes behind LitServe, MLServer and BentoML, same client, same run.

Each peer gets an environment of its own, made when it is missing. It casts all votes of a request
as one batch in ONNX Runtime with NumPy's noise, in two workers: the straightforward way to serve
such a network with it. MLServer stands there a second time with OpenVINO, in its default precision,
which is bfloat16 where the processor has it.
"""

import json
import subprocess
import venv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import onnxruntime

from noisevote.models.checkpoint import SHIPPED, CheckpointStore
from noisevote.models.noise import NoiseKind
from tests.load.client import request_bytes
from tests.load.http_load import (
    CHECKPOINT,
    INPUTS,
    VOTES,
    Lengths,
    Row,
    measured_peak,
    measured_rate,
    predict_requests,
)
from tests.load.inputs import some_inputs
from tests.load.servers import Command, noisevote, running

APPS = Path(__file__).parent / "peer_apps"
ENVIRONMENTS = Path(__file__).parents[2] / ".bench"
LOADS = (0.5, 0.7, 0.8, 0.9)


@dataclass(frozen=True, slots=True)
class Peer:
    """A server to compare with.

    Attributes:
        name: of its package.
        packages: to install, at fixed versions.
        arguments: that start it; the first one is a program of its environment.
        ready: path that answers 200 once it is ready.
        path: that votes.
        environment: settings.
    """

    name: str
    packages: Sequence[str]
    arguments: Sequence[str]
    ready: str
    path: str
    environment: Mapping[str, str] = field(default_factory=dict)


OPENVINO = "openvino==2026.4.1"  # that of constraints.txt

MLSERVER = Peer(
    "mlserver",
    # Released versions fail to start their workers with newer event loops.
    ("mlserver==1.7.1", "uvloop<0.22"),
    ("mlserver", "start", "mlserver_models"),
    "/v2/models/votes/ready",
    "/v2/models/votes/infer",
    {
        "MLSERVER_HTTP_PORT": "{port}",
        "MLSERVER_GRPC_PORT": "0",
        "MLSERVER_METRICS_PORT": "0",
        "MLSERVER_PARALLEL_WORKERS": "2",
    },
)

PEERS = (
    Peer(
        "litserve",
        ("litserve==0.2.19", "pyzmq"),
        ("python", "litserve_app.py", "{port}"),
        "/health",
        "/predict",
    ),
    MLSERVER,
    replace(
        MLSERVER,
        name="mlserver-openvino",
        packages=(*MLSERVER.packages, OPENVINO),
        environment={**MLSERVER.environment, "NOISEVOTE_PEER_ENGINE": "openvino"},
    ),
    Peer(
        "bentoml",
        ("bentoml==1.4.39",),
        ("bentoml", "serve", "bentoml_app:Votes", "--port", "{port}"),
        "/readyz",
        "/predict",
    ),
)


def peer_rows(lengths: Lengths, chosen: Sequence[str] = ()) -> Iterator[Row]:
    """Measure our service, then each peer, in the same way.

    Args:
        lengths: of the runs.
        chosen: names of peers; all if there are none.
    """
    yield from rows_of_server(noisevote(2), predict_requests(VOTES), lengths)
    for stop in ("bounded", "calibrated"):
        requests = predict_requests(VOTES, stop)
        yield from rows_of_server(noisevote(2), requests, lengths, f", {stop}")
    for stop in ("full", "bounded"):
        server = noisevote(2, engine="openvino", precision="auto")
        requests = predict_requests(VOTES, stop)
        yield from rows_of_server(server, requests, lengths, f", OpenVINO, {stop}")
    for peer in PEERS:
        if not chosen or peer.name in chosen:
            command = prepared(peer)
            yield from rows_of_server(command, requests_for(peer), lengths)


def rows_of_server(
    command: Command, requests: Sequence[bytes], lengths: Lengths, what: str = ""
) -> Iterator[Row]:
    """Measure one server: its peak, then latencies below it."""
    with running(command) as server:
        columns, outcomes = measured_peak(server, requests, 2 * lengths.peak)
        peak = outcomes.answered_per_s
        head: Row = {
            "server": command.name + what,
            "processes": server.processes(),
            "memory_mib": server.memory_mib(),
            "ready_s": server.ready_s,
        }
        yield head | {"rate": "peak"} | columns
        for load in LOADS:
            columns, _ = measured_rate(server, requests, load * peak, lengths.step)
            yield head | {"rate": load * peak} | columns


def prepared(peer: Peer) -> Command:
    """Make the environment of a peer if it is missing, and return how to start it."""
    folder = ENVIRONMENTS / peer.name
    programs = folder / "bin"
    if not (folder / "installed").is_file():
        venv.create(folder, with_pip=True, clear=True)
        engine = f"onnxruntime=={onnxruntime.__version__}"  # the same as ours
        install = [str(programs / "python"), "-m", "pip", "install", "--quiet"]
        subprocess.run([*install, engine, *peer.packages], check=True)
        (folder / "installed").touch()
    checkpoint = CheckpointStore(SHIPPED).find(CHECKPOINT)
    graph = checkpoint.folder / checkpoint.card.graphs[NoiseKind.MULTIPLICATIVE]
    program, *arguments = peer.arguments
    return Command(
        peer.name,
        [str(programs / program), *arguments],
        peer.ready,
        {
            "NOISEVOTE_PEER_GRAPH": str(graph.resolve()),
            "PYTHONPATH": str(APPS),
            **peer.environment,
        },
        APPS,
    )


def requests_for(peer: Peer) -> list[bytes]:
    """Return requests for votes on different images, in the form that a peer takes."""
    inputs, _ = some_inputs(CheckpointStore(SHIPPED).find(CHECKPOINT).card, INPUTS)
    bodies = []
    for image in inputs.round(4):
        body: dict[str, object] = {"inputs": image.tolist(), "votes": VOTES}
        if peer.name.startswith(MLSERVER.name):
            tensor = {"name": "image", "shape": [1, 28, 28], "datatype": "FP32"}
            body = {
                "inputs": [{**tensor, "data": image.ravel().tolist()}],
                "parameters": {"votes": VOTES},
            }
        bodies.append(request_bytes(peer.path, json.dumps(body).encode()))
    return bodies
