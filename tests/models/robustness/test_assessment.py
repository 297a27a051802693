"""The assessment: what it counts as success, what it asks, how it stops and goes on."""

import pytest

from noisevote.models.robustness.assessment import assess
from noisevote.models.robustness.report import Report
from tests.models.robustness.assessed import ABOUT, PLAN, changed, row, run_of, subject_of
from tests.models.robustness.worlds import LineSurrogate, LineTarget, line_samples


def test_report_holds_all_that_the_plan_asks_for(report: Report) -> None:
    assert report.is_complete
    assert report.steps_done == report.steps
    assert [row.attack for row in report.attacks] == [
        "pgd", "momentum_pgd", "eot_pgd", "square", "adaptive_square", "random_noise", "white_box",
    ]  # fmt: skip
    assert set(report.sweeps) == {"sigma", "votes", "epsilon", "queries"}
    assert [point.at for point in report.sweeps["sigma"]] == [0, 0, 0.05, 0.05, 0.1, 0.1]
    assert len(report.checks) == 13
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
