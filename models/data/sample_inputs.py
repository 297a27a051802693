"""Samples as a checkpoint takes them: pictures prepared as its card says, arrays checked."""

import io
from collections.abc import Iterator, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from noisevote.models.card import Card
from noisevote.models.data.dataset import Examples
from noisevote.models.data.fitting import arrays_for, as_taken, labels_for
from noisevote.models.data.samples import Samples
from noisevote.models.errors import DataError, InputError
from noisevote.models.inputs.pictures import PREPROCESSINGS
from noisevote.models.inputs.pipelines import prepared
from noisevote.models.specs import InputSpec

MOST_BYTES = 4 * 2**30
"""Of prepared inputs that are held in memory together."""


def examples_for(samples: Samples, card: Card, has_labels: bool = True) -> Examples:
    """Return samples as inputs and labels of a checkpoint.

    Args:
        samples: at least one.
        card: of the checkpoint.
        has_labels: whether their labels are taken; else all are 0.

    Raises:
        DataError: they do not fit; the message says which and why.
    """
    labels = (
        labels_for(samples, card.labels, card.name)
        if has_labels
        else np.zeros(len(samples), np.int64)
    )
    taken = inputs_for(samples, card.inputs, card.name)
    own = taken.pop(card.input.name)
    return Examples(own, labels, taken)


def inputs_for(
    samples: Samples, inputs: Sequence[InputSpec], checkpoint: str
) -> dict[str, NDArray[Any]]:
    """Return samples as a network takes them, by name of the input ``[n, *shape]``.

    Args:
        samples: at least one.
        inputs: of the network.
        checkpoint: its name, for messages.

    Raises:
        DataError: they do not fit, or take more memory than is reasonable.
    """
    size = 4 * len(samples) * sum(prod(tensor.shape) for tensor in inputs)
    if size > MOST_BYTES:
        raise DataError(
            f"the {len(samples)} samples of {samples.source} take {size / 2**30:.1f} GiB as inputs "
            f"of checkpoint {checkpoint}; allowed are {MOST_BYTES // 2**30} GiB: give fewer"
        )
    if samples.content.pictures or is_prepared_anew(samples, inputs[0]):
        return {inputs[0].name: prepared_pictures(samples, inputs, checkpoint)}
    arrays = arrays_for(samples, inputs, checkpoint)
    return {
        tensor.name: as_taken(arrays[tensor.name], tensor, samples, checkpoint) for tensor in inputs
    }


def is_prepared_anew(samples: Samples, tensor: InputSpec) -> bool:
    """Return whether pictures of a built-in data set go the way that the card tells.

    They do where it is another than that of the data set; else they are inputs already.
    """
    dataset, own = samples.dataset, tensor.preprocessing
    if dataset is None or not dataset.has_pictures:
        return False
    if own is None:
        return tensor.picture is not None
    return own.rpartition("-")[0] != (dataset.preprocessing or "").rpartition("-")[0]


def prepared_pictures(
    samples: Samples, inputs: Sequence[InputSpec], checkpoint: str
) -> NDArray[Any]:
    """Return pictures as inputs ``[n, *shape]``.

    Raises:
        DataError: the network takes no pictures, or one cannot be read as one.
    """
    tensor = inputs[0]
    is_told = tensor.picture is not None or tensor.preprocessing in PREPROCESSINGS
    if not is_told or len(inputs) > 1:
        raise DataError(
            f"{samples.source} holds pictures, and nothing tells how they become inputs of "
            f"{checkpoint}: say it with --preprocessing where it is imported, or give arrays as "
            ".npz"
        )
    pictures = np.empty((len(samples), *tensor.shape), tensor.dtype)
    for place, (name, file) in enumerate(files_of(samples)):
        try:
            pictures[place] = prepared(file, tensor)
        except InputError as error:
            raise DataError(f"{samples.source}, {name}: {error}") from error
    return pictures


def files_of(samples: Samples) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the file of each picture; those of data sets are stored as PNG."""
    content = samples.content
    if content.pictures:
        for name, picture in zip(content.names, content.pictures, strict=True):
            try:
                yield name, picture.read_bytes()
            except OSError as error:
                raise DataError(f"{picture} cannot be read: {error}") from error
        return
    for name, values in zip(content.names, content.arrays["inputs"], strict=True):
        file = io.BytesIO()
        levels = np.moveaxis(np.round(255 * values).astype(np.uint8), 0, -1)
        Image.fromarray(levels[..., 0] if levels.shape[-1] == 1 else levels).save(file, "PNG")
        yield name, file.getvalue()
