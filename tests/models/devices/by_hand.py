"""``mnist_cnn`` on a device, step by step in NumPy and array units, apart from the product.

Nothing of ``models.devices.columns``, ``cells`` or the graphs takes part: only the draws, whose
schemes have tests of their own.
"""

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from safetensors.numpy import load

from noisevote.models.checkpoint import Checkpoint
from noisevote.models.devices.chips import Chip
from noisevote.models.devices.profile import Profile
from noisevote.models.draws.icdf16 import noise_indices
from noisevote.models.noise import VoteKey, standard_normal_table

Floats = NDArray[np.float64]

EPSILON = 1e-5
"""Of torch's batch norms."""

BATCH_NORMS = {"fc1": "norm1"}
WEIGHTS = {"fc1": "fc1.weight", "fc2": "fc2.weight"}


@dataclass(frozen=True)
class ByHand:
    """A checkpoint of ``mnist_cnn`` on a chip.

    Attributes:
        checkpoint: made ready for devices.
        profile: with polynomials for curves, pairs of cells, global compensation.
        chip: number of the chip.
        age_s: since the weights were written.
        temperature_c: of the chip.
    """

    checkpoint: Checkpoint
    profile: Profile
    chip: int
    age_s: float
    temperature_c: float

    def outputs(self, image: NDArray[np.float32], key: VoteKey) -> Floats:
        """Outputs of one vote on an image [1, 28, 28]."""
        card = self.checkpoint.card
        sizes = [int(np.prod(point.shape)) for point in card.noise_points]
        z = standard_normal_table()[noise_indices(key, sum(sizes))]
        parts = np.split(z, np.cumsum(sizes)[:-1])
        draws = {
            point.name: part.reshape(point.shape)
            for point, part in zip(card.noise_points, parts, strict=True)
        }
        signal: Floats = image.astype(np.float64)
        for name in ("conv1", "conv2"):
            signal = np.maximum(self.convolved(name, signal, draws[name]), 0)
        signal = pooled(signal)
        for name in ("conv3", "conv4"):
            signal = np.maximum(self.convolved(name, signal, draws[name]), 0)
        flat = pooled(signal).reshape(1, -1)
        hidden = np.maximum(self.read("fc1", flat, draws["fc1"][:, np.newaxis]), 0)
        return np.asarray(self.read("fc2", hidden.T, draws["fc2"][:, np.newaxis])[:, 0])

    def convolved(self, name: str, signal: Floats, z: Floats) -> Floats:
        """A convolution 3 x 3 on the device [columns, height, width]."""
        padded = np.pad(signal, ((0, 0), (1, 1), (1, 1)))
        windows = sliding_window_view(padded, (3, 3), axis=(1, 2))
        rows = windows.transpose(1, 2, 0, 3, 4).reshape(-1, signal.shape[0] * 9)
        found = self.read(name, rows, z.reshape(len(z), -1))
        return np.asarray(found.reshape(len(z), *signal.shape[1:]), np.float64)

    def read(self, name: str, inputs: Floats, z: Floats) -> Floats:
        """What comes out [columns, places] behind batch norm and noise of inputs [places, rows]."""
        of, tensors = self.profile, load(self.checkpoint.verified()["weights.safetensors"])
        matrix = tensors[WEIGHTS.get(name, f"{name}.conv.weight")].astype(np.float64)
        matrix = matrix.reshape(len(matrix), -1)
        scale, shift = np.ones(len(matrix)), tensors.get(f"{name}.bias", np.zeros(len(matrix)))
        norm = BATCH_NORMS.get(name, f"{name}.norm")
        if f"{norm}.running_var" in tensors:
            deviation = np.sqrt(tensors[f"{norm}.running_var"].astype(np.float64) + EPSILON)
            scale = tensors[f"{norm}.weight"] / deviation
            shift = tensors[f"{norm}.bias"] - tensors[f"{norm}.running_mean"] * scale
        spec = self.checkpoint.card.devices
        assert spec is not None
        full, largest = spec.arrays[name].input_range, np.abs(matrix).max(axis=1)
        x = inputs / full if of.dac is None else converted(inputs / full, of.dac.bits, 1.0)
        weights, alpha = self.cells(name, matrix / largest[:, np.newaxis])
        weights = weights * np.sign(scale)[:, np.newaxis]
        tiles = 1 if of.array.rows is None else -(-matrix.shape[1] // of.array.rows)
        own = Chip(of.digest, self.checkpoint.card.digests["weights.safetensors"], self.chip)
        spread = {
            part: own.normals(name, part, largest.shape).astype(np.float64)[:, np.newaxis]
            for part in ("gain", "offset", "offset_t")
        }
        warmer = self.temperature_c - of.temperature.reference_c if of.temperature else 0.0
        gain = of.column.gain * (1 + of.column.gain_std * spread["gain"])
        offset = of.column.offset + of.column.offset_std * spread["offset"]
        if of.temperature:
            gain = gain * (1 + of.temperature.gain_per_k * warmer)
            per_k = of.temperature.offset_per_k
            offset = offset + warmer * (
                per_k + of.temperature.offset_std_per_k * spread["offset_t"]
            )
        value = gain * (weights @ x.T) + offset
        variance = np.full(value.shape, tiles * of.read.a**2)
        if of.adc is not None:
            variance += (tiles - 1) * (2 * of.adc.bound / (2**of.adc.bits - 2)) ** 2 / 12
        variance = variance + of.read.c * np.abs(value) + (of.read.b * value) ** 2
        variance = variance + of.read.w**2 * (x**2).sum(axis=1)
        read = value + np.sqrt(variance) * z
        if of.adc is not None:
            read = converted(read, of.adc.bits, of.adc.bound, tiles)
        unit = (largest * full * np.abs(scale))[:, np.newaxis]
        return np.asarray(alpha * unit * read + shift[:, np.newaxis])

    def cells(self, name: str, target: Floats) -> tuple[Floats, float]:
        """What a chip holds for a matrix in array units, and what makes up for its drift."""
        of = self.profile
        own = Chip(of.digest, self.checkpoint.card.digests["weights.safetensors"], self.chip)
        written, held = [], []
        for sign, part in ((1, "+"), (-1, "-")):
            share = np.maximum(sign * target, 0)
            z = own.normals(name, f"program{part}", target.shape)
            g = np.maximum(of.cell.g_max_us * share + polynomial(of.program.std_us, share) * z, 0)
            written.append(sign * g)
            if of.drift:
                exponent = polynomial(of.drift.nu, share) + polynomial(
                    of.drift.nu_std, share
                ) * own.normals(name, f"nu{part}", target.shape)
                g = g * ((self.age_s + of.drift.t0_s) / of.drift.t0_s) ** -np.abs(exponent)
            held.append(sign * g)
        before, after = (np.add(*parts) / of.cell.g_max_us for parts in (written, held))
        alpha = np.abs(before).mean() / np.abs(after).mean()
        return after, float(alpha) if of.compensation == "global" else 1.0


def polynomial(curve: object, x: Floats) -> Floats:
    """A curve that is a number or has coefficients."""
    coefficients = getattr(curve, "coefficients", None) or (curve,)
    values = np.polynomial.polynomial.polyval(x, np.array(coefficients, np.float64))
    return np.asarray(values, np.float64)


def converted(value: Floats, bits: int, bound: float, tiles: int = 1) -> Floats:
    """The nearest of 2^bits - 1 levels."""
    step = 2 * bound / (2**bits - 2)
    return np.asarray(np.clip(np.round(value / step) * step, -tiles * bound, tiles * bound))


def pooled(signal: Floats) -> Floats:
    """The largest of each 2 x 2 places."""
    channels, height, width = signal.shape
    return np.asarray(signal.reshape(channels, height // 2, 2, width // 2, 2).max(axis=(2, 4)))
