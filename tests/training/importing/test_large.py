"""Networks of the size of ImageNet's are imported and served within bounds of memory."""

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

MEASURED = """
import re, sys
from noisevote.training.__main__ import main
try:
    main()
finally:
    peak = re.search(r"VmHWM:.*", open("/proc/self/status").read())
    print(peak.group(), file=sys.stderr)
"""
"""The command; what memory it took stands behind what it says."""


SIZES = {
    "resnet18": (21, 1300, 500),
    "mobilenet_v3_small": (54, 600, 400),
    "vit_tiny": (50, 750, 400),
}
"""Noise points; MiB that the import and the server may take at their peaks."""


def peak_of(text: str) -> float:
    """Return the most memory of a process in MiB, as the system says it."""
    (found,) = re.findall(r"VmHWM:\s+(\d+) kB", text)
    return int(found) / 1024


@pytest.mark.slow
@pytest.mark.parametrize("name", SIZES)
def test_it_is_imported_and_served_within_bounds(name: str, tmp_path: Path) -> None:
    points, most_imported, most_served = SIZES[name]
    module = getattr(large_networks, name)()
    content = exported(module, (torch.zeros(2, *SHAPE),), ["pixels"], dynamo=False)
    (tmp_path / "model.onnx").write_bytes(content)
    place = ["--name", NAME, "--checkpoints", str(tmp_path / "checkpoints")]
    command = [sys.executable, "-c", MEASURED, "import", str(tmp_path / "model.onnx"), *place]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    told = done.stderr
    assert done.returncode == 0, told
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
    taken, served = (peak_of(text) for text in (told, peak))
    (cost,) = re.findall(r"a vote costs ([\d.]+) clean passes", told)
    values = sum(int(np.prod(point.shape)) for point in card.noise_points)
    print(  # noqa: T201
        f"{name}: {len(card.noise_points)} noise points, {values:,} values a vote, placement "
        f"{card.imported.placement}, tile {card.tile}, a vote is {cost} clean passes; import "
        f"{taken:.0f} MiB, server {served:.0f} MiB"
    )
    assert len(card.noise_points) == points
    assert taken < most_imported
    assert served < most_served
