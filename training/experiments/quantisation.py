"""Quantisation-aware against noisy training, over absolute and over relative noise.

Source: Wang et al., arXiv 2501.14531: additive noise of an absolute sigma at every noise point, on
a logarithmic grid, for networks trained in several ways. A network with larger signals stands more
absolute noise without being more robust, so the same networks are also measured under noise of the
same ratio to the root mean square of the signal at each noise point (measured without noise on
validation images).
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.checkpoint import Checkpoint
from models.data.dataset import as_inputs
from models.networks.noise_points import NoisePoint, noise_from
from models.networks.trained import load_network
from models.noise import NoiseKind
from training.experiments.bench import SEEDS, Bench
from training.measure.evaluate import NumberedExamples
from training.measure.noise_setting import NoiseSetting, Sigma
from training.measure.results import SHARE_COLUMNS, share
from training.measure.splits import Split

COLUMNS = ("view", "sigma", *SHARE_COLUMNS)
RMS_COLUMNS = ("point", "rms")
FOLDER = "quantisation"
ABSOLUTE, RELATIVE = "absolute", "relative"
RMS_IMAGES = 1000
RMS_BATCH = 250


@dataclass(frozen=True, slots=True)
class QuantisationPlan:
    """What is measured: one pass on ``images`` test images spread over the split.

    Attributes:
        sigmas: absolute, at all noise points.
        ratios: of sigma to the root mean square of the signal of each noise point.
        images: of the test split.
    """

    sigmas: tuple[float, ...] = tuple(np.geomspace(1e-2, 1e2, 17).tolist())
    ratios: tuple[float, ...] = tuple(np.geomspace(1e-1, 1e1, 13).tolist())
    images: int = 2000


def run_quantisation(bench: Bench, name: str, plan: QuantisationPlan) -> None:
    """Measure the network of one recipe, trained if it is missing.

    Args:
        bench: where.
        name: of a shipped checkpoint, of one in the folder of runs, or of a recipe.
        plan: what is measured.
    """
    checkpoint = bench.found_or_trained(name)
    images, _ = bench.images(checkpoint, Split.TEST).spread(plan.images)
    rms = signal_rms(bench, checkpoint)
    file = bench.file(
        f"{FOLDER}/{name}.csv",
        checkpoint,
        COLUMNS,
        noise=f"{NoiseKind.ADDITIVE}, one pass",
        split=f"test, {len(images)} images spread over it, seed {SEEDS[Split.TEST]}",
    )
    settings: list[tuple[str, float, Sigma]] = [(ABSOLUTE, s, s) for s in (0.0, *plan.sigmas)]
    settings += [
        (RELATIVE, ratio, {point: ratio * value for point, value in rms.items()})
        for ratio in plan.ratios
    ]
    left = [entry for entry in settings if not file.having(view=entry[0], sigma=entry[1])]
    with bench.caster(checkpoint, Split.TEST, len(left) * len(images)) as caster:
        for view, value, sigma in left:
            votes = caster.cast(images, NoiseSetting(NoiseKind.ADDITIVE, sigma), 1)
            file.add([{"view": view, "sigma": value, **share(votes.correct(1), len(images))}])


def signal_rms(bench: Bench, checkpoint: Checkpoint) -> dict[str, float]:
    """Return the root mean square of each noise point's signal, and store it."""
    file = bench.file(
        f"{FOLDER}/{checkpoint.name}-rms.csv",
        checkpoint,
        RMS_COLUMNS,
        split=f"validation, {RMS_IMAGES} images spread over it, without noise",
    )
    if not file.rows:
        images, _ = bench.images(checkpoint, Split.VALIDATION).spread(RMS_IMAGES)
        measured = rms_of(checkpoint, images)
        file.add({"point": point, "rms": value} for point, value in measured.items())
    return {row["point"]: float(row["rms"]) for row in file.rows}


def rms_of(checkpoint: Checkpoint, images: NumberedExamples) -> dict[str, float]:
    """Return the root mean square of each noise point's signal without noise."""
    network = load_network(checkpoint.folder, checkpoint.card)
    squares: dict[str, float] = {}
    elements: dict[str, int] = {}

    def listen(point: NoisePoint, signal: Tensor, _: int | None) -> Tensor:
        squares[point.name] = squares.get(point.name, 0.0) + float(signal.double().square().sum())
        elements[point.name] = elements.get(point.name, 0) + signal.numel()
        return signal

    inputs = torch.from_numpy(as_inputs(images.examples.inputs))
    with torch.inference_mode(), noise_from(network, listen):
        for first in range(0, len(inputs), RMS_BATCH):
            network(inputs[first : first + RMS_BATCH])
    return {name: (squares[name] / elements[name]) ** 0.5 for name in squares}
