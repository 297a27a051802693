"""Samples and plans: what is refused before anything is attacked."""

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from noisevote.models.checkpoint import SHIPPED
from noisevote.models.checkpoint_folders import read_card
from noisevote.models.errors import InputError
from noisevote.models.robustness.ball import Purpose, generator_for, samples_for
from noisevote.models.robustness.plan import Plan

CARD = read_card(SHIPPED / "mnist_cnn-clean")
GOOD: dict[str, Any] = {"kind": "multiplicative", "sigma": 0.5, "epsilon": 0.3}

FAULTS: dict[str, tuple[Any, Any, str]] = {
    "none": (np.zeros((0, 1, 28, 28)), np.zeros(0, int), "there are no samples"),
    "shape": (np.zeros((2, 28, 28)), np.zeros(2, int), r"samples have the shape \[28, 28\]"),
    "count": (np.zeros((2, 1, 28, 28)), np.zeros(3, int), "2 samples and 3 labels"),
    "range": (np.full((2, 1, 28, 28), 1.1), np.zeros(2, int), "values outside 0 to 1"),
    "not a number": (np.full((2, 1, 28, 28), np.nan), np.zeros(2, int), "sample 0 has values"),
    "label": (np.zeros((2, 1, 28, 28)), np.array([0, 10]), "label 10 is out of range"),
    "negative label": (np.zeros((2, 1, 28, 28)), np.array([0, -1]), "label -1 is out of range"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_samples_that_do_not_fit_are_refused(case: str) -> None:
    inputs, labels, message = FAULTS[case]
    with pytest.raises(InputError, match=message):
        samples_for(CARD, inputs, labels)


def test_samples_are_numbered() -> None:
    samples = samples_for(CARD, np.zeros((3, 1, 28, 28), np.float32), np.array([0, 9, 4]))
    assert samples.inputs.dtype == np.float32
    assert samples.labels.dtype == np.int64
    assert samples.indices.tolist() == [0, 1, 2]
    assert samples.take(np.array([2])).labels.tolist() == [4]


def test_draws_of_different_purposes_and_samples_differ() -> None:
    first = {
        generator_for(seed, purpose, index).random()
        for seed in (0, 1)
        for purpose in Purpose
        for index in (0, 1)
    }
    assert len(first) == 2 * len(Purpose) * 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epsilon": -0.1}, "greater than 0"),
        ({"epsilon": float("inf")}, "finite"),
        ({"sigma": 0}, "greater than 0"),
        ({"replies": 4}, "an odd number is needed"),
        ({"attacks": ()}, "at least 1"),
        ({"attacks": ("pgd", "pgd")}, "named twice"),
        ({"attacks": ("pgd", "boundary")}, "hop_skip_jump"),
        ({"budgets": (300,)}, "above the 200 queries"),
        ({"stepsize": 0.1}, "Extra inputs are not permitted"),
        ({"seed": 2**53}, "less than or equal"),
    ],
)
def test_plans_that_make_no_sense_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Plan.model_validate(GOOD | change)


def test_defaults_are_the_papers_where_it_has_any() -> None:
    plan = Plan.model_validate(GOOD)
    assert plan.step == pytest.approx(0.05)
    assert plan.steps == 20
    assert plan.query_budgets == (50, 100, 150, 200)
