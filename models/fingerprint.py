"""What decides the votes of a checkpoint: a written list, and the digest of it.

The list is the noise scheme; shape, range and preprocessing of the input; kind and ``sigma_train``
of the noise; name, shape, macs and latency of each noise point; the digests of the weights and of
the graphs that take plain noise. Nothing else that a card holds counts. Each part is serialised as
the first version of the card had it, so that fingerprints outlive the format of the card. A field
that comes later joins its part only where it can change a vote and is not its default.
"""

import hashlib
from collections.abc import Iterator
from typing import Any

from pydantic_core import to_json

from noisevote.models.card import Card
from noisevote.models.specs import IMAGES

DIGITS = 16
"""Of the digest that are shown."""


def fingerprint_of(card: Card) -> str:
    """Return the noise scheme and the digest of all else that decides the votes of a request."""
    digest = hashlib.sha256()
    for part in parts_of(card):
        digest.update(to_json(part))
    for file in sorted({card.weights, *card.graphs.values()} & card.digests.keys()):
        digest.update(f"{file}:{card.digests[file]}\n".encode())
    return f"{card.noise_scheme}:{digest.hexdigest()[:DIGITS]}"


def parts_of(card: Card) -> Iterator[dict[str, Any]]:
    """Yield what counts of a card beside its files; the order of keys is part of the format."""
    for tensor in card.inputs:
        picture = tensor.picture and tensor.picture.model_dump(mode="json", exclude_defaults=True)
        later = {
            "name": (tensor.name, IMAGES),
            "dtype": (tensor.dtype, "float32"),
            "picture": (picture, None),
        }
        yield {
            "shape": tensor.shape,
            "range": tensor.range,
            "preprocessing": tensor.preprocessing,
        } | {key: value for key, (value, default) in later.items() if value != default}
    by_default = {} if card.noise.sigma is None else {"sigma": card.noise.sigma}
    yield {"kind": card.noise.kind, "sigma_train": card.noise.sigma_train} | by_default
    for point in card.noise_points:
        yield {
            "name": point.name,
            "shape": point.shape,
            "macs": point.macs,
            "latency": point.latency,
        }
