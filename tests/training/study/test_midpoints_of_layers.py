"""What layers do alone is set against the same samples without noise, however few they are."""

from pathlib import Path

import numpy as np
import pytest

from noisevote.models.noise import NoiseKind
from noisevote.models.study.cells import Cell, Condition, Half, OnNoise, Part
from noisevote.models.study.results import Results
from noisevote.models.study.seeds import places_of
from noisevote.models.study.store import Measured, StudyStore
from noisevote.training.study.repeats import midpoint
from tests.models.study.heads import head_of

SAMPLES, FEW, WRONG_EVERY = 1235, 618, 7
KIND = NoiseKind.MULTIPLICATIVE


@pytest.mark.parametrize("few", [FEW, 309, SAMPLES])
def test_the_clean_accuracy_of_a_fit_is_that_of_the_samples_of_the_layer(
    tmp_path: Path, few: int
) -> None:
    labels = np.arange(SAMPLES) % 3
    answers = np.where(np.arange(SAMPLES) % WRONG_EVERY, labels, (labels + 1) % 3)
    store = StudyStore(tmp_path)
    store.settle(head_of(choice_samples=5000, report_samples=5000, sigmas=(0.0, 1.0)))
    store.hold({half: (labels, np.arange(SAMPLES) * 4) for half in Half})

    def add(sigma: float | dict[str, float], votes: np.ndarray, part: Part) -> None:
        condition = Condition(at=OnNoise(kind=KIND, sigma=sigma))
        cell = Cell(part=part, half=Half.CHOICE, condition=condition, seed=0, votes=1,
                    samples=len(votes))  # fmt: skip
        store.add(Measured(cell, votes[:, np.newaxis].astype(np.int16), {}), "m")

    add(0.0, answers, Part.CLEAN)
    places = places_of(few, SAMPLES)
    for number, sigma in enumerate((0.1, 1.0, 10.0, 100.0)):
        noisy = np.where(np.arange(few) % 4 < number, (answers[places] + 1) % 3, answers[places])
        add({"fc": sigma}, noisy, Part.LAYERS)
    found = midpoint(Results(store), "fc", 0)
    assert found is not None
    assert found.sensitivity.clean == (answers == labels)[places].mean()
