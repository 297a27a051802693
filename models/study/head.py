"""What a study is of: all that decides its cells and their numbers."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from noisevote.models.devices.profile import Profile
from noisevote.models.errors import DataError
from noisevote.models.noise import NoiseKind
from noisevote.models.specs import CardPart, Count, CountFromZero, Sigma
from noisevote.models.study.cells import MOST_VOTES

MOST_SAMPLES = 2**20
MOST_SEED = 2**20
MOST_SEEDS = 500
"""For which a half of the samples has room."""

MAY_DIFFER = {"passes"}
"""What may be otherwise when a study goes on, and is what was settled first."""

MOST_CLASSES = 2**15 - 1
"""That votes are kept of."""


class StudyHead(CardPart):
    """What a study is of."""

    version: int = 1
    """Of the way in which cells are planned and kept."""
    checkpoint: str
    """Name of the checkpoint."""
    fingerprint: str
    """Of it."""
    classes: Annotated[int, Field(ge=2, le=MOST_CLASSES)]
    """That it tells apart."""
    noise_scheme: str
    """That draws the noise of votes."""
    kind: NoiseKind
    """Of the noise, where no device is studied."""
    operating_sigma: Sigma
    """That requests get which name none."""
    device: Profile | None = None
    """That is studied; None: noise of a strength."""
    device_digest: str | None = None
    """Of what of its profile decides votes."""
    temperature_c: float | None = None
    """Of it; None: that at which its profile holds."""
    choice: str
    """The samples that settings are chosen on, in words."""
    report: str
    """The samples that figures come from, in words."""
    choice_samples: Annotated[int, Field(ge=1, le=MOST_SAMPLES)]
    """That there are; the passes decide how many of them are taken."""
    report_samples: Annotated[int, Field(ge=1, le=MOST_SAMPLES)]
    """That there are, likewise."""
    samples_digest: str = ""
    """SHA-256 of the labels and numbers of all of them, shortened."""
    sigmas: tuple[Sigma, ...] = ()
    """Strengths of the noise, where no device is studied."""
    ages_s: tuple[float | None, ...] = ()
    """Of the device; None where nothing depends on it."""
    chips: CountFromZero = 0
    """Of the device."""
    seeds: Annotated[int, Field(ge=1, le=MOST_SEEDS)]
    """Of the noise."""
    votes: Annotated[int, Field(ge=1, le=MOST_VOTES)]
    """On each sample."""
    seed: Annotated[int, Field(ge=0, le=MOST_SEED)]
    """From which those of the noise follow."""
    tolerance: Annotated[float, Field(gt=0, lt=1)]
    """Loss of accuracy that is accepted, as a share."""
    passes: Count
    """Forward passes that the study may take, about."""

    @model_validator(mode="after")
    def has_device_or_sigmas(self) -> Self:
        """Refuse a study of nothing."""
        if self.device is None and not self.sigmas:
            raise ValueError("needed is a device, or strengths of the noise")
        return self

    @property
    def device_name(self) -> str | None:
        """Name of the device; None without one."""
        return None if self.device is None else self.device.name

    @property
    def is_silent(self) -> bool:
        """Whether all votes of a chip on a sample are the same, so that one stands for all."""
        return self.device is not None and not self.device.is_fresh

    @property
    def conditions(self) -> tuple[float | None, ...]:
        """The strengths of the noise, or the ages."""
        return self.sigmas if self.device is None else self.ages_s

    def check_same(self, other: Self, path: Path) -> None:
        """Refuse to go on with a study of something else.

        Raises:
            DataError: it is of something else.
        """
        mine, theirs = self.model_dump(), other.model_dump()
        for name in mine:
            if name not in MAY_DIFFER and mine[name] != theirs[name]:
                raise DataError(
                    f"{path} holds another study ({name}: {shown(mine[name])}, now "
                    f"{shown(theirs[name])}); name another folder by --output, or delete it"
                )


def shown(value: object) -> str:
    """Return a value in short."""
    text = str(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
