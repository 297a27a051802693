"""Up to which noise a network is said to be good."""

import pytest

from noisevote.training.study.recalled import how_many_are_good


@pytest.mark.parametrize(
    ("losses", "good"),
    [
        pytest.param([-0.01, 0.0, 0.01, 0.02], 3, id="a loss of just the tolerance is accepted"),
        pytest.param([0.015, -0.01, 0.005, 0.04], 3, id="a dip that later ones outweigh"),
        pytest.param([0.0, 0.03, 0.005, 0.04], 1, id="a lucky point behind a dip"),
        pytest.param([0.02, 0.03], 0, id="none"),
        pytest.param([0.0, 0.0], 2, id="all"),
    ],
)
def test_no_single_dip_or_lucky_point_decides(losses: list[float], good: int) -> None:
    assert how_many_are_good(losses, 0.01) == good
