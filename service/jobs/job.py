"""One job: what is kept of it, and how it is shown."""

from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict, Json

from noisevote.models.robustness.counted import Share
from noisevote.models.robustness.plan import Plan
from noisevote.models.robustness.report import About, AttackRow, Report, Score
from noisevote.service.configuration.keys import KEY_OWNER
from noisevote.service.wire.attack import (
    AttackResult,
    FinishedStep,
    JobState,
    JobStatus,
    JobSummary,
    PartialResults,
)


class JobContent(BaseModel):
    """What is to be done, with which checkpoints and samples; it never changes."""

    plan: Plan
    about: About


class Job(BaseModel):
    """One job as it is kept, a column a field; times in seconds since the epoch."""

    model_config = ConfigDict(frozen=True)

    id: str
    owner: str | None
    """Whom its votes are charged to, a key or an address; None if that is not known."""
    state: JobState
    content: Json[JobContent]
    created: float
    started: float | None
    """When the worker last began with it."""
    finished: float | None
    """When it last left the worker or the queue."""
    step: str | None
    """Under way."""
    steps: int
    progress: float
    """Share of all work that is done."""
    progress_from: float
    """Progress when the worker last began with the first step left."""
    paced: float | None
    """When that was."""
    queries: int
    votes: int
    error: str | None
    """Why it is not running."""
    results: Json[PartialResults]
    wants_cancel: bool
    """Whether it has been told to stop."""
    finished_steps: tuple[FinishedStep, ...] = ()

    def eta_s(self, now: float) -> float | None:
        """Return the seconds left at the pace since the worker last began, if there is one."""
        gained = self.progress - self.progress_from
        if self.state is not JobState.RUNNING or self.paced is None or gained <= 0:
            return None
        return max(0.0, (now - self.paced) * (1 - self.progress) / gained)


def is_open_to(owner: str | None, asker: str) -> bool:
    """Return whether a job may be seen and changed: by its key, or if it came without one.

    Args:
        owner: owner of the job.
        asker: who asks, in the same form; an address if the service has no keys.
    """
    belongs_to_key = owner is not None and owner.startswith(KEY_OWNER)
    return owner == asker or not (belongs_to_key and asker.startswith(KEY_OWNER))


def summary_of(job: Job, now: float) -> JobSummary:
    """Return a job as it stands in the list."""
    about = job.content.about
    eta_s = job.eta_s(now)
    return JobSummary(
        id=job.id,
        status_url=f"/attack/{job.id}",
        state=job.state,
        created_at=time_of(job.created),
        target=about.target,
        surrogate=about.surrogate,
        samples=len(about.samples.indices),
        progress=round(job.progress, 4),
        eta_s=None if eta_s is None else round(eta_s, 1),
        queries=job.queries,
        votes=job.votes,
        error=job.error,
    )


def status_of(job: Job, now: float) -> JobStatus:
    """Return a job with all that is known of it."""
    summary = summary_of(job, now)
    return JobStatus(
        **dict(summary),
        started_at=None if job.started is None else time_of(job.started),
        finished_at=None if job.finished is None else time_of(job.finished),
        events_url=f"{summary.status_url}/events",
        report_url=f"{summary.status_url}/report",
        plan=job.content.plan,
        step=job.step if job.state is JobState.RUNNING else None,
        steps=job.steps,
        finished_steps=list(job.finished_steps),
        results=job.results,
    )


def time_of(seconds: float) -> datetime:
    """Return seconds since the epoch as a time in UTC."""
    return datetime.fromtimestamp(seconds, UTC)


def results_of(report: Report) -> PartialResults:
    """Return what a report knows, in short."""
    clean = report.clean
    return PartialResults(
        noiseless_accuracy=None if clean is None else clean.noiseless,
        voted_accuracy=None if clean is None else clean.voted,
        attacks=tuple(result_of(row) for row in report.attacks),
        verdict=report.verdict,
    )


def result_of(row: AttackRow) -> AttackResult:
    """Return what is known of one attack, in short."""
    noiseless, noisy = row.noiseless, row.noisy
    return AttackResult(
        attack=row.attack,
        family=row.family,
        robust_accuracy_noiseless=robust_accuracy(noiseless),
        robust_accuracy=robust_accuracy(noisy),
        attack_success_rate=None if noisy is None else noisy.attack_success_rate,
        target_reached_noiseless=target_reached(noiseless),
        target_reached=target_reached(noisy),
    )


def robust_accuracy(score: Score | None) -> Share | None:
    """Return the robust accuracy, which is that of attacks that want any wrong class."""
    return None if score is None or score.target_reached is not None else score.robust_accuracy


def target_reached(score: Score | None) -> Share | None:
    """Return the share of samples answered with the target class, if one is wanted."""
    if score is None or score.target_reached is None:
        return None
    return score.target_reached.one_reply
