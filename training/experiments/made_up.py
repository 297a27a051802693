"""Made-up data and small networks: every experiment runs on them in seconds.

What they measure means nothing; it shows that the whole path works, from training to the page.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from noisevote.models.data.dataset import Examples, LoadedDataset
from noisevote.models.data.datasets import find_dataset
from noisevote.training.fit.sources import RUN_PREFIX
from noisevote.training.recipes.recipe import Recipe
from noisevote.training.recipes.table import RECIPES

TRAIN_IMAGES, TEST_IMAGES, VALIDATION_IMAGES = 256, 64, 64
EPOCHS, BATCH_SIZE = 1, 32
LOSSY_COPIES = {"cifar10"}
"""Data sets that bring some test examples with exact pixels, too."""

SMALL_OPTIONS = {"mnist_cnn": {"fc_units": 32}, "stroke_lstm": {"units": 16}}


def made_up_dataset(name: str) -> LoadedDataset:
    """Return examples that are patterns, one a class, under noise."""
    about = replace(find_dataset(name), licence="made up")
    low, high = about.range
    generator = np.random.default_rng(0)
    patterns = generator.uniform(low, high, (len(about.labels), *about.shape))

    def examples(count: int) -> Examples:
        labels = generator.integers(0, len(patterns), count)
        noise = generator.uniform(low, high, (count, *about.shape))
        mixed = 0.7 * patterns[labels] + 0.3 * noise
        stored = as_pictures(mixed) if about.has_pictures else mixed.astype(np.float32)
        return Examples(stored, labels)

    exact_test = examples(TEST_IMAGES) if name in LOSSY_COPIES else None
    return LoadedDataset(
        about, examples(TRAIN_IMAGES), examples(TEST_IMAGES), {}, False, exact_test
    )


def as_pictures(values: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return values of 0 to 1 as they are stored."""
    return (255 * values).astype(np.uint8)


def shrunk(recipe: Recipe) -> Recipe:
    """Return a recipe with the same hardening that trains in about a second.

    What it starts from is a run that is as small, and no shipped checkpoint.
    """
    schedule = replace(recipe.schedule, epochs=EPOCHS, batch_size=BATCH_SIZE, precision="float32")
    options = {**SMALL_OPTIONS.get(recipe.network, {}), **recipe.options}
    warm_start = recipe.warm_start
    if warm_start in RECIPES:
        warm_start = f"{RUN_PREFIX}{warm_start}"
    return replace(
        recipe,
        schedule=schedule,
        options=options,
        validation_images=VALIDATION_IMAGES,
        warm_start=warm_start,
    )
