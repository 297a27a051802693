"""The assessment: noise that protects, and tools that are broken, are told apart."""

from typing import Any

import numpy as np
import pytest

from noisevote.models.robustness.assessment import assess
from noisevote.models.robustness.plan import AttackName
from tests.models.robustness.assessed import (
    ABOUT,
    PLAN,
    SHORT,
    Guarded,
    changed,
    row,
    run_of,
    subject_of,
)
from tests.models.robustness.worlds import LineSurrogate, LineTarget, line_samples


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


def test_frozen_noise_is_climbed_with_the_seed_of_the_target_and_fresh_noise_with_another() -> None:
    run = run_of(PLAN)
    frozen, fresh = run.surrogate_noise(frozen_draws=3), run.surrogate_noise()
    assert (frozen.is_frozen, frozen.seed, frozen.draws) == (True, PLAN.seed, 3)
    assert (fresh.is_frozen, fresh.draws) == (False, PLAN.draws)
    assert fresh.seed != PLAN.seed
