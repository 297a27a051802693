"""Parts of a device profile, one a table of the TOML file; every key with unit and meaning."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from noisevote.models.device_specs import ArraySpec
from noisevote.models.devices.curves import Curve, Number, checked
from noisevote.models.specs import CardPart, Count

MAX_AGE_S = 1e10
"""Three hundred years."""

MAX_LEVEL = 1e6
"""Of any deviation, gain or bound."""

SMALLEST = 1e-9
"""Of a gain, bound or range that is above 0: single precision has to hold steps of it."""

SMALLEST_S = 1e-15
"""Of a time that is above 0."""

Text = Annotated[str, Field(max_length=1000)]
NotNegative = Annotated[float, Field(ge=0, le=MAX_LEVEL)]
Signed = Annotated[float, Field(ge=-MAX_LEVEL, le=MAX_LEVEL)]
Above0 = Annotated[float, Field(ge=SMALLEST, le=MAX_LEVEL)]
Seconds = Annotated[float, Field(ge=SMALLEST_S, le=MAX_AGE_S)]
Celsius = Annotated[float, Field(ge=-273.15, le=1000)]
Chance = Annotated[float, Field(ge=0, le=1)]
Bits = Annotated[int, Field(ge=1, le=24)]
SignedBits = Annotated[int, Field(ge=2, le=24)]
"""One bit has no level on either side of 0."""
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

    def tiles(self, layer: ArraySpec) -> tuple[int, int]:
        """Return on how many tiles a layer lies, along its rows and along its columns."""
        return (
            1 if self.rows is None else -(-layer.fan_in // self.rows),
            1 if self.columns is None else -(-layer.columns // self.columns),
        )


class Cell(CardPart):
    """A memory cell."""

    g_max_us: Above0 = 1.0
    """Largest conductance."""
    g_min_us: NotNegative = 0.0
    """Smallest conductance."""

    @model_validator(mode="after")
    def has_a_range(self) -> Self:
        """Refuse a smallest conductance that is not below the largest."""
        if self.g_min_us >= self.g_max_us:
            raise ValueError(
                f"g_min_us is {self.g_min_us:g}; it must be below g_max_us, {self.g_max_us:g}"
            )
        return self


class Program(CardPart):
    """Errors of writing, which stay for the life of a chip."""

    std_us: CurveOf = 0.0
    """Standard deviation of a cell's conductance, over its target; below 0 it counts as 0."""
    stuck_off: Chance = 0.0
    """Share of cells that stay at conductance 0."""
    stuck_on: Chance = 0.0
    """Share of cells that stay at the largest conductance."""

    @model_validator(mode="after")
    def are_shares(self) -> Self:
        """Refuse more stuck cells than there are."""
        if self.stuck_off + self.stuck_on > 1:
            raise ValueError(
                f"stuck_off and stuck_on are {self.stuck_off:g} and {self.stuck_on:g}; "
                "together they may be at most 1"
            )
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
    """Loss of conductance by a power law: ``g ((t + t0) / t0)^-nu``, nu 0 or above."""

    t0_s: Seconds
    """Time after writing at which the conductance was read that drifts; ages count from there."""
    nu: CurveOf
    """Mean drift exponent of a cell, over its target; the magnitude of what is drawn counts."""
    nu_std: CurveOf = 0.0
    """Standard deviation of the exponents."""


class Relaxation(CardPart):
    """Change of conductance after writing that does not depend on the conductance.

    There is none at age 0; ages below a second count as one.
    """

    mean_us: Number
    """Mean change for each ``ln(t / 1 s)``."""
    std_us: tuple[Number, Number]
    """Standard deviation: a constant, and what is added for each ``ln(t / 1 s)``."""


class Flicker(CardPart):
    """Read noise of a 1/f spectrum, relative to the conductance.

    Of N votes ``vote_gap_s`` apart, T = N gap, the deviation ``q sqrt(ln(t / T))`` is the same in
    all votes, and ``q sqrt(ln(T / 2 t_read))`` is fresh in each; t is the time since writing, the
    age plus the ``t0_s`` of a drift, and a read.
    """

    q: CurveOf
    """Strength, over a cell's conductance before drift."""
    t_read_s: Seconds
    """Duration of a read."""
    vote_gap_s: Seconds = 1e-6
    """Time between the reads of two votes."""


class Read(CardPart):
    """Noise that is fresh in every read of an array."""

    unit: Literal["array", "rms", "adc_range", "network"] = "array"
    """Of a: array units; the root mean square of the signal at the noise point; the ADC's bound;
    or units of the network. c is in the same unit, as the variance of a signal of 1 unit."""
    a: NotNegative = 0.0
    """Standard deviation, whatever the signal."""
    b: NotNegative = 0.0
    """Standard deviation relative to the signal."""
    c: NotNegative = 0.0
    """Variance relative to the magnitude of the signal (shot noise)."""
    w: NotNegative = 0.0
    """Standard deviation of each weight in array units, fresh in every read."""
    w_form: Literal["norm", "pcm"] = "norm"
    """``norm``: the same for all weights. ``pcm``: its variance grows with the weight's magnitude;
    of each column the mean is taken."""
    cell_std_us: CurveOf = 0.0
    """Standard deviation of a cell's conductance, fresh in every read, over what it is then; of
    each column the mean variance is taken."""


class Column(CardPart):
    """Gain and offset of columns; the spreads stay for the life of a chip."""

    gain: Above0 = 1.0
    """Mean gain."""
    gain_std: NotNegative = 0.0
    """Spread of the gain over columns, relative to the mean."""
    offset: Signed = 0.0
    """Mean offset, in array units."""
    offset_std: NotNegative = 0.0
    """Spread of the offset over columns, in array units."""


MEASURED_RANGES = ("percentile:99.9", "max")
"""Input ranges that are measured of each layer."""


class Dac(CardPart):
    """Converter of a layer's inputs."""

    bits: Bits
    """Of ``2^bits - 1`` levels, symmetric about 0; unsigned: ``2^bits`` from 0 on."""
    range: Above0 | Literal["percentile:99.9", "max"] = "percentile:99.9"
    """Largest input: in units of the network, or as measured of the layer; it is the input range of
    the array, too."""
    signed: bool = True
    """Whether inputs have a sign."""

    @field_validator("range", mode="before")
    @classmethod
    def is_known(cls, given: object) -> object:
        """Refuse what is neither a number nor one of the names."""
        if isinstance(given, int | float) or given in MEASURED_RANGES:
            return given
        names = " or ".join(MEASURED_RANGES)
        raise ValueError(f"got {given!r:.60}; allowed is a number above 0, {names}")

    @model_validator(mode="after")
    def has_levels(self) -> Self:
        """Refuse one bit for inputs of either sign: no level is left but 0."""
        if self.signed and self.bits == 1:
            raise ValueError("bits is 1; inputs with a sign take 2 to 24")
        return self


class Adc(CardPart):
    """Converter of a column's output."""

    bits: SignedBits
    """Of ``2^bits - 1`` levels, symmetric about 0."""
    bound: Above0
    """Largest output, in array units."""
    rounding: Literal["round", "floor"] = "round"
    """To the nearest level, or down."""


class Temperature(CardPart):
    """What warmth does; the spread stays for the life of a chip."""

    reference_c: Celsius = 25.0
    """At which the rest of the profile holds."""
    range_c: tuple[Celsius, Celsius] = (-55.0, 150.0)
    """Between which it holds."""
    gain_per_k: Signed = 0.0
    """Relative change of the gain."""
    offset_per_k: Signed = 0.0
    """Change of the offset, in array units."""
    offset_std_per_k: NotNegative = 0.0
    """Spread of that change over columns."""

    @model_validator(mode="after")
    def has_a_range(self) -> Self:
        """Refuse a range out of order."""
        if self.range_c[0] > self.range_c[1]:
            raise ValueError(f"range_c is {list(self.range_c)}; allowed is [smallest, largest]")
        return self


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
