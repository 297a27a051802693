"""The samples of an assessment: uploaded, from a file, or those of a data set."""

import logging
from math import prod
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from noisevote.models.card import Card
from noisevote.models.checkpoint import Checkpoint
from noisevote.models.data.dataset import as_inputs
from noisevote.models.data.datasets import DATASETS, load_dataset
from noisevote.models.data.files import DATA_DIR_VARIABLE, data_dir, without_downloads
from noisevote.models.errors import DataError, InputError, LimitError
from noisevote.models.robustness.ball import Samples, samples_for
from noisevote.service.configuration.settings import Settings
from noisevote.service.prediction.arrays import arrays_of
from noisevote.service.wire.attack import AttackRequest
from noisevote.service.wire.requests import shortened

log = logging.getLogger("noisevote")

DEFAULT_IMAGES = 200

ROWS = 2
"""Axes of features."""


def samples_of(asked: AttackRequest, target: Checkpoint, settings: Settings) -> tuple[Samples, str]:
    """Return the samples and what they are, in words.

    Raises:
        InputError: they do not fit the target, or the server does not have them.
        LimitError: there are too many.
    """
    if asked.dataset is not None and asked.dataset not in DATASETS:
        raise InputError(
            f"there is no data set {shortened(asked.dataset)}; known are: {', '.join(DATASETS)}",
            "dataset",
        )
    count = (asked.images or DEFAULT_IMAGES) if asked.inputs is None else len(asked.inputs)
    field = "images" if asked.inputs is None else "inputs"
    if count > settings.max_attack_samples:
        raise LimitError(
            f"{count} samples are too many; allowed are {settings.max_attack_samples}", field
        )
    if asked.inputs is None:
        return known_samples(asked.dataset or "", count, target, settings)
    inputs = arrays_of(asked.inputs, target.card)[target.card.input.name]
    return samples_for(target.card, inputs, labels_of(asked.labels or [], target.card)), "uploaded"


def labels_of(labels: list[int], card: Card) -> NDArray[np.int64]:
    """Return labels ``[n]``.

    Raises:
        InputError: one of them is no class of the target.
    """
    classes = len(card.labels)
    wrong = next((index for index, label in enumerate(labels) if not 0 <= label < classes), None)
    if wrong is not None:
        raise InputError(
            f"labels[{wrong}] is {shortened(labels[wrong])}; checkpoint {card.name} has the "
            f"classes 0 to {classes - 1}",
            "labels",
        )
    return np.array(labels, np.int64)


def known_samples(
    dataset: str, count: int, target: Checkpoint, settings: Settings
) -> tuple[Samples, str]:
    """Return the first test images of a data set of the server."""
    try:
        with without_downloads():
            samples = dataset_samples(target, dataset, count, settings.data_dir)
    except DataError as error:
        log.warning("data set %s cannot be used: %s", dataset, error)
        raise InputError(
            f"the data set {dataset} is not in {data_dir(settings.data_dir)}, or not as its "
            f"official files have it; put these there, name their folder in {DATA_DIR_VARIABLE} "
            "and start the server again, or send inputs and labels instead",
            "dataset",
        ) from error
    except InputError as error:
        raise InputError(f"the data set {dataset} does not fit: {error}", "dataset") from error
    return all_asked_for(samples, dataset, count), f"{dataset}, first test images"


def dataset_samples(
    target: Checkpoint, dataset: str, count: int, directory: Path | None
) -> Samples:
    """Return the first test examples of a data set.

    Raises:
        DataError: the data set cannot be had.
        InputError: it does not fit the target.
    """
    examples = load_dataset(dataset, data_dir(directory)).test.first(count)
    inputs, shape = as_inputs(examples.inputs), target.card.input.shape
    if inputs.ndim == ROWS and inputs[0].size == prod(shape):  # features may have any axes
        inputs = inputs.reshape(-1, *shape)
    return samples_for(target.card, inputs, examples.labels)


def all_asked_for(samples: Samples, dataset: str, count: int) -> Samples:
    """Return the samples of a data set if there are as many as were asked for.

    Raises:
        InputError: there are fewer.
    """
    if len(samples) < count:
        raise InputError(f"the data set {dataset} has only {len(samples)} test images", "images")
    return samples


def file_samples(target: Checkpoint, path: Path) -> Samples:
    """Return the samples in an ``.npz`` file with the arrays ``inputs`` and ``labels``.

    Raises:
        InputError: it is no such file, or its arrays do not fit the target.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            inputs, labels = file["inputs"], file["labels"]
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise InputError(
            f"{path} is no .npz file with the arrays inputs and labels: {error}", "samples"
        ) from error
    if labels.dtype.kind not in "iu" or inputs.dtype.kind not in "fiu":
        raise InputError(f"{path}: inputs must be numbers and labels whole numbers", "samples")
    with np.errstate(over="ignore"):  # what is infinite then is out of range
        as_floats = inputs.astype(np.float32)
    return samples_for(target.card, as_floats, labels.astype(np.int64))
