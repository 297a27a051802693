"""What the noise costs a training: images per second with it and without, side by side.

Short blocks of steps with noise and without take turns in one process, so that whatever else the
machine does slows both alike. Each pair of neighbouring blocks gives one ratio. On one CPU thread
the process's own time is taken.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import stdtrit

from models.datasets import Examples
from models.networks.registry import NETWORKS
from training.loop import take_step
from training.recipes import Recipe
from training.run import Run, prepare
from training.sources import Sources
from training.variation import vary

CONFIDENCE = 0.95
BATCHES = 4
"""Batches of made-up examples that the steps take in turn."""


@dataclass(frozen=True, slots=True)
class Throughput:
    """Measured speeds of a training.

    Attributes:
        noisy: images per second with noise.
        noiseless: images per second without.
        ratio: geometric mean over the pairs of blocks of the one over the other.
        interval: of the ratio, from Student's t over the logarithms of the pairs, at 95 %.
        pairs: of blocks.
    """

    noisy: float
    noiseless: float
    ratio: float
    interval: tuple[float, float]
    pairs: int


def measure_throughput(
    recipe: Recipe,
    steps: int,
    pairs: int,
    device: torch.device,
    after_pair: Callable[[], None] = lambda: None,
) -> Throughput:
    """Time the steps of a recipe with its noise and without.

    Args:
        recipe: whose network, batch size, loss and noise are taken.
        steps: of each block.
        pairs: of blocks, at least 2; the first pair warms up and is left out.
        device: torch device.
        after_pair: called after each pair, to show progress.
    """
    quiet = vary(recipe, {"hardening.sigma_train": 0.0})
    with TemporaryDirectory() as folder:
        runs = [
            prepare(each, made_up(each), Path(folder), device, math.inf, Sources())
            for each in (recipe, quiet)
        ]
    seconds = []
    for pair in range(pairs + 1):
        # The order changes from pair to pair, so that neither always follows the other.
        order = (0, 1) if pair % 2 else (1, 0)
        measured = {each: seconds_of(runs[each], steps) for each in order}
        if pair:
            seconds.append((measured[0], measured[1]))
        after_pair()
    return summary(np.array(seconds), steps * recipe.schedule.batch_size)


def summary(seconds: NDArray[np.float64], images: int) -> Throughput:
    """Summarise the times ``[pairs, 2]`` of blocks of ``images``, with noise and without."""
    logarithms = np.log(seconds[:, 1] / seconds[:, 0])
    pairs = len(logarithms)
    centre = float(logarithms.mean())
    quantile = float(stdtrit(pairs - 1, (1 + CONFIDENCE) / 2))
    half = quantile * float(logarithms.std(ddof=1)) / math.sqrt(pairs)
    noisy, noiseless = images * pairs / seconds.sum(axis=0)
    interval = math.exp(centre - half), math.exp(centre + half)
    return Throughput(float(noisy), float(noiseless), math.exp(centre), interval, pairs)


def seconds_of(run: Run, steps: int) -> float:
    """Return how long a run takes for so many steps."""
    batch_size = run.recipe.schedule.batch_size
    places = torch.arange(len(run.train), device=run.device)
    run.progress.network.train()
    clock = clock_of(run.device)
    began = clock()
    for step in range(steps):
        first = step % BATCHES * batch_size
        # Asking for the loss waits until the device has done the step.
        take_step(run, places[first : first + batch_size]).item()
    return clock() - began


def clock_of(device: torch.device) -> Callable[[], float]:
    """Return the clock that fits: one thread's own time does not run while others have the core."""
    is_alone = device.type == "cpu" and torch.get_num_threads() == 1
    return time.process_time if is_alone else time.perf_counter


def made_up(recipe: Recipe) -> Examples:
    """Return random examples of a network's shape, a few batches and one to look at."""
    network = NETWORKS[recipe.network]
    count = BATCHES * recipe.schedule.batch_size + recipe.validation_images
    generator = np.random.default_rng(0)
    labels = generator.integers(0, len(network.labels), count)
    shape = (count, *network.input_shape)
    if len(network.input_shape) == 3:
        return Examples(generator.integers(0, 256, shape, dtype=np.uint8), labels)
    return Examples(generator.standard_normal(shape, dtype=np.float32), labels)
