"""The bodies of replies."""

from collections.abc import Sequence
from enum import StrEnum

from pydantic import Field

from noisevote.models.engines.arithmetic import Engine, Precision
from noisevote.models.noise import NoiseKind
from noisevote.models.stopping import StopReason
from noisevote.service.wire.device import DeviceBody
from noisevote.service.wire.reply import Reply

MOST_CLASSES_COUNTED = 20
"""Above this number of classes a reply lists those that have votes instead of counting for all."""


class NoiseBody(Reply):
    """The noise that the votes met."""

    kind: NoiseKind
    """How the noise meets the signal: multiplicative or additive."""
    sigma: float | dict[str, float]
    """Standard deviation of one read: one number, or a map if it differs between noise points."""
    snr_db: float | None
    """Signal-to-noise power ratio in dB of one number of multiplicative noise above 0; else
    null."""
    repeats: dict[str, int] | None = None
    """Reads of a noise point that are averaged, as asked."""


class CostBody(Reply):
    """What the votes cost on the hardware of the request, in its units."""

    sequential_latency: float
    """Latency if the votes are cast one after another on one chip."""
    pipelined_latency: float
    """Latency if a vote enters a layer as soon as the one before has left it."""
    parallel_latency: float
    """Latency if all votes are cast at once, on as many chips."""
    energy: float
    """Energy of all votes."""
    equal_energy_sigma: float | dict[str, float] | None
    """Sigma of one pass that spends the same energy on less noise, if noise power falls as one over
    energy: one number, or a map like the sigma of the request; null on a device."""


class ClassVotes(Reply):
    """A class with votes."""

    index: int
    """Number of the class."""
    label: str
    """Name of the class."""
    votes: int
    """Number of its votes."""


class Prediction(Reply):
    """The answer for one input.

    The statistics speak of the noise: how sure the mode is to be the class that the noisy network
    votes for most often. They say nothing about whether that class is right.
    """

    mode: int
    """Class with the most votes; of several, the lowest index."""
    label: str
    """Name of that class."""
    vote_counts: list[int] | None
    """Number of votes for each class; null above 20 classes."""
    top: list[ClassVotes] | None = Field(default=None, exclude_if=lambda top: top is None)
    """Classes with votes, most first; only there above 20 classes."""
    votes_cast: int
    """Number of votes that count."""
    stopped_by: StopReason
    """What ended the voting: full, the rule that ended it before N, or deadline."""
    agreement: float
    """Share of the mode among the votes cast."""
    interval: tuple[float, float] | None
    """Interval for the chance that one vote falls on the mode, on one chip if there is one; null
    unless ``full`` was asked for, as the fixed-N statistics do not hold for other stop rules, and
    with several chips unless each casts one vote, as votes of a few chips hang together."""
    p_value: float | None
    """P-value of "the top two classes are equally likely"; null like the interval."""
    abstain: bool | None
    """Whether the p-value is above alpha; null like the interval."""
    abstains_below: int | None
    """Number of votes below which ``abstain`` is true however they fall: even if all agree, their
    p-value is above alpha (6 for 0.05, 11 for 0.001; 1 without noise); null like the interval."""
    cost: CostBody | None = None
    """Cost of the votes cast; null unless the request names its hardware, or a device whose profile
    tells it, then in seconds and joules."""
    per_chip: list[list[int]] | None = Field(default=None, exclude_if=lambda of: of is None)
    """Number of votes for each class on each of several chips; only there with several chips."""

    @property
    def counts(self) -> list[int]:
        """The votes of each class, or of those that have any."""
        if self.vote_counts is not None:
            return self.vote_counts
        return [each.votes for each in self.top or ()]

    def counts_of(self, classes: int) -> list[int]:
        """Return the votes of each class of a network that has so many."""
        if self.vote_counts is not None:
            return self.vote_counts
        counts = [0] * classes
        for each in self.top or ():
            counts[each.index] = each.votes
        return counts


def told_counts(
    counts: Sequence[int], labels: Sequence[str]
) -> tuple[list[int] | None, list[ClassVotes] | None]:
    """Return what ``vote_counts`` and ``top`` tell of the votes of each class."""
    if len(labels) <= MOST_CLASSES_COUNTED:
        return list(counts), None
    fallen = sorted((-votes, index) for index, votes in enumerate(counts) if votes)
    return None, [
        ClassVotes(index=index, label=labels[index], votes=-votes) for votes, index in fallen
    ]


class GuaranteeBody(Reply):
    """What holds for predictions that the stop rule ended before all N votes were cast."""

    delta: float
    """Most chance that the mode differs from that of all N votes."""
    condition: str
    """Inputs for which that holds."""
    margin: int | None = None
    """Votes by which the mode must have led; null for rules without a margin."""


class Timing(Reply):
    """Milliseconds: waiting for a free slot, voting, and everything together."""

    queue: float
    """Milliseconds of waiting for a free slot; the first request to a network waits until that is
    loaded, too."""
    compute: float
    """Milliseconds of voting."""
    total: float
    """Milliseconds of everything together."""


class PredictResponse(Reply):
    """The answers, and what they can be asked for again with."""

    checkpoint: str
    """Name of the checkpoint that voted."""
    noise: NoiseBody | None
    """Noise that the votes met; null on a device."""
    device: DeviceBody | None = Field(default=None, exclude_if=lambda of: of is None)
    """Device that the votes were cast on; only there if the request names one."""
    seed: int
    """Seed of the noise, drawn or given."""
    fingerprint: str
    """Digest of noise scheme, weights, graphs and margin, and the engine if it is not the
    reference; the same body and seed give the same counts while it is the same, on the same CPU
    type and library build, unless a deadline ends the voting."""
    guarantee: GuaranteeBody | None
    """Guarantee of the stop rule; null for ``full``."""
    predictions: list[Prediction]
    """Answers, one for each input."""
    timing_ms: Timing
    """Milliseconds that it took."""


class CheckpointSummary(Reply):
    """One checkpoint in the list."""

    name: str
    """Name of the checkpoint."""
    network: str
    """Name of its network."""
    noise: NoiseKind
    """Kind of noise that it was trained for."""
    sigma_train: float | dict[str, float]
    """Sigma that it was trained for: one number, or a map from noise point to number."""
    input_shape: tuple[int, ...] | dict[str, tuple[int, ...]]
    """Shape of one input: one, or a map from name to shape for a network of several inputs."""
    labels: tuple[str, ...]
    """Name of each class."""
    engine: Engine
    """What casts its votes where they suit it, and the reference else."""
    precision: Precision
    """Numbers that these are computed in."""
    engine_refused: str | None
    """Why the reference casts its votes, or those under the other kind of noise, though another
    engine is set; null if it does not."""
    is_default: bool
    """Whether it answers requests that name no checkpoint."""


class CheckpointList(Reply):
    """The checkpoints that serve, and why others do not."""

    checkpoints: list[CheckpointSummary]
    """Checkpoints that serve."""
    refused: dict[str, str]
    """Why others do not serve, by name."""


class DriftState(StrEnum):
    """How the votes of late agree, set against what the card says."""

    TOO_FEW = "too_few"
    AS_EXPECTED = "as_expected"
    LOWER = "lower"
    HIGHER = "higher"


class SharesBody(Reply):
    """The mean of a share: of late, and on the card."""

    seen: float
    """Mean of the answers of late."""
    expected: float
    """Mean that the card gives."""


class DriftBody(Reply):
    """Whether votes agree as the card says for this noise."""

    noise: NoiseKind
    """Kind of noise in use."""
    sigma: float
    """Sigma in use, at every noise point."""
    votes: int
    """Votes of each answer that are compared."""
    answers: int
    """Answers of late that were compared, of this worker process."""
    state: DriftState
    """Outcome of the comparison: too_few before the first window of answers, then as_expected;
    lower or higher if votes agree less or more, with a chance of a false alarm of at most 0.0001 a
    window."""
    agreement: SharesBody
    """Share of the mode."""
    margin: SharesBody
    """Lead of the mode over the second class, as a share of the votes."""
    effective_sigma: float | None
    """Sigma at which votes would agree as they do, within the sigmas that the card has figures for;
    null before there are enough answers."""
    effective_sigma_interval: tuple[float, float] | None
    """Interval of about 95 % for that sigma, by the normal approximation; null like it."""
    is_noisier_than_hardened_for: bool
    """Whether that sigma is above the largest one of the training."""


class Health(Reply):
    """Whether the service lives or is ready."""

    status: str
    """Name of the state that was asked about: live or ready."""


class VotesEvent(Reply):
    """Further votes of one input were counted."""

    input: int
    """Position of the input in the request."""
    fell_on: list[int]
    """Class of each of these votes, in vote order."""
    vote_counts: list[int] | None
    """Number of votes for each class so far; null above 20 classes."""
    top: list[ClassVotes] | None = Field(default=None, exclude_if=lambda top: top is None)
    """Classes with votes so far, most first; only there above 20 classes."""
    votes_cast: int
    """Number of votes so far."""
    mode: int
    """Class with the most votes so far; of several, the lowest index."""
    label: str
    """Name of that class."""
    agreement: float
    """Share of the mode so far."""
    intervals: list[tuple[float, float]]
    """Interval after each of these votes, for the chance that one vote falls on the class that led
    then; they hold for whoever watches and stops at any time."""
    is_decided: list[bool]
    """Whether, after each of these votes, no outcome of the votes left can change the mode."""
    is_sure: list[bool]
    """Whether, after each of these votes, the class that led then leads the second beyond chance,
    at the request's alpha, for whoever watches and stops at any time."""
