"""Samples without labels: the target's own noiseless answers stand for them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from noisevote.models.robustness.assessment import assess
from noisevote.models.robustness.page import html_report
from noisevote.models.robustness.progress import Progress
from noisevote.models.robustness.report import Report
from noisevote.models.robustness.trials import FolderState
from tests.models.robustness.assessed import ABOUT, changed, run_of
from tests.models.robustness.worlds import columns, line_samples

PLAN = changed(labels="predicted", attacks=("pgd",), sigmas=(), epsilons=(), vote_numbers=())
SAMPLES = line_samples(60)
UNLABELLED = replace(SAMPLES, labels=np.zeros(60, np.int64))


@pytest.fixture(scope="module")
def report() -> Report:
    return assess(run_of(PLAN, samples=UNLABELLED), ABOUT)


def test_the_figures_are_those_of_samples_that_bear_these_labels(report: Report) -> None:
    answers = columns(SAMPLES.inputs).argmax(axis=1)
    assert (answers != SAMPLES.labels).any() or (answers != 0).any()
    plan = PLAN.model_copy(update={"labels": "given"})
    labelled = assess(run_of(plan, samples=replace(SAMPLES, labels=answers)), ABOUT)
    assert report.clean == labelled.clean
    assert report.attacks == labelled.attacks
    assert report.worst_case == labelled.worst_case
    assert report.steps == labelled.steps + 1
    assert report.clean is not None
    assert report.clean.noiseless.share == 1


def test_it_is_said_that_right_means_the_targets_own_answer(report: Report) -> None:
    assert report.verdict is not None
    assert any("accuracy is agreement with these" in said for said in report.verdict.sentences)
    assert report.threat_model[0].startswith("Goal: any other class than the target's own answer")
    labels = next(check for check in report.checks if check.name == "labels")
    assert labels.passed is None
    assert "labels: the target&#39;s own noiseless answers" in html_report(report)


def test_labels_are_kept_and_not_asked_for_again(tmp_path: Path, report: Report) -> None:
    begun: list[str] = []
    for _ in range(2):
        begun.clear()
        run = run_of(
            PLAN,
            samples=UNLABELLED,
            state=FolderState(tmp_path, {}),
            progress=Progress(lambda name, _: begun.append(name)),
        )
        assert assess(run, ABOUT) == report
    assert begun == []
