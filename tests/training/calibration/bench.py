"""Simulated devices of known truth, drawn without any code that estimates."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from noisevote.training.calibration.calibrate import Calibration
from noisevote.training.calibration.intervals import Estimate
from noisevote.training.calibration.measurements import Measurements

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Truth:
    """What a device does, in array units."""

    gain: float = 1.05
    gain_spread: float = 0.03
    offset: float = 0.02
    offset_spread: float = 0.05
    frozen: float = 0.01
    a: float = 0.05
    b: float = 0.03
    c: float = 0.002

    def means(self, ideal: Floats, generator: np.random.Generator) -> Floats:
        columns = ideal.shape[1]
        gain = self.gain + self.gain_spread * generator.standard_normal(columns)
        offset = self.offset + self.offset_spread * generator.standard_normal(columns)
        return np.asarray(
            gain * ideal + offset + self.frozen * generator.standard_normal(ideal.shape)
        )

    def deviation(self, means: Floats) -> Floats:
        return np.sqrt(self.a**2 + self.c * np.abs(means) + (self.b * means) ** 2)

    def readings(
        self, repeats: int, generator: np.random.Generator, vectors: int = 100, columns: int = 16
    ) -> tuple[Floats, Floats]:
        """Return ideal results and readings."""
        ideal = generator.standard_normal((vectors, columns))
        means = self.means(ideal, generator)
        z = generator.standard_normal((repeats, *means.shape))
        return ideal, means + self.deviation(means) * z


def measurements(ideal: Floats, readings: Floats) -> Measurements:
    return Measurements(ideal, readings[None])


def held(found: Calibration, truth: Truth) -> dict[str, bool]:
    """Return which intervals hold the truth."""
    noise = found.noise
    pairs: dict[str, tuple[Estimate, float]] = {
        "gain": (found.gain, truth.gain),
        "gain_spread": (found.gain_spread, truth.gain_spread / truth.gain),
        "offset": (found.offset, truth.offset),
        "offset_spread": (found.offset_spread, truth.offset_spread),
        "frozen": (noise.frozen_std, truth.frozen),
        "a": (noise.a, truth.a),
        "b": (noise.b, truth.b),
        "c": (noise.c, truth.c),
    }
    return {name: estimate.has(value) for name, (estimate, value) in pairs.items()}
