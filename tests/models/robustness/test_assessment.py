"""The assessment: what it counts as success, what it asks, how it stops and goes on."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.checkpoint import SHIPPED, Checkpoint
from models.errors import CancelledError, DataError
from models.noise import NoiseKind
from models.robustness.about import About, AboutSamples
from models.robustness.assessment import assess, steps_of
from models.robustness.plan import AttackName, Plan
from models.robustness.report import AttackRow, Report
from models.robustness.run import Run, Subject
from models.robustness.samples import Samples
from models.robustness.state import FolderState, MemoryState, State
from models.robustness.surrogate import surrogate_from
from models.robustness.target import CheckpointTarget, Target
from models.robustness.watch import Watch
from tests.models.robustness.worlds import (
    LineSurrogate,
    LineTarget,
    drawn_samples,
    line_samples,
)

PLAN = Plan(
    kind=NoiseKind.ADDITIVE,
    sigma=0.05,
    votes=5,
    epsilon=0.15,
    step_size=0.06,
    steps=6,
    restarts=2,
    queries=30,
    query_samples=30,
    replies=5,
    sweep_replies=3,
    sigmas=(0.0, 0.05, 0.1),
    epsilons=(0.05, 0.1, 0.2),
    vote_numbers=(1, 5),
    draws=2,
)
SHORT = Plan.model_validate(
    PLAN.model_dump()
    | {"attacks": ("pgd",), "sigmas": (), "epsilons": (), "vote_numbers": (), "adaptive": False}
)
ABOUT = About(
    target="line",
    target_fingerprint="0",
    surrogate="line",
    surrogate_fingerprint="0",
    undefended="line",
    labels=("left", "middle", "right"),
    samples=AboutSamples(source="made up", indices=(), digest=""),
    interface="in the process",
    versions={},
)


def subject_of(target: Callable[[int], Target] = LineTarget, **changes: Any) -> Subject:
    line = LineSurrogate()
    return replace(Subject(target, line, own=line, undefended=LineTarget), **changes)


def run_of(
    plan: Plan = PLAN,
    subject: Subject | None = None,
    samples: Samples | None = None,
    state: State | None = None,
    watch: Watch | None = None,
) -> Run:
    return Run(
        plan=plan,
        subject=subject or subject_of(),
        samples=samples or line_samples(60),
        low=0.0,
        high=1.0,
        classes=3,
        state=state or MemoryState(),
        watch=watch or Watch(),
    )


def changed(**changes: Any) -> Plan:
    return Plan.model_validate(PLAN.model_dump() | changes)


def row(report: Report, attack: str) -> AttackRow:
    return next(row for row in report.attacks if row.attack == attack)


@pytest.fixture(scope="module")
def report() -> Report:
    return assess(run_of(), ABOUT)


def test_report_holds_all_that_the_plan_asks_for(report: Report) -> None:
    assert report.is_complete
    assert report.steps_done == report.steps
    assert [row.attack for row in report.attacks] == [
        "pgd", "momentum_pgd", "eot_pgd", "square", "adaptive_square", "random_noise", "white_box",
    ]  # fmt: skip
    assert set(report.sweeps) == {"sigma", "votes", "epsilon", "queries"}
    assert [point.at for point in report.sweeps["sigma"]] == [0, 0, 0.05, 0.05, 0.1, 0.1]
    assert len(report.checks) == 12
    assert report.verdict is not None
    assert Report.model_validate_json(report.model_dump_json()) == report


def test_the_attack_on_the_known_target_is_as_good_as_can_be(report: Report) -> None:
    # The surrogate is the target, and its loss is all but linear: PGD must take the samples whose
    # lead is below twice epsilon (less a few, whose rival changes on the way), and no other.
    samples = line_samples(60)
    lead = -(LineSurrogate().losses(samples, 0) - 1)
    pgd = row(report, "pgd").noiseless
    assert pgd is not None
    safe = int((lead > 2 * PLAN.epsilon).sum())
    assert safe <= pgd.robust_accuracy.count <= safe + 2
    assert pgd.attack_success_rate.count == int((lead > 0).sum()) - pgd.robust_accuracy.count
    assert pgd.largest_perturbation == pytest.approx(0.15, abs=1e-6)


def test_all_checks_pass_where_all_is_sound(report: Report) -> None:
    assert {check.name: check.passed for check in report.checks} == dict.fromkeys(
        [check.name for check in report.checks], True
    )
    assert report.verdict is not None
    assert report.verdict.answer in {"no evidence", "harms"}


def test_attack_and_verification_are_billed_apart(report: Report) -> None:
    pgd, square = row(report, "pgd"), row(report, "square")
    assert pgd.noisy is not None
    assert pgd.worst_noisy is not None
    assert square.noisy is not None
    assert pgd.noisy.attack.queries == 0
    assert pgd.noisy.verification.queries == 60 * PLAN.replies
    assert pgd.worst_noisy.attack.queries == 60 * PLAN.restarts
    assert pgd.worst_noisy.attack.votes == 60 * PLAN.restarts * PLAN.votes
    assert 0 < square.noisy.attack.queries <= 30 * PLAN.queries
    assert square.noisy.attack.votes == square.noisy.attack.queries * PLAN.votes
    assert square.noisy.verification.queries == 30 * PLAN.replies
    adaptive = row(report, "adaptive_square")
    assert adaptive.noisy is not None
    assert adaptive.noisy.attack.votes == adaptive.noisy.attack.queries * PLAN.votes * 4


def test_without_noise_one_reply_stands_for_all(report: Report) -> None:
    pgd = row(report, "pgd").noiseless
    assert pgd is not None
    assert (pgd.verification.queries, pgd.verification.votes) == (60, 60)


def test_luck_is_not_success() -> None:
    # Of a target that gives 30 % of its replies to a random class, whatever it is shown, the
    # attacker sees most samples fooled; on fresh noise most replies are right.
    clear = line_samples(60)
    clear = clear.take(LineSurrogate().losses(clear, 0) < 0.8)
    fair = subject_of(lambda seed: LineTarget(seed, fair_share=0.3))
    plan = changed(
        sigma=0.001, epsilon=0.01, step_size=0.004, votes=1, replies=21, stable_share=0.5
    )
    square = row(assess(run_of(plan, fair, clear), ABOUT), "square").noisy
    assert square is not None
    assert square.one_check_success_rate.share > 0.5
    assert square.attack_success_rate.share < 0.05
    # 30 % random of three classes: a fifth of all replies is wrong. 30 samples x 21 replies stray
    # from that by more than 0.08 with a chance below 1e-5.
    assert square.flip_probability == pytest.approx(0.2, abs=0.08)


def test_worst_case_does_not_count_the_same_bad_luck_once_for_each_attack() -> None:
    # Replies are wrong by chance alone, a fifth of them. With ten attacks, counting a sample as
    # lost if any reply is wrong would leave 0.8^10 = 11 %. The worst case must stay at 80 %:
    # 120 samples stray from that by more than 18 points with a chance below 1e-5.
    samples = line_samples(400)
    samples = samples.take(LineSurrogate().losses(samples, 0) < 0.8).take(slice(120))
    fair = subject_of(lambda seed: LineTarget(seed, fair_share=0.3))
    plan = changed(sigma=0.001, epsilon=0.01, step_size=0.004, votes=1, replies=5, stable_share=0.5)
    report = assess(run_of(plan, fair, samples), ABOUT)
    assert report.worst_case is not None
    assert report.worst_case.noiseless.share == 1
    assert report.worst_case.noisy.share == pytest.approx(0.8, abs=0.18)


def test_noise_that_hides_nothing_is_found_to_harm_or_not_to_help(report: Report) -> None:
    assert report.worst_case is not None
    assert report.worst_case.paired.gain < 0.05


class Guarded(LineTarget):
    """A target whose noise really protects: with it no attack changes anything."""

    def vote_counts(self, inputs: Any, conditions: Any, stop: Any) -> Any:
        if conditions.sigma > 0:
            nearest = line_samples(60).inputs
            distances = np.abs(inputs[:, np.newaxis] - nearest).max(axis=(2, 3, 4))
            known = distances.min(axis=1) <= 0.3
            inputs = np.where(known[:, None, None, None], nearest[distances.argmin(axis=1)], inputs)
            conditions = replace(conditions, sigma=1e-9, seed=None)
        return super().vote_counts(inputs, conditions, stop)


def test_noise_that_protects_is_found_to_help() -> None:
    report = assess(run_of(changed(white_box=False, stable_share=0.6), subject_of(Guarded)), ABOUT)
    assert [check.name for check in report.checks if check.passed is False] == []
    assert report.verdict is not None
    assert report.verdict.answer == "helps"
    assert report.worst_case is not None
    assert report.worst_case.paired.p_value < 0.01
    pgd = row(report, "pgd").paired
    assert pgd is not None
    assert pgd.gain > 0.2


SABOTAGED: dict[str, tuple[dict[str, Any], str]] = {
    "surrogate climbs the wrong way": ({"surrogate": LineSurrogate(sign=-1.0)}, "unbounded"),
    "surrogate hides its gradients": ({"surrogate": LineSurrogate(sign=0.0)}, "climb"),
    "own gradients mislead": ({"own": LineSurrogate(sign=-1.0)}, "upper bound"),
    "own gradients are hidden": ({"own": LineSurrogate(sign=0.0)}, "upper bound"),
    "fixed noise is not what it is said to be": ({"target": lambda _: Thawed()}, "frozen noise"),
    "undefended network does not fall": ({"undefended": lambda _: Stubborn()}, "undefended"),
    "target forgets its labels": ({"target": lambda seed: LineTarget(seed, 0.9)}, "benign flips"),
}


class Thawed(Guarded):
    """Its noise does not matter, but on noise fixed to a seed nothing else does either."""

    def vote_counts(self, inputs: Any, conditions: Any, stop: Any) -> Any:
        if conditions.seed is not None:
            return super().vote_counts(inputs, conditions, stop)
        return LineTarget.vote_counts(self, inputs, conditions, stop)


class Stubborn(LineTarget):
    """Right on every sample, attacked or not."""

    def vote_counts(self, inputs: Any, conditions: Any, stop: Any) -> Any:
        del stop
        counts = np.zeros((len(inputs), 3), np.int64)
        first = getattr(self, "asked", 0)
        self.asked = first + len(inputs)
        labels = line_samples(60).labels[first : self.asked]
        counts[np.arange(len(inputs)), labels] = conditions.votes
        return counts


@pytest.mark.parametrize("case", SABOTAGED)
def test_a_broken_tool_is_noticed_and_no_verdict_given(case: str) -> None:
    changes, check = SABOTAGED[case]
    plan = changed(attacks=(AttackName.PGD,), epsilons=(), stable_share=0.5, replies=3)
    report = assess(run_of(plan, subject_of(**changes)), ABOUT)
    outcome = {each.name: each.passed for each in report.checks}
    assert outcome[check] is False
    assert report.verdict is not None
    assert report.verdict.answer == "no verdict"
    assert any("Failed: " in sentence for sentence in report.verdict.sentences)


def test_an_attack_that_stops_too_early_is_noticed_and_no_verdict_given() -> None:
    report = assess(run_of(changed(attacks=(AttackName.PGD,), steps=1, step_size=0.05)), ABOUT)
    assert "convergence" in [check.name for check in report.checks if check.passed is False]
    assert report.verdict is not None
    assert report.verdict.answer == "no verdict"


def test_checks_that_cannot_be_run_say_why() -> None:
    report = assess(run_of(SHORT, subject_of(own=None, undefended=None)), ABOUT)
    not_run = {each.name: each.detail for each in report.checks if each.passed is None}
    assert set(not_run) == {"epsilon", "frozen noise", "undefended", "upper bound"}
    assert all(detail.startswith("not run: ") for detail in not_run.values())
    assert report.verdict is not None
    assert report.verdict.sentences[-1].startswith("Not checked: ")


def test_interrupted_assessment_goes_on_to_the_same_report(tmp_path: Path, report: Report) -> None:
    seen: list[str] = []

    def stop_late(name: str, share: float) -> None:  # noqa: ARG001
        if name not in seen:
            seen.append(name)

    identity = {"plan": PLAN.model_dump(mode="json")}
    watch = Watch(stop_late, is_cancelled=lambda: len(seen) > 12)
    with pytest.raises(CancelledError, match="finished steps are kept"):
        assess(run_of(state=FolderState(tmp_path, identity), watch=watch), ABOUT)
    done = len(list(tmp_path.glob("*.npz")))
    assert done == 12
    rest: list[str] = []
    watch = Watch(lambda name, _: rest.append(name))
    resumed = assess(run_of(state=FolderState(tmp_path, identity), watch=watch), ABOUT)
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
    assess(run_of(SHORT, watch=Watch(lambda _, share: shares.append(share))), ABOUT)
    assert shares == sorted(shares)
    assert 0.9 < shares[-1] <= 1


def test_steps_have_names_of_their_own() -> None:
    names = [step.name for step in steps_of(PLAN, subject_of(), 10)]
    assert len(set(names)) == len(names)


def test_real_checkpoints_are_assessed(tmp_path: Path) -> None:
    checkpoint = Checkpoint(SHIPPED / "mnist_cnn-mult-1.0")
    surrogate = surrogate_from(Checkpoint(SHIPPED / "mnist_cnn-clean"))
    plan = Plan(
        kind=NoiseKind.MULTIPLICATIVE,
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
    run = Run(
        plan=plan,
        subject=Subject(
            lambda seed: CheckpointTarget(checkpoint, plan.kind, seed),
            surrogate,
            own=surrogate_from(checkpoint),
        ),
        samples=drawn_samples(3, seed=4),
        low=0.0,
        high=1.0,
        classes=10,
        state=FolderState(tmp_path, {}),
        watch=Watch(),
    )
    labels = checkpoint.card.labels
    report = assess(run, ABOUT.model_copy(update={"labels": labels}))
    assert report.is_complete
    assert len(report.pictures) == 3
    assert all(score.in_ball for row in report.attacks if (score := row.noisy) is not None)
