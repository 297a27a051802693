"""What a card says of arrays of devices is compared with itself; its files are read when asked."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from noisevote.models.checkpoint import SHIPPED, Checkpoint
from noisevote.models.device_specs import ROWS
from noisevote.models.errors import CheckpointError
from noisevote.models.noise import NoiseKind

NAME = "mnist_cnn-clean"


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SHIPPED / NAME, tmp_path / NAME))


def set_in_devices(folder: Path, place: str, value: Any) -> None:
    card = json.loads((folder / "card.json").read_text())
    node = card["devices"]
    *way, last = place.split("/")
    for key in way:
        node = node[int(key) if key.isdigit() else key]
    if value is None:
        del node[last]
    else:
        node[last] = value
    (folder / "card.json").write_text(json.dumps(card))


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        ("arrays/fc2", None, "devices tells of fc2 not once"),
        ("without", {"fc2": "why"}, "devices tells of fc2 not once"),
        ("without", {"fc3": "why"}, "devices tells of fc3 not once"),
        ("arrays", {}, "devices: arrays"),
        ("graphs/read", None, "devices has no graph for read"),
        ("graphs/write", "device-read.onnx", "devices: graphs"),
        ("graphs/read", "../other/device-read.onnx", "devices: graphs: read"),
        ("graphs/read", "device-full.onnx", "devices has a file that stands twice"),
        ("graphs/read", "additive.onnx", "devices has a file that stands twice"),
        ("scales", "weights.safetensors", "devices has a file that stands twice"),
        ("scales", "others.safetensors", "devices names others.safetensors, without a digest"),
        (
            "arrays/conv1/columns",
            28,
            r"conv1 has 28 columns along axis 0 of its noise \[32, 28, 28",
        ),
        ("arrays/conv1/axis", 1, r"conv1 has 32 columns along axis 1 of its noise \[32, 28, 28"),
        ("arrays/conv1/axis", 5, r"conv1 has 32 columns along axis 5 of its noise \[32, 28, 28"),
        ("arrays/conv1/evaluations", 28, "gives 32 values in each of 28 evaluations; .* has 25088"),
        ("arrays/conv1/input_range", 2.0, "conv1 has an input_range above its input_max"),
        ("arrays/conv1/input_range", 0.0, "greater than 0"),
        ("arrays/conv1/rms", -1.0, "greater than or equal to 0"),
        ("arrays/conv1/weights", [], "weights"),
        ("arrays/conv1/weights/0/name", "fc2.weight", "fc2.weight lies on the arrays of conv1 and"),
    ],
)
def test_a_card_that_lies_of_devices_is_refused(
    copied: Path, place: str, value: Any, said: str
) -> None:
    set_in_devices(copied, place, value)
    with pytest.raises(CheckpointError, match=said):
        Checkpoint(copied)


def test_shipped_checkpoints_are_ready_and_their_files_are_those_of_the_card(
    shipped: Checkpoint,
) -> None:
    devices = shipped.card.devices
    assert devices is not None
    assert list(devices.graphs) == list(ROWS)
    assert devices.without == {}
    assert list(shipped.verified_devices()) == [*devices.graphs.values(), devices.scales]


@pytest.mark.parametrize("is_gone", [True, False])
def test_files_of_devices_are_read_only_when_devices_are_asked_for(
    copied: Path, is_gone: bool
) -> None:
    file = copied / "device-read.onnx"
    if is_gone:
        file.unlink()
    else:
        file.write_bytes(file.read_bytes() + b"\0")
    checkpoint = Checkpoint(copied)
    checkpoint.runtime(NoiseKind.ADDITIVE)
    said = "lacks its file device-read.onnx" if is_gone else "device-read.onnx .* promises"
    with pytest.raises(CheckpointError, match=said):
        checkpoint.verified_devices()


def test_a_card_without_devices_reads_as_before_and_tells_how_to_get_them(copied: Path) -> None:
    card = json.loads((copied / "card.json").read_text())
    fingerprint = Checkpoint(copied).fingerprint
    del card["devices"]
    card["digests"] = {name: of for name, of in card["digests"].items() if "device" not in name}
    (copied / "card.json").write_text(json.dumps(card))
    checkpoint = Checkpoint(copied)
    assert checkpoint.card.devices is None
    assert checkpoint.fingerprint == fingerprint
    checkpoint.runtime(NoiseKind.MULTIPLICATIVE)
    with pytest.raises(CheckpointError, match=f"fit-devices {NAME} --checkpoints FOLDER makes"):
        checkpoint.verified_devices()
