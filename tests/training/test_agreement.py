"""The command ``agreement``: what the drift monitor is to expect stands in the card."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from noisevote.models.checkpoint import SHIPPED, CheckpointStore
from noisevote.models.data.datasets import load_dataset
from noisevote.models.noise import Noise, NoiseKind
from noisevote.training.measure.evaluate import Caster
from noisevote.training.measure.splits import Split, examples_of
from noisevote.training.recipes.recipe import recipe_from_dict
from tests.training.support import run

NAME = "mnist_cnn-mult-1.0"


def measure(monkeypatch: pytest.MonkeyPatch, data: Path, folder: Path, *more: str) -> int:
    place = ["--data-dir", str(data), "--allow-unknown-data", "--threads", "1"]
    small = ["--images", "8", "--votes", "3", "--votes", "6", "--checkpoints", str(folder)]
    return run(monkeypatch, "agreement", NAME, *small, *place, *more)


def test_the_card_holds_what_the_votes_agree_on(
    monkeypatch: pytest.MonkeyPatch, data: Path, tmp_path: Path
) -> None:
    shutil.copytree(SHIPPED / NAME, tmp_path / NAME)
    before = CheckpointStore(tmp_path).find(NAME)
    assert measure(monkeypatch, data, tmp_path, "--sigma", "1.1") == 0
    after = CheckpointStore(tmp_path).find(NAME)
    assert after.fingerprint == before.fingerprint
    new = [entry for entry in after.card.agreements if entry.sigma == 1.1]
    assert [entry.votes for entry in new] == [3, 6]
    recipe = recipe_from_dict(after.card.recipe)
    examples = examples_of(load_dataset("mnist", data, True), recipe, Split.VALIDATION)
    images, _ = examples.spread(8)
    noise = Noise(NoiseKind.MULTIPLICATIVE, 1.1)
    fell_on = Caster(after, seed=2).cast(images, noise, 6).fell_on
    for entry in new:
        counts = [np.bincount(votes, minlength=10) for votes in fell_on[:, : entry.votes]]
        ranked = np.sort(counts, axis=1)[:, ::-1] / entry.votes
        assert entry.inputs == 8
        assert entry.agreement_mean == pytest.approx(ranked[:, 0].mean(), abs=1e-6)
        assert entry.agreement_sd == pytest.approx(ranked[:, 0].std(), abs=1e-6)
        margins = ranked[:, 0] - ranked[:, 1]
        assert entry.margin_mean == pytest.approx(margins.mean(), abs=1e-6)
        assert entry.margin_sd == pytest.approx(margins.std(), abs=1e-6)


def test_measuring_again_replaces_and_keeps_the_others(
    monkeypatch: pytest.MonkeyPatch, data: Path, tmp_path: Path
) -> None:
    shutil.copytree(SHIPPED / NAME, tmp_path / NAME)
    assert measure(monkeypatch, data, tmp_path, "--sigma", "1.1", "--sigma", "0.3") == 0
    first = CheckpointStore(tmp_path).find(NAME).card.agreements
    assert measure(monkeypatch, data, tmp_path, "--sigma", "0.3", "--seed", "5") == 0
    second = CheckpointStore(tmp_path).find(NAME).card.agreements
    assert [(entry.sigma, entry.votes) for entry in first] == [
        (entry.sigma, entry.votes) for entry in second
    ]
    assert {entry.sigma for entry in second if entry.seed == 5} == {0.3}
    assert [entry for entry in second if entry.seed != 5] == [e for e in first if e.sigma != 0.3]


def test_without_sigmas_they_are_multiples_of_that_of_the_training(
    monkeypatch: pytest.MonkeyPatch, data: Path, tmp_path: Path
) -> None:
    shutil.copytree(SHIPPED / NAME, tmp_path / NAME)
    assert measure(monkeypatch, data, tmp_path) == 0
    card = CheckpointStore(tmp_path).find(NAME).card
    measured = {entry.sigma for entry in card.agreements if entry.votes == 6}
    assert measured == {0.5, 0.8, 1.0, 1.25, 1.5}
