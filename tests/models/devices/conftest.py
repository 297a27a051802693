"""A shipped checkpoint, its runtime on devices, and images."""

from typing import Any

import numpy as np
import pytest

from noisevote.models.checkpoint import Checkpoint, CheckpointStore
from noisevote.models.devices.runtime import DeviceRuntime
from noisevote.models.devices.runtimes import DeviceRuntimes
from tests.models.devices.support import NAME

IMAGES = 3


@pytest.fixture(scope="module")
def checkpoint(store: CheckpointStore) -> Checkpoint:
    return store.find(NAME)


@pytest.fixture(scope="module")
def runtime(checkpoint: Checkpoint) -> DeviceRuntime:
    return DeviceRuntimes().of(checkpoint)


@pytest.fixture(scope="module")
def images() -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.random.default_rng(5).random((IMAGES, 1, 28, 28), np.float32)
