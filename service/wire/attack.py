"""The bodies of ``/attack``: what is to be assessed, and how far it has come."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from models.datasets import DATASETS
from models.noise import NoiseKind
from models.robustness.plan import AttackOptions, Plan, TargetSigma
from models.robustness.report import Share, Verdict

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

CheckpointName = Annotated[str, Field(max_length=200)]


class AttackRequest(AttackOptions):
    """What is to be assessed: the target behind its noise, the attacker, the samples.

    The samples are either ``inputs`` with ``labels``, or the first ``images`` of ``dataset``.
    """

    model_config = ConfigDict(
        strict=True, extra="forbid", frozen=True, json_schema_extra={"examples": [EXAMPLE_ATTACK]}
    )

    target: CheckpointName | None = Field(
        default=None, description="Checkpoint under attack. Default: the service's."
    )
    noise: NoiseKind | None = Field(
        default=None, description="Of the target. Default: the checkpoint's; another needs a sigma."
    )
    sigma: TargetSigma | None = Field(
        default=None,
        description="Of the target's noise, at every noise point. Default: its sigma_train.",
    )
    surrogate: CheckpointName = Field(description="The attacker's checkpoint.")
    undefended: CheckpointName | None = Field(
        default=None, description="A checkpoint known to fall, for a sanity check."
    )
    restarts: Annotated[int, Field(ge=1, le=MAX_RESTARTS)] = Field(
        default=5, description="On the surrogate, from random starts."
    )
    inputs: list[Any] | None = Field(
        default=None,
        min_length=1,
        description="Samples: arrays in the target's input shape and range; leading axes of length "
        "1 of a sample may be left out.",
    )
    labels: Annotated[list[int], Field(fail_fast=True)] | None = Field(
        default=None, description="The right class of each of the inputs, counted from 0."
    )
    dataset: str | None = Field(
        default=None,
        max_length=200,
        description=f"Whose test images are attacked: {', '.join(DATASETS)}, if the server has it.",
    )
    images: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="The first so many of the data set. Default: 200."
    )

    @model_validator(mode="after")
    def has_samples_from_one_place(self) -> "AttackRequest":
        """Refuse samples from two places or from none."""
        if (self.inputs is None) == (self.dataset is None):
            got = "neither" if self.inputs is None else "both"
            raise ValueError(f"either inputs with labels or dataset is needed; got {got}")
        if (self.inputs is None) != (self.labels is None):
            lacking = "inputs have no labels" if self.labels is None else "labels have no inputs"
            raise ValueError(f"the {lacking}")
        if self.images is not None and self.dataset is None:
            raise ValueError("images counts those of a dataset; inputs are all attacked")
        return self


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


class FinishedStep(BaseModel):
    """A step of an assessment that is done and kept.

    Attributes:
        name: of the step.
        seconds: that it took; null if its worker was killed before it could say so.
    """

    name: str
    seconds: float | None


class AttackResult(BaseModel):
    """What is known of one attack so far; the report says more.

    Attributes:
        attack: its name.
        family: ``transfer``, ``query``, ``control`` or ``upper bound``.
        robust_accuracy_noiseless: of the target without noise; null if not there (yet).
        robust_accuracy: of the target as assessed.
        attack_success_rate: on the target as assessed, verified on fresh noise.
    """

    attack: str
    family: str
    robust_accuracy_noiseless: Share | None
    robust_accuracy: Share | None
    attack_success_rate: Share | None


class PartialResults(BaseModel):
    """What is known so far.

    Attributes:
        noiseless_accuracy: without noise and attack; null before it was measured.
        voted_accuracy: with noise and votes, without attack.
        attacks: judged at least once.
        verdict: whether the noise helps; null before the end.
    """

    noiseless_accuracy: Share | None = None
    voted_accuracy: Share | None = None
    attacks: tuple[AttackResult, ...] = ()
    verdict: Verdict | None = None


class JobSummary(BaseModel):
    """One job in the list.

    Attributes:
        id: of the job.
        status_url: path of its status.
        state: where it is.
        created_at: when it was asked for.
        target: name of the checkpoint under attack.
        surrogate: name of the attacker's checkpoint.
        samples: under attack.
        progress: share of all work that is done.
        error: why it is not running; null as a rule.
    """

    id: str
    status_url: str
    state: JobState
    created_at: datetime
    target: str
    surrogate: str
    samples: int
    progress: float
    error: str | None


class JobStatus(JobSummary):
    """One job with all that is known of it.

    Attributes:
        started_at: when the worker last began with it; null before.
        finished_at: when it last left the worker or the queue; null before.
        events_url: path of its server-sent events.
        report_url: path of the report as JSON; ``.html`` behind it makes it a page.
        plan: what is done.
        step: that is under way; null unless running.
        steps: in all.
        finished_steps: in the order in which they were done.
        eta_s: seconds left at the pace since it last began; null before there is one.
        queries: inputs sent to the server's own ``/predict`` for this job, verification included.
        votes: cast on them.
        results: what is known so far.
    """

    started_at: datetime | None
    finished_at: datetime | None
    events_url: str
    report_url: str
    plan: Plan
    step: str | None
    steps: int
    finished_steps: list[FinishedStep]
    eta_s: float | None
    queries: int
    votes: int
    results: PartialResults


class JobList(BaseModel):
    """All jobs, the newest first."""

    jobs: list[JobSummary]
