"""The runtime on the shipped checkpoints: rows are independent of the batch they are in."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from models.checkpoint import Checkpoint
from models.noise import NoiseKind, VoteKey
from models.runtime import Rows

ROWS = 20


def rows_on(checkpoint: Checkpoint, images: int = 4) -> Rows:
    """Votes on random inputs whose images, sigmas, seeds and positions all differ."""
    card = checkpoint.card
    generator = np.random.default_rng(3)
    low, high = card.input.range
    return Rows(
        images=generator.uniform(low, high, (images, *card.input.shape)).astype(np.float32),
        image_of_row=generator.integers(0, images, ROWS),
        sigma=generator.uniform(0, 1, (ROWS, len(card.noise_points))),
        keys=[VoteKey(row // 3, row % 3, row) for row in range(ROWS)],
    )


def some_of(rows: Rows, chosen: list[int]) -> Rows:
    """The chosen rows, in that order."""
    return replace(
        rows,
        image_of_row=rows.image_of_row[chosen],
        sigma=rows.sigma[chosen],
        keys=[rows.keys[row] for row in chosen],
    )


def outputs(checkpoint: Checkpoint, kind: NoiseKind, rows: Rows) -> NDArray[np.float32]:
    return checkpoint.runtime(kind).outputs(rows)


@pytest.mark.parametrize("kind", list(NoiseKind))
def test_outputs_of_a_row_do_not_depend_on_its_neighbours(
    shipped: Checkpoint, kind: NoiseKind
) -> None:
    rows = rows_on(shipped)
    together = outputs(shipped, kind, rows)
    order = np.random.default_rng(4).permutation(ROWS).tolist()
    assert np.array_equal(outputs(shipped, kind, some_of(rows, order)), together[order])
    for row in range(0, ROWS, 7):
        assert np.array_equal(outputs(shipped, kind, some_of(rows, [row]))[0], together[row])


def test_without_noise_every_row_of_an_image_is_the_same(shipped: Checkpoint) -> None:
    rows = rows_on(shipped, images=1)
    quiet = replace(rows, sigma=np.zeros_like(rows.sigma))
    result = outputs(shipped, NoiseKind.MULTIPLICATIVE, quiet)
    assert (result == result[0]).all()


def test_kinds_agree_without_noise(shipped: Checkpoint) -> None:
    rows = rows_on(shipped)
    quiet = replace(rows, sigma=np.zeros_like(rows.sigma))
    factors = outputs(shipped, NoiseKind.MULTIPLICATIVE, quiet)
    summands = outputs(shipped, NoiseKind.ADDITIVE, quiet)
    np.testing.assert_allclose(factors, summands, rtol=1e-5, atol=1e-5)


def test_noise_of_every_point_reaches_the_outputs(shipped: Checkpoint) -> None:
    rows = some_of(rows_on(shipped), [0])
    quiet = np.zeros_like(rows.sigma)
    reference = outputs(shipped, NoiseKind.ADDITIVE, replace(rows, sigma=quiet))
    for point in range(quiet.shape[1]):
        sigma = quiet.copy()
        sigma[0, point] = 1.0
        noisy = outputs(shipped, NoiseKind.ADDITIVE, replace(rows, sigma=sigma))
        assert not np.allclose(noisy, reference, rtol=1e-3, atol=1e-3)
