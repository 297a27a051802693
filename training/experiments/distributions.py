"""Distributions of the outputs of one image over many noisy passes.

Source: Qin & Vucinic, arXiv 1811.10649, Figures 4 and 5: the ten probabilities (after softmax) of
one image of a 6, for a network trained without noise and one trained with noise, at sigma 0 to 1.
The number of passes is lost; it is 1,000 here.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import softmax

from models.checkpoint import Checkpoint
from models.errors import InputError
from training.experiments.bench import Bench
from training.measure.evaluate import Caster, NumberedExamples
from training.measure.noise_setting import NoiseSetting
from training.measure.splits import Split

BINS = 20
COLUMNS = ("sigma", "class", *(f"from_{edge / BINS:g}" for edge in range(BINS)))
FOLDER = "distributions"


@dataclass(frozen=True, slots=True)
class DistributionPlan:
    """What is looked at.

    Attributes:
        label: of the image, the first one of the test split with that label.
        sigmas: one row of distributions each.
        passes: noisy passes at each sigma.
    """

    label: int = 6
    sigmas: tuple[float, ...] = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    passes: int = 1000


def run_distributions(bench: Bench, checkpoint: Checkpoint, plan: DistributionPlan) -> None:
    """Write how often each class's probability falls into each of 20 equal bins of 0 to 1.

    Raises:
        InputError: no test image has the label.
    """
    images = bench.images(checkpoint, Split.TEST)
    places = np.flatnonzero(images.examples.labels == plan.label)
    if not len(places):
        raise InputError(f"no test image has the label {plan.label}", "label")
    image = images.chosen(places[:1])
    file = bench.file(
        f"{FOLDER}/{checkpoint.name}.csv",
        checkpoint,
        COLUMNS,
        image=f"test image {image.numbers[0]}, label {plan.label}",
        passes=str(plan.passes),
    )
    left = [sigma for sigma in plan.sigmas if not file.having(sigma=sigma)]
    with bench.caster(checkpoint, Split.TEST, len(left) * plan.passes) as caster:
        for sigma in left:
            counts = histogram(caster, image, sigma, plan.passes)
            file.add(
                {"sigma": sigma, "class": label, **dict(zip(COLUMNS[2:], row, strict=True))}
                for label, row in enumerate(counts.tolist())
            )


def histogram(
    caster: Caster, image: NumberedExamples, sigma: float, passes: int
) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """Return how many passes put each class's probability into each bin ``[classes, bins]``."""
    noise = NoiseSetting(caster.checkpoint.card.noise.kind, sigma)
    (outputs,) = caster.outputs(image, noise, passes)
    caster.advance(passes)
    probabilities = softmax(outputs.astype(np.float64), axis=1)
    edges = np.linspace(0, 1, BINS + 1)
    return np.stack([np.histogram(column, edges)[0] for column in probabilities.T])
