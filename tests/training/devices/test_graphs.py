"""Every device graph gives what its formula gives."""

import shutil
from collections.abc import Callable

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor

from noisevote.models.checkpoint import SHIPPED, Checkpoint
from noisevote.models.device_specs import CONVERTING, ROWS, Level
from tests.training.devices.networks import NETWORKS, lstm, mnist_cnn, weights_of
from tests.training.devices.oracle import Drawn
from tests.training.devices.ready import Ready, made_ready, ready

LEVELS = list(ROWS)
OURS = {"stroke_lstm-clean": lstm, "mnist_cnn-clean": mnist_cnn}
Formula = Callable[[Drawn, Tensor], Tensor]


@pytest.fixture(scope="module", params=[*NETWORKS, *OURS])
def network(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Ready, Formula]:
    """A checkpoint that was made ready, and its formula."""
    folder, name = tmp_path_factory.mktemp("ready"), request.param
    if name in OURS:
        shutil.copytree(SHIPPED / name, folder / name)
        made = ready(Checkpoint(folder / name))
        weights = made.weights
        return made, lambda device, x: OURS[name](device, weights, x)
    model = NETWORKS[name].draw()
    weights = weights_of(model)
    return made_ready(model, folder), lambda device, x: NETWORKS[name].formula(device, weights, x)


@pytest.mark.parametrize("level", LEVELS)
def test_a_graph_gives_what_its_formula_gives(network: tuple[Ready, Formula], level: Level) -> None:
    made, formula = network
    device = made.draw(level)
    found = made.outputs(f"device-{level}.onnx", device.feed())
    x = torch.from_numpy(made.inputs[made.of_row].astype(np.float64))
    expected = formula(device, x).numpy()
    apart = np.abs(found - expected).max(axis=1) / np.maximum(np.abs(expected).max(axis=1), 1)
    # Single precision may put a signal on the next level of a converter: of few signals none does.
    is_large = level in CONVERTING and made.checkpoint.name in OURS
    assert np.median(apart) < (0.05 if is_large else 1e-5)


@pytest.mark.parametrize("level", LEVELS)
def test_votes_hang_on_no_neighbour(network: tuple[Ready, Formula], level: Level) -> None:
    made, _ = network
    given = made.draw(level).feed()
    together = made.outputs(f"device-{level}.onnx", given)
    for row, index in enumerate(made.of_row):
        alone = {
            name: array[[row]] if name.startswith("noise.") else array
            for name, array in given.items()
        }
        one = Ready(made.checkpoint, made.inputs[[index]])
        found = one.outputs(f"device-{level}.onnx", alone, np.zeros(1, np.int64))
        assert np.array_equal(found[0], together[row])


def test_columns_that_only_deviate_are_additive_noise_to_the_bit(
    network: tuple[Ready, Formula],
) -> None:
    made, _ = network
    device = made.draw("column")
    for table in device.tables.values():
        table[0], table[1] = 1, 0
    noise = {}
    for name, array in made.devices.arrays.items():
        shape = [1] * (len(made.shapes[name]) + 1)
        shape[array.axis + 1] = array.columns
        noise[f"noise.{name}"] = device.noise[name] * device.tables[name][2].reshape(shape)
    found = made.outputs("device-column.onnx", device.feed())
    assert np.array_equal(found, made.outputs("additive.onnx", noise))


@pytest.mark.parametrize("level", LEVELS)
def test_a_device_that_does_nothing_leaves_the_network_as_it_is(
    network: tuple[Ready, Formula], level: Level
) -> None:
    made, _ = network
    device = made.draw(level)
    for name, table in device.tables.items():
        for row, values in zip(ROWS[level], table, strict=True):
            values[:] = made.scales[f"{name}.offset"] if row == "beta" else row in {"gain", "alpha"}
        device.dac[name][:] = 0
    found = made.outputs(f"device-{level}.onnx", device.feed())
    silent = {f"noise.{name}": np.zeros_like(noise) for name, noise in device.noise.items()}
    clean = made.outputs("additive.onnx", silent)
    if level == "column":
        assert np.array_equal(found, clean)
    np.testing.assert_allclose(found, clean, rtol=0, atol=1e-5 * np.abs(clean).max())


@pytest.mark.parametrize("level", LEVELS)
def test_graphs_take_their_inputs_in_the_order_of_the_points(
    network: tuple[Ready, Formula], level: Level
) -> None:
    made, _ = network
    graph = onnx.load_model(
        made.checkpoint.folder / f"device-{level}.onnx", load_external_data=False
    ).graph
    plain = onnx.load_model(made.checkpoint.folder / "additive.onnx", load_external_data=False)
    tables = [f"device.{name}" for name in made.devices.arrays]
    dac = [f"dac.{name}" for name in made.devices.arrays] if level in CONVERTING else []
    given = {tensor.name: [dim.dim_value for dim in tensor.type.tensor_type.shape.dim]
             for tensor in graph.input}  # fmt: skip
    assert list(given) == [*(tensor.name for tensor in plain.graph.input), *tables, *dac]
    for name, array in made.devices.arrays.items():
        assert given[f"device.{name}"] == [len(ROWS[level]), array.columns]
    assert all(given[name] == [3] for name in dac)


@pytest.mark.parametrize("level", LEVELS)
def test_what_comes_before_the_first_noise_runs_once_an_input(
    network: tuple[Ready, Formula], level: Level
) -> None:
    made, _ = network
    path = made.checkpoint.folder / f"device-{level}.onnx"
    graph = onnx.load_model(path, load_external_data=False).graph
    of_all = {tensor.name for tensor in graph.initializer}
    of_all |= {each.name for each in graph.input if each.name.startswith(("device.", "dac."))}
    of_inputs = {made.checkpoint.card.input.name}
    operators = set()
    for node in graph.node:
        if of_all.issuperset(node.input):
            of_all.update(node.output)
        elif (of_all | of_inputs).issuperset(node.input):
            of_inputs.update(node.output)
            operators.add(node.op_type)
    assert not operators.isdisjoint({"Conv", "MatMul"})
    assert ("Sqrt" in operators) == (level != "column")
    assert ("Round" in operators) == (level in CONVERTING)
    assert ("ReduceSumSquare" in operators or "ConstantOfShape" in of_operators(graph)) == (
        "w2" in ROWS[level]
    )


def of_operators(graph: onnx.GraphProto) -> set[str]:
    return {node.op_type for node in graph.node}
