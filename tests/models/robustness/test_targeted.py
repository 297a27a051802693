"""Targeted assessments: which class is wanted, what counts as success, and what is said of it."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from noisevote.models.data.dataset import Labels
from noisevote.models.errors import CancelledError, InputError
from noisevote.models.robustness.assessment import assess
from noisevote.models.robustness.ball import Samples
from noisevote.models.robustness.page import html_report
from noisevote.models.robustness.plan import Plan
from noisevote.models.robustness.progress import Progress
from noisevote.models.robustness.report import Report
from noisevote.models.robustness.run import TARGET_CLASSES, Assessment, StepKey
from noisevote.models.robustness.surrogate import TorchSurrogate
from noisevote.models.robustness.sweeps import epsilon_key
from noisevote.models.robustness.target import Condition
from noisevote.models.robustness.target_class import TargetRule
from noisevote.models.robustness.targeting import (
    check_target_class,
    check_targets,
    target_classes_of,
)
from noisevote.models.robustness.trials import FolderState, MemoryState, Trial
from tests.models.robustness.assessed import (
    ABOUT,
    SHORT,
    Guarded,
    changed,
    row,
    run_of,
    subject_of,
)
from tests.models.robustness.worlds import LineSurrogate, line_samples

TO_TWO = changed(target_class=2)


@pytest.fixture(scope="module")
def state() -> MemoryState:
    return MemoryState()


@pytest.fixture(scope="module")
def targeted(state: MemoryState) -> Report:
    """The report of the plan on the line by one who wants class 2."""
    return assess(run_of(TO_TWO, state=state), ABOUT)


def trial_of(state: MemoryState, key: StepKey) -> Trial:
    return run_of(TO_TWO, state=state).prepared().trial(key)


def wanted(target_class: Any, samples: Samples, **changes: Any) -> list[int]:
    plan = changed(target_class=target_class, **changes)
    return list(target_classes_of(plan, samples, 3, LineSurrogate()).tolist())


def test_a_class_is_wanted_of_all_or_of_each_or_by_a_rule() -> None:
    samples = line_samples(4)
    assert samples.labels.tolist() == [0, 1, 2, 0]
    assert wanted(1, samples) == [1, 1, 1, 1]
    assert wanted([2, 1, 0, 0], samples) == [2, 1, 0, 0]
    assert wanted("next", samples) == [1, 2, 0, 1]
    by_surrogate = wanted("least_likely", samples)
    assert by_surrogate == LineSurrogate().least_likely(samples).tolist()


def test_the_class_of_a_rule_is_never_the_label_and_a_random_one_is_any_other() -> None:
    samples = line_samples(300)
    for rule in TargetRule:
        assert (np.array(wanted(rule, samples)) != samples.labels).all()
    steps = (np.array(wanted("random", samples)) - samples.labels) % 3
    # Of 300 fair choices between two, fewer than 110 of one have a chance below 1e-5.
    assert min((steps == 1).sum(), (steps == 2).sum()) >= 110
    few = samples.take(slice(100, 110))
    assert wanted("random", few) == wanted("random", samples)[100:110], "keyed by the sample"
    assert wanted("random", samples, seed=1) != wanted("random", samples)


def test_the_least_likely_class_of_a_network_has_its_lowest_output(
    small_network: nn.Module, digits: Samples
) -> None:
    surrogate = TorchSurrogate(small_network)
    found = surrogate.least_likely(digits)
    with torch.inference_mode():
        outputs = small_network(torch.from_numpy(digits.inputs)).numpy()
    outputs[np.arange(len(digits)), digits.labels] = np.inf
    assert found.tolist() == outputs.argmin(axis=1).tolist()


def test_samples_whose_label_is_wanted_are_left_out_and_counted(targeted: Report) -> None:
    assert targeted.targeted is not None
    assert (targeted.targeted.samples, targeted.targeted.left_out) == (40, 20)
    assert set(targeted.targeted.classes) == {2}
    assert targeted.clean is not None
    assert targeted.clean.noiseless.of == row(targeted, "pgd").samples == 40
    assert row(targeted, "square").samples == 30, "the first so many of those that are attacked"
    assert targeted.verdict is not None
    said = " ".join(targeted.verdict.sentences)
    assert "on the 40 samples with another label. 20 samples have that label and are left" in said


def test_success_is_the_target_class_as_the_mode_of_most_fresh_replies(
    targeted: Report, state: MemoryState
) -> None:
    for attack in ("pgd", "square", "random_noise"):
        trial = trial_of(state, StepKey(attack, TO_TWO.noisy.name))
        score = row(targeted, attack).noisy
        assert score is not None
        assert score.target_reached is not None
        reached = trial.modes == 2
        assert score.target_reached.one_reply.count == reached[0].sum()
        assert score.target_reached.mean == pytest.approx(reached.mean())
        sure = (reached[0] & ~trial.abstentions).sum()
        assert score.target_reached.reached_and_sure.count == sure
        clean = trial_of(state, StepKey("clean", TO_TWO.noisy.name))
        right = (clean.modes == clean.labels).mean(axis=0) >= TO_TWO.stable_share
        stable = right[: len(trial.labels)]
        assert score.attack_success_rate.of == stable.sum()
        assert score.target_reached.probability == pytest.approx(reached[:, stable].mean())
        assert score.attack_success_rate.count == (reached.mean(axis=0) > 0.5)[stable].sum()
        assert score.robust_accuracy.count == (trial.modes[0] == trial.labels).sum()


def test_sweeps_tell_of_the_target_class_in_one_reply_and_in_all(
    targeted: Report, state: MemoryState
) -> None:
    for point in targeted.sweeps["epsilon"]:
        condition = Condition.NOISY if "noisy" in point.curve else Condition.NOISELESS
        reached = trial_of(state, epsilon_key(point.at, condition)).modes == 2
        assert point.reached is not None
        assert point.reached.count == reached[0].sum()
        assert point.mean_reached == pytest.approx(reached.mean())


def test_another_wrong_class_is_no_success(state: MemoryState, targeted: Report) -> None:
    trial = trial_of(state, StepKey("pgd", TO_TWO.noiseless.name))
    score = row(targeted, "pgd").noiseless
    assert score is not None
    assert score.target_reached is not None
    wrong = (trial.modes[0] != trial.labels).sum()
    assert score.target_reached.one_reply.count <= wrong
    untargeted = assess(run_of(changed(white_box=False)), ABOUT)
    assert untargeted.targeted is None
    assert untargeted.worst_case is not None
    assert all(
        score.target_reached is None
        for each in untargeted.attacks
        for score in (each.noiseless, each.noisy)
        if score is not None
    )


def test_the_worst_case_is_of_targets_reached_and_never_called_robust_accuracy(
    targeted: Report,
) -> None:
    assert targeted.worst_case is None
    assert targeted.targeted is not None
    worst = targeted.targeted.worst_case
    assert worst is not None
    attack = row(targeted, "pgd").worst_noiseless
    assert attack is not None
    assert attack.target_reached is not None
    assert worst.reached_noiseless.count >= attack.target_reached.one_reply.count
    assert worst.paired.samples == 40
    gain = worst.reached_noiseless.count - worst.reached_noisy.count
    assert worst.paired.noisy_only - worst.paired.noiseless_only == gain
    assert targeted.verdict is not None
    said = " ".join(targeted.verdict.sentences)
    assert "the target class is reached on" in said
    assert "this is no measure of robust accuracy" in said
    assert "robust accuracy is" not in said


def test_the_threat_model_and_the_page_say_what_is_wanted(targeted: Report) -> None:
    assert targeted.threat_model[0].startswith("Goal: class 2 (right), and no other (targeted).")
    page = html_report(targeted)
    for said in (
        "class 2 (right) (targeted); 40 samples attacked, 20 left out, whose label it is",
        "Target class reached by any black-box attack",
        "Target class reached over sigma",
        "replies with the target class",
        "it is no robust accuracy",
    ):
        assert " ".join(said.split()) in " ".join(page.split())
    assert "Robust accuracy" not in page


def test_checks_are_about_the_target_class_and_hold(targeted: Report) -> None:
    outcomes = {check.name: check for check in targeted.checks}
    assert all(check.passed for check in outcomes.values())
    assert (
        outcomes["unbounded"].question
        == "Without a bound the surrogate is led to the target class."
    )
    assert "100.0 % [91.2, 100.0] the target class" in outcomes["unbounded"].detail
    assert "the target class under PGD" in outcomes["random noise"].detail


def test_a_surrogate_that_climbs_the_wrong_way_is_noticed() -> None:
    wrong = LineSurrogate(sign=-1.0)
    run = run_of(TO_TWO, subject_of(surrogate=wrong, own=None, undefended=None))
    outcomes = {check.name: check.passed for check in assess(run, ABOUT).checks}
    assert outcomes["climb"] is False
    assert outcomes["unbounded"] is False


def test_noise_that_protects_is_found_to_help_against_who_wants_a_class() -> None:
    plan = changed(target_class="next", stable_share=0.6, sigmas=(), epsilons=(), vote_numbers=())
    found = assess(run_of(plan, subject_of(Guarded, own=None)), ABOUT)
    assert found.verdict is not None
    assert found.verdict.answer == "helps", found.verdict.sentences
    assert "that want one class" in found.verdict.sentences[0]


def test_labels_that_the_target_gives_decide_who_is_left_out() -> None:
    plan = changed(target_class=1, labels=Labels.PREDICTED, adaptive=False, white_box=False)
    samples = line_samples(30)
    unlabelled = Samples(samples.inputs, np.zeros(30, np.int64), samples.indices)
    found = assess(run_of(plan, samples=unlabelled), ABOUT).targeted
    assert found is not None
    assert (found.samples, found.left_out) == (20, 10)


def test_an_interrupted_targeted_assessment_goes_on_to_the_same_report(
    targeted: Report, tmp_path: Any
) -> None:
    seen: set[str] = set()
    progress = Progress(lambda name, _: seen.add(name), is_cancelled=lambda: len(seen) > 9)
    with pytest.raises(CancelledError):
        assess(run_of(TO_TWO, state=FolderState(tmp_path, {}), progress=progress), ABOUT)
    assert (tmp_path / "target_classes.npz").is_file()
    resumed = assess(run_of(TO_TWO, state=FolderState(tmp_path, {})), ABOUT)
    assert resumed == targeted == Report.model_validate_json(resumed.model_dump_json())


def test_untargeted_plans_have_no_further_step_and_partial_reports_of_targeted_ones_are_whole() -> (
    None
):
    partial: list[Report] = []
    plan = Plan.model_validate(SHORT.model_dump() | {"target_class": "next"})
    assess(run_of(plan), ABOUT, partial.append)
    run = run_of(SHORT)
    plain = assess(run, ABOUT)
    assert run.state.load(str(TARGET_CLASSES)) is None
    assert partial[-1].steps == plain.steps + 1
    assert partial[0].targeted is not None, "what is wanted is known after the first step"
    assert partial[0].targeted.worst_case is None
    assert all("<h2>" in html_report(each) for each in partial)


def refused(run: Assessment, said: str) -> None:
    with pytest.raises(InputError, match=said):
        assess(run, ABOUT)


def test_what_cannot_be_attacked_is_refused_with_the_reason() -> None:
    only_two = line_samples(60).take(line_samples(60).labels == 2)
    refused(run_of(TO_TWO, samples=only_two), "every sample has the target class as its label")
    nobody_is_two = line_samples(60).take(line_samples(60).labels != 2)
    plan = changed(target_class=2, attacks=("pgd", "hop_skip_jump"))
    said = (
        "hop_skip_jump is targeted only from a sample of the target class, and no sample has the "
        "label 2; .* Targeted without one: pgd, momentum_pgd, square"
    )
    refused(run_of(plan, samples=nobody_is_two), said)
    with pytest.raises(InputError, match=said):
        check_targets(plan, nobody_is_two, 3)
    check_targets(TO_TWO, nobody_is_two, 3)
    last_alone = [*(1 - nobody_is_two.labels[:-1]).tolist(), 2]
    few = {"attacks": ("hop_skip_jump",), "target_class": last_alone}
    check_targets(changed(**few, query_samples=len(last_alone) - 1), nobody_is_two, 3)
    with pytest.raises(InputError, match=r"no sample has the label 2"):
        check_targets(changed(**few, query_samples=len(last_alone)), nobody_is_two, 3)
    with pytest.raises(InputError, match="there are 60 samples and 2 target classes"):
        check_targets(changed(target_class=[1, 2]), line_samples(60), 3)
    with pytest.raises(InputError, match="5 is no class; the target has 0 to 2"):
        check_target_class(changed(target_class=[1, 5]), 3, has_surrogate=True)
    with pytest.raises(
        InputError, match=r"least_likely is by the outputs of a surrogate.* next, r"
    ):
        check_target_class(changed(target_class="least_likely"), 3, has_surrogate=False)
