"""What a request says of an analog device, and what a reply says."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from noisevote.models.devices.chips import MAX_CHIP
from noisevote.models.devices.parts import MAX_AGE_S
from noisevote.models.devices.profile import Profile
from noisevote.models.devices.setting import DIGITAL, FRESH, WITHOUT_ERRORS
from noisevote.models.specs import MAX_NAME
from noisevote.service.wire.reply import Reply
from noisevote.service.wire.shortened import shortened

CHIP_ALLOWED = f"a whole number from 0 to {MAX_CHIP}, {FRESH!r} or {WITHOUT_ERRORS!r}"
DEVICE_ALLOWED = (
    "the name of a device, a device profile (an object with the key profile), or a map from "
    f"pattern of noise points to one of these or {DIGITAL!r}"
)
MAX_PATTERNS = 1000

Celsius = Annotated[float, Field(ge=-273.15, le=1000, allow_inf_nan=False)]
Age = Annotated[float, Field(ge=0, le=MAX_AGE_S, allow_inf_nan=False)]


class DeviceFields(BaseModel):
    """The fields of a request that put the network on a device."""

    model_config = ConfigDict(strict=True, extra="forbid", use_attribute_docstrings=True)

    device: str | dict[str, Any] | None = None
    """Analog device instead of noise, sigma and snr_db: its name (`GET /devices`), a device
    profile, or a map from pattern of noise points to one of these or `digital`; a point that no
    pattern fits is digital."""
    chip: int | Literal["fresh", "none"] | None = None
    """Which chip of the device: a number, the same chip for all requests (default 0); `fresh`:
    numbers drawn from the seed; `none`: without frozen errors."""
    chips: Annotated[int, Field(ge=1)] | None = None
    """Chips that cast the votes in turns, from `chip` on. Default: 1."""
    age_s: Age | None = None
    """Seconds since the weights were written. Default: the smallest for which the device is
    known."""
    temperature_c: Celsius | None = None
    """Temperature. Default: that at which the profile of the device holds."""

    @field_validator("device", mode="before")
    @classmethod
    def is_name_profile_or_map(cls, value: object) -> object:
        """Complain in one sentence instead of once for each way to write it.

        What stands for a profile may be a :class:`Profile`, as clients get it.
        """
        value = as_data(value)
        if value is None or isinstance(value, str):
            return value
        if not isinstance(value, dict) or not value:
            raise ValueError(f"got {shortened(value)}; allowed is {DEVICE_ALLOWED}")
        if "profile" not in value:
            if len(value) > MAX_PATTERNS:
                raise ValueError(f"got {len(value)} patterns; allowed are {MAX_PATTERNS}")
            value = {pattern: as_data(of) for pattern, of in value.items()}
            for pattern, of in value.items():
                if len(pattern) > MAX_NAME:
                    raise ValueError(
                        f"got the pattern {shortened(pattern)} of {len(pattern)} letters; allowed "
                        f"are {MAX_NAME}"
                    )
                if not isinstance(of, str | dict):
                    raise ValueError(  # noqa: TRY004 - what pydantic takes
                        f"got {shortened(of)} for {shortened(pattern)}; allowed is {DEVICE_ALLOWED}"
                    )
        return value

    @field_validator("chip", mode="before")
    @classmethod
    def is_chip(cls, value: object) -> object:
        """Complain in one sentence instead of once for each way to write it."""
        is_number = isinstance(value, int) and not isinstance(value, bool)
        if value is None or (isinstance(value, str) and value in {FRESH, WITHOUT_ERRORS}):
            return value
        if is_number and 0 <= int(str(value)) <= MAX_CHIP:
            return value
        raise ValueError(f"got {shortened(value)}; allowed is {CHIP_ALLOWED}")

    @model_validator(mode="after")
    def says_one_thing(self) -> "DeviceFields":
        """Refuse what needs a device without one, and several chips without frozen errors."""
        if self.device is None:
            for name in ("chip", "chips", "age_s", "temperature_c"):
                if getattr(self, name) is not None:
                    raise ValueError(f"{name} is that of a device; give a device, too")
        if isinstance(self.chip, int) and self.chip + (self.chips or 1) - 1 > MAX_CHIP:
            raise ValueError(
                f"chip is {self.chip}, and chips is {shortened(self.chips)}; the last that there "
                f"is has the number {MAX_CHIP}"
            )
        if self.chip == WITHOUT_ERRORS and (self.chips or 1) > 1:
            raise ValueError(
                f"chip is {WITHOUT_ERRORS!r}, and chips is {self.chips}; leave out one"
            )
        return self


def as_data(value: object) -> object:
    """Return a profile as a request holds it; all else as it is."""
    if isinstance(value, Profile):
        return value.model_dump(mode="json", exclude_defaults=True)
    return value


class DeviceBody(Reply):
    """The device that the votes were cast on."""

    name: str | dict[str, str]
    """Name of the device; a map from noise point if they differ."""
    digest: str | dict[str, str]
    """Digest of what of its profile decides votes; a map from noise point if they differ."""
    chips: list[int]
    """Numbers of the chips that cast votes; empty without frozen errors."""
    age_s: float | dict[str, float] | None
    """Seconds since the weights were written; a map from noise point if they differ, as each device
    has its own smallest age; null if nothing depends on it."""
    temperature_c: float | dict[str, float] | None
    """Temperature; a map from noise point if they differ; null if nothing depends on it."""
    repeats: dict[str, int] | None = None
    """Reads of a noise point that are averaged, as asked; null if none were asked for."""
    compensation: dict[str, float] | None
    """What outputs are multiplied by to make up for drift, by noise point, the mean over the chips;
    null without compensation, or if not all of the chips fit into memory."""
