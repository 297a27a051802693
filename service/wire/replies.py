"""The bodies of replies."""

from enum import StrEnum

from pydantic import BaseModel, Field

from models.card import Card
from models.noise import NoiseKind
from models.stopping import StopReason


class NoiseBody(BaseModel):
    """The noise that the votes met.

    Attributes:
        kind: multiplicative or additive.
        sigma: of one read: one number, or a map if it differs between noise points.
        snr_db: signal-to-noise power ratio of one number of multiplicative noise above 0.
        repeats: averaged reads, as asked.
    """

    kind: NoiseKind
    sigma: float | dict[str, float]
    snr_db: float | None
    repeats: dict[str, int] | None = None


class CostBody(BaseModel):
    """What the votes cost on the hardware of the request, in its units.

    Attributes:
        sequential_latency: votes one after another on one chip.
        pipelined_latency: a vote enters a layer as soon as the one before has left it.
        parallel_latency: all votes at once, on as many chips.
        energy: of all votes.
        equal_energy_sigma: of one pass that spends the same energy on less noise, if noise power
            falls as one over energy: one number, or a map like the request's sigma.
    """

    sequential_latency: float
    pipelined_latency: float
    parallel_latency: float
    energy: float
    equal_energy_sigma: float | dict[str, float]


class Prediction(BaseModel):
    """The answer for one input.

    The statistics speak of the noise: how sure the mode is to be the class that the noisy network
    votes for most often. They say nothing about whether that class is right.

    Attributes:
        mode: class with the most votes; of several, the lowest index.
        label: its name.
        vote_counts: votes of each class.
        votes_cast: votes that count.
        stopped_by: full, the rule that ended the voting before N, or deadline.
        agreement: share of the mode among the votes cast.
        interval: for the chance that one vote falls on the mode; null unless ``full`` was asked
            for, as the fixed-N statistics do not hold for other stop rules.
        p_value: of "the top two classes are equally likely"; null like the interval.
        abstain: whether p_value is above alpha; null like the interval.
        abstains_below: votes below which it is true however they fall: even if all agree, their
            p-value is above alpha (6 for 0.05, 11 for 0.001; 1 without noise); null like the
            interval.
        cost: of the votes cast; null unless the request names its hardware.
    """

    mode: int
    label: str
    vote_counts: list[int]
    votes_cast: int
    stopped_by: StopReason
    agreement: float
    interval: tuple[float, float] | None
    p_value: float | None
    abstain: bool | None
    abstains_below: int | None
    cost: CostBody | None = None


class GuaranteeBody(BaseModel):
    """What holds for predictions that the stop rule ended before all N votes were cast.

    Attributes:
        delta: the mode differs from that of all N votes with a chance of at most this.
        condition: for which inputs that holds.
        margin: votes by which the mode must have led; null for rules without one.
    """

    delta: float
    condition: str
    margin: int | None = None


class Timing(BaseModel):
    """Milliseconds: waiting for a free slot, voting, and everything together.

    The first request to a network waits until that is loaded, which counts as waiting.
    """

    queue: float
    compute: float
    total: float


class PredictResponse(BaseModel):
    """The answers, and what they can be asked for again with.

    Attributes:
        checkpoint: that voted.
        noise: that the votes met.
        seed: of the noise, drawn or given.
        fingerprint: of noise scheme, weights, graphs and margin; the same body and seed give the
            same counts while it is the same, on the same CPU type and library build, unless a
            deadline ends the voting.
        guarantee: of the stop rule; null for full.
        predictions: one an input.
        timing_ms: how long it took.
    """

    checkpoint: str
    noise: NoiseBody
    seed: int
    fingerprint: str
    guarantee: GuaranteeBody | None
    predictions: list[Prediction]
    timing_ms: Timing


class CheckpointSummary(BaseModel):
    """One checkpoint in the list."""

    name: str
    network: str
    noise: NoiseKind
    sigma_train: float | dict[str, float]
    input_shape: tuple[int, ...]
    labels: tuple[str, ...]
    is_default: bool


class CheckpointList(BaseModel):
    """The checkpoints that serve, and why others do not."""

    checkpoints: list[CheckpointSummary]
    refused: dict[str, str]


class DriftState(StrEnum):
    """How the votes of late agree, set against what the card says."""

    TOO_FEW = "too_few"
    AS_EXPECTED = "as_expected"
    LOWER = "lower"
    HIGHER = "higher"


class SharesBody(BaseModel):
    """The mean of a share: of late, and on the card."""

    seen: float
    expected: float


class DriftBody(BaseModel):
    """Whether votes agree as the card says for this noise.

    Attributes:
        noise: in use.
        sigma: in use, at every noise point.
        votes: of each answer that are compared.
        answers: of late that were compared, of this worker process.
        state: too_few before the first window of answers, then as_expected; lower or higher if
            votes agree less or more, with a chance of a false alarm of at most 0.0001 a window.
        agreement: share of the mode.
        margin: lead of the mode over the second class, as a share of the votes.
        effective_sigma: at which votes would agree as they do, within the sigmas that the card has
            figures for; null before there are enough answers.
        effective_sigma_interval: about 95 %, by the normal approximation; null like it.
        is_noisier_than_hardened_for: whether that is above the largest sigma of the training.
    """

    noise: NoiseKind
    sigma: float
    votes: int
    answers: int
    state: DriftState
    agreement: SharesBody
    margin: SharesBody
    effective_sigma: float | None
    effective_sigma_interval: tuple[float, float] | None
    is_noisier_than_hardened_for: bool


class ServedCheckpoint(Card):
    """A card, and how the votes of late compare with it."""

    drift: list[DriftBody] = Field(default_factory=list)


class Health(BaseModel):
    """Whether the service lives or is ready."""

    status: str


class VotesEvent(BaseModel):
    """Further votes of one input were counted.

    Attributes:
        input: its position in the request.
        fell_on: class of each of these votes, in vote order.
        vote_counts: votes of each class so far.
        votes_cast: votes so far.
        mode: class with the most votes so far; of several, the lowest index.
        label: its name.
        agreement: share of the mode so far.
        intervals: after each of these votes, for the chance that one vote falls on the class that
            led then; they hold for whoever watches and stops at any time.
        is_decided: after each of these votes, whether no outcome of the votes left can change the
            mode.
        is_sure: after each of these votes, whether the class that led then leads the second beyond
            chance, at the request's alpha, for whoever watches and stops at any time.
    """

    input: int
    fell_on: list[int]
    vote_counts: list[int]
    votes_cast: int
    mode: int
    label: str
    agreement: float
    intervals: list[tuple[float, float]]
    is_decided: list[bool]
    is_sure: list[bool]
