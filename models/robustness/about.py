"""What a report says about itself: networks, samples and programs."""

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """Base of the report and its parts: immutable, no unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class AboutSamples(Part):
    """What was attacked.

    Attributes:
        source: in words.
        indices: in that source.
        digest: SHA-256 of inputs and labels.
    """

    source: str
    indices: tuple[int, ...]
    digest: str


class About(Part):
    """What a report says about itself.

    Attributes:
        target: name of the checkpoint under attack.
        target_fingerprint: of its weights, graphs and noise scheme.
        surrogate: name of the attacker's checkpoint.
        surrogate_fingerprint: of its weights and graphs.
        undefended: name of the network that is known to fall, or None.
        undefended_fingerprint: of its weights and graphs, or None.
        labels: names of the classes.
        samples: that were attacked.
        interface: how the target was asked.
        versions: of programs.
    """

    target: str
    target_fingerprint: str
    surrogate: str
    surrogate_fingerprint: str
    undefended: str | None
    undefended_fingerprint: str | None = None
    labels: tuple[str, ...]
    samples: AboutSamples
    interface: str
    versions: dict[str, str]
