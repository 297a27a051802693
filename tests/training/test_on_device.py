"""Networks that learn on a device: what a chip does to them in torch, and to how they learn."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from rich.console import Console
from torch import Tensor, nn

from noisevote.models.data.dataset import Examples
from noisevote.models.device_specs import ArraySpec, WeightSpec
from noisevote.models.devices.arrays import LayerArray
from noisevote.models.devices.cells import aged_weights
from noisevote.models.devices.chips import Chip
from noisevote.models.devices.columns import Condition, columns_of
from noisevote.models.devices.presets import DeviceStore
from noisevote.models.devices.profile import Profile, profile_of
from noisevote.models.errors import NoisevoteError, TrainingError
from noisevote.models.networks.brought import Brought
from noisevote.models.networks.densenet import DenseNet
from noisevote.models.networks.mnist_cnn import MnistCnn
from noisevote.models.networks.noise_points import NoisePoint, noise_from, noise_points
from noisevote.models.networks.stroke_lstm import StrokeLstm
from noisevote.models.noise import NoiseKind
from noisevote.training.fit import loop
from noisevote.training.fit.data import Parts
from noisevote.training.fit.loop import fit, take_step
from noisevote.training.fit.run import Run
from noisevote.training.fit.state import read_state
from noisevote.training.losses.hardening import step_loss
from noisevote.training.on_device.chips import OWNER, VOTES, age_between, on_chip
from noisevote.training.on_device.hardening import OnDevice
from noisevote.training.on_device.layers import Layer, clip_weights, layers_of
from noisevote.training.on_device.profile import with_profile
from noisevote.training.on_device.read_out import converted_input, read_out
from noisevote.training.on_device.trace import Tracing
from noisevote.training.recipes.recipe import Hardening, Recipe, Schedule
from noisevote.training.recipes.vary import train_command, vary

quiet = Console(quiet=True)
IMAGE = (1, 28, 28)

FULL = {
    "profile": 1,
    "name": "full",
    "array": {"rows": 64},
    "cell": {"g_max_us": 25.0},
    "program": {"std_us": 0.8, "stuck_off": 0.01},
    "drift": {"t0_s": 20.0, "nu": 0.05, "nu_std": 0.01},
    "compensation": "column",
    "read": {"a": 0.05, "b": 0.03, "c": 0.02, "w": 0.01},
    "column": {"gain": 1.1, "gain_std": 0.02, "offset": 0.05, "offset_std": 0.05},
    "dac": {"bits": 6},
    "adc": {"bits": 6, "bound": 3.0},
}
NOTHING = {"profile": 1, "name": "nothing"}
READ = {"profile": 1, "name": "read", "read": {"unit": "network", "a": 0.1}}


def device_for(
    network: nn.Module, profile: Profile, shape: tuple[int, ...], **more: object
) -> OnDevice:
    hardening = Hardening(device=profile.name, **more)  # type: ignore[arg-type]
    return OnDevice(profile, layers_of(network, shape, "a device"), hardening)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def network() -> MnistCnn:
    torch.manual_seed(1)
    return MnistCnn(fc_units=16)


@pytest.fixture
def images() -> Tensor:
    return torch.rand(4, *IMAGE, generator=generator())


def test_layers_are_found_behind_every_point_of_our_networks() -> None:
    found = layers_of(MnistCnn(fc_units=16), IMAGE, "a device")
    assert list(found) == ["conv1", "conv2", "conv3", "conv4", "fc1", "fc2"]
    assert found["conv2"] == Layer("conv2", (("conv2.conv.weight", 0),), 32, 32 * 9)
    gates = layers_of(StrokeLstm(units=8, steps=3), (3, 2), "a device")["gates"]
    assert gates == Layer("gates", (("input_weight", 1), ("state_weight", 1)), 32, 10)
    densenet = DenseNet(NoiseKind.MULTIPLICATIVE, depth=10)
    assert list(layers_of(densenet, (3, 32, 32), "a device")) == [
        point.name for point in noise_points(densenet)
    ]


def test_layers_of_an_imported_module_are_found_and_its_softmax_is_no_layer() -> None:
    inner = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3),
        nn.Softmax(1),
    )  # fmt: skip
    found = layers_of(Brought(inner, (1, 8, 8)), (1, 8, 8), "a device")
    assert [(name, of.columns, of.fan_in) for name, of in found.items()] == [
        ("0", 4, 9), ("4", 3, 144),
    ]  # fmt: skip


def test_a_point_behind_something_else_than_a_layer_is_refused_by_name() -> None:
    class Squared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 3)
            self.noise = NoisePoint("squared", (3,), 12)

        def forward(self, inputs: Tensor) -> Tensor:
            outputs: Tensor = self.noise(self.layer(inputs) ** 2)
            return outputs

    with pytest.raises(
        TrainingError, match=r"hardening\.device needs .* at squared the signal is no"
    ):
        layers_of(Squared(), (4,), "hardening.device")


class Noting(Tracing):
    """Notes X of each signal behind a product."""

    reads_squares = True


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(6, 4, 3, padding=1, stride=2),
        nn.Conv2d(6, 4, (3, 1), groups=2, dilation=2),
        nn.Conv1d(6, 4, 3, padding=1),
        nn.Linear(8, 4),
    ],
)
def test_the_sum_of_squared_inputs_is_that_of_each_column_at_each_place(layer: nn.Module) -> None:
    places = 2 if isinstance(layer, nn.Conv2d) else 1
    inputs = torch.randn(2, 6, *[8] * places, generator=generator())
    tracing = Noting(layer)
    with torch.no_grad(), tracing:
        signal = layer(inputs)
    found = tracing.origin(signal)
    assert found is not None
    assert found.squares is not None
    ones = {name: torch.ones_like(weights) for name, weights in layer.named_parameters()}
    ones["bias"].zero_()
    expected = torch.func.functional_call(layer, ones, inputs.square())
    torch.testing.assert_close(found.squares.expand_as(signal), expected)


def expected_output(
    y: NDArray[np.float64],
    x2: NDArray[np.float64],
    z: NDArray[np.float64],
    table: dict[str, NDArray[np.float64]],
) -> NDArray[np.float64]:
    """The formula of ``models.devices.columns``, written down again."""
    v = table["gain"] * (y - table["beta"]) + table["offset"]
    sd = np.sqrt(table["a2"] + table["c"] * np.abs(v) + table["b2"] * v**2 + table["w2"] * x2)
    q = v + sd * z
    step = np.where(table["step"] > 0, table["step"], 1)
    levels = np.clip(np.floor(q / step + table["half"]) * step, table["low"], table["high"])
    return table["alpha"] * np.where(table["step"] > 0, levels, q) + table["beta"]


TABLE = ("gain", "offset", "a2", "c", "b2", "w2", "step", "low", "high", "half", "alpha", "beta")


@pytest.mark.parametrize("left_out", [(), ("adc",), ("adc", "drift", "compensation", "column")])
def test_the_read_out_is_the_formula_of_the_columns(left_out: tuple[str, ...]) -> None:
    profile = profile_of({key: value for key, value in FULL.items() if key not in left_out})
    random = np.random.default_rng(2)
    spec = ArraySpec(
        weights=(WeightSpec(name="w", columns=0),), axis=0, columns=5, fan_in=100, evaluations=1,
        input_range=1.5, input_max=2.0, rms=1.0,
    )  # fmt: skip
    weights = random.normal(size=(5, 100)).astype(np.float32)
    layer = LayerArray(spec, weights, random.normal(size=5), random.normal(size=5))
    spreads = {name: random.normal(size=5) for name in ("gain", "offset")}
    alpha = 1.0 if "drift" in left_out else random.uniform(1, 2, 5)
    columns = columns_of(profile, layer, Condition(None, spreads, alpha, 1e-4))
    y, z = random.normal(size=(2, 3, 5, 4))
    x2 = random.uniform(0, 50, (3, 1, 4))
    found = read_out(
        torch.tensor(y, dtype=torch.float32),
        columns,
        1,
        torch.tensor(x2, dtype=torch.float32),
        lambda _: torch.tensor(z, dtype=torch.float32),
    )
    table = {name: getattr(columns, name)[:, np.newaxis] for name in TABLE}
    expected = expected_output(y, x2, z, table)
    off = np.abs(found.numpy() - expected)
    step = (columns.alpha * columns.step)[:, np.newaxis]
    # A value within rounding of the border between two levels may fall on either.
    assert ((off < 1e-4) | (np.abs(off - step) < 1e-4)).all()
    assert np.mean(off < 1e-4) > 0.95


def test_gradients_pass_through_noise_that_depends_on_the_signal() -> None:
    profile = profile_of({"profile": 1, "name": "b", "read": {"b": 0.5}})
    spec = ArraySpec(
        weights=(WeightSpec(name="w", columns=0),), axis=0, columns=2, fan_in=1, evaluations=1,
        input_range=1.0, input_max=1.0, rms=1.0,
    )  # fmt: skip
    layer = LayerArray(spec, np.ones((2, 1), np.float32), np.ones(2), np.zeros(2))
    signal = torch.tensor([[2.0, 0.0]], requires_grad=True)
    found = read_out(signal, columns_of(profile, layer, Condition()), 1, None, torch.ones_like)
    found.sum().backward()  # type: ignore[no-untyped-call]
    assert found.tolist() == [[3.0, pytest.approx(0.0, abs=1e-6)]]
    assert signal.grad is not None
    assert signal.grad.tolist() == [[1.5, 1.0]]


def test_inputs_are_rounded_to_the_nearest_level_and_cut_off() -> None:
    inputs = torch.tensor([-2.0, -0.3, 0.0, 0.25, 0.75, 5.0], requires_grad=True)
    found = converted_input(inputs, (0.5, -1.0, 1.0))
    assert found.tolist() == [-1.0, -0.5, 0.0, 0.0, 1.0, 1.0]  # ties to even
    found.sum().backward()  # type: ignore[no-untyped-call]
    assert inputs.grad is not None
    assert inputs.grad.tolist() == [0.0, 1.0, 1.0, 1.0, 1.0, 0.0]


@pytest.mark.parametrize("name", ["pcm-hermes-2t", "reram-wan", "reram-cmo", "sonos-40nm"])
def test_a_chip_holds_what_its_cells_say_for_the_same_draws(name: str) -> None:
    profile = DeviceStore().find(name)
    weights = np.random.default_rng(3).normal(size=(6, 20)).astype(np.float32)
    chip, age_s = Chip(profile.digest, OWNER, 7), profile.age_range_s[0] or 60.0
    condition, held = on_chip(weights, "fc", profile, chip, age_s)
    largest = np.abs(weights).max(1, keepdims=True)
    window_s = VOTES * profile.flicker.vote_gap_s if profile.flicker else 0.0
    expected = aged_weights(
        weights / largest, profile, chip.draws_of("fc", weights.shape), age_s, window_s
    )
    assert held is not None
    np.testing.assert_allclose(held, expected.weights * largest, rtol=1e-6)
    np.testing.assert_allclose(condition.alpha, expected.alpha)
    np.testing.assert_allclose(condition.w2, expected.variance)


def test_a_network_on_a_chip_computes_with_the_weights_of_the_chip(
    network: MnistCnn, images: Tensor
) -> None:
    profile = profile_of(
        {"profile": 1, "name": "written", "cell": {"g_max_us": 25.0}, "program": {"std_us": 1.0}}
    )
    device = device_for(network.eval(), profile, IMAGE)
    chip = device.drawn(network, generator())
    with torch.no_grad():
        with device.passing(network, chip, generator()):
            found = network(images)
        changed = {
            name: weights + chip.added.get(name, 0.0)
            for name, weights in network.named_parameters()
        }
        expected = torch.func.functional_call(network, changed, images)
        plain = network(images)
    torch.testing.assert_close(found, expected)
    assert set(chip.added) == {name for name, of in network.named_parameters() if of.dim() > 1}
    assert not torch.allclose(found, plain, atol=1e-3)


def test_one_chip_is_the_same_in_all_passes_and_reads_differ(
    network: MnistCnn, images: Tensor
) -> None:
    device = device_for(network.eval(), DeviceStore().find("pcm-nandakumar"), IMAGE)
    chip = device.drawn(network, generator())

    def outputs(chip_seed: int | None, seed: int) -> Tensor:
        used = chip if chip_seed is None else device.drawn(network, generator(chip_seed))
        with torch.no_grad(), device.passing(network, used, generator(seed)):
            found: Tensor = network(images)
        return found

    assert torch.equal(outputs(None, 1), outputs(None, 1))
    assert torch.equal(outputs(None, 1), outputs(0, 1))
    assert not torch.isclose(outputs(None, 1), outputs(None, 2)).all()
    assert not torch.isclose(outputs(None, 1), outputs(5, 1)).all()


@pytest.mark.parametrize("name", ["full", "pcm-nandakumar", "brainscales-2"])
def test_gradients_reach_all_parameters_through_chips_and_converters(
    network: MnistCnn, images: Tensor, name: str
) -> None:
    profile = profile_of(FULL) if name == "full" else DeviceStore().find(name)
    hardening = Hardening(device=name, loss="marginal", output_draws=3, pass_draws=2)
    device = OnDevice(profile, layers_of(network, IMAGE, "a device"), hardening)
    network.train()
    device.begin_step(network, 0, generator())
    loss = step_loss(hardening, on_device=device)(
        network, images, torch.arange(4), generator(), 0.5
    )
    loss.backward()  # type: ignore[no-untyped-call]
    for parameter in network.parameters():
        assert parameter.grad is not None
        assert torch.isfinite(parameter.grad).all()
        assert parameter.grad.any()


def test_draws_share_the_chip_and_the_inner_noise(network: MnistCnn, images: Tensor) -> None:
    hardening = Hardening(device="read", output_draws=500)
    device = device_for(network.eval(), profile_of(READ), IMAGE)
    chip = device.drawn(network, generator())
    with torch.no_grad(), device.passing(network, chip, generator(), draws=500):
        outputs = network(images).view(hardening.output_draws, 4, 10)
    torch.testing.assert_close(outputs.std(0), torch.full((4, 10), 0.1), rtol=0.2, atol=0)


def test_the_lstm_meets_a_device_at_every_step() -> None:
    torch.manual_seed(0)
    network = StrokeLstm(units=8, steps=3).eval()
    device = device_for(network, profile_of(FULL), (3, 2))
    chip = device.drawn(network, generator())
    sequences = torch.randn(5, 3, 2, generator=generator())
    with device.passing(network, chip, generator()):
        outputs = network(sequences)
    outputs.square().sum().backward()
    assert outputs.shape == (5, 10)
    assert all(parameter.grad is not None for parameter in network.parameters())
    with torch.no_grad(), device.passing(network, chip, generator(), strength=0.0):
        on_converters = network(sequences)
    with torch.no_grad():
        torch.testing.assert_close(on_converters, network(sequences), rtol=0.3, atol=0.3)


def stepped(
    network: MnistCnn, images: Tensor, hardening: Hardening, device: OnDevice | None
) -> MnistCnn:
    optimizer = torch.optim.SGD(network.parameters(), 0.1)
    network.train()
    random = generator()
    if device is not None:
        device.begin_step(network, 0, random)
    loss = step_loss(hardening, on_device=device)(network, images, torch.arange(4), random, 0.0)
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return network


def test_a_device_that_does_nothing_trains_as_without_noise(images: Tensor) -> None:
    torch.manual_seed(1)
    one, other = MnistCnn(fc_units=16), MnistCnn(fc_units=16)
    other.load_state_dict(one.state_dict())
    plain = stepped(one, images, Hardening(), None)
    profile = profile_of(NOTHING)
    hardening = Hardening(device="nothing")
    on_device = stepped(other, images, hardening, device_for(other, profile, IMAGE))
    found = on_device.state_dict()
    assert all(torch.equal(tensor, found[name]) for name, tensor in plain.state_dict().items())


def test_where_chips_differ_batch_norms_take_running_statistics_of_all_chips() -> None:
    inner = nn.Sequential(
        nn.Linear(4, 3, bias=False), nn.BatchNorm1d(3), nn.ReLU(), nn.Linear(3, 2)
    )
    network = Brought(inner, (4,))
    profile = profile_of({"profile": 1, "name": "gains", "column": {"gain_std": 0.1}})
    device = device_for(network, profile, (4,))
    norm = inner[1]
    assert isinstance(norm, nn.BatchNorm1d)
    inputs = torch.randn(64, 4, generator=generator())
    signal = inner[0](inputs).detach()
    seen: list[Tensor] = []
    network.train()
    point = noise_points(network)[0]
    with device.passing(network, device.drawn(network, generator()), generator()):
        inside = point.source
        assert inside is not None

        def noting(at: NoisePoint, given: Tensor, step: int | None) -> Tensor:
            seen.append(given.detach())
            return inside(at, given, step)

        point.source = noting
        network(inputs)
    # The statistics before the pass: mean 0, variance 1.
    torch.testing.assert_close(seen[0], signal / np.sqrt(1 + 1e-5))
    assert norm.running_mean is not None
    assert norm.running_var is not None
    share = 0.1 / device.chip_steps
    torch.testing.assert_close(norm.running_mean, share * signal.mean(0))
    torch.testing.assert_close(norm.running_var, 1 - share + share * signal.square().mean(0))


@settings(max_examples=50, deadline=None)
@given(
    deviations=st.floats(1, 4),
    weights=st.lists(
        st.lists(st.floats(-1e3, 1e3, width=32), min_size=6, max_size=6), min_size=1, max_size=4
    ),
)
def test_no_weight_stays_beyond_the_clip_of_its_column_and_smaller_ones_stay(
    deviations: float, weights: list[list[float]]
) -> None:
    layer = nn.Linear(6, len(weights), bias=False)
    before = torch.tensor(weights)
    layer.weight.data.copy_(before)
    clip_weights(layer, [Layer("fc", (("weight", 0),), len(weights), 6)], deviations)
    bound = deviations * before.double().square().mean(1, keepdim=True).sqrt().float()
    expected = torch.maximum(torch.minimum(before, bound), -bound)
    torch.testing.assert_close(layer.weight.data, expected, rtol=1e-5, atol=1e-30)


def test_ages_are_drawn_evenly_over_the_logarithm() -> None:
    assert age_between((20.0, 2e6), 0.5) == pytest.approx(np.sqrt(20 * 2e6))
    assert age_between((0.0, 0.0), 0.7) == 0


@pytest.fixture
def on_device() -> Recipe:
    """A recipe of a small module on a device with frozen errors, converters, noise and drift."""
    return Recipe(
        "small",
        network="tests.training.modules_of_users:make",
        dataset="made up",
        hardening=Hardening(
            device="pcm-nandakumar", loss="marginal", output_draws=4, age_s=(20.0, 2.6e6),
            weight_clip=2.5,
        ),
        schedule=Schedule(2, batch_size=32, learning_rate=1e-2),
        options={"shape": [64], "points": []},
    )  # fmt: skip


@pytest.fixture
def parts() -> Parts:
    """Inputs whose class is where they are large, for learning and for looking at."""
    random = np.random.default_rng(4)
    labels = random.integers(0, 10, 240)
    inputs = random.uniform(0, 0.3, (240, 64)).astype(np.float32)
    inputs[np.arange(240), 6 * labels] = 1
    examples = Examples(inputs, labels)
    return examples.chosen(np.arange(160)), examples.chosen(np.arange(160, 240))


class PowerCut(Exception):  # noqa: N818
    """Stands for whatever ends a run: a signal, a power cut."""


def test_an_interrupted_run_on_a_device_goes_on_to_the_same_weights(
    on_device: Recipe, parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = fit(on_device, parts, tmp_path / "whole", quiet)
    assert whole.history[1]["loss"] < whole.history[0]["loss"]
    monkeypatch.setattr(loop, "SAVE_SECONDS", 0.0)
    done = 0

    def interrupting(run: Run, chosen: Tensor) -> Tensor:
        nonlocal done
        if done == 6:  # within the life of a chip, of four steps
            raise PowerCut
        done += 1
        return take_step(run, chosen)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "take_step", interrupting)
        with pytest.raises(PowerCut):
            fit(on_device, parts, tmp_path / "cut", quiet)
    fit(on_device, parts, tmp_path / "cut", quiet)
    one, other = (read_state(tmp_path / name)["network"] for name in ("whole", "cut"))
    assert all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def test_a_run_tells_its_profile_and_refuses_to_go_on_with_another(
    on_device: Recipe, parts: Parts, tmp_path: Path
) -> None:
    fit(on_device, parts, tmp_path / "run", quiet)
    kept = read_state(tmp_path / "run")["recipe"]["hardening"]
    profile = DeviceStore().find("pcm-nandakumar")
    assert kept["profile"] == {"name": "pcm-nandakumar", "digest": profile.digest}
    told = with_profile(on_device)
    assert "profile" not in train_command(told)
    assert "hardening.device=pcm-nandakumar" in train_command(told)
    other = vary(told, {"hardening.profile.digest": "0" * 16})
    with pytest.raises(TrainingError, match=r"whose profile is now pcm-nandakumar .* made for"):
        with_profile(other)


def test_a_device_is_read_from_a_file(on_device: Recipe, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('profile = 1\nname = "mine"\n[read]\na = 0.1\n')
    asked = vary(on_device, {"hardening.device": str(file), "hardening.age_s": None})
    found = with_profile(asked).hardening.profile
    assert found is not None
    assert found.name == "mine"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"hardening.device": "pcm-hremes"}, "there is no device 'pcm-hremes'; there are"),
        ({"hardening.device": "no.toml"}, "no.toml cannot be read"),
        ({"hardening.sigma_train": 0.5}, "does not go with hardening.sigma_train"),
        ({"hardening.loss": "vote"}, "does not go with hardening.loss vote"),
        ({"quantisation": {"bits": 8, "scale": "learned"}}, "does not go with quantisation"),
        ({"hardening.age_s": [1e5, 20]}, "allowed are"),
        ({"hardening.age_s": [0, 20]}, "begins at 0"),
        (
            {"hardening.device": "reram-wan", "hardening.age_s": [0.1, 20]},
            "from 1 to 172800 s, for which device reram-wan is known",
        ),
        ({"hardening.device": "pcm-joshi"}, "nothing of device pcm-joshi depends on the age"),
        ({"hardening.device": None}, "hardening.age_s needs a device"),
        ({"hardening.weight_clip": 0.5}, "hardening.weight_clip is 0.5"),
        ({"hardening.chip_steps": 0}, "hardening.chip_steps is 0"),
    ],
)
def test_settings_that_do_not_go_with_a_device_say_why(
    on_device: Recipe, changed: dict[str, object], said: str
) -> None:
    with pytest.raises(NoisevoteError) as caught:
        with_profile(vary(on_device, changed))
    assert said in str(caught.value)


def test_weights_are_clipped_without_a_device_too(
    on_device: Recipe, parts: Parts, tmp_path: Path
) -> None:
    hardening = Hardening(sigma_train=0.5, weight_clip=1.5)
    network = fit(replace(on_device, hardening=hardening), parts, tmp_path, quiet).network
    weights = dict(network.named_parameters())["network.first.weight"].detach()
    spread = weights.square().mean(1).sqrt()
    assert bool((weights.abs().amax(1) < 1.6 * spread).all())


def test_nothing_of_a_device_is_left_behind_in_the_network(
    network: MnistCnn, images: Tensor
) -> None:
    device = device_for(network.eval(), DeviceStore().find("brainscales-2"), IMAGE)
    with torch.no_grad():
        before = network(images)
        with (
            noise_from(network, None),
            device.passing(network, device.drawn(network, generator()), generator()),
        ):
            assert not torch.equal(network(images), before)
        assert torch.equal(network(images), before)
    assert all(point.source is None for point in noise_points(network))
