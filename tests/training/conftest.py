"""A small made-up data set in the official format, and a recipe that learns it in seconds."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from noisevote.models.data.dataset import LoadedDataset
from noisevote.models.data.datasets import load_dataset
from noisevote.models.noise import NoiseKind
from noisevote.training.recipes.recipe import Hardening, Recipe, Schedule

TRAIN_IMAGES, TEST_IMAGES = 384, 64

torch.set_num_threads(1)


def idx(array: NDArray[np.uint8]) -> bytes:
    """An IDX file of unsigned bytes."""
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    return header + array.tobytes()


def made_up(count: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Pictures with a bright bar whose row is the class, on a noisy ground."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 10, count).astype(np.uint8)
    pictures = generator.integers(0, 60, (count, 28, 28)).astype(np.uint8)
    for picture, label in zip(pictures, labels, strict=True):
        picture[4 + 2 * label : 6 + 2 * label, 4:24] = 255
    return pictures, labels


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with four MNIST files, one of them not gzipped."""
    folder = tmp_path_factory.mktemp("data")
    for prefix, count, seed in (("train", TRAIN_IMAGES, 1), ("t10k", TEST_IMAGES, 2)):
        pictures, labels = made_up(count, seed)
        (folder / f"{prefix}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(pictures)))
        (folder / f"{prefix}-labels-idx1-ubyte").write_bytes(idx(labels))
    return folder


@pytest.fixture(scope="session")
def dataset(data: Path) -> LoadedDataset:
    return load_dataset("mnist", data, allow_unknown=True)


@pytest.fixture(scope="session")
def recipe() -> Recipe:
    return Recipe(
        "small",
        network="mnist_cnn",
        dataset="mnist",
        hardening=Hardening(NoiseKind.MULTIPLICATIVE, 0.5, loss="marginal", output_draws=4),
        schedule=Schedule(epochs=2, batch_size=64, learning_rate=1e-2),
        validation_images=64,
        options={"fc_units": 32},
    )
