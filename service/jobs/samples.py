"""The samples of an assessment: uploaded, or read of a data set or anybody's own files."""

import logging
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from noisevote.models.card import Card
from noisevote.models.checkpoint import Checkpoint
from noisevote.models.data.dataset import Labels
from noisevote.models.data.datasets import DATASETS
from noisevote.models.data.files import DATA_DIR_VARIABLE, data_dir, without_downloads
from noisevote.models.data.sample_inputs import examples_for
from noisevote.models.data.samples import Samples as SomeSamples
from noisevote.models.data.samples import read_samples
from noisevote.models.errors import DataError, InputError, LimitError
from noisevote.models.robustness.ball import Samples, samples_for
from noisevote.service.configuration.settings import Settings
from noisevote.service.prediction.arrays import arrays_of
from noisevote.service.wire.attack import AttackRequest
from noisevote.service.wire.shortened import shortened

log = logging.getLogger("noisevote")

DEFAULT_IMAGES = 200


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
        return known_samples(asked, count, target, settings)
    inputs = arrays_of(asked.inputs, target.card)[target.card.input.name]
    labels = None if isinstance(asked.labels, str) else labels_of(asked.labels or [], target.card)
    return samples_for(target.card, inputs, labels), "uploaded"


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
    asked: AttackRequest, count: int, target: Checkpoint, settings: Settings
) -> tuple[Samples, str]:
    """Return the first test examples of a data set of the server."""
    dataset = asked.dataset or ""
    has_labels = asked.label_source is Labels.GIVEN
    try:
        with without_downloads():
            read = dataset_samples(dataset, count, settings.data_dir)
    except DataError as error:
        log.warning("data set %s cannot be used: %s", dataset, error)
        raise InputError(how_to_have(dataset, settings), "dataset") from error
    try:
        samples = fitted(read, target, has_labels)
    except (DataError, InputError) as error:
        raise InputError(f"the data set {dataset} does not fit: {error}", "dataset") from error
    return samples, f"{dataset}, first test images"


def how_to_have(dataset: str, settings: Settings) -> str:
    """Say that a data set is missing, and what to do."""
    return (
        f"the data set {dataset} is not in {data_dir(settings.data_dir)}, or not as its "
        f"official files have it; put these there, name their folder in {DATA_DIR_VARIABLE} "
        "and start the server again, or send inputs and labels instead"
    )


def dataset_samples(dataset: str, count: int, directory: Path | None) -> SomeSamples:
    """Return the first test examples of a data set.

    Raises:
        DataError: the data set cannot be had.
        InputError: it has fewer.
    """
    read = read_samples(dataset, data_dir(directory))
    if len(read) < count:
        raise InputError(f"the data set {dataset} has only {len(read)} test images", "images")
    return read.taken(range(count))


def fitted(read: SomeSamples, target: Checkpoint, has_labels: bool) -> Samples:
    """Return samples as the target takes them.

    Raises:
        DataError: they do not fit it.
    """
    examples = examples_for(read, target.card, has_labels)
    inputs = np.asarray(examples.inputs, np.float32)
    return samples_for(target.card, inputs, examples.labels if has_labels else None)
