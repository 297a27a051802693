"""What an option is said to reach, against simulated samples and chips whose accuracy is known."""

import numpy as np
import pytest
from scipy.stats import binom, norm

from noisevote.models.study.recorded import ALPHA, interval_of

SETS, SAMPLES = 500, 200
ERROR = 1e-3
"""Chance that the test fails where intervals miss just as often as they may."""


@pytest.mark.parametrize(
    ("chips", "seeds", "spread", "ease"),
    [
        pytest.param(1, 1, 0.0, 1.0, id="one seed"),
        pytest.param(1, 5, 0.0, 2.0, id="five seeds on the same samples"),
        pytest.param(5, 1, 0.3, 1.0, id="chips that differ as much as seeds"),
        pytest.param(5, 1, 1.0, 1.0, id="chips that differ more than samples"),
        pytest.param(3, 3, 0.5, 2.5, id="more seeds on the first of few chips"),
    ],
)
def test_an_interval_holds_the_accuracy_over_samples_and_chips_as_often_as_it_says(
    chips: int, seeds: int, spread: float, ease: float
) -> None:
    random = np.random.default_rng(1)
    truth = norm.cdf(ease / np.sqrt(2 + spread**2))
    held = 0
    for _ in range(SETS):
        easy = ease + random.normal(size=SAMPLES)
        of_chips = []
        for chip in range(chips):
            right = norm.cdf(easy + spread * random.normal())
            runs = random.random((seeds if chip == 0 else 1, SAMPLES)) < right
            of_chips.append(runs.mean())
        low, high = interval_of(float(np.mean(of_chips)), SAMPLES, np.array(of_chips))
        held += low <= truth <= high
    assert held >= binom.ppf(ERROR, SETS, 1 - ALPHA)
