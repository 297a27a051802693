"""Device profiles: an analog device as data, in a versioned TOML file with units and sources.

Units. Keys end in what they are measured in: ``_us`` microsiemens, ``_s`` seconds, ``_c`` degrees
Celsius, ``_j`` joules. In *array units* the weights of a layer are divided by the largest magnitude
of their column (or layer) and its inputs by the input range of the layer, so that a whole column of
largest weights at the largest input is 1 a row.

What a key means at a noise point stands in ``models.devices.columns``, what it does to weights in
``models.devices.cells``; the parts in ``models.devices.parts``.
"""

import hashlib
import tomllib
from collections.abc import Mapping
from functools import cached_property
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, WithJsonSchema, field_validator, model_validator
from pydantic_core import to_json

from noisevote.models.devices.curves import LISTED, MAX_POINTS
from noisevote.models.devices.parts import (
    MAX_AGE_S,
    Adc,
    Aged,
    Array,
    Cell,
    Column,
    Dac,
    Drift,
    Flicker,
    Measured,
    Program,
    Read,
    Relaxation,
    Seconds,
    Temperature,
    Text,
    TileCost,
)
from noisevote.models.errors import InputError
from noisevote.models.specs import CardPart

PROFILE_VERSION = 1
MAX_PROFILE_BYTES = 64 * 1024

DIGITS = 16
"""Of a digest that are shown."""

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]*$", max_length=64)]

Effect = Literal["read", "columns", "converters", "frozen", "ages", "temperature"]
"""``read``: noise fresh in every read; ``columns``: gain and offset; ``converters``: DAC or ADC;
``frozen``: errors that differ by chip and stay; ``ages``: something depends on the age;
``temperature``: or on the temperature."""


class Profile(CardPart):
    """An analog device."""

    profile: Literal[1]
    """Version of this format."""
    name: Name
    """Name of the device."""
    source: Text = ""
    """Where the numbers come from."""
    description: Text = ""
    """What it is."""
    ages_s: tuple[Annotated[float, Field(ge=0, le=MAX_AGE_S)], Seconds] | None = None
    """Smallest and largest age for which it holds; a request that names none gets the smallest. By
    default those of the tables, or 0 and three hundred years."""
    array: Array = Array()
    """Crossbar that holds the weights of a layer."""
    cell: Cell = Cell()
    """Memory cell."""
    program: Program = Program()
    """Errors of writing; they stay for the life of a chip."""
    aged: Annotated[tuple[Aged, ...], Field(max_length=MAX_POINTS)] = ()
    """Instead of errors of writing, drift and relaxation: all of them, tabulated for ages."""
    drift: Drift | None = None
    """Loss of conductance by a power law; by default there is none."""
    compensation: Literal["none", "global", "column"] = "none"
    """Whether outputs are multiplied by the ratio of the mean magnitude of the weights when written
    to that at the age, of each layer or each column."""
    relaxation: Relaxation | None = None
    """Change of conductance after writing; by default there is none."""
    flicker: Flicker | None = None
    """Read noise of a 1/f spectrum; by default there is none."""
    read: Read = Read()
    """Noise that is fresh in every read."""
    column: Column = Column()
    """Gain and offset of columns."""
    dac: Dac | None = None
    """Converter of a layer's inputs; by default they are not rounded."""
    adc: Adc | None = None
    """Converter of a column's output; by default it is not rounded."""
    temperature: Temperature | None = None
    """What warmth does; by default nothing."""
    cost: TileCost | None = None
    """What reads cost, where it is known."""
    measured: Measured | None = None
    """What the numbers were estimated from, if they were."""

    @field_validator("aged")
    @classmethod
    def rise(cls, aged: tuple[Aged, ...]) -> tuple[Aged, ...]:
        """Refuse ages out of order."""
        ages = [entry.t_s for entry in aged]
        if any(b <= a for a, b in pairwise(ages)):
            raise ValueError(f"t_s are {ages}; they must rise")
        return aged

    @model_validator(mode="after")
    def agrees(self) -> Self:
        """Refuse parts that contradict each other."""
        if self.aged and (self.drift or self.relaxation or self.program.std_us != 0):
            raise ValueError(
                "aged holds all errors of a cell; leave out drift, relaxation and program.std_us"
            )
        if self.read.unit == "adc_range" and self.adc is None:
            raise ValueError("read.unit is adc_range, and there is no adc")
        if self.ages_s is not None and self.ages_s[0] >= self.ages_s[1]:
            raise ValueError(f"ages_s are {list(self.ages_s)}; allowed is [smallest, largest]")
        if self.ages_s is not None and self.aged:
            ages = self.aged[0].t_s, self.aged[-1].t_s
            if self.ages_s[0] < ages[0] or self.ages_s[1] > ages[1]:
                raise ValueError(f"ages_s {list(self.ages_s)} are beyond the tables, {list(ages)}")
        return self

    @property
    def has_frozen_cells(self) -> bool:
        """Whether chips differ in the weights that they hold."""
        return bool(
            self.aged or self.drift or self.relaxation or self.flicker or self.program != Program()
        )

    @property
    def differs_by_chip(self) -> bool:
        """Whether chips differ in anything."""
        return bool(
            self.has_frozen_cells
            or self.column.gain_std
            or self.column.offset_std
            or (self.temperature is not None and self.temperature.offset_std_per_k)
        )

    @property
    def is_fresh(self) -> bool:
        """Whether reads differ from each other."""
        read = self.read
        return bool(
            read.a
            or read.b
            or read.c
            or read.w
            or read.cell_std_us != 0
            or self.flicker is not None
        )

    @property
    def depends_on_age(self) -> bool:
        """Whether anything depends on the age."""
        return bool(len(self.aged) > 1 or self.drift or self.relaxation or self.flicker)

    @property
    def effects(self) -> tuple[Effect, ...]:
        """What the device does, in one word each."""
        temperature = self.temperature or Temperature()
        does: dict[Effect, bool] = {
            "read": self.is_fresh,
            "columns": self.column != Column(),
            "converters": bool(self.dac or self.adc),
            "frozen": self.differs_by_chip,
            "ages": self.depends_on_age,
            "temperature": bool(
                temperature.gain_per_k or temperature.offset_per_k or temperature.offset_std_per_k
            ),
        }
        return tuple(effect for effect, is_there in does.items() if is_there)

    def age_of(self, asked_s: float | None) -> float:
        """Return the age that a request means, in seconds; without one it is the smallest.

        Raises:
            InputError: the profile does not hold for it.
        """
        low, high = self.age_range_s
        age_s = low if asked_s is None else asked_s
        if not low <= age_s <= high:
            raise InputError(
                f"age_s is {age_s:g}; {self.name} holds for {low:g} to {high:g} seconds", "age_s"
            )
        return age_s

    @property
    def age_range_s(self) -> tuple[float, float]:
        """Smallest and largest age for which it holds; the first is the default."""
        if self.ages_s is not None:
            return self.ages_s
        if self.aged:
            return self.aged[0].t_s, self.aged[-1].t_s
        return 0.0, MAX_AGE_S

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all that decides votes, in hexadecimal, shortened.

        Name, source, description, ages, costs and measurements do not; neither does the order of
        keys, nor whether one that has its default is written out.
        """
        content = self.model_dump(mode="json", exclude=DECIDES_NO_VOTE, exclude_defaults=True)
        return hashlib.sha256(to_json(content)).hexdigest()[:DIGITS]

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy, whose digest is its own."""
        copied = super().model_copy(update=update, deep=deep)
        copied.__dict__.pop("digest", None)
        return copied


ShownProfile = Annotated[Profile, WithJsonSchema({"type": "object"})]
"""A profile in a reply: in full in the documentation of devices, in short in the reference."""

DECIDES_NO_VOTE = {"name", "source", "description", "ages_s", "cost", "measured"}


def profile_of(content: Mapping[str, Any], field: str = "device") -> Profile:
    """Return a profile of what TOML or JSON held.

    Args:
        content: its keys.
        field: what the content is called in messages.

    Raises:
        InputError: it is none; the message names the first wrong key and what is allowed.
    """
    try:
        return Profile.model_validate_json(to_json(content), strict=True)
    except ValidationError as error:
        raise InputError(*complaint(error, field)) from error
    except ValueError as error:  # of JSON, such as a number that is too long
        raise InputError(f"{field} is no device profile: {error}", field) from error


def read_profile(text: str, shown: str = "the profile") -> Profile:
    """Return the profile that a TOML text holds.

    Raises:
        InputError: it is too long, no TOML, or no profile.
    """
    if len(text.encode()) > MAX_PROFILE_BYTES:
        raise InputError(f"{shown} is longer than {MAX_PROFILE_BYTES // 1024} KiB", "device")
    try:
        content = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError(f"{shown} is no TOML: {error}", "device") from error
    try:
        return profile_of(content)
    except InputError as error:
        raise InputError(f"{shown}: {error}", error.field) from error


def complaint(error: ValidationError, field: str) -> tuple[str, str]:
    """Return what is wrong with a profile in one sentence, and the key where."""
    first = error.errors(include_url=False)[0]
    *parents, last = first["loc"] or ("",)
    is_unknown = first["type"] == "extra_forbidden"
    keys = [str(part) for part in parents if part not in UNION_BRANCHES]
    if last != "" and (is_unknown or last not in UNION_BRANCHES):
        keys.append(str(last)[:SHOWN])
    where = ".".join([field, *keys])
    if is_unknown:
        return f"{where} is no key of a device profile", where
    if first["loc"][-1:] == ("number",):
        needed = f"needed is a number, a formula ({LISTED}) or a list of formulas"
        return f"{where}: {needed}; {first['msg']}, got {short(first['input'])}", where
    given = "" if first["type"] in {"missing", "value_error"} else f", got {short(first['input'])}"
    return f"{where}: {first['msg'].removeprefix('Value error, ')}{given}", where


UNION_BRANCHES = {
    "number",
    "formula",
    "pieces",
    "constrained-float",
    "literal['percentile:99.9','max']",
}
"""What pydantic puts into the place of an error beside keys."""

SHOWN = 60


def short(value: object) -> str:
    """Return a value as a message shows it, not too long."""
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
