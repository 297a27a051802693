"""Training on a device: a network computes as it would on a chip, and learns from that.

For some steps at a time a random chip of a random age holds the weights: the network multiplies by
``W + (held - W)``, in which the bracket has no gradient and stays while the chip is kept. What
leaves each product passes the converters, the noise and the compensation of the device.

Where chips differ, a batch norm that took the statistics of a batch would take off what a chip has
added to a column, which no chip in use does: there it takes its running statistics, whose momentum
is parted among the steps of a chip, so that they are those of many chips; how these differ counts
in their variance.

Sources: V. Joshi et al., Nature Communications 11 (2020) 2473; M. J. Rasch et al., Nature
Communications 14 (2023) 5282.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from noisevote.models.device_specs import ArraySpec, WeightSpec
from noisevote.models.devices.arrays import LayerArray
from noisevote.models.devices.columns import Columns, columns_of, dac_of
from noisevote.models.devices.profile import Profile
from noisevote.models.networks.noise_points import (
    NoisePoint,
    noise_from,
    noise_points,
    table_draws_like,
)
from noisevote.models.noise import NoiseKind
from noisevote.training.on_device.calls import Norm
from noisevote.training.on_device.chips import DrawnChip, drawn_chip
from noisevote.training.on_device.layers import Layer
from noisevote.training.on_device.ranges import Range, Ranges
from noisevote.training.on_device.read_out import converted_input, read_out
from noisevote.training.on_device.trace import Origin, Tracing
from noisevote.training.recipes.recipe import Hardening


class OnDevice:
    """A device on which a network learns.

    Args:
        profile: of the device.
        layers: of the network, by noise point.
        hardening: how long chips are kept, and their ages.

    Attributes:
        profile: of the device.
        layers: of the network, by noise point.
        ranges: of what enters and leaves the layers.
        chip: that is in use; None before the first step.
        chip_steps: steps in which it is kept.
    """

    def __init__(self, profile: Profile, layers: Mapping[str, Layer], hardening: Hardening) -> None:
        self.profile = profile
        self.layers = layers
        self.ranges = Ranges(profile)
        self.chip: DrawnChip | None = None
        self.chip_steps = hardening.chip_steps
        first = profile.age_range_s[0]
        self._ages_s = hardening.age_s or (first, first)

    def begin_step(self, network: nn.Module, step: int, generator: torch.Generator) -> None:
        """Take the next chip if it is time for it.

        Args:
            network: as it is before the step.
            step: number of the step, from 0.
            generator: of what is drawn.
        """
        if self.chip is None or step % self.chip_steps == 0:
            self.chip = self.drawn(network, generator)

    def drawn(self, network: nn.Module, generator: torch.Generator) -> DrawnChip:
        """Return a random chip that holds a network's weights."""
        return drawn_chip(network, self.layers, self.profile, self._ages_s, generator)

    @contextmanager
    def passing(
        self,
        network: nn.Module,
        chip: DrawnChip | None,
        generator: torch.Generator,
        strength: float = 1.0,
        draws: int = 1,
    ) -> Iterator[None]:
        """Let a network compute on a chip inside the block.

        In training mode it notes the ranges of its signals, and its batch norms their statistics.

        Args:
            network: with the layers of the device.
            chip: that holds its weights; None: that of the step.
            generator: of the noise of reads.
            strength: share of all errors, but those of converters.
            draws: of the noise at the last point; its signals follow each other, draw by draw.
        """
        used = chip or self.chip
        if used is None:
            raise TypeError("no chip was drawn; begin a step first")
        device_pass = DevicePass(self, network, used, generator, strength, draws)
        with device_pass, noise_from(network, device_pass.at_point):
            yield
        if network.training:
            self.ranges.take_in(device_pass.seen)

    def norms_estimated(
        self, network: nn.Module, batches: Iterator[Tensor], generator: torch.Generator
    ) -> None:
        """Estimate the statistics of batch norms anew, each batch on a chip of its own.

        They begin with those of the training; the mean of all batches takes their place.
        """
        norms = [module for module in network.modules() if isinstance(module, _BatchNorm)]
        before = [norm.momentum for norm in norms]
        network.train()
        with torch.no_grad():
            for number, inputs in enumerate(batches, FIRST_COUNT):
                for norm in norms:
                    norm.momentum = self.chip_steps / number
                with self.passing(network, self.drawn(network, generator), generator):
                    network(inputs)
        for norm, momentum in zip(norms, before, strict=True):
            norm.momentum = momentum

    def state(self) -> dict[str, Any]:
        """Return what a run needs to go on, as plain data and tensors."""
        chip = None if self.chip is None else self.chip.state()
        return {"ranges": self.ranges.state(), "chip": chip}

    def restore(self, state: Mapping[str, Any], network: nn.Module) -> None:
        """Go on from a state."""
        self.ranges.restore(state["ranges"])
        chip = state["chip"]
        like = next(network.parameters())
        self.chip = None if chip is None else DrawnChip.from_state(chip, like)


FIRST_COUNT = 4
"""As so many batches the statistics of the training count."""


class DevicePass(Tracing):
    """A network's passes on one chip.

    Args:
        device: on which.
        network: that computes.
        chip: that holds its weights.
        generator: of the noise of reads.
        strength: share of all errors, but those of converters.
        draws: of the noise at the last point.

    Attributes:
        seen: ranges of this block.
    """

    def __init__(
        self,
        device: OnDevice,
        network: nn.Module,
        chip: DrawnChip,
        generator: torch.Generator,
        strength: float,
        draws: int,
    ) -> None:
        super().__init__(network)
        profile = device.profile
        self._device = device
        self._chip = chip
        self._generator = generator
        self._strength = strength
        self._draws = draws
        self._parameters = dict(network.named_parameters())
        self._point_of = {
            name: point for point, layer in device.layers.items() for name, _ in layer.weights
        }
        self._last = noise_points(network)[-1].name
        self._is_learning = network.training
        self._tables: dict[str, Columns] = {}
        self._dacs: dict[str, tuple[float, float, float]] = {}
        self._keeps_norms = network.training and profile.differs_by_chip
        self.reads_squares = (
            bool(profile.read.w or profile.flicker) or profile.read.cell_std_us != 0
        )
        self.seen = Ranges(profile)

    def entering(self, name: str, inputs: Tensor) -> Tensor:
        """Return inputs behind the converter, and note their range."""
        point = self._point_of.get(name)
        if point is None:
            return inputs
        self.seen.note_inputs(point, inputs, is_needed=self._is_learning)
        if self._device.profile.dac is None:
            return inputs
        if point not in self._dacs:
            self._dacs[point] = dac_of(self._device.profile, self._array(point, None))
        return converted_input(inputs, self._dacs[point])

    def held(self, name: str, weights: Tensor) -> Tensor:
        """Return what the chip holds."""
        added = self._chip.added.get(name)
        return weights if added is None else torch.add(weights, added, alpha=self._strength)

    def normalised(self, origin: Origin, call: Norm) -> tuple[Tensor, Tensor, Tensor]:  # noqa: ARG002
        """Return a signal behind its batch norm, by running statistics where chips differ."""
        mean, variance = call.running_mean, call.running_var
        if not (self._keeps_norms and call.training) or mean is None or variance is None:
            return call.usual()
        used = mean.clone(), variance.clone()
        of_batch, spread = call.moments()
        share = call.momentum / self._device.chip_steps
        with torch.no_grad():
            away = of_batch - mean
            mean.add_(away, alpha=share)
            variance.lerp_(spread + away.square(), share)
        return call.by(*used, training=False), *used

    def at_point(self, point: NoisePoint, signal: Tensor, step: int | None) -> Tensor:  # noqa: ARG002
        """Be the noise source: return a signal as the device gives it."""
        origin = self.origin(signal)
        if origin is None or point.name not in self._device.layers:
            return signal
        self.seen.note_signal(point.name, signal, is_needed=self._is_learning)
        if point.name not in self._tables:
            self._tables[point.name] = self._columns(point.name, origin)
        squares = origin.squares
        if point.name == self._last and self._draws > 1:
            signal = signal.repeat(self._draws, *[1] * (signal.dim() - 1))
            if squares is not None:
                squares = squares.repeat(self._draws, *[1] * (squares.dim() - 1))
        columns = self._tables[point.name]
        return read_out(signal, columns, origin.axis, squares, self._normals, self._strength)

    def _normals(self, signal: Tensor) -> Tensor:
        return table_draws_like(signal, NoiseKind.ADDITIVE, 1.0, self._generator)

    def _columns(self, point: str, origin: Origin) -> Columns:
        """Return what the device does at a point."""
        condition = self._chip.conditions[point]
        if self._strength < 1:
            alpha = 1 + self._strength * (condition.alpha - 1)
            spreads = {name: self._strength * z for name, z in (condition.spreads or {}).items()}
            condition = replace(condition, alpha=alpha, spreads=spreads)
        return columns_of(self._device.profile, self._array(point, origin), condition)

    def _array(self, point: str, origin: Origin | None) -> LayerArray:
        """Return a layer as it lies on its array now."""
        layer = self._device.layers[point]
        largest = layer.matrix(self._parameters).abs().amax(1, keepdim=True)
        held = self._device.ranges.of(point) or self.seen.of(point) or Range()
        weights = tuple(WeightSpec(name=name, columns=axis) for name, axis in layer.weights)
        spec = ArraySpec(
            weights=weights,
            axis=0,
            columns=layer.columns,
            fan_in=layer.fan_in,
            evaluations=1,
            input_range=held.percentile or held.largest or 1.0,
            input_max=held.largest or 1.0,
            rms=held.rms,
        )
        one = torch.ones(layer.columns)
        scale, beta = (one, one) if origin is None else (origin.scale, origin.offset)
        of_columns = (of.double().cpu().numpy() for of in (scale, beta))
        return LayerArray(spec, largest.cpu().numpy(), *of_columns)
