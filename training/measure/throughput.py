"""What the noise costs a training, and what compiled kernels spare it: two ways side by side.

Short blocks of steps in either way take turns in one process, so that whatever else the machine
does slows both alike. Each pair of neighbouring blocks gives one ratio. On one CPU thread the
process's own time is taken.
"""

import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from noisevote.models.data.dataset import Examples
from noisevote.models.data.datasets import DATASETS
from noisevote.models.statistics import student_interval
from noisevote.training.fit.loop import take_step
from noisevote.training.fit.run import Run, prepare
from noisevote.training.fit.sources import Sources
from noisevote.training.kernels.library import CHOICE
from noisevote.training.recipes.recipe import Recipe
from noisevote.training.recipes.vary import vary

Rival = Literal["noiseless", "torch"]
"""What a recipe's steps are compared with."""

ALPHA = 0.05
"""Chance that the interval misses."""

BATCHES = 4
"""Batches of made-up examples that the steps take in turn."""


@dataclass(frozen=True, slots=True)
class Throughput:
    """Measured speeds of a training.

    Attributes:
        one: images per second of the recipe as it is.
        other: images per second of what it is compared with.
        ratio: geometric mean over the pairs of blocks of the one over the other.
        interval: interval of the ratio, from Student's t over the logarithms of the pairs, at 95 %.
        pairs: number of pairs of blocks.
    """

    one: float
    other: float
    ratio: float
    interval: tuple[float, float]
    pairs: int


def measure_throughput(
    recipe: Recipe,
    steps: int,
    pairs: int,
    accelerator: torch.device,
    after_pair: Callable[[], None] = lambda: None,
    against: Rival = "noiseless",
) -> Throughput:
    """Time the steps of a recipe in two ways.

    Args:
        recipe: recipe whose network, batch size, loss and noise are taken.
        steps: steps of each block.
        pairs: pairs of blocks, at least 2; the first pair warms up and is left out.
        accelerator: where networks learn.
        after_pair: called after each pair, to show progress.
        against: what it is compared with: ``noiseless`` is the same without noise, ``torch`` the
            same without the compiled kernels of ``training.kernels.densenet``.
    """
    settings = {"hardening.sigma_train": 0.0} if against == "noiseless" else {}
    with TemporaryDirectory() as folder:
        runs = [
            prepare(each, made_up(each), Path(folder), accelerator, math.inf, Sources())
            for each in (recipe, vary(recipe, settings))
        ]
    seconds = []
    for pair in range(pairs + 1):
        # The order changes from pair to pair, so that neither always follows the other.
        order = (0, 1) if pair % 2 else (1, 0)
        measured = {}
        for each in order:
            with without_kernels() if each and against == "torch" else nullcontext():
                measured[each] = seconds_of(runs[each], steps)
        if pair:
            seconds.append((measured[0], measured[1]))
        after_pair()
    return summary(np.array(seconds), steps * recipe.schedule.batch_size)


@contextmanager
def without_kernels() -> Iterator[None]:
    """Leave all steps to torch for the duration of the block."""
    before = os.environ.get(CHOICE)
    os.environ[CHOICE] = "off"
    try:
        yield
    finally:
        if before is None:
            del os.environ[CHOICE]
        else:
            os.environ[CHOICE] = before


def summary(seconds: NDArray[np.float64], images: int) -> Throughput:
    """Summarise the times ``[pairs, 2]`` of blocks of ``images``, in the one way and the other."""
    logarithms = np.log(seconds[:, 1] / seconds[:, 0])
    pairs = len(logarithms)
    low, high = map(math.exp, student_interval(logarithms, ALPHA))
    one, other = images * pairs / seconds.sum(axis=0)
    return Throughput(float(one), float(other), math.exp(logarithms.mean()), (low, high), pairs)


def seconds_of(run: Run, steps: int) -> float:
    """Return how long a run takes for so many steps."""
    batch_size = run.recipe.schedule.batch_size
    places = torch.arange(len(run.train), device=run.accelerator)
    run.progress.network.train()
    clock = clock_of(run.accelerator)
    began = clock()
    for step in range(steps):
        first = step % BATCHES * batch_size
        # Asking for the loss waits until the accelerator has done the step.
        take_step(run, places[first : first + batch_size]).item()
    return clock() - began


def clock_of(accelerator: torch.device) -> Callable[[], float]:
    """Return the clock that fits: one thread's own time does not run while others have the core."""
    is_alone = accelerator.type == "cpu" and torch.get_num_threads() == 1
    return time.process_time if is_alone else time.perf_counter


def made_up(recipe: Recipe) -> Examples:
    """Return random examples of a data set's shape, a few batches and one to look at."""
    dataset = DATASETS[recipe.dataset]
    count = BATCHES * recipe.schedule.batch_size + recipe.validation_images
    generator = np.random.default_rng(0)
    labels = generator.integers(0, len(dataset.labels), count)
    shape = (count, *dataset.shape)
    if dataset.has_pictures:
        return Examples(generator.integers(0, 256, shape, dtype=np.uint8), labels)
    return Examples(generator.standard_normal(shape, dtype=np.float32), labels)
