"""Quantities read as people write them."""

import pytest

from noisevote.models.study.words import age, energy


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (1.0, "passes", "1 pass"),
        (1.000401, "passes", "1.0004 passes"),
        (99_999.4, "passes", "99999 passes"),
        (99_999.6, "passes", "100,000 passes"),
        (1_234_567.8, "passes", "1,234,568 passes"),
        (4.494e-05, "J", "44.9 uJ"),
        (2.5e-16, "J", "0.25 fJ"),
        (12.5, "J", "12.5 J"),
        (999.6e-6, "J", "1 mJ"),
        (2500.0, "J", "2.5 kJ"),
    ],
)
def test_an_energy_has_no_exponent(value: float, unit: str, text: str) -> None:
    assert energy(value, unit) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0 s"), (0.5, "0.5 s"), (59.96, "1 minute"), (3600.0, "1 hour"),
        (5400.0, "1.5 hours"), (2_592_000.0, "30 days"), (31_557_600.0, "1 year"),
    ],
)  # fmt: skip
def test_an_age_is_told_in_the_largest_unit_that_it_fills(value: float, text: str) -> None:
    assert age(value) == text
