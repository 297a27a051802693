"""What a report says beside its counts: threats, abstentions, examples, and how far they carry."""

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from noisevote.models.robustness.assessment import assess
from noisevote.models.robustness.ball import Norm
from noisevote.models.robustness.page import html_report, noise_text, snr_db
from noisevote.models.robustness.plan import AttackName
from noisevote.models.robustness.report import Report
from noisevote.models.robustness.scores import CLEAN, mean_interval
from noisevote.models.statistics import clopper_pearson
from tests.models.robustness.assessed import ABOUT, PLAN, Guarded, changed, row, run_of, subject_of
from tests.models.robustness.worlds import LineSurrogate, LineTarget, line_samples

BLACK_BOX = ABOUT.model_copy(update={"surrogate_fingerprint": "1", "undefended_fingerprint": "2"})
FEW = changed(sigmas=(), epsilons=(), vote_numbers=())
QUICK = FEW.model_copy(
    update={"attacks": (AttackName.PGD,), "adaptive": False, "white_box": False, "restarts": 1}
)


def sentences(report: Report) -> str:
    assert report.verdict is not None
    return " ".join(report.verdict.sentences)


def test_perturbations_are_bounded_in_the_l2_norm_by_every_attack() -> None:
    plan = changed(norm=Norm.L2, epsilon=1.2, step_size=0.4, epsilons=(0.6, 1.2))
    report = assess(run_of(plan), BLACK_BOX)
    assert [check.name for check in report.checks if check.passed is not True] == []
    sizes = {each.attack: each.noisy for each in report.attacks}
    assert len(sizes) == 7
    for score in sizes.values():
        assert score is not None
        assert score.in_ball
        assert 0.9 < score.largest_perturbation <= 1.2001
    pgd = row(report, "pgd").noiseless
    assert pgd is not None
    assert 0.1 < pgd.attack_success_rate.share < 0.9
    assert "at most 1.2 in the L2 norm" in report.threat_model[1]


def test_label_only_attack_is_part_of_an_assessment() -> None:
    pytest.importorskip("art")
    attacks = (AttackName.PGD, AttackName.HOP_SKIP_JUMP)
    plan = FEW.model_copy(update={"attacks": attacks, "queries": 120, "query_samples": 8})
    report = assess(run_of(plan), BLACK_BOX)
    found = row(report, "hop_skip_jump")
    assert found.samples == 8
    assert found.noisy is not None
    assert found.noiseless is not None
    assert found.noiseless.attack_success_rate.count > 0
    assert 0 < found.noisy.attack.queries <= 8 * 120
    assert found.noisy.queries <= 120
    assert report.worst_case is not None
    assert "hop_skip_jump, noisy" in report.worst_case.attacks
    assert "HopSkipJump sees the mode of each reply." in report.threat_model
    assert "first 8 of the 60 samples" in sentences(report)


def test_a_gain_is_not_called_one_against_attackers_that_were_not_tried() -> None:
    plan = FEW.model_copy(
        update={"adaptive": False, "white_box": False, "stable_share": 0.6, "attacks": ("pgd",)}
    )
    report = assess(run_of(plan, subject_of(Guarded)), BLACK_BOX)
    assert report.worst_case is not None
    assert report.worst_case.paired.p_value < 0.01
    assert report.verdict is not None
    assert report.verdict.answer == "helps against the unaware"
    assert "was not tried" in report.verdict.sentences[0]
    assert "No attack by queries was tried." in report.verdict.sentences


def test_limits_of_the_attacks_are_said() -> None:
    report = assess(run_of(changed(query_samples=5, queries=4)), BLACK_BOX)
    said = sentences(report)
    assert "Attacks by queries were tried on the first 5 of the 60 samples" in said
    assert (
        "By the target's own gradients, which no black-box attacker has, robust accuracy is "
        in said
    )
    square = row(report, "square").noiseless
    assert square is not None
    says = "Even without noise no sample was turned by square" in said
    assert says == (square.attack_success_rate.count == 0)


def test_attacks_by_queries_that_still_gain_are_named() -> None:
    report = assess(run_of(changed(queries=40, query_samples=60, budgets=(2, 40))), BLACK_BOX)
    assert "attacks still gained (square, noiseless" in sentences(report)
    assert "with more than 40 queries" in sentences(report)
    against = {point.curve: point.paired is not None for point in report.sweeps["queries"]}
    assert against == {
        "square, noiseless": False, "square, noisy": True, "adaptive_square, noisy": True,
    }  # fmt: skip
    done = assess(run_of(changed(queries=40, query_samples=60, budgets=(39, 40))), BLACK_BOX)
    assert "still gained (square, noiseless" not in sentences(done)


def test_a_surrogate_that_is_the_target_is_no_black_box() -> None:
    own = assess(run_of(QUICK), ABOUT)
    assert any("This is no black-box attack" in line for line in own.threat_model)
    other = assess(run_of(QUICK), BLACK_BOX)
    assert not any("no black-box" in line for line in other.threat_model)


def test_an_undefended_network_that_is_the_surrogate_shows_less() -> None:
    same = BLACK_BOX.model_copy(update={"undefended_fingerprint": "1"})
    for about, says in ((same, True), (BLACK_BOX, False)):
        report = assess(run_of(QUICK), about)
        (check,) = (check for check in report.checks if check.name == "undefended")
        assert check.passed is True
        assert ("it is the surrogate itself" in check.detail) == says


def test_seeds_that_clients_may_set_are_part_of_the_threat() -> None:
    may = assess(run_of(QUICK), BLACK_BOX)
    assert "NOISEVOTE_ALLOW_CLIENT_SEED=false" in may.threat_model[-1]
    may_not = assess(run_of(QUICK, subject_of(may_freeze=False)), BLACK_BOX)
    assert "draws all seeds itself" in may_not.threat_model[-1]


def test_replies_abstain_where_two_classes_are_close_and_never_without_noise() -> None:
    # 20 % of the replies put all their 7 votes on a random class: wrong, and sure of it. The others
    # are sure and right. A target whose votes are all but random abstains nearly always.
    clear = line_samples(60)
    clear = clear.take(LineSurrogate().losses(clear, 0) < 0.8)
    plan = changed(sigma=1e-3, epsilon=0.01, step_size=0.004, votes=7, stable_share=0.5)
    report = assess(run_of(plan, subject_of(lambda s: SureAndWrong(s, 0.3)), clear), BLACK_BOX)
    pgd = row(report, "pgd")
    assert pgd.noisy is not None
    assert pgd.noiseless is not None
    assert pgd.noisy.abstained.count == 0
    wrong = pgd.noisy.robust_accuracy.of - pgd.noisy.robust_accuracy.count
    assert pgd.noisy.wrong_and_sure.count == wrong > 0
    loud = assess(run_of(changed(sigma=50.0, stable_share=0.5)), BLACK_BOX)
    pgd = row(loud, "pgd")
    assert pgd.noisy is not None
    assert pgd.noiseless is not None
    assert pgd.noisy.abstained.share > 0.9
    assert pgd.noisy.wrong_and_sure.share < 0.1
    assert pgd.noiseless.abstained.count == 0
    assert loud.clean is not None
    assert loud.clean.abstained.share > 0.9


@pytest.mark.parametrize(("votes", "is_said"), [(5, True), (6, False)])
def test_it_is_said_where_replies_have_too_few_votes_ever_to_be_sure(
    votes: int, is_said: bool
) -> None:
    report = assess(run_of(QUICK.model_copy(update={"votes": votes})), BLACK_BOX)
    assert (f"With {votes} votes every reply under noise abstains" in sentences(report)) is is_said


class SureAndWrong(LineTarget):
    """Puts all votes of some replies on a random class."""

    def vote_counts(self, inputs: Any, conditions: Any, stop: Any) -> Any:
        counts = super().vote_counts(inputs, replace(conditions, votes=1), stop)
        return counts * conditions.votes


def test_interval_of_a_mean_is_exact_for_successes_and_covers_what_spreads_less() -> None:
    assert mean_interval(np.array([1.0, 0, 0, 1]), 0.05) == clopper_pearson(2, 4, 0.05)
    assert mean_interval(np.zeros(0), 0.05) == (0.0, 1.0)
    assert mean_interval(np.full(21, 1 / 21) * 21, 0.05)[1] == 1.0
    # Shares of 21 replies whose chance of being wrong differs by sample. Each side may miss in
    # 2.5 % of 2,000 means; 3.9 % and more have a chance below 1e-4.
    generator = np.random.default_rng(0)
    chances = generator.beta(0.2, 1.0, (2000, 30))
    shares = generator.binomial(21, chances) / 21
    intervals = np.array([mean_interval(of_one, 0.05) for of_one in shares])
    truth = 0.2 / 1.2
    assert (intervals[:, 0] > truth).mean() < 0.039
    assert (intervals[:, 1] < truth).mean() < 0.039


def test_examples_shown_are_right_without_attack_and_of_the_strongest() -> None:
    run = run_of(FEW.model_copy(update={"sigma": 0.2, "stable_share": 1.0, "replies": 21}))
    report = assess(run, BLACK_BOX)
    stable = 1 - run.trial(CLEAN).flip_shares >= 1
    assert 0 < stable.sum() < len(stable)
    assert len(report.pictures) > 0
    assert all(stable[picture.index] for picture in report.pictures)


def test_page_says_what_was_assessed_and_what_the_names_mean() -> None:
    page = html_report(assess(run_of(), BLACK_BOX))
    for text in (
        "What was assessed", "additive, sigma 0.05 at every noise point",
        f"{PLAN.votes} a reply", ": made up", "adaptive: Square with 4 times the votes",
        "wrong and not abstained", "is no proof that the noise protects",
    ):  # fmt: skip
        assert text in page, text


def test_labels_shifted_by_one_are_noticed_and_nothing_is_judged() -> None:
    samples = line_samples(20)
    shifted = replace(samples, labels=(samples.labels + 1) % 3)
    report = assess(run_of(QUICK, samples=shifted), BLACK_BOX)
    checks = {check.name: check for check in report.checks}
    assert checks["labels"].passed is False
    assert "would be if all labels were 1 lower" in checks["labels"].detail
    assert checks["benign flips"].passed is None
    assert checks["undefended"].passed is None
    assert report.verdict is not None
    assert report.verdict.answer == "no verdict"
    assert "none could be attacked" in sentences(report)
    assert "1 lower" in sentences(report)


def test_labels_that_are_partly_shifted_fail_the_check_though_the_rest_is_right() -> None:
    samples = line_samples(30)
    wrong = np.where(np.arange(30) < 20, samples.labels + 1, samples.labels) % 3
    report = assess(run_of(QUICK, samples=replace(samples, labels=wrong)), BLACK_BOX)
    (check,) = (check for check in report.checks if check.name == "labels")
    assert check.passed is False


def test_a_report_shows_every_attack_in_a_chart_and_says_what_each_picture_is(
    report: Report,
) -> None:
    page = html_report(report)
    chart = page.partition('aria-labelledby="attacks-title"')[2].partition("</svg>")[0]
    most = max(each.samples for each in report.attacks)
    assert min(each.samples for each in report.attacks) < most
    for each in report.attacks:
        fewer = "" if each.samples == most else f", of {each.samples}"
        assert f">{each.attack}{fewer}</text>" in chart
    assert ">no attack</text>" in chart
    assert ">all black-box attacks</text>" in chart
    for picture in report.pictures:
        for caption in (
            f"sample: {picture.label}",
            "perturbation, grey is none",
            f"example: answered {picture.answered}",
        ):
            assert f"<figcaption>{caption}</figcaption>" in page


def test_tables_are_folded_and_those_of_failed_checks_open() -> None:
    samples = line_samples(5)
    sound = html_report(assess(run_of(QUICK, samples=samples), BLACK_BOX))
    wrong = replace(samples, labels=(samples.labels + 1) % 3)
    unsound = html_report(assess(run_of(QUICK, samples=wrong), BLACK_BOX))
    assert "<details open>" not in sound
    assert re.search(r"<details open><summary>\d+ passed, [1-9]\d* failed", unsound)


def test_noise_by_noise_point_is_shown_as_it_was_asked_for() -> None:
    plan = QUICK.model_copy(update={"sigma": {"conv1": 0.5, "fc2": 1.0}, "repeats": {"fc2": 20}})
    assert "sigma conv1 0.5, fc2 1; reads that are averaged: fc2 20" in noise_text(plan)
    assert snr_db(plan) is None
