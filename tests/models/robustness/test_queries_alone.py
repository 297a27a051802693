"""An attacker without a network of his own: what he tries, and what is said of the rest."""

from typing import Any

import pytest

from noisevote.models.robustness.assessment import assess
from noisevote.models.robustness.attacks import ATTACKS
from noisevote.models.robustness.page import html_report
from noisevote.models.robustness.report import Report
from noisevote.models.robustness.run import Assessment
from tests.models.robustness.assessed import ABOUT, Guarded, changed, row, run_of, subject_of
from tests.models.robustness.worlds import LineTarget

ALONE = ABOUT.model_copy(
    update={"surrogate": None, "surrogate_fingerprint": None, "undefended": None}
)
NO_GRADIENTS = "it needs gradients, and there is no surrogate"


def run_alone(target: Any = LineTarget, **changes: Any) -> Assessment:
    plan = changed(
        **{"attacks": ("square",), "sigmas": (), "epsilons": (), "vote_numbers": ()} | changes
    )
    return run_of(plan, subject_of(target, surrogate=None, own=None, undefended=None))


@pytest.fixture(scope="module")
def report() -> Report:
    return assess(run_alone(), ALONE)


def test_only_attacks_that_need_no_gradients_are_tried(report: Report) -> None:
    assert report.is_complete
    assert [row.attack for row in report.attacks] == ["square", "adaptive_square", "random_noise"]
    assert {each.attack: each.reason for each in report.untried} == {
        "pgd": NO_GRADIENTS,
        "momentum_pgd": NO_GRADIENTS,
        "eot_pgd": NO_GRADIENTS,
        "white_box": NO_GRADIENTS,
        "hop_skip_jump": "not asked for",
    }
    tried = {row.attack for row in report.attacks}
    assert tried | {each.attack for each in report.untried} == {attack.name for attack in ATTACKS}


def test_gradients_of_the_target_are_left_alone_even_if_they_are_at_hand() -> None:
    run = run_of(run_alone().plan, subject_of(surrogate=None, undefended=None))
    assert "white_box" not in [row.attack for row in assess(run, ALONE).attacks]


def test_the_worst_case_is_that_of_the_samples_that_were_attacked(report: Report) -> None:
    square = row(report, "square")
    assert (square.samples, report.clean and report.clean.noiseless.of) == (30, 60)
    assert square.noiseless is not None
    assert report.worst_case is not None
    assert report.worst_case.noiseless == square.noiseless.robust_accuracy
    assert report.worst_case.noisy.of == report.worst_case.paired.samples == 30


def test_verdict_threat_model_and_page_say_that_nothing_else_was_tried(report: Report) -> None:
    assert report.verdict is not None
    said = " ".join(report.verdict.sentences)
    assert "Only the first 30 of the 60 samples were attacked" in said
    assert f"Not tried: pgd, momentum_pgd, eot_pgd, white_box: {NO_GRADIENTS}; " in said
    assert "hop_skip_jump: not asked for" in said
    threats = " ".join(report.threat_model)
    assert "Has: no network of his own and no gradients" in threats
    assert "Budget: 30 queries per sample of 5 votes each, on the first 30 of 60" in threats
    assert "on the surrogate" not in threats
    page = html_report(report)
    assert "none: the attacker can only ask" in page
    assert page.count(NO_GRADIENTS) == 5


def test_checks_without_a_surrogate_are_run_where_they_mean_something(report: Report) -> None:
    outcomes = {check.name: check.passed for check in report.checks}
    run = {"labels", "constraint", "benign flips", "random noise"}
    assert {name for name, passed in outcomes.items() if passed is not None} == run
    assert all(outcomes[name] for name in run)
    details = {check.name: check.detail for check in report.checks}
    assert details["climb"] == "not run: there is no surrogate to make examples on"
    assert "under Square" in details["random noise"]


def test_noise_that_protects_is_found_to_help_by_queries_too() -> None:
    found = assess(run_alone(Guarded, query_samples=60, queries=60, stable_share=0.6), ALONE)
    assert found.verdict is not None
    assert found.verdict.answer == "helps"


def test_labels_alone_cannot_show_that_noise_helps_against_one_who_averages_it_out() -> None:
    pytest.importorskip("art")
    run = run_alone(Guarded, attacks=("hop_skip_jump",), queries=60, query_samples=40)
    found = assess(run, ALONE)
    assert found.verdict is not None
    assert found.verdict.answer == "helps against the unaware"
