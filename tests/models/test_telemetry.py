"""What the runtime tells others: nothing, unless somebody asks for it."""

import os
import subprocess
import sys
from pathlib import Path

LOAD = """
from noisevote.models.checkpoint import SHIPPED, CheckpointStore
from noisevote.models.noise import NoiseKind
CheckpointStore(SHIPPED).find("mnist_cnn-clean").runtime(NoiseKind.MULTIPLICATIVE)
"""


def test_loading_a_network_collects_no_usage_events(tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ORT_")}
    subprocess.run([sys.executable, "-c", LOAD], env=kept | home, check=True)
    assert list(tmp_path.rglob("*")) == []
