"""The bodies of requests, their limits and examples; replies are in ``service/wire/replies.py``."""

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from noisevote.models.noise import (
    MAX_REPEATS,
    MAX_SEED,
    MAX_SIGMA,
    MAX_SNR_DB,
    MIN_SNR_DB,
    NoiseKind,
)
from noisevote.models.stopping import DEFAULT_ALPHA, DELTA, STOP_RULES_TEXT, StopRule
from noisevote.service.voting.priority import Priority
from noisevote.service.wire.device import DeviceFields
from noisevote.service.wire.shortened import shortened

MAX_DEADLINE_MS = 3_600_000.0
MAX_HARDWARE = 1e30

EXAMPLE_REQUEST: dict[str, Any] = {
    "image": "iVBORw0KGgoAAAANSUhEUgAAABwAAAAcAQAAAABaduI5AAAATUlEQVR42j3OsRHCQBAEwb4tDDwpBEIhPMJ9P"
    "BkqnQye92Zq1thqvoHwlK5Trp/ySH+koHsbYRc9a1yvP3mLcwZ99Ihj7YoYS7MItR7cflcU2DFYTwwAAAAASUVORK5CYII=",
    "sigma": 1.0,
    "votes": 20,
    "seed": 7,
}

ONE_INPUT: dict[str, Any] = {
    "oneOf": [
        {"required": [name], "properties": {name: {"type": kind}}}
        for name, kind in (("inputs", "array"), ("image", "string"), ("strokes", "array"))
    ]
}
"""Exactly one of the three; JSON Schema takes null for a value like any other."""

Sigma = Annotated[float, Field(ge=0, le=MAX_SIGMA, allow_inf_nan=False)]


Positive = Annotated[float, Field(gt=0, le=MAX_HARDWARE, allow_inf_nan=False)]


def number_or_map(value: object, is_allowed: Callable[[float], bool], allowed: str) -> object:
    """Return a number, or a map from noise point to number, if all its numbers are allowed.

    Raises:
        ValueError: one is not; it says which, and the words for what is ``allowed``.
    """
    given: dict[Any, Any] = value if isinstance(value, dict) else {None: value}
    for point, number in given.items() if value is not None else ():
        is_number = isinstance(number, int | float) and not isinstance(number, bool)
        if not (is_number and is_allowed(number)):
            where = "" if point is None else f" for {shortened(point)}"
            got = f"got {shortened(number)}{where}"
            raise ValueError(
                f"{got}; allowed is {allowed}, or a map from noise point to such numbers"
            )
    return value


class HardwareRequest(BaseModel):
    """What one evaluation of a layer takes on the analog hardware, in units of the caller.

    One number holds for every layer; a map names all noise points.
    """

    model_config = ConfigDict(
        strict=True, extra="forbid", frozen=True, use_attribute_docstrings=True
    )

    latency: Positive | dict[str, Positive] = 1.0
    """Time of one evaluation of a layer."""
    energy: Positive | dict[str, Positive] | None = None
    """Energy of one evaluation of a layer, all its multiply-accumulates together; by default one
    unit for each of these (`macs` in the card)."""

    @model_validator(mode="before")
    @classmethod
    def is_object_of_fields(cls, value: object) -> object:
        """Complain about what is no object and about unknown fields by naming the known ones."""
        if isinstance(value, dict):
            strange = [name for name in value if name not in cls.model_fields]
        else:
            strange = [] if isinstance(value, cls) else [value]
        if strange:
            fields = " and ".join(cls.model_fields)
            raise ValueError(f"got {shortened(strange[0])}; allowed is an object of {fields}")
        return value

    @field_validator("latency", "energy", mode="before")
    @classmethod
    def is_number_or_map(cls, value: object) -> object:
        """Complain in one sentence instead of once for each way to write it."""
        allowed = f"a number above 0 and up to {MAX_HARDWARE:g}"
        return number_or_map(value, lambda number: 0 < number <= MAX_HARDWARE, allowed)


class PredictRequest(DeviceFields):
    """What is to be voted on, under which noise, and how.

    Exactly one of ``inputs``, ``image`` and ``strokes`` is given.
    """

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        json_schema_extra={"examples": [EXAMPLE_REQUEST], **ONE_INPUT},
    )

    checkpoint: str | None = Field(default=None, max_length=200)
    """Name of the checkpoint. Default: the service's default checkpoint."""
    inputs: list[Any] | None = Field(default=None, min_length=1)
    """Batch of arrays in the checkpoint's input shape and range, or of objects that hold an array
    by name for a network of several inputs; leading axes of length 1 of an array may be left
    out."""
    image: str | None = Field(default=None, min_length=1)
    """One picture, base64 PNG or JPEG of any size, prepared as the card says."""
    strokes: list[Any] | None = None
    """One drawing as pen strokes, for networks that read strokes."""
    noise: NoiseKind | None = Field(default=None, strict=False)
    """Kind of noise. Default: the checkpoint's; another kind needs a sigma."""
    sigma: Sigma | dict[str, Sigma] | None = None
    """Standard deviation of the noise: one number, or a map from noise point to number, where
    points left out get no noise. Default: the checkpoint's: the sigma that it was trained
    at, or that its import named."""
    snr_db: float | None = Field(default=None, ge=MIN_SNR_DB, le=MAX_SNR_DB, allow_inf_nan=False)
    """Signal-to-noise power ratio in dB, instead of sigma; of additive noise against the root mean
    square of the signal at each noise point, where the card holds it."""
    repeats: dict[str, Annotated[int, Field(ge=1, le=MAX_REPEATS)]] | None = None
    """Reads of a noise point that are averaged in the analog domain: r reads divide its sigma by
    the square root of r."""
    hardware: HardwareRequest | None = None
    """Hardware whose cost predictions are to tell."""
    votes: int = Field(default=20, ge=1)
    """Noisy forward passes per input, N."""
    stop: StopRule = Field(default=StopRule.FULL, strict=False, description=STOP_RULES_TEXT)
    delta: float = Field(default=DELTA, gt=0, lt=1)
    """Chance that the mode may differ from that of N votes."""
    alpha: float = Field(default=DEFAULT_ALPHA, gt=0, lt=1)
    """Level of the interval and of the abstain test, which can come out from 6 votes on at 0.05 and
    from 11 at 0.001."""
    seed: int | None = Field(default=None, ge=0, le=MAX_SEED)
    """Seed of the noise; drawn and echoed if absent."""
    deadline_ms: float | None = Field(default=None, gt=0, le=MAX_DEADLINE_MS, allow_inf_nan=False)
    """Time after the arrival of the request at which the votes cast so far are the answer. If an
    input has none by then, the reply is an error."""
    priority: Priority = Field(default=Priority.NORMAL, strict=False)
    """Whose votes come first. low: give way to normal requests; for assessments and other bulk
    work."""

    @field_validator("sigma", mode="before")
    @classmethod
    def sigma_is_number_or_map(cls, value: object) -> object:
        """Complain in one sentence instead of once for each way to write a sigma."""
        allowed = f"a number from 0 to {MAX_SIGMA:g}"
        return number_or_map(value, lambda number: 0 <= number <= MAX_SIGMA, allowed)

    @field_validator("repeats", mode="before")
    @classmethod
    def repeats_is_map(cls, value: object) -> object:
        """Complain in one sentence about the first fault instead of once for each."""
        wanted = f"a map from noise point to a whole number from 1 to {MAX_REPEATS}"
        if value is not None and not isinstance(value, dict):
            raise ValueError(f"got {shortened(value)}; allowed is {wanted}")
        for point, reads in (value or {}).items():
            is_whole = isinstance(reads, int) and not isinstance(reads, bool)
            if not (is_whole and 1 <= reads <= MAX_REPEATS):
                raise ValueError(
                    f"got {shortened(reads)} for {shortened(point)}; allowed is {wanted}"
                )
        return value

    @model_validator(mode="after")
    def has_one_input_and_one_strength(self) -> "PredictRequest":
        """Refuse several or no inputs, and sigma together with snr_db."""
        given = [name for name in ("inputs", "image", "strokes") if getattr(self, name) is not None]
        if len(given) != 1:
            got = " and ".join(given) or "none of them"
            raise ValueError(f"exactly one of inputs, image and strokes is needed; got {got}")
        if self.sigma is not None and self.snr_db is not None:
            raise ValueError("sigma and snr_db say the same thing; give one of them")
        if self.device is not None:
            for name in ("noise", "sigma", "snr_db"):
                if getattr(self, name) is not None:
                    raise ValueError(f"device and {name} both say what noise there is; give one")
        return self


def inlined_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON schema of a model without ``$ref``, to stand anywhere in an OpenAPI file.

    Tuples of one type are written as arrays of a set length, which more tools understand.
    """
    schema = model.model_json_schema()
    definitions = schema.pop("$defs", {})

    def inline(part: Any) -> Any:
        if isinstance(part, dict):
            if "$ref" in part:
                beside = {key: value for key, value in part.items() if key != "$ref"}
                return inline(definitions[part["$ref"].rsplit("/", 1)[1]] | beside)
            first, *others = part.get("prefixItems", [None])
            if first is not None and all(other == first for other in others):
                part = {key: value for key, value in part.items() if key != "prefixItems"}
                part["items"] = first
            return {key: inline(value) for key, value in part.items()}
        return [inline(value) for value in part] if isinstance(part, list) else part

    result: dict[str, Any] = inline(schema)
    return result
