"""What the report of a targeted assessment has beside the rest: how often target classes are met.

Robust accuracy is about right and wrong; whoever wants one class is not served by any other, so
what he reaches is counted apart.
"""

from noisevote.models.robustness.counted import Paired, Part, Share


class TargetReached(Part):
    """How often the target class was the answer to the examples of one attack."""

    one_reply: Share
    """Samples answered with the target class in one fresh reply, as the service gives it."""
    mean: float
    """Share of replies with the target class over all samples and replies."""
    probability: float
    """Mean share of replies with the target class over the stably right samples."""
    interval: tuple[float, float]
    """Interval of that probability, rather too wide than too narrow."""
    reached_and_sure: Share
    """Samples on which one fresh reply has the target class and does not abstain."""


class TargetedWorstCase(Part):
    """The worst over all black-box attacks, sample by sample.

    For the noisy target the worst attack of a sample is chosen by all replies but the first, and
    judged by the first.
    """

    attacks: tuple[str, ...]
    """The attacks that were taken together."""
    reached_noiseless: Share
    """Samples that any of them led to the target class without noise, of those attacked."""
    reached_noisy: Share
    """The same with noise."""
    paired: Paired
    """The noisy target against the noiseless one."""


class Targeted(Part):
    """What the attacker wants, and how far the worst of his attacks comes."""

    wanted: str
    """Which class he wants, in words."""
    samples: int
    """Samples that are attacked."""
    left_out: int
    """Samples that are not, since their label is the class that is wanted."""
    classes: tuple[int, ...]
    """The class that is wanted of each sample that is attacked, in order."""
    reached_without_attack: Share | None = None
    """Samples answered with the target class in one fresh reply without any attack; null before
    that was asked."""
    worst_case: TargetedWorstCase | None = None
    """The worst over all black-box attacks; null before the end."""
