"""The fit of the midpoint finds what made the curve."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noisevote.training.experiments.midpoints import MidpointPlan
from noisevote.training.measure.sensitivity import AccuracyCurve, Floor, Sensitivity, fit_rows

SIGMAS = np.array(MidpointPlan().sigma)


@given(s50=st.floats(0.3, 30), k=st.floats(0.7, 12), floor=st.floats(0.1, 0.6))
def test_free_fit_finds_the_curve_it_is_given(s50: float, k: float, floor: float) -> None:
    truth = Sensitivity(s50, k, floor, 0.98)
    accuracies = np.array([truth.accuracy(sigma) for sigma in SIGMAS.tolist()])
    curve = AccuracyCurve(SIGMAS, accuracies, clean=0.98, chance=0.1)
    fitted = curve.fit(Floor.FREE)
    assert curve.rms_error(fitted) < 2e-3
    assert fitted.accuracy(s50) == pytest.approx((0.98 + floor) / 2, abs=0.02)


@given(s50=st.floats(0.3, 30), k=st.floats(0.7, 12))
def test_fit_with_the_floor_at_chance_finds_a_curve_that_falls_to_chance(
    s50: float, k: float
) -> None:
    truth = Sensitivity(s50, k, 0.1, 0.9)
    accuracies = np.array([truth.accuracy(sigma) for sigma in SIGMAS.tolist()])
    fitted = AccuracyCurve(SIGMAS, accuracies, clean=0.9, chance=0.1).fit(Floor.CHANCE)
    assert fitted.s50 == pytest.approx(s50, rel=1e-3)
    assert fitted.k == pytest.approx(k, rel=1e-3)


def test_bootstrap_interval_holds_the_midpoint() -> None:
    # 10 sets of 500 images drawn from one curve. An exact 95 % interval misses the truth in 4 or
    # more of 10 with a probability of 0.1 %, and the seed is fixed.
    truth = Sensitivity(1.5, 2.0, 0.1, 0.95)
    sigmas = [0.3, 0.7, 1.0, 1.5, 2.5, 5.0, 20.0]
    generator = np.random.default_rng(7)
    missed = 0
    for _ in range(10):
        clean = generator.random(500) < truth.clean
        right = np.stack([generator.random(500) < truth.accuracy(sigma) for sigma in sigmas])
        at_chance, free = fit_rows(np.array(sigmas), clean, right, 0.1, 40)
        assert (at_chance["floor_is"], free["floor_is"]) == (Floor.CHANCE, Floor.FREE)
        low, high = at_chance["s50_low"], at_chance["s50_high"]
        assert isinstance(low, float)
        assert isinstance(high, float)
        missed += not low <= truth.s50 <= high
    assert missed < 4


def test_noiseless_network_keeps_all_and_the_strongest_noise_leaves_the_floor() -> None:
    entry = Sensitivity(1.0, 3.0, 0.2, 0.8)
    assert entry.kept(0.0) == 1.0
    assert entry.accuracy(1e9) == pytest.approx(0.2)
