"""What a card says is compared with the graph; the first thing that is wrong refuses its folder."""

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any, get_args

import numpy as np
import onnx
import pytest
from onnx import NodeProto, TensorProto, helper, numpy_helper

from noisevote.models import graph_verification
from noisevote.models.card import Card
from noisevote.models.checkpoint import SHIPPED, Checkpoint, CheckpointStore
from noisevote.models.engines.preference import EngineChoice, Preference
from noisevote.models.errors import CheckpointError
from noisevote.models.noise import NoiseKind
from noisevote.models.specs import InputSpec
from tests.foreign import drawn
from tests.models.engines.needed import need_openvino

NAME = "mnist_cnn-mult-1.0"
DIGITS = [str(digit) for digit in range(10)]
AGREEMENTS = json.loads((SHIPPED / NAME / "card.json").read_text())["agreements"]


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SHIPPED / NAME, tmp_path / NAME))


def set_in_card(folder: Path, place: str, value: Any) -> None:
    card = json.loads(Card.read((folder / "card.json").read_bytes()).model_dump_json())
    if not place.startswith(("devices", "digests")):
        del card["devices"]  # which tells of points, too, and would be what is wrong first
    node = card
    *way, last = place.split("/")
    for key in way:
        node = node[int(key) if key.isdigit() else key]
    node[int(last) if last.isdigit() else last] = value
    (folder / "card.json").write_text(json.dumps(card))


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        ("labels", DIGITS[:9], r"has outputs as float \[any, 10\]; its card promises .* 9\]"),
        ("labels", [*DIGITS, "10"], r"has outputs as float \[any, 10\]; its card promises .* 11\]"),
        ("labels/1", "0", "labels has '0', which is empty or stands twice"),
        ("labels", ["0"], "labels"),
        ("inputs/0/shape", [1, 28, 27], r"mnist_digit-2 gives \[1, 28, 28\] and \[0.0, 1.0\]"),
        ("inputs/0/range", [0.0, 255.0], r"mnist_digit-2 gives \[1, 28, 28\] and \[0.0, 1.0\]"),
        ("inputs/0/preprocessing", "mnist_digit-0", "unknown preprocessing 'mnist_digit-0'; known"),
        ("inputs/0/preprocessing", "mnist_strokes-1", r"mnist_strokes-1 gives \[48, 2\]"),
        ("noise_points/0/macs", 0, "greater than or equal to 1"),
        ("noise_points/0/macs", 10**4000, "card.json is not a valid card"),
        ("noise_points/0/macs", "225792", "valid integer"),
        ("noise_points/0/macs", 25_087, "conv1 has macs 25087 and latency 1; 25088 values"),
        ("noise_points/0/macs", 2**53, "conv1 has macs 9007199254740992; 25088 values of"),
        ("noise_points/0/latency", 0, "greater than 0"),
        ("noise_points/0/latency", 1e9, r"conv1 has macs 225792 and latency 1e\+09"),
        ("noise_points/1/name", "conv1", "noise_points has 'conv1', which is empty or stands"),
        ("noise_points/0/shape", [32, 28, 14], r"has noise.conv1 as float \[any, 32, 28, 28\]"),
        ("noise_points/0/shape", [], "noise_points: 0: shape"),
        ("noise_points", [], "noise_points"),
        ("noise/sigma_train", 1001, "sigma_train"),
        ("noise/sigma_train", float("inf"), "sigma_train"),
        ("tile", 257, "tile"),
        ("inputs/0/name", "x" * 201, "inputs: 0: name: String should have at most 200"),
        ("labels", [str(n) for n in range(65_537)], "labels: Tuple should have at most 65536"),
        ("output", "noise.fc2", r"has noise.fc2 as nothing; its card promises float \[any, 10\]"),
        ("graphs", {"additive": "additive.onnx"}, "has no graph for multiplicative noise"),
        ("graphs/multiplicative", "additive.onnx", "takes the other kind of noise"),
        ("graphs/multiplicative", "../other/additive.onnx", "graphs"),
        ("weights", "/etc/passwd", "weights"),
        ("training/recipe/seed", float("nan"), "card.json is not a valid card: training: recipe"),
        ("agreements/0/inputs", 0, "agreements: 0: inputs"),
        ("agreements", AGREEMENTS * 100, "agreements: .* at most 200 items"),
        ("engine_times", [1.0], "engine_times: "),
        ("engine_times", {"avx2": {"openvino-float32": float("nan")}}, "engine_times"),
        ("engine_times", {"avx2": {"openvino-float32": float("inf")}}, "engine_times"),
        ("engine_times", {"avx2": {"openvino-float32": -1}}, "greater than 0"),
        ("engine_times", {"avx2": {str(n): 1.0 for n in range(201)}}, "at most 200 items"),
        ("engine_times", {"x" * 201: {}}, "at most 200 characters"),
        ("labels/0", "0" * 201, "labels: 0: .* at most 200 characters"),
    ],
)
def test_a_card_that_lies_is_refused(copied: Path, place: str, value: Any, said: str) -> None:
    set_in_card(copied, place, value)
    with pytest.raises(CheckpointError, match=said):
        Checkpoint(copied).runtime(NoiseKind.MULTIPLICATIVE)


def test_the_graph_of_factors_is_not_taken_for_one_of_summands(copied: Path) -> None:
    set_in_card(copied, "graphs/additive", "multiplicative.onnx")
    with pytest.raises(CheckpointError, match=r"the additive graph .* takes the other kind"):
        Checkpoint(copied).runtime(NoiseKind.ADDITIVE)


def end_in(folder: Path, nodes: list[NodeProto], values: dict[str, Any]) -> None:
    """Have the graph of factors turn ``raw`` into its outputs by further nodes."""
    path = folder / "multiplicative.onnx"
    model = onnx.load(path, load_external_data=False)
    last = next(node for node in model.graph.node if "outputs" in node.output)
    last.output[list(last.output).index("outputs")] = "raw"
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(
        numpy_helper.from_array(np.array(value), name) for name, value in values.items()
    )
    path.write_bytes(model.SerializeToString())
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    set_in_card(folder, "digests", {**read_digests(folder), path.name: digest})


def read_digests(folder: Path) -> dict[str, str]:
    digests: dict[str, str] = json.loads((folder / "card.json").read_text())["digests"]
    return digests


def test_a_graph_that_gives_other_outputs_than_it_declares_is_refused(copied: Path) -> None:
    nodes = [
        helper.make_node("Shape", ["raw"], ["shape"]),
        helper.make_node("Sub", ["shape", "fewer"], ["end"]),
        helper.make_node("Slice", ["raw", "start", "end"], ["outputs"]),
    ]
    end_in(copied, nodes, {"fewer": [0, 5], "start": [0, 0]})
    with pytest.raises(CheckpointError, match=r"the shape \[2, 5\] for 2 votes; .* \[2, 10\]"):
        Checkpoint(copied).runtime(NoiseKind.MULTIPLICATIVE)


ENGINES = get_args(EngineChoice)[:2]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_graph_that_never_ends_is_refused(
    copied: Path, monkeypatch: pytest.MonkeyPatch, engine: EngineChoice
) -> None:
    if engine == "openvino":
        need_openvino()
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["goes_on"], ["still_goes_on"]),
            helper.make_node("Add", ["before", "before"], ["after"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("goes_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("before", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("still_goes_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("after", TensorProto.FLOAT, None),
        ],
    )
    loop = helper.make_node("Loop", ["turns", "begins", "raw"], ["outputs"], body=body)
    end_in(copied, [loop], {"turns": 2**62, "begins": True})
    monkeypatch.setattr(graph_verification, "TRIAL_S", 0.1)
    checkpoint = Checkpoint(copied, Preference(engine))
    with pytest.raises(CheckpointError, match=r"multiplicative graph .* longer than 0.1 s"):
        checkpoint.runtime(NoiseKind.MULTIPLICATIVE, checkpoint.preferred)


@pytest.mark.parametrize("engine", ENGINES)
def test_weights_that_are_said_to_lie_in_memory_are_not_read(
    copied: Path, engine: EngineChoice
) -> None:
    if engine == "openvino":
        need_openvino()
    path = copied / "multiplicative.onnx"
    model = onnx.load(path, load_external_data=False)
    for entry in next(of for of in model.graph.initializer if of.external_data).external_data:
        entry.value = {"location": "*/_ORT_MEM_ADDR_/*", "offset": "12345"}.get(
            entry.key, entry.value
        )
    path.write_bytes(model.SerializeToString())
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    set_in_card(copied, "digests", {**read_digests(copied), path.name: digest})
    checkpoint = Checkpoint(copied, Preference(engine))
    with pytest.raises(CheckpointError, match=r"multiplicative.onnx cannot be loaded"):
        checkpoint.runtime(NoiseKind.MULTIPLICATIVE, checkpoint.preferred)


def test_weights_without_numbers_are_refused(copied: Path) -> None:
    weights = copied / "weights.safetensors"
    content = weights.read_bytes()
    header = 8 + int.from_bytes(content[:8], "little")
    weights.write_bytes(content[:header] + b"\xff" * (len(content) - header))
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    set_in_card(copied, "digests/weights.safetensors", digest)
    with pytest.raises(CheckpointError, match="outputs that are not finite"):
        Checkpoint(copied).runtime(NoiseKind.MULTIPLICATIVE)


@pytest.mark.parametrize("name", ["card.json", "weights.safetensors", "multiplicative.onnx"])
@pytest.mark.parametrize("kind", ["pipe", "folder", "device", "loop", "terabyte"])
def test_what_is_no_file_is_refused_and_not_waited_for(copied: Path, name: str, kind: str) -> None:
    path = copied / name
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "terabyte":
        path.touch()
        os.truncate(path, 2**40)
    else:
        path.symlink_to("/dev/zero" if kind == "device" else path.name)
    with pytest.raises(CheckpointError, match=f"{name}.* cannot be read"):
        Checkpoint(copied).runtime(NoiseKind.MULTIPLICATIVE)


def test_files_may_be_links_to_files(copied: Path, tmp_path: Path) -> None:
    for name in ("card.json", "weights.safetensors", "multiplicative.onnx"):
        (copied / name).rename(tmp_path / name)
        (copied / name).symlink_to(tmp_path / name)
    Checkpoint(copied).runtime(NoiseKind.MULTIPLICATIVE)


def test_whatever_goes_wrong_with_one_folder_leaves_those_behind_it_serving(tmp_path: Path) -> None:
    shutil.copytree(SHIPPED / NAME, tmp_path / NAME)
    deep = tmp_path / "deep"
    deep.mkdir()
    (deep / "card.json").write_text('{"training":' * 100_000)
    (tmp_path / "aa\udcffname\n").mkdir()
    (tmp_path / "dangling").symlink_to("nowhere")
    store = CheckpointStore(tmp_path)
    assert store.names() == [NAME]
    assert list(store.refused) == ["aa\\udcffname\\n", "deep"]
    json.dumps(store.refused).encode()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"noise_scheme": "philox-1"}, "scheme 'philox-1'; known are: sfc64-icdf16-1, "),
        ({"output": "logits"}, "logits"),
        (
            {"inputs": [{"name": "ids", "dtype": "int64", "shape": [9], "range": [0, 99]}]},
            r"has the inputs \['images', .*; its card promises \['ids', ",
        ),
    ],
)
def test_what_a_card_of_version_2_adds_is_checked(
    copied: Path, changes: dict[str, Any], said: str
) -> None:
    card = json.loads(Card.read((copied / "card.json").read_bytes()).model_dump_json()) | changes
    (copied / "card.json").write_text(json.dumps(card))
    with pytest.raises(CheckpointError, match=said):
        Checkpoint(copied).runtime(NoiseKind.MULTIPLICATIVE)


@pytest.mark.parametrize("tile", [1, 64])
def test_inputs_that_would_fill_the_memory_are_refused_before_any_is_made(
    tmp_path: Path, tile: int
) -> None:
    drawn(tmp_path / "large", [InputSpec(name="x", shape=(4,))])
    set_in_card(tmp_path / "large", "inputs/0/shape", [2**27 // tile])
    set_in_card(tmp_path / "large", "tile", tile)
    with pytest.raises(CheckpointError, match=rf"tile is {tile}, which takes .* values of inputs"):
        Checkpoint(tmp_path / "large")
