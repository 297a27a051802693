"""The fit of the midpoint finds what made the curve."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noisevote.training.study.plan import LEVELS, SIGMA_RANGE
from noisevote.training.study.sensitivity import AccuracyCurve, Sensitivity, fit_with_interval

SIGMAS = np.geomspace(*SIGMA_RANGE, LEVELS[0].layer_sigmas).round(4)


@given(s50=st.floats(0.3, 30), k=st.floats(0.7, 12), floor=st.floats(0.1, 0.6))
def test_free_fit_finds_the_curve_it_is_given(s50: float, k: float, floor: float) -> None:
    truth = Sensitivity(s50, k, floor, 0.98)
    accuracies = np.array([truth.accuracy(sigma) for sigma in SIGMAS.tolist()])
    curve = AccuracyCurve(SIGMAS, accuracies, clean=0.98, chance=0.1)
    fitted = curve.fit()
    expected = [fitted.accuracy(sigma) for sigma in SIGMAS.tolist()]
    assert np.sqrt(np.mean((accuracies - expected) ** 2)) < 2e-3
    assert fitted.accuracy(s50) == pytest.approx((0.98 + floor) / 2, abs=0.02)


def test_bootstrap_interval_holds_the_midpoint() -> None:
    # 10 sets of 500 images drawn from one curve. An exact 95 % interval misses the truth in 4 or
    # more of 10 with a probability of 0.1 %, and the seed is fixed.
    truth = Sensitivity(1.5, 2.0, 0.3, 0.95)
    sigmas = SIGMAS.tolist()
    generator = np.random.default_rng(7)
    missed = 0
    for _ in range(10):
        clean = generator.random(500) < truth.clean
        right = np.stack([generator.random(500) < truth.accuracy(sigma) for sigma in sigmas])
        fitted, (low, high) = fit_with_interval(SIGMAS, clean, right, 0.1, 40)
        assert low <= fitted.s50 <= high
        missed += not low <= truth.s50 <= high
    assert missed < 4


def test_noiseless_network_keeps_all_and_the_strongest_noise_leaves_the_floor() -> None:
    entry = Sensitivity(1.0, 3.0, 0.2, 0.8)
    assert entry.kept(0.0) == 1.0
    assert entry.accuracy(1e9) == pytest.approx(0.2)
