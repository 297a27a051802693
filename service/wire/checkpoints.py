"""The body of ``GET /checkpoints/{name}``: a card, and what the service knows beside it."""

from pydantic import ConfigDict, Field

from noisevote.models.card import Card
from noisevote.models.noise import NoiseKind
from noisevote.service.wire.replies import DriftBody
from noisevote.service.wire.reply import Reply


class ServedStudy(Reply):
    """A study of a checkpoint that has come to its end."""

    device: str | None
    """Name of the device, as `/plan` and the report take it; null under noise of a strength."""
    device_digest: str | None
    """Digest of what of its profile decides votes."""
    temperature_c: float | None
    """Temperature of the device; null: that at which its profile holds."""
    noise: NoiseKind | None
    """Kind of the noise of a strength; null on a device."""


class ServedCheckpoint(Card):
    """A card, how the votes of late compare with it, and the studies that there are."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    drift: list[DriftBody] = Field(default_factory=list)
    """Comparison of the votes of late with the card, by noise and votes."""
    studies: list[ServedStudy] = Field(default_factory=list)
    """Studies of the checkpoint as it is now."""
