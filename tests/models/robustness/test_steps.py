"""Steps and their names on disk: a format, which folders of earlier assessments have."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from noisevote.models.robustness.assessment import assess, steps_of
from noisevote.models.robustness.attacks import ATTACKS, CHOICES
from noisevote.models.robustness.attacks.attack import Attack
from noisevote.models.robustness.attacks.transfer import PGD
from noisevote.models.robustness.plan import AttackName, Plan
from noisevote.models.robustness.progress import Progress
from noisevote.models.robustness.report import Report
from noisevote.models.robustness.run import Step, StepKey, untouched, verification
from noisevote.models.robustness.target import Condition
from noisevote.models.robustness.trials import FolderState
from tests.models.robustness.assessed import ABOUT, PLAN, SHORT, changed, run_of, subject_of
from tests.models.robustness.worlds import line_samples

FILES_OF_PLAN = """
adaptive_square-noisy adaptive_square-noisy-queries_15 adaptive_square-noisy-queries_22
adaptive_square-noisy-queries_30 adaptive_square-noisy-queries_7 adaptive_square-noisy-search
check-convergence check-convergence-more-noiseless check-convergence-more-noisy
check-convergence-planned-noiseless check-convergence-planned-noisy check-frozen
check-frozen-climb check-unbounded-climb check-unbounded-noiseless check-unbounded-noisy
check-undefended-attacked check-undefended-clean clean-control clean-noiseless clean-noisy
clean-one_vote eot_pgd-noisy eot_pgd-restart_0 eot_pgd-restart_1 eot_pgd-worst_noisy
eot_pgd-worst_noisy-search momentum_pgd-noiseless momentum_pgd-noisy momentum_pgd-restart_0
momentum_pgd-restart_1 momentum_pgd-worst_noiseless momentum_pgd-worst_noiseless-search
momentum_pgd-worst_noisy momentum_pgd-worst_noisy-search pgd-noiseless pgd-noisy pgd-restart_0
pgd-restart_1 pgd-worst_noiseless pgd-worst_noiseless-search pgd-worst_noisy
pgd-worst_noisy-search random_noise-noiseless random_noise-noiseless-search random_noise-noisy
random_noise-noisy-search square-noiseless square-noiseless-queries_15 square-noiseless-queries_22
square-noiseless-queries_30 square-noiseless-queries_7 square-noiseless-search square-noisy
square-noisy-queries_15 square-noisy-queries_22 square-noisy-queries_30 square-noisy-queries_7
square-noisy-search sweep-epsilon_0.05-climb sweep-epsilon_0.05-noiseless sweep-epsilon_0.05-noisy
sweep-epsilon_0.1-climb sweep-epsilon_0.1-noiseless sweep-epsilon_0.1-noisy
sweep-epsilon_0.2-climb sweep-epsilon_0.2-noiseless sweep-epsilon_0.2-noisy sweep-sigma_0-attacked
sweep-sigma_0-clean sweep-sigma_0.05-attacked sweep-sigma_0.05-clean sweep-sigma_0.1-attacked
sweep-sigma_0.1-clean sweep-votes_1-attacked sweep-votes_1-clean sweep-votes_5-attacked
sweep-votes_5-clean white_box-noiseless white_box-noiseless-climb white_box-noisy
white_box-noisy-climb
"""


def names_of(plan: Plan) -> list[str]:
    return [str(step.key) for step in steps_of(plan, subject_of().parties, 10)]


def test_steps_are_kept_under_the_names_that_they_always_had() -> None:
    names = [name.replace("/", "-").replace(" ", "_") for name in names_of(PLAN)]
    assert sorted(names) == sorted(FILES_OF_PLAN.split())
    both = changed(attacks=("pgd", "hop_skip_jump"))
    assert [name for name in names_of(both) if "jump" in name] == [
        "hop_skip_jump/noiseless/search",
        "hop_skip_jump/noiseless",
        "hop_skip_jump/noisy/search",
        "hop_skip_jump/noisy",
    ]


def test_steps_that_an_earlier_version_kept_are_gone_on_with(tmp_path: Path) -> None:
    samples = line_samples(60)
    # Written as files were written before: arrays by name, plain values as JSON beside them.
    (tmp_path / "identity.json").write_text('{\n "plan": 1\n}')
    examples = np.where(samples.inputs > 0.3, samples.inputs - 0.01, samples.inputs)
    keep(tmp_path / "pgd-restart_0.npz", {}, examples=examples, losses=np.full(60, 9, np.float32))
    keep(
        tmp_path / "random_noise-noisy-search.npz",
        {"bill": {"queries": 600, "votes": 3000}},
        examples=samples.inputs,
        believed=np.zeros(60, np.bool_),
        queries=np.full(60, 10),
        by_budget=samples.inputs[np.newaxis][:0],
    )
    keep(
        tmp_path / "clean-noisy.npz",
        {
            "attack_bill": {"queries": 0, "votes": 0},
            "verification_bill": {"queries": 300, "votes": 1234},
        },
        examples=samples.inputs,
        labels=samples.labels,
        modes=np.repeat(samples.labels[np.newaxis], 5, axis=0),
        abstained=np.zeros(60, np.bool_),
        believed=np.zeros(60, np.bool_),
        queries=np.zeros(60, np.int64),
    )
    begun: list[str] = []
    state = FolderState(tmp_path, {"plan": 1})
    run = run_of(SHORT, state=state, progress=Progress(lambda name, _: begun.append(name)))
    report = assess(run, ABOUT)
    assert not {"pgd/restart 0", "random_noise/noisy/search", "clean/noisy"} & set(begun)
    assert report.clean is not None
    assert report.clean.voted.count == 60
    control = next(row for row in report.attacks if row.attack == "random_noise").noisy
    assert control is not None
    assert control.attack.votes == 3000
    shown = run.trial(PGD.key(Condition.NOISY)).examples
    assert np.array_equal(shown, examples)  # its loss is the highest


def keep(path: Path, data: object, **arrays: NDArray[Any]) -> None:
    text = np.frombuffer(json.dumps(data).encode(), np.uint8)
    np.savez_compressed(path, allow_pickle=False, __data__=text, **arrays)


def test_every_attack_that_a_plan_can_name_has_a_row() -> None:
    assert set(CHOICES) == set(AttackName)
    names = [attack.name for attack in ATTACKS]
    assert len(set(names)) == len(names)


def test_every_attack_that_counts_in_the_worst_case_stands_in_the_tables(report: Report) -> None:
    assert report.worst_case is not None
    counted = {name.partition(",")[0] for name in report.worst_case.attacks}
    assert counted == {row.attack for row in report.attacks if row.family in {"transfer", "query"}}
    black_box = {attack.name for attack in ATTACKS if attack.is_black_box}
    assert counted | {AttackName.HOP_SKIP_JUMP} == black_box


def misnamed(attack: Attack, plan: Plan, samples: int) -> Iterator[Step]:
    for conditions in attack.conditions(plan):
        yield verification(attack.key(conditions.name), untouched, conditions, 3, samples)
    yield verification(StepKey("other", Condition.NOISY), untouched, plan.noisy, 3, samples)


def unjudged(attack: Attack, plan: Plan, samples: int) -> Iterator[Step]:
    yield verification(attack.key(Condition.NOISY), untouched, plan.noisy, 3, samples)


@pytest.mark.parametrize("steps", [misnamed, unjudged])
def test_an_attack_whose_steps_no_report_would_show_is_refused(
    steps: Callable[[Attack, Plan, int], Iterator[Step]],
) -> None:
    attack = replace(PGD, name="silent", steps=steps)
    with pytest.raises(ValueError, match="reports would not show all steps of the attack silent"):
        attack.checked_steps(PLAN, 10)


def test_budgets_without_a_sweep_are_refused() -> None:
    square = next(attack for attack in ATTACKS if attack.has_budgets)
    with pytest.raises(ValueError, match="reports would not show"):
        replace(square, has_budgets=False).checked_steps(PLAN, 10)
