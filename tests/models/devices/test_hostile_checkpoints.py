"""Files of devices that are not what the card says: devices are refused, plain votes are cast."""

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load, save

from noisevote.models import graph_verification
from noisevote.models.checkpoint import SHIPPED, Checkpoint
from noisevote.models.devices.presets import DeviceStore
from noisevote.models.devices.runtimes import DeviceRuntimes
from noisevote.models.errors import CheckpointError
from noisevote.models.noise import NoiseKind
from tests.models.devices.support import NAME, noise_on, rows

IMAGES = np.zeros((1, 1, 28, 28), np.float32)


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SHIPPED / NAME, tmp_path / NAME))


def put(folder: Path, file: str, content: bytes) -> None:
    """Put a file into a checkpoint whose card promises just that."""
    (folder / file).write_bytes(content)
    card = json.loads((folder / "card.json").read_text())
    card["digests"][file] = hashlib.sha256(content).hexdigest()
    (folder / "card.json").write_text(json.dumps(card))


def end_in(folder: Path, nodes: list[Any], constants: Mapping[str, Any]) -> None:
    """Let the full graph go on from its output, now ``raw``, to another of that name."""
    model = onnx.load_from_string((folder / "device-full.onnx").read_bytes())
    graph = model.graph
    output = graph.output[0].name
    for node in graph.node:
        node.output[:] = ["raw" if made == output else made for made in node.output]
    for node in nodes:
        node.output[:] = [output]
    graph.node.extend(nodes)
    graph.initializer.extend(
        numpy_helper.from_array(np.array(value), name) for name, value in constants.items()
    )
    put(folder, "device-full.onnx", model.SerializeToString())


def endless(folder: Path) -> None:
    types = {"turn": TensorProto.INT64, "goes_on": TensorProto.BOOL, "before": TensorProto.FLOAT}
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["goes_on"], ["still_goes_on"]),
            helper.make_node("Tanh", ["before"], ["after"]),
        ],
        "body",
        [
            helper.make_tensor_value_info(name, of, None if name == "before" else [])
            for name, of in types.items()
        ],
        [
            helper.make_tensor_value_info("still_goes_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("after", TensorProto.FLOAT, None),
        ],
    )
    loop = helper.make_node("Loop", ["turns", "begins", "raw"], ["outputs"], body=body)
    end_in(folder, [loop], {"turns": 2**62, "begins": True})


def summed(folder: Path) -> None:
    node = helper.make_node("ReduceSum", ["raw", "rows"], ["outputs"], keepdims=1)
    end_in(folder, [node], {"rows": np.array([0])})


def infinite(folder: Path) -> None:
    node = helper.make_node("Div", ["raw", "nothing"], ["outputs"])
    end_in(folder, [node], {"nothing": np.float32(0)})


def of_another_level(folder: Path) -> None:
    put(folder, "device-full.onnx", (folder / "device-converter.onnx").read_bytes())


def without_numbers(folder: Path) -> None:
    scales = load((folder / "devices.safetensors").read_bytes())
    put(folder, "devices.safetensors", save({name: of * np.nan for name, of in scales.items()}))


REFUSED: dict[str, tuple[Callable[[Path], None], str]] = {
    "endless": (endless, r"full graph .* take longer than 0.3 s"),
    "other rows": (summed, r"has outputs as float \[1, 10\]; its card promises float \[any, 10\]"),
    "infinite": (infinite, "outputs that are not finite"),
    "another level": (of_another_level, r"has device.conv1 as float \[11, 32\]; .* \[12, 32\]"),
    "no graph": (lambda f: put(f, "device-full.onnx", b"\0"), "device-full.onnx cannot be loaded"),
    "no scales": (
        lambda f: put(f, "devices.safetensors", b"\0"),
        "cannot be loaded: JSONDecodeError",
    ),
    "no numbers": (without_numbers, "conv1 .* weights or scales that are not finite"),
}


@pytest.mark.parametrize(("change", "said"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_as_the_card_says_refuses_devices_once_and_for_all(
    copied: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], None], said: str
) -> None:
    if change is endless:
        monkeypatch.setattr(graph_verification, "TRIAL_S", 0.3)
    change(copied)
    checkpoint, runtimes = Checkpoint(copied), DeviceRuntimes()
    noise = noise_on(DeviceStore().find("pcm-nandakumar"), checkpoint)
    for _ in range(2):
        with pytest.raises(CheckpointError, match=said):
            runtimes.of(checkpoint).outputs(rows(IMAGES, [noise]))
        monkeypatch.setattr(graph_verification, "TRIAL_S", 1e9)  # it is not tried again
    checkpoint.runtime(NoiseKind.ADDITIVE)
