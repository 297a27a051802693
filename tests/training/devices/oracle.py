"""Devices by their formulas, in double precision: what graphs must agree with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from noisevote.models.device_specs import CONVERTING, ROWS, DevicesSpec, Level

EFFECTS = 0.3
"""Size of the effects that are drawn, relative to signals."""


@dataclass(frozen=True)
class Drawn:
    """A device that was drawn: its tables, converters and noise, by point."""

    level: Level
    tables: Mapping[str, NDArray[np.float32]]
    dac: Mapping[str, NDArray[np.float32]]
    noise: Mapping[str, NDArray[np.float32]]
    axes: Mapping[str, int]

    def feed(self) -> dict[str, NDArray[np.float32]]:
        """What the graph takes."""
        given = {f"noise.{name}": array for name, array in self.noise.items()}
        given |= {f"device.{name}": array for name, array in self.tables.items()}
        if self.level in CONVERTING:
            given |= {f"dac.{name}": array for name, array in self.dac.items()}
        return given

    def enters(self, point: str, x: Tensor) -> Tensor:
        """What enters the array of a point."""
        if self.level not in CONVERTING:
            return x
        step, low, high = self.dac[point].astype(np.float64)
        return (torch.round(x / step) * step).clip(low, high) if step else x

    def acts(
        self,
        point: str,
        x: Tensor | list[Tensor],
        multiply: Callable[..., Tensor],
        ones: Callable[..., Tensor],
        scale: Any = 1.0,
        offset: Any = 0.0,
        step: int | None = None,
    ) -> Tensor:
        """What leaves the noise point.

        Args:
            point: its name.
            x: what enters the layer; several where products are summed.
            multiply: returns the product.
            ones: the same with weights of 1.
            scale: that follows the product, as it broadcasts to it.
            offset: likewise.
            step: of the point's noise.
        """
        entering = [self.enters(point, each) for each in (x if isinstance(x, list) else [x])]
        y: Tensor = scale * multiply(*entering) + offset
        axis = self.axes[point] + 1 - (step is not None)
        rows: dict[str, Tensor] = {
            name: torch.from_numpy(row.astype(np.float64)).reshape(-1, *[1] * (y.ndim - axis - 1))
            for name, row in zip(ROWS[self.level], self.tables[point], strict=True)
        }
        z = torch.from_numpy(self.noise[point].astype(np.float64))
        z = z if step is None else z[:, step]
        if self.level == "column":
            summed: Tensor = y * rows["gain"] + rows["offset"] + rows["deviation"] * z
            return summed
        v = rows["gain"] * (y - rows["beta"]) + rows["offset"]
        variance = rows["a2"] + rows["c"] * v.abs() + rows["b2"] * v**2
        if "w2" in rows:
            variance = variance + rows["w2"] * ones(*(each**2 for each in entering))
        q = v + torch.sqrt(variance) * z
        if self.level in CONVERTING:
            divisor = torch.where(rows["step"] > 0, rows["step"], 1.0)
            levels = torch.floor(q / divisor + rows["half"]) * divisor
            q = torch.where(rows["step"] > 0, levels.clip(rows["low"], rows["high"]), q)
        left: Tensor = rows["alpha"] * q + rows["beta"]
        return left


def drawn(
    level: Level,
    devices: DevicesSpec,
    scales: Mapping[str, NDArray[np.float32]],
    shapes: Mapping[str, tuple[int, ...]],
    rows: int,
    seed: int = 0,
) -> Drawn:
    """Draw a device for all points; every third column has no ADC."""
    generator = np.random.default_rng(seed)
    tables, dac = {}, {}
    for name, array in devices.arrays.items():
        count, size = array.columns, array.rms
        bound = generator.uniform(2, 4, count) * size
        own: dict[str, Any] = {
            "gain": generator.uniform(0.7, 1.3, count),
            "offset": generator.normal(0, EFFECTS * size, count),
            "deviation": generator.uniform(0, EFFECTS * size, count),
            "a2": generator.uniform(0, EFFECTS * size, count) ** 2,
            "c": generator.uniform(0, EFFECTS, count) * size,
            "b2": generator.uniform(0, EFFECTS, count) ** 2,
            "alpha": generator.uniform(0.8, 1.5, count),
            "beta": scales[f"{name}.offset"],
            "w2": generator.uniform(0, EFFECTS, count) ** 2 / array.fan_in,
            "step": bound / 32 * (np.arange(count) % 3 > 0),
            "low": -bound,
            "high": bound,
            "half": generator.choice([0.0, 0.5], count),
        }
        tables[name] = np.stack([own[row] for row in ROWS[level]]).astype(np.float32)
        dac[name] = np.array([array.input_range / 16, -array.input_range, array.input_range])
    noise = {
        name: generator.standard_normal((rows, *shape), np.float32)
        for name, shape in shapes.items()
    }
    return Drawn(
        level,
        tables,
        {name: values.astype(np.float32) for name, values in dac.items()},
        noise,
        {name: array.axis for name, array in devices.arrays.items()},
    )
