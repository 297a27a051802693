"""A device graph that does not do what it should is refused."""

from typing import Any

import onnx
import pytest
from onnx import ModelProto, TensorProto, helper

from noisevote.models.device_specs import ROWS, Level
from noisevote.models.errors import ExportError
from noisevote.training.devices.graph import device_graph
from noisevote.training.devices.points import Traced, traced_points
from noisevote.training.devices.ranges import measured_ranges
from noisevote.training.devices.trial import Trial
from tests.training.devices.networks import NETWORKS
from tests.training.devices.ready import made_ready


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory) -> tuple[Trial, Traced]:
    made = made_ready(next(iter(NETWORKS.values())).draw(), tmp_path_factory.mktemp("tried"))
    checkpoint, contents = made.checkpoint, made.checkpoint.verified()
    model = onnx.load_model_from_string(contents["additive.onnx"])
    traced = traced_points(model, contents[checkpoint.card.weights], made.shapes)
    inputs = {checkpoint.card.input.name: made.inputs}
    ranges = measured_ranges(checkpoint, model, contents, traced.points, inputs)
    return Trial(checkpoint, contents, traced, ranges, inputs), traced


def with_end(model: ModelProto, operator: str, factor: float, **attributes: Any) -> bytes:
    """The graph with ``factor * operator(outputs)`` added to its outputs."""
    graph = model.graph
    name = graph.output[0].name
    for node in graph.node:
        node.output[:] = ["before" if made == name else made for made in node.output]
        node.input[:] = ["before" if read == name else read for read in node.input]
    graph.initializer.append(helper.make_tensor("factor", TensorProto.FLOAT, [], [factor]))
    graph.node.extend(
        [
            helper.make_node(operator, ["before"], ["made"], **attributes),
            helper.make_node("Mul", ["made", "factor"], ["added"]),
            helper.make_node("Add", ["before", "added"], [name]),
        ]
    )
    return bytes(model.SerializeToString())


@pytest.mark.parametrize("level", ROWS)
def test_a_graph_that_does_what_it_should_passes(tried: tuple[Trial, Traced], level: Level) -> None:
    trial, traced = tried
    trial.check(level, device_graph(traced, level).SerializeToString())


@pytest.mark.parametrize("level", ROWS)
def test_a_graph_that_changes_outputs_on_a_device_that_does_nothing_is_refused(
    tried: tuple[Trial, Traced], level: Level
) -> None:
    trial, traced = tried
    with pytest.raises(ExportError, match=f"device-{level}.onnx .* where a device does nothing"):
        trial.check(level, with_end(device_graph(traced, level), "Identity", 0.05))


@pytest.mark.parametrize("level", ROWS)
def test_a_graph_whose_votes_depend_on_their_neighbours_is_refused(
    tried: tuple[Trial, Traced], level: Level
) -> None:
    trial, traced = tried
    with pytest.raises(ExportError, match=f"votes of device-{level}.onnx .* their neighbours"):
        trial.check(
            level, with_end(device_graph(traced, level), "ReduceMax", 1e-5, axes=[0], keepdims=1)
        )
