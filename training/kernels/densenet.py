"""The DenseNets' training pass by compiled kernels: where it serves, and as torch sees it.

They serve batches whose size is a multiple of the variant's lanes (32 pictures in bfloat16, 16 in
float32), one thread, and multiplicative noise of one sigma at a point. Whatever they do not serve
is plain torch's. Their noise comes from the seed, chunk, row and map alone; it is not the noise
that plain torch draws from the same generator.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from noisevote.models.networks.densenet import SIDE, DenseNet
from noisevote.models.networks.noise_points import Sigma, sigma_at
from noisevote.models.noise import NoiseKind
from noisevote.training.kernels.gradients import Gradients
from noisevote.training.kernels.library import Variant, chosen_variant
from noisevote.training.kernels.step import (
    Plan,
    Step,
    address,
    factors,
    from_lanes,
    plan_of,
    seed_of_point,
)

SIDE_STEP = 8
"""Sides are multiples of it: they are halved twice, and the last is even."""


def serving_variant() -> Variant | None:
    """Return the variant that serves at the current precision, or None.

    The precision is bfloat16 where torch's autocast to it is on for CPUs, else float32. Processors
    without products of bfloat16 have no variant for it.
    """
    return chosen_variant(precision())


def precision() -> torch.dtype:
    """Return the precision that torch computes a convolution in here."""
    return torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else torch.float32


def serves(network: nn.Module, images: Tensor, kind: NoiseKind, sigma: Sigma) -> bool:
    """Return whether :func:`fused_outputs` can compute this forward pass, here and now.

    Args:
        network: any network; only a DenseNet in training mode is served.
        images: ``[batch, ...]``.
        kind: of the noise.
        sigma: of the noise.
    """
    variant = serving_variant()
    if variant is None or torch.get_num_threads() != 1 or not isinstance(network, DenseNet):
        return False
    plan = plan_of(network)
    return (
        kind is NoiseKind.MULTIPLICATIVE
        and fits(images, variant)
        and is_in_training(network, plan)
        and all(isinstance(level, float | int) for level in levels(plan, sigma).values())
    )


def is_in_training(network: DenseNet, plan: Plan) -> bool:
    """Return whether all layers of a network are as the kernels take them to be."""
    norms = [network.norm, *(stage.norm for stage in plan.stages if stage.norm is not None)]
    parameters = [*parameters_of(network, plan), network.fc.weight, network.fc.bias]
    return (
        isinstance(network.power, nn.Identity)
        and isinstance(network.relu, nn.ReLU)  # not quantised
        and all(norm.training and norm.affine for norm in norms)
        and all(stage.point.source is None for stage in plan.stages)
        and all(value.dtype is torch.float32 and value.is_cpu for value in parameters)
    )


def parameters_of(network: DenseNet, plan: Plan) -> list[Tensor]:
    """Return all parameters but those of the fully connected layer."""
    found: list[Tensor] = [network.norm.weight, network.norm.bias]
    for stage in plan.stages:
        found.append(stage.conv.weight)
        if stage.norm is not None:
            found += [stage.norm.weight, stage.norm.bias]
    return found


def fits(images: Tensor, variant: Variant) -> bool:
    """Return whether a variant takes images of this shape."""
    return (
        images.is_cpu
        and images.dtype is torch.float32
        and images.dim() == 4
        and images.shape[-2] == images.shape[-1] <= SIDE
        and images.shape[-1] % SIDE_STEP == 0
        and len(images) > 0
        and len(images) % variant.lanes == 0
    )


def levels(plan: Plan, sigma: Sigma) -> dict[str, float | Tensor]:
    """Return the sigma of every noise point but the last, in order."""
    names = [stage.point.name for stage in plan.stages]
    return {name: sigma_at(sigma, name) for name in names}


def fused_outputs(
    network: nn.Module, images: Tensor, sigma: Sigma, generator: torch.Generator
) -> Tensor:
    """Return outputs ``[batch, classes]`` in float32, with noise at all points but the last.

    Call it only where :func:`serves` says so. Gradients flow to the parameters and the images, once
    (not twice) differentiable.

    Args:
        network: a DenseNet in training mode.
        images: ``[batch, colours, side, side]``.
        sigma: one number, or one a noise point.
        generator: gives the seed of all noise, one number a call.

    Raises:
        ValueError: no variant serves here, or the network is no DenseNet.
    """
    variant = serving_variant()
    if variant is None or not isinstance(network, DenseNet):
        raise ValueError("no fused step serves here")
    seed = drawn_seed(generator)
    plan = plan_of(network)
    of_points = levels(plan, sigma)
    with torch.autocast("cpu", enabled=False):
        pictures = (images - network.mean) / network.spread
        call = Call(network, plan, of_points, seed, variant)
        features = FusedStep.apply(pictures, call, *call.parameters)  # type: ignore[no-untyped-call]
        return functional.linear(features, network.fc.weight, network.fc.bias)


def drawn_seed(generator: torch.Generator) -> int:
    """Return the seed of one forward pass."""
    return int(torch.randint(2**63 - 1, (1,), generator=generator))


def drawn_factors(
    network: DenseNet, images: Tensor, sigma: Sigma, generator: torch.Generator
) -> dict[str, Tensor]:
    """Return the factors that :func:`fused_outputs` draws from a generator in the same state.

    Args:
        network: as there.
        images: as there.
        sigma: as there.
        generator: as there; moved on in the same way.

    Returns:
        For each noise point but the last its factors ``[batch, maps, side, side]`` in float32.

    Raises:
        ValueError: no variant serves here.
    """
    variant = serving_variant()
    if variant is None:
        raise ValueError("no fused step serves here")
    seed, plan = drawn_seed(generator), plan_of(network)
    drawn = {}
    for number, (stage, level) in enumerate(
        zip(plan.stages, levels(plan, sigma).values(), strict=True)
    ):
        side = images.shape[-1] >> plan.buffers[stage.source][1]
        size = (len(images) // variant.lanes, side, stage.conv.out_channels, side, variant.lanes)
        values = torch.ones(size, dtype=variant.dtype)
        if level:
            table = address(factors(float(level), variant.dtype))
            variant.draw(values, table, seed_of_point(seed, number))
        drawn[stage.point.name] = from_lanes(values)
    return drawn


class Call:
    """What a forward pass is made of, beside the tensors that gradients flow to.

    Attributes:
        network: whose pass it is.
        plan: of the network.
        sigma: of every noise point but the last.
        seed: of the noise.
        variant: what computes.
        parameters: that gradients are wanted for, in the order in which they are given.
    """

    def __init__(
        self,
        network: DenseNet,
        plan: Plan,
        sigma: Mapping[str, float | Tensor],
        seed: int,
        variant: Variant,
    ) -> None:
        self.network = network
        self.plan = plan
        self.sigma = [float(level) for level in sigma.values()]
        self.seed = seed
        self.variant = variant
        self.parameters = [value for value in parameters_of(network, plan) if value.requires_grad]


class FusedStep(torch.autograd.Function):
    """The pass from centred and scaled pictures to the features that the last layer reads."""

    @staticmethod
    def forward(ctx: Any, pictures: Tensor, call: Call, *parameters: Tensor) -> Tensor:
        """Return features ``[batch, maps]`` of pictures ``[batch, colours, side, side]``."""
        # Saved, though not used, so that torch refuses a backward pass after they have changed.
        ctx.save_for_backward(*parameters)
        ctx.call = call
        ctx.step = Step(call.plan, call.network.norm, pictures, call.sigma, call.seed, call.variant)
        features: Tensor = ctx.step.features()
        return features

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_features: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of the pictures and the parameters."""
        _ = ctx.saved_tensors
        gradients = Gradients(ctx.step, of_features)
        of_parameters = [gradients.parameters.get(value) for value in ctx.call.parameters]
        return gradients.pictures, None, *of_parameters
