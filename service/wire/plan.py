"""The bodies of ``/plan``: what is wanted, and the request that gives it."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from noisevote.models.noise import MAX_SIGMA, NoiseKind
from noisevote.models.study.weighed import Ceiling, Reached
from noisevote.service.wire.device import Age, Celsius
from noisevote.service.wire.reply import Reply

Above0 = Annotated[float, Field(gt=0, le=1e30, allow_inf_nan=False)]
WANTED = ("accuracy", "energy", "latency_s")


class PlanRequest(BaseModel):
    """What is wanted of which checkpoint: exactly one of accuracy, energy and latency_s."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        json_schema_extra={
            "examples": [{"accuracy": 0.99}],
            "oneOf": [
                {"required": [name], "properties": {name: {"type": "number"}}} for name in WANTED
            ],
        },
    )

    checkpoint: str | None = Field(default=None, max_length=200)
    """Name of the checkpoint. Default: the service's default checkpoint."""
    device: str | None = Field(default=None, min_length=1, max_length=200)
    """Name of the analog device, or digest of its profile. Default: none, noise of a strength."""
    sigma: Annotated[float, Field(ge=0, le=MAX_SIGMA, allow_inf_nan=False)] | None = None
    """Strength of the noise, one that the study has. Default: that of its questions."""
    noise: NoiseKind | None = Field(default=None, strict=False)
    """Kind of the noise, where there is no device. Default: the checkpoint's."""
    temperature_c: Celsius | None = None
    """Temperature of the device that was studied. Default: that at which its profile holds."""
    age_s: Age | None = None
    """Age of the device, one that the study has. Default: that of its questions."""
    accuracy: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] | None = None
    """Least share of right answers, for the least energy."""
    energy: Above0 | None = None
    """Most energy of an answer on average: joules, or passes of the network where the device tells
    no costs; for the most accuracy."""
    latency_s: Above0 | None = None
    """Time in which 99 % of the answers are to be there, for the most accuracy."""
    sure: bool = False
    """Whether the lower end of the interval must reach the accuracy, instead of the estimate."""

    @model_validator(mode="after")
    def wants_one_thing(self) -> "PlanRequest":
        """Refuse several demands or none, and conditions that exclude each other."""
        given = [name for name in WANTED if getattr(self, name) is not None]
        if len(given) != 1:
            got = " and ".join(given) or "none of them"
            raise ValueError(f"exactly one of {', '.join(WANTED)} is needed; got {got}")
        for name in ("sigma", "noise"):
            if self.device is not None and getattr(self, name) is not None:
                raise ValueError(f"device and {name} both say what noise there is; give one")
        for name in ("age_s", "temperature_c"):
            if self.device is None and getattr(self, name) is not None:
                raise ValueError(f"{name} is that of a device; give a device, too")
        return self


class PlannedOption(Reply):
    """One way to ask, what it reaches and what it costs."""

    request: dict[str, Any]
    """Fields of a request to `/predict` that ask so, beside its input. Of a device whose chips
    differ it names none, and is cast on chip 0, or on `chips` of them from 0 on."""
    forecast: Reached
    """What it reaches on the samples that it was chosen on, adjusted to those of all votes without
    repeats where it was recorded on fewer: the mean over the chips that were studied, whose own
    accuracies are `runs`, that of chip 0 first. Where there are no chips, or several share the
    votes, `runs` are those of the seeds. The best of many options looks better there than it is,
    by points where samples are few."""
    confirmed: Reached | None
    """What it reaches on other samples; null where that was not recorded."""
    energy: float
    """Of an answer on average."""
    latency_s: float | None
    """In which 99 % of the answers are there; null where the device tells no costs."""


class StudySummary(Reply):
    """The study that a plan comes from."""

    folder: str
    """Name of its folder; of several studies that one counts that lies in the folder of its own
    name, else the last one by name."""
    choice: str
    """Samples that options are chosen on."""
    report: str
    """Samples that they are confirmed on."""
    device: str | None
    """Name of the device."""
    device_digest: str | None
    """Digest of what of its profile decides votes."""
    fingerprint: str
    """Of the checkpoint."""
    seeds: int
    """Of the noise."""
    chips: int
    """Of the device."""
    votes: int
    """Recorded on a sample, each seed."""


class PlanResponse(PlannedOption):
    """The request that meets the demand, and what to expect of it."""

    checkpoint: str
    """Name of the checkpoint."""
    energy_unit: Literal["J", "passes"]
    """Of all energies: joules, or passes of the network without repeats."""
    ceiling: Ceiling | None
    """About the most that votes without repeats can reach under this condition, on both halves of
    the samples."""
    front: list[PlannedOption]
    """Options that nothing as cheap reaches or beats, from cheap to dear."""
    remarks: list[str]
    """What to know before relying on it."""
    study: StudySummary
    """Where all this comes from."""
