"""What the parts of a report are made of: counted shares, and comparisons sample by sample."""

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """Base of the report and its parts: immutable, no unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Share(Part):
    """A counted share with its exact (Clopper-Pearson) interval."""

    count: int
    """Samples for which it holds."""
    of: int
    """Samples in all."""
    share: float
    """``count / of``; 0 of 0 is 0."""
    interval: tuple[float, float]
    """Exact interval of the share, at confidence 1 - alpha of the plan."""


class Paired(Part):
    """The noisy target against the noiseless one, sample by sample.

    A target withstands where it answers right; in a targeted assessment, where it does not answer
    with the target class.
    """

    noisy_only: int
    """Samples on which only the noisy target withstood."""
    noiseless_only: int
    """Samples on which only the noiseless target withstood."""
    samples: int
    """Samples in all."""
    gain: float
    """Difference of the shares on which they withstood (untargeted: of the robust accuracies),
    noisy less noiseless."""
    p_value: float
    """P-value of the exact McNemar test, two-sided."""
