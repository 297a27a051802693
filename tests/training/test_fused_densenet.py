"""The fused training pass of the DenseNets against plain torch, on the same noise."""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from noisevote.models.networks.densenet import DenseNet
from noisevote.models.networks.noise_points import (
    Sigma,
    fresh_noise,
    given_noise,
    noise_from,
    noise_points,
)
from noisevote.models.networks.registry import build_network
from noisevote.models.noise import NoiseKind
from noisevote.training.kernels.densenet import (
    drawn_factors,
    fused_outputs,
    serves,
    serving_variant,
)
from noisevote.training.kernels.library import CHOICE, variants

KIND = NoiseKind.MULTIPLICATIVE
SMALL = {"depth": 10, "growth": 4}
ODD = {"depth": 10, "growth": 5}  # maps that fill no vector, no pair
ONE_LAYER = {"depth": 7, "growth": 12}
BOTTLENECKS = {"depth": 16, "growth": 4, "bottleneck": True}
WHOLE = {"depth": 40, "growth": 12}
FLOAT_NAMES = ("avx2", "avx512")
HALF_NAMES = ("avx512_bf16", "amx")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(params=FLOAT_NAMES + HALF_NAMES)
def variant(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Each variant by itself, in its precision."""
    name: str = request.param
    if name not in [variant.name for variant in variants()]:
        pytest.skip(f"this processor or build has no {name}")
    monkeypatch.setenv(CHOICE, name)
    with torch.autocast("cpu", torch.bfloat16, enabled=name in HALF_NAMES):
        yield name


FLOATS = pytest.mark.parametrize("variant", FLOAT_NAMES, indirect=True)
HALVES = pytest.mark.parametrize("variant", HALF_NAMES, indirect=True)


def network_of(options: Mapping[str, int | bool]) -> DenseNet:
    """A network in training mode whose batch norms do not start at 1 and 0."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        network = DenseNet(**options)  # type: ignore[arg-type]
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.normal_(module.bias, 0.0, 0.2)
    return network.train()


def pictures(batch: int, side: int, seed: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(batch, 3, side, side, generator=generator).requires_grad_()


def seeded(seed: int = 3) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@dataclass(frozen=True)
class Pass:
    """What a forward and backward pass gave."""

    outputs: Tensor
    loss: Tensor
    gradients: dict[str, Tensor]
    statistics: dict[str, Tensor]


def passed(network: nn.Module, images: Tensor, outputs: Tensor) -> Pass:
    labels = torch.arange(len(images)) % 10
    loss = functional.cross_entropy(outputs, labels)
    parameters = dict(network.named_parameters())
    found = torch.autograd.grad(loss, [images, *parameters.values()])
    gradients = dict(zip(["images", *parameters], found, strict=True))
    statistics = {name: value.clone() for name, value in network.named_buffers()}
    return Pass(outputs.detach(), loss.detach(), gradients, statistics)


def fused_pass(network: DenseNet, images: Tensor, sigma: Sigma) -> Pass:
    network = copy.deepcopy(network)
    assert serves(network, images, KIND, sigma)
    return passed(network, images, fused_outputs(network, images, sigma, seeded()))


def plain_pass(network: DenseNet, images: Tensor, sigma: Sigma, dtype: torch.dtype) -> Pass:
    """The same in plain torch; in bfloat16 by autocast."""
    noise = drawn_factors(network, images, sigma, seeded())
    noise["fc"] = torch.ones(len(images), 10)
    network = copy.deepcopy(network)
    is_mixed = dtype is torch.bfloat16
    if not is_mixed:
        network, images = network.to(dtype), images.detach().to(dtype).requires_grad_()
    source = given_noise(KIND, {name: values.to(dtype) for name, values in noise.items()})
    with noise_from(network, source), torch.autocast("cpu", torch.bfloat16, enabled=is_mixed):
        outputs = network(images).float() if is_mixed else network(images)
    return passed(network, images, outputs)


def error(got: Tensor, wanted: Tensor) -> float:
    got, wanted = got.detach().double(), wanted.detach().double()
    return float((got - wanted).norm() / wanted.norm().clamp_min(1e-12))


def errors(got: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> dict[str, float]:
    assert got.keys() == wanted.keys()
    return {name: error(got[name], wanted[name]) for name in wanted}


SOME_POINTS = {"conv1": 0.5, "block1.conv1": 1.0, "transition1": 0.7, "block3.conv2": 0.3}


@pytest.mark.parametrize(
    ("options", "batch", "side", "sigma", "tolerance"),
    [
        (SMALL, 32, 32, 1.0, 2e-5),
        (SMALL, 64, 16, SOME_POINTS, 2e-5),
        (ODD, 16, 24, 0.0, 2e-5),
        (ODD, 32, 24, 1.0, 2e-5),
        (ONE_LAYER, 16, 16, 0.5, 2e-5),
        (BOTTLENECKS, 16, 24, 1.0, 2e-5),
        (WHOLE, 16, 16, 1.0, 1e-2),
    ],
)
@FLOATS
@pytest.mark.usefixtures("variant")
def test_float32_is_plain_torch_to_the_order_of_the_sums(
    options: Mapping[str, int | bool], batch: int, side: int, sigma: Sigma, tolerance: float
) -> None:
    network, images = network_of(options), pictures(batch, side)
    # In double precision: where a sum is all but 0, two orders of float32 may pass a ReLU or not.
    # Among the millions of the whole network there are such sums.
    plain = plain_pass(network, images, sigma, torch.float64)
    fused = fused_pass(network, images, sigma)
    assert error(fused.outputs, plain.outputs) < 2e-6
    assert error(fused.loss, plain.loss) < 1e-6
    assert max(errors(fused.gradients, plain.gradients).values()) < tolerance
    assert max(errors(fused.statistics, plain.statistics).values()) < 1e-6


@pytest.mark.parametrize(
    ("options", "side", "sigma"),
    [
        (SMALL, 32, SOME_POINTS),
        (ODD, 24, 1.0),
        (BOTTLENECKS, 16, 0.5),
        (WHOLE, 16, 1.0),
    ],
)
@HALVES
@pytest.mark.usefixtures("variant")
def test_bfloat16_errs_no_more_than_autocast(
    options: Mapping[str, int | bool], side: int, sigma: Sigma
) -> None:
    network, images = network_of(options), pictures(32, side)
    exact = plain_pass(network, images, sigma, torch.float64)
    fused = fused_pass(network, images, sigma)
    mixed = plain_pass(network, images, sigma, torch.bfloat16)
    medians = [
        sorted(errors(one.gradients, exact.gradients).values())[len(exact.gradients) // 2]
        for one in (fused, mixed)
    ]
    assert medians[0] < 1.2 * medians[1]
    assert error(fused.outputs, exact.outputs) < 1.2 * error(mixed.outputs, exact.outputs)
    assert error(fused.loss, exact.loss) < 1e-3
    assert max(errors(fused.statistics, exact.statistics).values()) < 1e-2


@pytest.mark.usefixtures("variant")
def test_the_same_seed_gives_the_same_bits_and_another_does_not() -> None:
    network, images = network_of(SMALL), pictures(32, 16)
    first, second = (fused_pass(network, images, 1.0) for _ in range(2))
    assert all(torch.equal(first.gradients[name], second.gradients[name]) for name in SOME_NAMES)
    other = fused_outputs(copy.deepcopy(network), images, 1.0, seeded(4))
    assert error(other, first.outputs) > 0.01


SOME_NAMES = ("images", "conv.weight", "blocks.0.layers.1.0.norm.weight", "fc.weight")


@pytest.mark.usefixtures("variant")
def test_passes_do_not_disturb_one_another() -> None:
    network, images = network_of(SMALL), pictures(32, 16)
    alone = [
        passed(network, images, fused_outputs(network, images, 1.0, seeded(seed)))
        for seed in (5, 6)
    ]
    together = [fused_outputs(network, images, 1.0, seeded(seed)) for seed in (5, 6)]
    with torch.no_grad():
        fused_outputs(network, images, 0.5, seeded(7))
    for one, outputs in reversed(list(zip(alone, together, strict=True))):
        again = passed(network, images, outputs)
        assert all(torch.equal(again.gradients[name], one.gradients[name]) for name in SOME_NAMES)


@pytest.mark.usefixtures("variant")
def test_averaged_statistics_weigh_all_batches_alike() -> None:
    network = network_of(SMALL)
    network.norm.momentum = None
    seen = []
    for seed in range(3):
        single = copy.deepcopy(network)
        fused_outputs(single, pictures(32, 16, seed), 0.0, seeded())
        assert single.norm.running_mean is not None
        seen.append(single.norm.running_mean)
    for seed in range(3):
        fused_outputs(network, pictures(32, 16, seed), 0.0, seeded())
    torch.testing.assert_close(network.norm.running_mean, torch.stack(seen).mean(0))


def test_factors_are_independent_draws(variant: str) -> None:
    # Each bound is 5 standard deviations, passed by chance once in 1.7 million (two-sided); with
    # fixed seeds it passes always or never.
    network, images, sigma = network_of(SMALL), pictures(32, 32), 0.7
    first, second = (drawn_factors(network, images, sigma, seeded(seed)) for seed in (8, 9))
    normals = {name: (values.double() - 1) / sigma for name, values in first.items()}
    flat = torch.cat([values.flatten() for values in normals.values()])
    rounding = 1e-3 if variant in HALF_NAMES else 0.0
    assert abs(float(flat.mean())) < 5 / len(flat) ** 0.5 + rounding
    assert abs(float(flat.var()) - 1) < 5 * (2 / len(flat)) ** 0.5 + rounding
    points = normals["block1.conv1"], normals["block1.conv2"]
    steps = normals["conv1"], (second["conv1"].double() - 1) / sigma
    images_apart = normals["conv1"][:16], normals["conv1"][16:]
    maps_apart = normals["conv1"][:, :8], normals["conv1"][:, 8:]
    rows_apart = normals["conv1"][:, :, :-1], normals["conv1"][:, :, 1:]
    columns_apart = normals["conv1"][..., :-1], normals["conv1"][..., 1:]
    for one, two in (points, steps, images_apart, maps_apart, rows_apart, columns_apart):
        products = (one * two).flatten()
        assert abs(float(products.mean())) < 5 / len(products) ** 0.5


@pytest.mark.usefixtures("variant")
def test_points_without_sigma_get_no_noise() -> None:
    network, images = network_of(SMALL), pictures(32, 16)
    factors = drawn_factors(network, images, {"transition1": 1.0}, seeded())
    noisy = [name for name, values in factors.items() if not (values == 1).all()]
    assert noisy == ["transition1"]
    assert list(factors) == [point.name for point in noise_points(network)[:-1]]


def test_the_variant_that_serves_is_the_one_chosen(variant: str) -> None:
    found = serving_variant()
    assert found is not None
    assert found.name == variant
    with torch.autocast("cpu", torch.bfloat16, enabled=variant not in HALF_NAMES):
        assert serving_variant() is None  # it has one precision


@pytest.mark.usefixtures("variant")
def test_what_the_kernels_do_not_compute_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    network, images = network_of(SMALL), pictures(32, 16)
    assert serves(network, images, KIND, 0.5)
    assert not serves(copy.deepcopy(network).eval(), images, KIND, 0.5)
    assert not serves(copy.deepcopy(network).double(), images, KIND, 0.5)
    assert not serves(DenseNet(NoiseKind.ADDITIVE, depth=10, growth=4).train(), images, KIND, 0.5)
    assert not serves(build_network("mnist_cnn", KIND, {}).train(), images, KIND, 0.5)
    assert not serves(network, images, NoiseKind.ADDITIVE, 0.5)
    assert not serves(network, images, KIND, torch.full((32,), 0.5))
    assert not serves(network, images[:-1], KIND, 0.5)
    assert not serves(network, images[:0], KIND, 0.5)
    assert not serves(network, pictures(32, 20), KIND, 0.5)
    assert not serves(network, pictures(32, 40), KIND, 0.5)
    assert not serves(network, images.double(), KIND, 0.5)
    with noise_from(network, fresh_noise(KIND, 0.5, seeded())):
        assert not serves(network, images, KIND, 0.5)
    torch.set_num_threads(2)
    assert not serves(network, images, KIND, 0.5)
    torch.set_num_threads(1)
    monkeypatch.setenv(CHOICE, "off")
    assert not serves(network, images, KIND, 0.5)
    with pytest.raises(ValueError, match="serves"):
        fused_outputs(network, images, 0.5, seeded())
