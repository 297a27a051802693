"""The bodies of ``/attack``: what is to be assessed, and how far it has come."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import (
    ConfigDict,
    Field,
    TypeAdapter,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)

from noisevote.models.data.dataset import Labels
from noisevote.models.noise import MAX_SNR_DB, MIN_SNR_DB, NoiseKind
from noisevote.models.robustness.counted import Share
from noisevote.models.robustness.plan import AttackOptions, Named, Plan, Repeats, SigmaOrMap
from noisevote.models.robustness.report import Verdict
from noisevote.service.wire.device import DeviceFields
from noisevote.service.wire.reply import Reply
from noisevote.service.wire.shortened import shortened

MAX_RESTARTS = 1000

EXAMPLE_ATTACK: dict[str, Any] = {
    "target": "mnist_cnn-mult-1.0",
    "sigma": 0.5,
    "votes": 20,
    "surrogate": "mnist_cnn-clean",
    "epsilon": 0.2,
    "dataset": "mnist",
    "images": 200,
    "seed": 7,
}

Predicted = Literal["predicted"]
CLASSES = TypeAdapter(Annotated[list[int], Field(fail_fast=True)])

CheckpointName = Annotated[str, Field(max_length=200)]


class AttackRequest(AttackOptions, DeviceFields):
    """What is to be assessed: the target behind noise or on a device, the attacker, the samples.

    The samples are either ``inputs`` with ``labels``, or the first ``images`` of ``dataset``. Where
    there are no labels, the target's own answers without noise can stand for them.
    """

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        json_schema_extra={"examples": [EXAMPLE_ATTACK]},
    )

    target: CheckpointName | None = None
    """Name of the checkpoint under attack. Default: the service's."""
    noise: Annotated[NoiseKind, Named] | None = None
    """Kind of the target's noise. Default: the checkpoint's; another kind needs a sigma."""
    sigma: SigmaOrMap | None = None
    """Sigma of the target's noise: one number, or a map from noise point to number, where points
    left out get no noise. Default: its sigma_train."""
    snr_db: Annotated[float | None, Field(ge=MIN_SNR_DB, le=MAX_SNR_DB, allow_inf_nan=False)] = None
    """Signal-to-noise power ratio in dB, instead of sigma; of additive noise against the root mean
    square of the signal at each noise point, where the card holds it."""
    repeats: Repeats | None = None
    """Reads of the target's noise points that are averaged, by name: r reads divide sigma by the
    square root of r."""
    surrogate: CheckpointName | None
    """Name of the attacker's checkpoint, one that was trained here, for its gradients; null: he can
    only ask, and what needs gradients is not tried."""
    undefended: CheckpointName | None = None
    """Name of a checkpoint known to fall, for a sanity check."""
    restarts: Annotated[int, Field(ge=1, le=MAX_RESTARTS)] = 5
    """Restarts on the surrogate, from random starts."""
    inputs: Annotated[list[Any], Field(min_length=1)] | None = None
    """Samples: arrays in the target's input shape and range; leading axes of length 1 of a sample
    may be left out."""
    labels: list[int] | Predicted | None = None
    """The right class of each of the inputs, counted from 0; or "predicted", with inputs or a
    dataset: the target's own answers without noise stand for labels."""
    dataset: Annotated[str, Field(max_length=200)] | None = None
    """Name of a data set that the server has, whose test images are attacked."""
    images: Annotated[int, Field(ge=1)] | None = None
    """Number of images, the first of the data set. Default: 200."""

    @field_validator("labels", mode="wrap")
    @classmethod
    def are_classes_or_predicted(
        cls, value: object, validate: ValidatorFunctionWrapHandler
    ) -> object:
        """Complain once instead of once for each way to give labels."""
        if isinstance(value, list):
            return CLASSES.validate_python(value, strict=True)
        if value is None or value == Labels.PREDICTED:
            return validate(value)
        raise ValueError(f'got {shortened(value)}; needed is a list of classes, or "predicted"')

    @model_validator(mode="after")
    def has_samples_from_one_place_and_one_strength(self) -> "AttackRequest":
        """Refuse samples from two places or from none, and sigma together with snr_db."""
        if (self.inputs is None) == (self.dataset is None):
            got = "neither" if self.inputs is None else "both"
            raise ValueError(f"either inputs with labels or dataset is needed; got {got}")
        if self.inputs is not None and self.labels is None:
            raise ValueError(
                'the inputs have no labels; give the class of each, or "predicted" to take the '
                "target's own answers without noise"
            )
        if self.inputs is None and isinstance(self.labels, list):
            raise ValueError("the labels have no inputs")
        if self.sigma is not None and self.snr_db is not None:
            raise ValueError("sigma and snr_db say the same thing; give one of them")
        if self.images is not None and self.dataset is None:
            raise ValueError("images counts those of a dataset; inputs are all attacked")
        return self

    @property
    def label_source(self) -> Labels:
        """Where the labels come from."""
        return Labels.PREDICTED if isinstance(self.labels, str) else Labels.GIVEN


class JobState(StrEnum):
    """Where a job is.

    ``queued`` waits for the worker, ``running`` is under way; ``done`` has its report; ``failed``
    met an error; ``cancelled`` was told to stop; ``interrupted`` lost its worker or server. The
    last three keep what they have and can be resumed.
    """

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"


ACTIVE = (JobState.QUEUED, JobState.RUNNING)
RESUMABLE = (JobState.FAILED, JobState.CANCELLED, JobState.INTERRUPTED)


class FinishedStep(Reply):
    """A step of an assessment that is done and kept."""

    name: str
    """Name of the step."""
    seconds: float | None
    """Seconds that the step took; null if its worker was killed before it could say so."""


class AttackResult(Reply):
    """What is known of one attack so far; the report says more."""

    attack: str
    """Name of the attack."""
    family: str
    """What the attack counts as: ``transfer``, ``query``, ``control`` or ``upper bound``."""
    robust_accuracy_noiseless: Share | None
    """Robust accuracy of the target without noise; null if it is not there (yet), and in a targeted
    assessment, which does not measure it."""
    robust_accuracy: Share | None
    """Robust accuracy of the target as assessed; null if it is not there (yet), or targeted."""
    attack_success_rate: Share | None
    """Success on the target as assessed, verified on fresh noise: samples turned, or led to the
    target class if one is wanted; null if it is not there (yet)."""
    target_reached_noiseless: Share | None = None
    """Samples that the target without noise answers with the target class; null if untargeted."""
    target_reached: Share | None = None
    """Samples that the target as assessed answers with the target class; null if untargeted."""


class PartialResults(Reply):
    """What is known so far."""

    noiseless_accuracy: Share | None = None
    """Accuracy without noise and attack; null before it was measured."""
    voted_accuracy: Share | None = None
    """Accuracy with noise and votes, without attack; null before it was measured."""
    attacks: tuple[AttackResult, ...] = ()
    """Attacks that were judged at least once."""
    verdict: Verdict | None = None
    """Whether the noise helps; null before the end."""


class JobSummary(Reply):
    """One job in the list."""

    id: str
    """Id of the job."""
    status_url: str
    """Path of its status."""
    state: JobState
    """Where the job is."""
    created_at: datetime
    """When it was asked for."""
    target: str
    """Name of the checkpoint under attack."""
    surrogate: str | None
    """Name of the attacker's checkpoint; null if he has none."""
    samples: int
    """Number of samples under attack."""
    progress: float
    """Share of all work that is done."""
    eta_s: float | None
    """Seconds left at the pace since the worker last began; null before there is one."""
    queries: int
    """Inputs sent to the server's own ``/predict`` for this job, verification included."""
    votes: int
    """Votes cast on them."""
    error: str | None
    """Why the job is not running; null as a rule."""


class JobStatus(JobSummary):
    """One job with all that is known of it."""

    started_at: datetime | None
    """When the worker last began with the job; null before."""
    finished_at: datetime | None
    """When the job last left the worker or the queue; null before."""
    events_url: str
    """Path of its server-sent events."""
    report_url: str
    """Path of the report as JSON; ``.html`` behind it makes it a page."""
    plan: Plan
    """What is done."""
    step: str | None
    """Name of the step that is under way; null unless running."""
    steps: int
    """Number of steps in all."""
    finished_steps: list[FinishedStep]
    """Finished steps, in the order in which they were done."""
    results: PartialResults
    """Results of the steps that are done."""


class JobList(Reply):
    """All jobs, the newest first."""

    jobs: list[JobSummary]
    """The jobs, the newest first."""
