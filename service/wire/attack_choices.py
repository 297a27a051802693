"""The body of ``GET /attack/choices``: what an assessment can be of."""

from noisevote.models.noise import NoiseKind
from noisevote.models.robustness.plan import AttackName
from noisevote.service.wire.reply import Reply


class AttackTarget(Reply):
    """A checkpoint that can be attacked, and what fits it."""

    name: str
    """Name of the checkpoint."""
    is_default: bool
    """Whether it is the target where a request names none."""
    noise: NoiseKind
    """Kind of its noise where a request names none."""
    kinds: tuple[NoiseKind, ...]
    """Kinds of noise that it takes."""
    sigma: float | dict[str, float] | None
    """Sigma where a request names none, at every noise point or by name; null: it has to name
    one."""
    range: tuple[float, float]
    """Smallest and largest value of its inputs, in whose units epsilon is."""
    labels: tuple[str, ...]
    """Name of each class."""
    takes_pictures: bool
    """Whether attacks that need pictures can be tried."""
    takes_devices: bool
    """Whether it is ready for devices."""
    surrogates: tuple[str, ...]
    """Checkpoints that an attacker may have for their gradients, itself as the last."""
    peers: tuple[str, ...]
    """Checkpoints of the same inputs and labels, any of which can be ``undefended``."""
    datasets: tuple[str, ...]
    """Data sets of the shape of its inputs and as many labels, there or not."""


class AttackChoice(Reply):
    """An attack that a request can name."""

    name: AttackName
    """Name of the attack."""
    label: str
    """What it is, in a few words."""
    is_default: bool
    """Whether it is tried where a request names none, and it can be."""
    needs_surrogate: bool
    """Whether it needs the gradients of a surrogate."""
    needs_pictures: bool
    """Whether it needs inputs that are pictures."""
    missing: str | None
    """What is missing for it here, and what to do; null if nothing is."""


class AttackChoices(Reply):
    """What assessments can be of on this service."""

    missing: str | None
    """Why there can be none, and what to do; null if there can."""
    targets: list[AttackTarget]
    """Checkpoints that can be attacked."""
    attacks: list[AttackChoice]
    """Attacks that a request can name."""
    datasets: dict[str, str | None]
    """Data sets by name: what to do to have it; null if its files are there, which says nothing of
    their contents."""
    max_samples: int
    """Most samples of one assessment."""
    max_votes: int
    """Most votes of a reply; larger networks may be allowed fewer, by their cost."""
    max_chips: int
    """Most chips of a device."""
