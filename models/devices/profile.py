"""Device profiles: an analog device as data, in a versioned TOML file with units and sources.

Units. Keys end in what they are measured in: ``_us`` microsiemens, ``_s`` seconds, ``_c`` degrees
Celsius, ``_j`` joules. In *array units* the weights of a layer are divided by the largest magnitude
of their column (or layer) and its inputs by the input range of the layer, so that a whole column of
largest weights at the largest input is 1 a row.

What a key means at a noise point stands in ``models.devices.columns``, what it does to weights in
``models.devices.cells``.
"""

import hashlib
import tomllib
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, ValidationError, field_validator, model_validator
from pydantic_core import to_json

from noisevote.models.devices.curves import MAX_POINTS, Curve, Number, checked
from noisevote.models.errors import InputError
from noisevote.models.specs import CardPart, Count

PROFILE_VERSION = 1
MAX_PROFILE_BYTES = 64 * 1024
MAX_AGE_S = 1e10
"""Three hundred years."""

MAX_LEVEL = 1e6
"""Of any deviation, gain or bound."""

DIGITS = 16
"""Of a digest that are shown."""

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]*$", max_length=64)]
Text = Annotated[str, Field(max_length=1000)]
Level = Annotated[float, Field(ge=0, le=MAX_LEVEL)]
Signed = Annotated[float, Field(ge=-MAX_LEVEL, le=MAX_LEVEL)]
Above0 = Annotated[float, Field(gt=0, le=MAX_LEVEL)]
Seconds = Annotated[float, Field(gt=0, le=MAX_AGE_S)]
Chance = Annotated[float, Field(ge=0, le=1)]
Bits = Annotated[int, Field(ge=1, le=24)]
CurveOf = Annotated[Curve, AfterValidator(checked)]


class Array(CardPart):
    """The crossbar that holds a layer's weights."""

    rows: Annotated[int, Field(ge=1, le=2**24)] | None = None
    """Rows of a tile: a layer of more inputs takes several, each read and converted for itself;
    by default there is no limit."""
    columns: Annotated[int, Field(ge=1, le=2**24)] | None = None
    """Columns of a tile; only costs depend on it."""
    mapping: Literal["pair", "single"] = "pair"
    """``pair``: a weight is the difference of two cells, one of them at the smallest conductance.
    ``single``: one cell, against a reference in the middle of its range, which is without error."""
    scale: Literal["column", "layer"] = "column"
    """Whose largest weight takes the largest conductance: each column's own, or the layer's."""


class Cell(CardPart):
    """A memory cell."""

    g_max_us: Above0 = 1.0
    """Largest conductance."""
    g_min_us: Level = 0.0
    """Smallest conductance."""

    @model_validator(mode="after")
    def has_a_range(self) -> Self:
        """Refuse a smallest conductance that is not below the largest."""
        if self.g_min_us >= self.g_max_us:
            raise ValueError(f"g_min_us is {self.g_min_us:g}, g_max_us {self.g_max_us:g}")
        return self


class Program(CardPart):
    """Errors of writing, which stay for the life of a chip."""

    std_us: CurveOf = 0.0
    """Standard deviation of a cell's conductance, over its target."""
    stuck_off: Chance = 0.0
    """Share of cells that stay at conductance 0."""
    stuck_on: Chance = 0.0
    """Share of cells that stay at the largest conductance."""

    @model_validator(mode="after")
    def are_shares(self) -> Self:
        """Refuse more stuck cells than there are."""
        if self.stuck_off + self.stuck_on > 1:
            raise ValueError("stuck_off and stuck_on together are above 1")
        return self


class Aged(CardPart):
    """A cell's conductance at an age, where it was tabulated; all errors up to then."""

    t_s: Seconds
    """Age."""
    std_us: CurveOf = 0.0
    """Standard deviation of a cell's conductance, over its target."""
    shift_us: CurveOf = 0.0
    """Mean of its deviation, over its target."""


class Drift(CardPart):
    """Loss of conductance by a power law: ``g ((t + t0) / t0)^-nu``."""

    t0_s: Seconds
    """Time at which the conductance was read that drifts."""
    nu: CurveOf
    """Mean drift exponent of a cell, over its target."""
    nu_std: CurveOf = 0.0
    """Standard deviation of the exponents."""


class Relaxation(CardPart):
    """Loss of conductance after writing that does not depend on the conductance."""

    mean_us: Number
    """Mean change for each ``ln(t / 1 s)``."""
    std_us: tuple[Number, Number]
    """Standard deviation: a constant, and what is added for each ``ln(t / 1 s)``."""


class Flicker(CardPart):
    """Read noise of a 1/f spectrum, relative to the conductance.

    Of N votes ``vote_gap_s`` apart, T = N gap, at the age t, the deviation ``q sqrt(ln(t / T))`` is
    the same in all votes, and ``q sqrt(ln(T / 2 t_read))`` is fresh in each.
    """

    q: CurveOf
    """Strength, over a cell's target."""
    t_read_s: Seconds
    """Duration of a read."""
    vote_gap_s: Seconds = 1e-6
    """Time between the reads of two votes."""


class Read(CardPart):
    """Noise that is fresh in every read of an array."""

    unit: Literal["array", "rms", "adc_range", "network"] = "array"
    """Of a: array units; the root mean square of the signal at the noise point; the ADC's bound;
    or units of the network. c is in the same unit, as the variance of a signal of 1 unit."""
    a: Level = 0.0
    """Standard deviation, whatever the signal."""
    b: Level = 0.0
    """Standard deviation relative to the signal."""
    c: Level = 0.0
    """Variance relative to the magnitude of the signal (shot noise)."""
    w: Level = 0.0
    """Standard deviation of each weight in array units, fresh in every read."""
    w_form: Literal["norm", "pcm"] = "norm"
    """``norm``: the same for all weights. ``pcm``: its variance grows with the weight's magnitude;
    of each column the mean is taken."""
    cell_std_us: CurveOf = 0.0
    """Standard deviation of a cell's conductance, fresh in every read, over its target; of each
    column the mean is taken."""


class Column(CardPart):
    """Gain and offset of columns; the spreads stay for the life of a chip."""

    gain: Above0 = 1.0
    """Mean gain."""
    gain_std: Level = 0.0
    """Spread of the gain over columns, relative to the mean."""
    offset: Signed = 0.0
    """Mean offset, in array units."""
    offset_std: Level = 0.0
    """Spread of the offset over columns, in array units."""


class Dac(CardPart):
    """Converter of a layer's inputs."""

    bits: Bits
    """Of ``2^bits - 1`` levels, symmetric about 0; unsigned: ``2^bits`` from 0 on."""
    range: Above0 | Literal["percentile:99.9", "max"] = "percentile:99.9"
    """Largest input: in units of the network, or as measured of the layer; it is the input range of
    the array, too."""
    signed: bool = True
    """Whether inputs have a sign."""


class Adc(CardPart):
    """Converter of a column's output."""

    bits: Bits
    """Of ``2^bits - 1`` levels, symmetric about 0."""
    bound: Above0
    """Largest output, in array units."""
    rounding: Literal["round", "floor"] = "round"
    """To the nearest level, or down."""


class Temperature(CardPart):
    """What warmth does; the spread stays for the life of a chip."""

    reference_c: Annotated[float, Field(ge=-273.15, le=1000)] = 25.0
    """At which the rest of the profile holds."""
    range_c: tuple[float, float] = (-55.0, 150.0)
    """Between which it holds."""
    gain_per_k: Signed = 0.0
    """Relative change of the gain."""
    offset_per_k: Signed = 0.0
    """Change of the offset, in array units."""
    offset_std_per_k: Level = 0.0
    """Spread of that change over columns."""


class TileCost(CardPart):
    """What reads cost: of whole tiles, or by their parts."""

    tile_latency_s: Annotated[float, Field(gt=0, le=1e6)] | None = None
    """Of one matrix-vector product of a tile."""
    tile_energy_j: Annotated[float, Field(gt=0, le=1e6)] | None = None
    """Of one matrix-vector product of a tile."""
    tiles: Count | None = None
    """Tiles on the chip."""
    mac_energy_j: Annotated[float, Field(ge=0, le=1e6)] | None = None
    """Of one multiply-accumulate, where tiles have no energy of their own."""
    adc_energy_j: Annotated[float, Field(ge=0, le=1e6)] | None = None
    """Of one conversion of an output."""
    dac_energy_j: Annotated[float, Field(ge=0, le=1e6)] | None = None
    """Of one conversion of an input."""


class Measured(CardPart):
    """What a profile was estimated from."""

    file_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """SHA-256 of the measurements."""
    vectors: Count
    """Input vectors."""
    columns: Count
    """Columns."""
    repeats: Count
    """Reads of each."""
    intervals: dict[str, tuple[Number, Number]] = Field(default_factory=dict)
    """95 % interval of estimates, by key: ``read.a``."""
    verdict: Text = ""
    """What the checks said."""


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
    cell: Cell = Cell()
    program: Program = Program()
    aged: Annotated[tuple[Aged, ...], Field(max_length=MAX_POINTS)] = ()
    drift: Drift | None = None
    compensation: Literal["none", "global", "column"] = "none"
    """Whether outputs are multiplied by the ratio of the mean magnitude of the weights when written
    to that at the age, of each layer or each column."""
    relaxation: Relaxation | None = None
    flicker: Flicker | None = None
    read: Read = Read()
    column: Column = Column()
    dac: Dac | None = None
    adc: Adc | None = None
    temperature: Temperature | None = None
    cost: TileCost | None = None
    measured: Measured | None = None

    @field_validator("aged")
    @classmethod
    def rise(cls, aged: tuple[Aged, ...]) -> tuple[Aged, ...]:
        """Refuse ages out of order."""
        ages = [entry.t_s for entry in aged]
        if any(b <= a for a, b in zip(ages, ages[1:], strict=False)):
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
        if self.array.mapping == "single" and self.cell.g_min_us == 0 and self.has_frozen_cells:
            raise ValueError("mapping single needs a cell.g_min_us above 0")
        return self

    @property
    def has_frozen_cells(self) -> bool:
        """Whether chips differ in the weights that they hold."""
        return bool(
            self.aged
            or self.drift
            or self.relaxation
            or self.flicker
            or self.program != Program()
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
            read.a or read.b or read.c or read.w or read.cell_std_us != 0 or self.flicker is not None
        )

    @property
    def ages(self) -> bool:
        """Whether anything depends on the age."""
        return bool(len(self.aged) > 1 or self.drift or self.relaxation or self.flicker)

    @property
    def age_range_s(self) -> tuple[float, float]:
        """Smallest and largest age for which it holds; the first is the default."""
        if self.ages_s is not None:
            return self.ages_s
        if self.aged:
            return self.aged[0].t_s, self.aged[-1].t_s
        return 0.0, MAX_AGE_S

    @property
    def digest(self) -> str:
        """SHA-256 of all that decides votes, in hexadecimal, shortened.

        Name, source, description, costs and measurements do not.
        """
        content = self.model_dump(mode="json", exclude=DECIDES_NO_VOTE)
        return hashlib.sha256(to_json(content)).hexdigest()[:DIGITS]


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
    keys = [str(part) for part in first["loc"] if part not in UNION_BRANCHES]
    where = ".".join([field, *keys])
    given = "" if first["type"] in {"missing", "value_error"} else f", got {short(first['input'])}"
    if first["type"] == "extra_forbidden":
        return f"{where} is no key of a device profile", where
    return f"{where}: {first['msg'].removeprefix('Value error, ')}{given}", where


UNION_BRANCHES = {"number", "formula", "pieces", "constrained-float", "literal['percentile:99.9','max']"}
SHOWN = 60


def short(value: object) -> str:
    """Return a value as a message shows it, not too long."""
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
