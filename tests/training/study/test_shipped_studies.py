"""The studies that are shipped are of the shipped checkpoints, and say what these measured."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import fisher_exact

from noisevote.models.checkpoint import SHIPPED, Checkpoint, CheckpointStore
from noisevote.models.statistics import holm_p_values
from noisevote.models.study.cells import Half
from noisevote.models.study.folders import REPORT_HTML, REPORT_JSON, TABLE, studies_beside
from noisevote.models.study.replay import answered
from noisevote.models.study.results import Results
from noisevote.models.study.store import STORE_FILE, StudyStore
from noisevote.training.measure.splits import Split
from noisevote.training.study.conclude import concluded
from noisevote.training.study.report import files_of

FOLDERS = sorted(path.parent for path in studies_beside(SHIPPED).glob(f"*/{STORE_FILE}"))
NAMES = [folder.name for folder in FOLDERS]
NOISE = "mnist_cnn-mult-1.0"


def checkpoint_of(store: StudyStore) -> Checkpoint:
    return CheckpointStore(SHIPPED).find(store.head.checkpoint)


def test_there_is_one_under_noise_and_one_on_a_device() -> None:
    assert {NOISE, f"{NOISE}--pcm-hermes-2t"} <= set(NAMES)


@pytest.mark.parametrize("folder", FOLDERS, ids=NAMES)
def test_a_shipped_study_is_of_the_checkpoint_as_it_is(folder: Path) -> None:
    store = StudyStore(folder)
    assert store.head.fingerprint == checkpoint_of(store).fingerprint
    assert store.has_ended


@pytest.mark.parametrize(
    "folder",
    [
        pytest.param(folder, marks=() if folder.name == NOISE else pytest.mark.slow)
        for folder in FOLDERS
    ],
    ids=NAMES,
)
def test_a_shipped_report_follows_from_the_votes_that_are_shipped(folder: Path) -> None:
    store = StudyStore(folder)
    card = checkpoint_of(store).card
    found = concluded(Results(store), card)
    assert found == store.conclusions
    for name, content in files_of(store, card).items():
        kept = (folder / name).read_text()
        assert kept == content or without_version(kept) == without_version(content), name
    assert {path.name for path in folder.iterdir()} == {
        STORE_FILE, REPORT_JSON, REPORT_HTML, TABLE
    }  # fmt: skip


def without_version(text: str) -> str:
    """A report but for the version of noisevote that wrote it."""
    try:
        content = json.loads(text)
    except ValueError:
        return text
    content["made"].pop("noisevote")
    return json.dumps(content)


def shipped_rows(checkpoint: Checkpoint) -> Iterator[tuple[float, int, int, int]]:
    """Sigma, votes, right answers and images of the table on the card."""
    for evaluation in checkpoint.card.evaluations:
        if evaluation.split == Split.TEST:
            for of in evaluation.accuracies:
                if not isinstance(of.sigma, dict) and not of.repeats and of.sigma > 0:
                    yield of.sigma, of.votes, of.correct, of.images


def test_the_study_reproduces_the_table_on_the_card() -> None:
    """No cell differs significantly: Holm, 5 % over all cells (Fisher's exact test)."""
    store = StudyStore(studies_beside(SHIPPED) / NOISE)
    results = Results(store)
    p_values = []
    for sigma, votes, correct, images in shipped_rows(checkpoint_of(store)):
        recorded = results.settings.get((sigma, ()))
        fell_on = None if recorded is None else recorded.runs[Half.REPORT].get((None, 0))
        if fell_on is None or fell_on.shape[1] < votes:
            continue
        modes = answered(fell_on, store.head.classes, votes).modes
        right = int((modes == results.labels_of(Half.REPORT, len(fell_on))).sum())
        cells = np.array([[right, len(fell_on) - right], [correct, images - correct]])
        p_values.append(float(fisher_exact(cells).pvalue))
    assert len(p_values) >= 40
    assert min(holm_p_values(p_values)) > 0.05
