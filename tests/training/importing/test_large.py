"""Networks of the size of ImageNet's are imported and served within bounds of memory."""

import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import numpy as np
import pytest
import torch

from noisevote.models.checkpoint import Checkpoint
from noisevote.training.importing.callables import exported
from tests.service.processes import server_running
from tests.training.importing import large_networks
from tests.training.importing.run_command import NAME

SHAPE = (3, 224, 224)
MIB = 2**20

SIZES = {
    "resnet18": (21, 1300, 500),
    "mobilenet_v3_small": (54, 800, 400),
    "vit_tiny": (50, 900, 400),
}
"""Noise points; MiB that the import and the server may take at their peaks."""


@pytest.mark.slow
@pytest.mark.parametrize("name", SIZES)
def test_it_is_imported_and_served_within_bounds(name: str, tmp_path: Path) -> None:
    points, most_imported, most_served = SIZES[name]
    module = getattr(large_networks, name)()
    content = exported(module, (torch.zeros(2, *SHAPE),), ["pixels"], dynamo=False)
    (tmp_path / "model.onnx").write_bytes(content)
    place = ["--name", NAME, "--checkpoints", str(tmp_path / "checkpoints")]
    command = ["-m", "noisevote.training", "import", str(tmp_path / "model.onnx"), *place]
    with subprocess.Popen([sys.executable, *command], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        told = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, told
    card = Checkpoint(tmp_path / "checkpoints" / NAME).card
    assert card.imported is not None
    inputs = np.random.default_rng(0).normal(size=(1, *SHAPE)).round(3).tolist()
    settings = {
        "NOISEVOTE_CHECKPOINTS": str(tmp_path / "checkpoints"),
        "NOISEVOTE_DEFAULT_CHECKPOINT": NAME,
    }
    with server_running(settings) as server, httpx.Client(base_url=server.url) as client:
        body = {"checkpoint": NAME, "inputs": inputs, "votes": 40, "sigma": 0.05}
        reply = client.post("/predict", json=body, timeout=600)
        assert reply.status_code == 200, reply.text
        peak = Path(f"/proc/{server.process.pid}/status").read_text()
    served = int(re.findall(r"VmHWM:\s+(\d+) kB", peak)[0]) / 1024
    (cost,) = re.findall(r"a vote costs ([\d.]+) clean passes", told)
    values = sum(int(np.prod(point.shape)) for point in card.noise_points)
    print(  # noqa: T201
        f"{name}: {len(card.noise_points)} noise points, {values:,} values a vote, placement "
        f"{card.imported.placement}, tile {card.tile}, a vote is {cost} clean passes; import "
        f"{usage.ru_maxrss / 1024:.0f} MiB, server {served:.0f} MiB"
    )
    assert len(card.noise_points) == points
    assert usage.ru_maxrss / 1024 < most_imported
    assert served < most_served
