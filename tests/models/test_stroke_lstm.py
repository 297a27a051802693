"""The recurrent network: its arithmetic, its noise at every step, its graph and its training."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import ModelProto
from rich.console import Console
from torch import Tensor, nn

from noisevote.models.data.dataset import Examples
from noisevote.models.errors import ExportError
from noisevote.models.inputs.strokes import FEATURES, STEPS
from noisevote.models.networks.noise_points import (
    NoisePoint,
    fresh_noise,
    given_noise,
    noise_from,
    noise_points,
)
from noisevote.models.networks.stroke_lstm import StrokeLstm
from noisevote.models.noise import NoiseKind
from noisevote.training.export.checkpoint import export_marked
from noisevote.training.export.graph import with_noise_inputs
from noisevote.training.fit.loop import fit
from noisevote.training.fit.state import STATE_FILE
from noisevote.training.recipes.recipe import Hardening, Recipe, Schedule
from noisevote.training.recipes.table import RECIPES

SMALL_STEPS, UNITS = 5, 8
MULTIPLICATIVE = NoiseKind.MULTIPLICATIVE


@pytest.fixture(scope="module")
def network() -> StrokeLstm:
    torch.manual_seed(0)
    return StrokeLstm(units=UNITS, steps=SMALL_STEPS).eval()


@pytest.fixture(scope="module")
def marked(network: StrokeLstm) -> ModelProto:
    return export_marked(network, (SMALL_STEPS, FEATURES))


def sequences(count: int) -> Tensor:
    generator = torch.Generator().manual_seed(count)
    return torch.randint(-1, 2, (count, SMALL_STEPS, FEATURES), generator=generator).float()


def factors(rows: int, seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        "gates": 1 + torch.randn(rows, SMALL_STEPS, 4 * UNITS, generator=generator),
        "fc": 1 + torch.randn(rows, 10, generator=generator),
    }


def noisy(network: nn.Module, inputs: Tensor, noise: dict[str, Tensor], kind: NoiseKind) -> Tensor:
    with torch.inference_mode(), noise_from(network, given_noise(kind, noise)):
        outputs: Tensor = network(inputs)
    return outputs


def test_without_noise_it_is_an_ordinary_lstm(network: StrokeLstm) -> None:
    enter, keep, leave, candidate = torch.chunk(torch.arange(4 * UNITS), 4)
    order = torch.cat([enter, keep, candidate, leave])  # as torch has them
    lstm = nn.LSTM(FEATURES, UNITS, batch_first=True)
    weights = {
        "weight_ih_l0": network.input_weight.T[order],
        "weight_hh_l0": network.state_weight.T[order],
        "bias_ih_l0": network.bias[order],
        "bias_hh_l0": torch.zeros(4 * UNITS),
    }
    lstm.load_state_dict(weights)
    with torch.inference_mode():
        expected = network.fc(lstm(sequences(3))[0][:, -1])
        torch.testing.assert_close(network(sequences(3)), expected)


def test_noise_points_count_every_step() -> None:
    network = StrokeLstm(units=128)
    gates, fc = noise_points(network)
    assert (gates.name, gates.shape, gates.latency) == ("gates", (STEPS, 512), STEPS)
    assert gates.macs == STEPS * (FEATURES + 128) * 512
    assert (fc.name, fc.shape, fc.macs, fc.latency) == ("fc", (10,), 1280, 1)


def test_gates_are_passed_once_at_each_step_and_the_output_once(network: StrokeLstm) -> None:
    calls = []

    def record(point: NoisePoint, signal: Tensor, step: int | None) -> Tensor:
        calls.append((point.name, step, tuple(signal.shape)))
        return signal

    with noise_from(network, record):
        network(sequences(2))
    assert calls == [("gates", t, (2, 4 * UNITS)) for t in range(SMALL_STEPS)] + [
        ("fc", None, (2, 10))
    ]


@pytest.mark.parametrize("step", range(SMALL_STEPS))
def test_noise_of_every_step_reaches_the_outputs(network: StrokeLstm, step: int) -> None:
    noise = {name: torch.ones_like(tensor) for name, tensor in factors(2).items()}
    quiet = noisy(network, sequences(2), noise, MULTIPLICATIVE)
    torch.testing.assert_close(quiet, network(sequences(2)))
    noise["gates"][1, step] = 3.0
    changed = noisy(network, sequences(2), noise, MULTIPLICATIVE)
    torch.testing.assert_close(changed[0], quiet[0])
    assert (changed[1] - quiet[1]).abs().max() > 1e-4


def test_noise_is_fresh_at_every_step() -> None:
    source = fresh_noise(NoiseKind.ADDITIVE, 1.0, torch.Generator().manual_seed(0))
    point, signal = NoisePoint("gates", (2, 4), 1), torch.zeros(1, 4)
    assert not torch.equal(source(point, signal, 0), source(point, signal, 1))


@pytest.mark.parametrize("kind", list(NoiseKind))
def test_graph_gives_the_outputs_of_torch_for_the_same_noise(
    network: StrokeLstm, marked: ModelProto, kind: NoiseKind
) -> None:
    session = session_of(with_noise_inputs(marked, kind, shapes(network)))
    noise, image_of_row = factors(20), np.arange(20) % 3
    inputs = sequences(3)
    expected = noisy(network, inputs[image_of_row], noise, kind).numpy()
    outputs = run(session, inputs, noise, image_of_row)
    np.testing.assert_allclose(outputs, expected, atol=1e-5)


def test_outputs_do_not_depend_on_the_rows_beside_them(
    network: StrokeLstm, marked: ModelProto
) -> None:
    session = session_of(with_noise_inputs(marked, MULTIPLICATIVE, shapes(network)))
    noise, inputs = factors(20), sequences(1)
    together = run(session, inputs, noise, np.zeros(20, np.int64))
    for rows in (1, 4, 8):
        parts = [
            run(
                session,
                inputs,
                {name: tensor[first : first + rows] for name, tensor in noise.items()},
                np.zeros(min(rows, 20 - first), np.int64),
            )
            for first in range(0, 20, rows)
        ]
        np.testing.assert_array_equal(np.concatenate(parts), together)


def test_input_products_are_computed_once_a_drawing(
    network: StrokeLstm, marked: ModelProto
) -> None:
    graph = with_noise_inputs(marked, MULTIPLICATIVE, shapes(network)).graph
    products = [node for node in graph.node if network_input(node)]
    assert [node.op_type for node in products] == ["MatMul"]
    first_gather = next(i for i, node in enumerate(graph.node) if "image_of_row" in node.input)
    assert list(graph.node).index(products[0]) < first_gather


def test_graph_that_skips_a_step_is_refused(network: StrokeLstm, marked: ModelProto) -> None:
    wrong = shapes(network) | {"gates": (SMALL_STEPS + 1, 4 * UNITS)}
    with pytest.raises(ExportError, match="steps"):
        with_noise_inputs(marked, MULTIPLICATIVE, wrong)


def test_training_learns_from_sequences_and_goes_on_from_its_state(tmp_path: Path) -> None:
    recipe = Recipe(
        "small",
        "stroke_lstm",
        "mnist_strokes",
        Hardening(sigma_train=0.2, loss="marginal", output_draws=4),
        Schedule(epochs=3, batch_size=16, learning_rate=2e-2, clip_norm=1.0),
        validation_images=32,
        options={"units": UNITS},
    )
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, 256)
    inputs = np.zeros((256, STEPS, FEATURES), np.float32)
    inputs[np.arange(256), :, labels] = 1  # one class goes right, the other down
    examples = Examples(inputs, labels)
    fit(recipe, examples, tmp_path, Console(quiet=True))
    state = torch.load(tmp_path / STATE_FILE, weights_only=True)
    assert state["history"][-1]["noisy_accuracy"] > 0.9
    del state["recipe"]["schedule"]["clip_norm"]
    torch.save(state, tmp_path / STATE_FILE)
    older = replace(recipe, schedule=replace(recipe.schedule, clip_norm=None))
    fit(older, examples, tmp_path, Console(quiet=True))


def test_recipes_of_the_network_are_listed() -> None:
    assert RECIPES["stroke_lstm-clean"].hardening.sigma_train == 0
    assert RECIPES["stroke_lstm-mult-1.0"].hardening.sigma_train == 1


def shapes(network: nn.Module) -> dict[str, tuple[int, ...]]:
    return {point.name: point.shape for point in noise_points(network)}


def network_input(node: onnx.NodeProto) -> bool:
    return "images" in node.input


def session_of(model: ModelProto) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def run(
    session: onnxruntime.InferenceSession,
    inputs: Tensor,
    noise: dict[str, Tensor],
    image_of_row: np.ndarray[tuple[int, ...], np.dtype[np.int64]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    feed = {"images": inputs.numpy(), "image_of_row": image_of_row}
    feed |= {f"noise.{name}": tensor.numpy() for name, tensor in noise.items()}
    outputs: np.ndarray[tuple[int, ...], np.dtype[np.float32]] = session.run(["outputs"], feed)[0]
    return outputs
