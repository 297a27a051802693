"""Midpoint noise level of each noise point: how much noise it stands while all others are silent.

Noise enters at one point at a time, sigma is swept, and the accuracy is fitted by

    acc(s) = floor + (clean - floor) / (1 + (s / s50)^k)

The midpoint s50 is where half of what the network loses is lost; k says how sharply. Source: the
idea is that of Walking Noise (arXiv 2212.10430), the formula is ours. It is fitted twice: with the
floor at chance, and with a free floor, since multiplicative noise, however strong, leaves half of
the signs as they were and a network need not fall to chance. Intervals are from a bootstrap over
the images.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import curve_fit

from models.checkpoint import Checkpoint
from models.errors import DataError
from training.experiments.bench import SEEDS, Bench
from training.measure.noise_setting import NoiseSetting
from training.measure.results import SHARE_COLUMNS, read_table, share
from training.measure.splits import Split

SWEEP_COLUMNS = ("point", "sigma", *SHARE_COLUMNS)
FIT_COLUMNS = (
    "point", "floor_is", "s50", "s50_low", "s50_high", "k", "k_low", "k_high", "floor", "clean",
    "rms_error",
)  # fmt: skip
FOLDER = "midpoints"
QUANTILES = (0.025, 0.975)
MARGIN = 1e-3
MOST_STEEP = 30.0


class Floor(StrEnum):
    """What the accuracy falls to under the strongest noise."""

    CHANCE = "chance"
    FREE = "free"


@dataclass(frozen=True, slots=True)
class MidpointPlan:
    """What is swept.

    Attributes:
        sigmas: strengths of the noise at the one point.
        images: of the split, spread over it.
        split: ``validation``, since the search for repeats starts from the midpoints.
        resamples: of the bootstrap.
    """

    sigmas: tuple[float, ...] = tuple(np.geomspace(0.1, 100, 19).round(4).tolist())
    images: int = 1000
    split: Split = Split.VALIDATION
    resamples: int = 200


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """How the accuracy falls with the noise at one point.

    Attributes:
        s50: the midpoint.
        k: the steepness.
        floor: accuracy under the strongest noise.
        clean: accuracy without noise.
    """

    s50: float
    k: float
    floor: float
    clean: float

    def accuracy(self, sigma: float) -> float:
        """Return the expected accuracy at ``sigma``."""
        exponent = min(self.k * math.log(sigma / self.s50), 50.0) if sigma > 0 else -math.inf
        return self.floor + (self.clean - self.floor) / (1 + math.exp(exponent))

    def kept(self, sigma: float) -> float:
        """Return the share of the clean accuracy that is left at ``sigma``."""
        return self.accuracy(sigma) / self.clean


def run_midpoints(bench: Bench, checkpoint: Checkpoint, plan: MidpointPlan) -> None:
    """Write the sweep of every noise point and its fit."""
    images, _ = bench.images(checkpoint, plan.split).spread(plan.images)
    kind = checkpoint.card.noise.kind
    about = {
        "noise": f"{kind}, at one noise point at a time",
        "split": f"{plan.split}, {len(images)} images spread over it, seed {SEEDS[plan.split]}",
    }
    name = f"{FOLDER}/{checkpoint.name}"
    sweep = bench.file(f"{name}-sweep.csv", checkpoint, SWEEP_COLUMNS, **about)
    bootstrap = f"{plan.resamples} resamples of the images, seed 0"
    fits = bench.file(f"{name}.csv", checkpoint, FIT_COLUMNS, **about, bootstrap=bootstrap)
    points = [point.name for point in checkpoint.card.noise_points]
    left = [point for point in points if not fits.having(point=point)]
    total = (1 + len(left) * len(plan.sigmas)) * len(images)
    with bench.caster(checkpoint, plan.split, total) as caster:
        clean = caster.cast(images, NoiseSetting(kind, 0.0), 1).is_correct(1)
        for point in left:
            right = np.stack(
                [
                    caster.cast(images, NoiseSetting(kind, {point: sigma}), 1).is_correct(1)
                    for sigma in plan.sigmas
                ]
            )
            sweep.drop(point=point)
            sweep.add(
                {"point": point, "sigma": sigma, **share(int(row.sum()), len(images))}
                for sigma, row in zip((0.0, *plan.sigmas), [clean, *right], strict=True)
            )
            chance = 1 / len(checkpoint.card.labels)
            fits.add({"point": point, **row} for row in fit_rows(plan, clean, right, chance))


def fit_rows(
    plan: MidpointPlan, clean: NDArray[np.bool_], right: NDArray[np.bool_], chance: float
) -> list[dict[str, object]]:
    """Return both fits of one point with their intervals.

    Args:
        plan: sigmas and resamples.
        clean: whether each image is right without noise ``[images]``.
        right: whether it is right at each sigma ``[sigmas, images]``.
        chance: accuracy of a guess.
    """
    sigmas = np.array(plan.sigmas)
    rows: list[dict[str, object]] = []
    for floor in Floor:
        sweep = Sweep(sigmas, right.mean(axis=1), float(clean.mean()), chance)
        fitted = sweep.fit(floor)
        generator = np.random.default_rng(0)
        resampled = []
        for _ in range(plan.resamples):
            picked = generator.integers(0, len(clean), len(clean))
            again = Sweep(
                sigmas, right[:, picked].mean(axis=1), float(clean[picked].mean()), chance
            ).fit(floor)
            resampled.append((again.s50, again.k))
        (s50_low, k_low), (s50_high, k_high) = np.quantile(resampled, QUANTILES, axis=0).tolist()
        rows.append(
            {
                "floor_is": floor,
                "s50": fitted.s50,
                "s50_low": s50_low,
                "s50_high": s50_high,
                "k": fitted.k,
                "k_low": k_low,
                "k_high": k_high,
                "floor": fitted.floor,
                "clean": sweep.clean,
                "rms_error": sweep.rms_error(fitted),
            }
        )
    return rows


@dataclass(frozen=True, slots=True)
class Sweep:
    """Accuracies over the noise at one point.

    Attributes:
        sigmas: positive ``[sigmas]``.
        accuracies: measured ``[sigmas]``.
        clean: accuracy without noise.
        chance: accuracy of a guess.
    """

    sigmas: NDArray[np.float64]
    accuracies: NDArray[np.float64]
    clean: float
    chance: float

    def fit(self, floor: Floor) -> Sensitivity:
        """Fit midpoint, steepness and floor; the first two in logarithms, so they stay positive.

        Args:
            floor: whether it is chance, or free between chance and the clean accuracy.
        """
        top = max(self.clean, self.chance + MARGIN)
        is_free = floor is Floor.FREE

        def curve(
            log_sigma: NDArray[np.float64], log_s50: float, log_k: float, *free: float
        ) -> NDArray[np.float64]:
            base = free[0] if free else self.chance
            exponent = np.clip(np.exp(log_k) * (log_sigma - log_s50), -50, 50)
            expected: NDArray[np.float64] = base + (top - base) / (1 + np.exp(exponent))
            return expected

        log_sigma = np.log(self.sigmas)
        base = min(max(float(self.accuracies[-1]), self.chance), top - MARGIN / 2)
        half = (top + (base if is_free else self.chance)) / 2
        start = [log_sigma[np.abs(self.accuracies - half).argmin()], 0.5, base]
        low = [log_sigma[0] - 3, np.log(0.1), self.chance - 1e-9]
        high = [log_sigma[-1] + 5, np.log(MOST_STEEP), top]
        count = 3 if is_free else 2
        parameters, _ = curve_fit(
            curve,
            log_sigma,
            self.accuracies,
            p0=start[:count],
            bounds=(low[:count], high[:count]),
            maxfev=5000,
        )
        found = parameters.tolist()
        return Sensitivity(
            float(np.exp(found[0])),
            float(np.exp(found[1])),
            found[2] if is_free else self.chance,
            self.clean,
        )

    def rms_error(self, fitted: Sensitivity) -> float:
        """Return the root mean square error of a fit."""
        expected = [fitted.accuracy(sigma) for sigma in self.sigmas.tolist()]
        return float(np.sqrt(np.mean((self.accuracies - expected) ** 2)))


def sensitivities_of(bench: Bench, checkpoint: Checkpoint) -> dict[str, Sensitivity]:
    """Return the measured sensitivity of each noise point.

    Raises:
        DataError: they are not measured, or on other weights.
    """
    path = bench.results / FOLDER / f"{checkpoint.name}.csv"
    command = f"noisevote-train experiment midpoints {checkpoint.name}"
    if not path.is_file():
        raise DataError(f"{path} is missing; measure the midpoints first: {command}")
    table = read_table(path)
    if table.about.get("checkpoint") != f"{checkpoint.name}, {checkpoint.fingerprint}":
        raise DataError(f"{path} is of other weights; delete it and run: {command}")
    found = {
        row["point"]: Sensitivity(*(float(row[key]) for key in ("s50", "k", "floor", "clean")))
        for row in table.rows
        if row["floor_is"] == Floor.FREE
    }
    missing = [point.name for point in checkpoint.card.noise_points if point.name not in found]
    if missing:
        raise DataError(f"{path} lacks {', '.join(missing)}; go on with: {command}")
    return found
