"""Ranges while a network learns are running means of those of batches."""

import pytest
import torch

from noisevote.models.devices.profile import profile_of
from noisevote.training.on_device.ranges import NEW, Ranges
from tests.training.on_device.support import FULL, generator

PROFILE = profile_of({**FULL, "read": {"unit": "rms", "a": 0.05}})


def seen(scale: float) -> Ranges:
    """Ranges of one batch, whose values spread by a scale."""
    found = Ranges(PROFILE)
    values = scale * torch.randn(64, 1000, generator=generator())
    found.note_inputs("fc", values, is_needed=True)
    found.note_signal("fc", values, is_needed=True)
    return found


def test_ranges_go_a_share_of_the_way_to_those_of_a_batch() -> None:
    one, two = seen(1.0).of("fc"), seen(3.0).of("fc")
    ranges = Ranges(PROFILE)
    ranges.take_in(seen(1.0))
    ranges.take_in(seen(3.0))
    found = ranges.of("fc")
    assert one is not None
    assert two is not None
    assert found is not None
    assert found.percentile == pytest.approx((1 - NEW) * one.percentile + NEW * two.percentile)
    assert found.rms == pytest.approx((1 - NEW) * one.rms + NEW * two.rms)
    assert found.largest == two.largest


def test_the_percentile_of_a_batch_is_about_that_of_its_distribution() -> None:
    found = seen(1.0).of("fc")
    assert found is not None
    assert found.percentile == pytest.approx(3.2905, rel=0.1)  # of a normal one, both sides
    assert found.rms == pytest.approx(1, rel=0.02)
    assert found.largest >= found.percentile
