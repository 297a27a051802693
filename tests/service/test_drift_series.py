"""A series of answers of the vote drift monitor: windows, alarms, the sigma that fits."""

import numpy as np
import pytest
from numpy.typing import NDArray

from noisevote.models.draws.schemes import FIRST
from noisevote.models.drift import INTERVAL_ERRORS
from noisevote.models.measured import AgreementReference
from noisevote.models.noise import NoiseKind
from noisevote.service.operations.drift import ALPHA, WINDOW, Series
from noisevote.service.wire.replies import DriftState


def series(agreement: float = 0.8, sd: float = 0.1) -> Series:
    reference = AgreementReference(
        kind=NoiseKind.MULTIPLICATIVE,
        sigma=1.0,
        votes=20,
        inputs=1000,
        agreement_mean=agreement,
        agreement_sd=sd,
        margin_mean=agreement - 0.1,
        margin_sd=sd,
        seed=0,
        noise_scheme=FIRST.id,
        command="made up",
    )
    return Series(reference, [reference], 1.0)


def answers(mean: float, count: int, seed: int) -> NDArray[np.float64]:
    """Return shares whose means are ``mean`` and 0.1 less ``[count, 2]``."""
    generator = np.random.default_rng(seed)
    agreement = np.clip(generator.normal(mean, 0.1, count), 0, 1)
    return np.stack([agreement, agreement - 0.1], 1).clip(0, 1)


def test_windows_without_drift_end_as_expected_and_the_next_one_clears_an_alarm() -> None:
    followed = series()
    states = []
    for window, mean in enumerate((0.8, 0.8, 0.7, 0.8, 0.9, 0.8)):
        raised = [followed.add(shares) for shares in answers(mean, WINDOW, seed=window)]
        states.append((followed.state, sum(one is not None for one in raised)))
    assert states == [
        (DriftState.AS_EXPECTED, 0),
        (DriftState.AS_EXPECTED, 0),
        (DriftState.LOWER, 1),
        (DriftState.AS_EXPECTED, 0),
        (DriftState.HIGHER, 1),
        (DriftState.AS_EXPECTED, 0),
    ]
    assert ALPHA * len(states) < 1e-3  # the chance that this fails without a fault


def test_a_window_has_a_thousand_answers_and_a_sigma_is_told_from_a_hundred_on() -> None:
    louder = series(agreement=0.6).reference.model_copy(update={"sigma": 1.5})
    of = series().reference
    followed = Series(of, [of, louder], 1.0)
    expected = {99: False, 100: True, 999: True, 1000: True, 1001: True}
    for count, shares in enumerate(answers(0.8, 1001, seed=0), 1):
        followed.add(shares)
        if count in expected:
            assert (followed.body().effective_sigma is not None) == expected[count]
            assert (followed.state is DriftState.TOO_FEW) == (count < 1000)
    assert followed.body().answers == 1001, "the window before counts, too"
    assert followed.answers == 1


def test_votes_are_noisier_than_hardened_for_if_that_was_asked_for_or_there_is_an_alarm() -> None:
    of = series().reference
    louder = series(agreement=0.6).reference.model_copy(update={"sigma": 1.5})
    within, beyond = (Series(of, [of, louder], sigma_train) for sigma_train in (1.0, 0.9))
    for followed in (within, beyond):
        for _ in range(100):
            followed.add(np.array([0.78, 0.68]))
        interval = followed.body().effective_sigma_interval
        assert interval is not None
        assert interval[0] > 1.0
        assert followed.state is DriftState.TOO_FEW
    assert not within.body().is_noisier_than_hardened_for, "it may be chance"
    assert beyond.body().is_noisier_than_hardened_for
    while within.state is not DriftState.LOWER:
        within.add(np.array([0.78, 0.68]))
    assert within.body().is_noisier_than_hardened_for


@pytest.mark.parametrize("spread", [0.0, 0.1])
def test_the_interval_of_the_sigma_holds_the_errors_of_the_card_and_of_the_answers(
    spread: float,
) -> None:
    of = series().reference
    others = [of.model_copy(update={"sigma": s, "agreement_mean": 1.8 - s}) for s in (0.5, 1.5)]
    followed = Series(of, [of, *others], 1.0)
    for by in (-spread, spread) * 50:
        followed.add(np.array([0.8 + by, 0.7 + by]))
    error = INTERVAL_ERRORS * np.sqrt(spread**2 / 100 + 0.1**2 / 1000)
    body = followed.body()
    assert body.effective_sigma == pytest.approx(1.0)
    assert body.effective_sigma_interval == pytest.approx((1.0 - error, 1.0 + error))
