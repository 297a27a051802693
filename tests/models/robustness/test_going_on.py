"""The assessment: how it stops, goes on, and tells how far it is."""

from pathlib import Path

import pytest

from noisevote.models.checkpoint import SHIPPED, Checkpoint
from noisevote.models.errors import CancelledError, DataError
from noisevote.models.noise import NoiseKind
from noisevote.models.robustness.assessment import assess, steps_of
from noisevote.models.robustness.checkpoint_target import CheckpointTarget
from noisevote.models.robustness.plan import AttackName, Plan
from noisevote.models.robustness.progress import Progress
from noisevote.models.robustness.report import Report
from noisevote.models.robustness.run import Assessment, Subject
from noisevote.models.robustness.surrogate import surrogate_from
from noisevote.models.robustness.trials import FolderState
from tests.models.robustness.assessed import ABOUT, PLAN, SHORT, run_of, subject_of
from tests.models.robustness.worlds import drawn_samples


def test_interrupted_assessment_goes_on_to_the_same_report(tmp_path: Path, report: Report) -> None:
    seen: list[str] = []

    def stop_late(name: str, share: float) -> None:  # noqa: ARG001
        if name not in seen:
            seen.append(name)

    identity = {"plan": PLAN.model_dump(mode="json")}
    progress = Progress(stop_late, is_cancelled=lambda: len(seen) > 12)
    with pytest.raises(CancelledError, match="finished steps are kept"):
        assess(run_of(state=FolderState(tmp_path, identity), progress=progress), ABOUT)
    done = len(list(tmp_path.glob("*.npz")))
    assert done == 12
    rest: list[str] = []
    progress = Progress(lambda name, _: rest.append(name))
    resumed = assess(run_of(state=FolderState(tmp_path, identity), progress=progress), ABOUT)
    assert resumed == report
    assert not set(rest) & set(seen[:12])


def test_folder_of_another_assessment_is_refused(tmp_path: Path) -> None:
    FolderState(tmp_path, {"seed": 1})
    with pytest.raises(DataError, match="another assessment"):
        FolderState(tmp_path, {"seed": 2})


def test_damaged_step_is_named(tmp_path: Path) -> None:
    (tmp_path / "clean-noisy.npz").write_bytes(b"half a file")
    with pytest.raises(DataError, match=r"clean-noisy\.npz is damaged"):
        FolderState(tmp_path, {}).load("clean/noisy")


def test_partial_reports_grow_and_only_the_last_has_a_verdict() -> None:
    partial: list[Report] = []
    final = assess(run_of(SHORT), ABOUT, partial.append)
    assert [report.steps_done for report in partial] == list(range(1, final.steps + 1))
    assert [report.verdict for report in partial[:-1]] == [None] * (final.steps - 1)
    assert partial[-1] == final
    assert not partial[2].is_complete
    assert partial[2].clean is None
    assert partial[3].clean is not None


def test_progress_rises_to_one() -> None:
    shares: list[float] = []
    assess(run_of(SHORT, progress=Progress(lambda _, share: shares.append(share))), ABOUT)
    assert shares == sorted(shares)
    assert 0.9 < shares[-1] <= 1


def test_steps_have_names_of_their_own() -> None:
    names = [str(step.key) for step in steps_of(PLAN, subject_of().parties, 10)]
    assert len(set(names)) == len(names)


def test_real_checkpoints_are_assessed(tmp_path: Path) -> None:
    checkpoint = Checkpoint(SHIPPED / "mnist_cnn-mult-1.0")
    surrogate = surrogate_from(Checkpoint(SHIPPED / "mnist_cnn-clean"))
    kind = NoiseKind.MULTIPLICATIVE
    plan = Plan(
        kind=kind,
        sigma=0.5,
        votes=3,
        epsilon=0.2,
        steps=2,
        restarts=1,
        attacks=(AttackName.PGD,),
        replies=3,
        draws=1,
        sigmas=(1.0,),
        sweep_replies=1,
    )
    run = Assessment(
        plan=plan,
        subject=Subject(
            lambda seed: CheckpointTarget(checkpoint, kind, seed),
            surrogate,
            own=surrogate_from(checkpoint),
        ),
        samples=drawn_samples(3, seed=4),
        low=0.0,
        high=1.0,
        classes=10,
        state=FolderState(tmp_path, {}),
        progress=Progress(),
    )
    labels = checkpoint.card.labels
    report = assess(run, ABOUT.model_copy(update={"labels": labels}))
    assert report.is_complete
    assert len(report.pictures) == 3
    assert all(score.in_ball for row in report.attacks if (score := row.noisy) is not None)
