"""Checkpoints on disk: what is damaged is refused, by name and with the reason."""

import json
import resource
import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from noisevote.models.checkpoint import (
    WEIGHTS_FILE,
    Checkpoint,
    CheckpointStore,
)
from noisevote.models.checkpoint_folders import CARD_FILE
from noisevote.models.engines.arithmetic import REFERENCE
from noisevote.models.errors import CheckpointError, UnknownCheckpointError
from noisevote.models.graph_verification import check_batch_invariance
from noisevote.models.noise import NoiseKind
from noisevote.models.runtime import Rows


@pytest.fixture
def copied(shipped: Checkpoint, tmp_path: Path) -> Path:
    return Path(shutil.copytree(shipped.folder, tmp_path / shipped.name))


def change_card(folder: Path, **changes: object) -> None:
    card = json.loads((folder / CARD_FILE).read_text())
    (folder / CARD_FILE).write_text(json.dumps(card | changes))


def test_shipped_files_have_the_digests_of_their_card(shipped: Checkpoint) -> None:
    shipped.verified()


def test_every_weight_is_stored_once(shipped: Checkpoint) -> None:
    weights = (shipped.folder / WEIGHTS_FILE).stat().st_size
    for graph in shipped.card.graphs.values():
        assert (shipped.folder / graph).stat().st_size < max(weights / 10, 500_000)


@pytest.mark.parametrize("file", [WEIGHTS_FILE, "multiplicative.onnx"])
def test_changed_file_is_refused_by_its_digest(copied: Path, file: str) -> None:
    content = bytearray((copied / file).read_bytes())
    content[-1] ^= 1
    (copied / file).write_bytes(content)
    with pytest.raises(CheckpointError, match=f"{file} of checkpoint .* has the SHA-256"):
        Checkpoint(copied).runtime(NoiseKind.MULTIPLICATIVE)


def test_missing_file_is_named(copied: Path) -> None:
    (copied / WEIGHTS_FILE).unlink()
    with pytest.raises(CheckpointError, match=f"lacks its file {WEIGHTS_FILE}"):
        Checkpoint(copied).runtime(NoiseKind.MULTIPLICATIVE)


@pytest.mark.parametrize(
    "changes",
    [{"card_version": 3}, {"unknown": 1}, {"name": "other"}, {"noise_points": "none"}],
    ids=str,
)
def test_card_of_another_version_or_folder_is_refused(
    copied: Path, changes: dict[str, object]
) -> None:
    change_card(copied, **changes)
    with pytest.raises(CheckpointError, match=CARD_FILE):
        Checkpoint(copied)


def test_damaged_checkpoint_leaves_the_others_serving(shipped: Checkpoint, tmp_path: Path) -> None:
    shutil.copytree(shipped.folder, tmp_path / shipped.name)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / CARD_FILE).write_text("{")
    (tmp_path / "empty").mkdir()
    store = CheckpointStore(tmp_path)
    assert store.names() == [shipped.name]
    assert sorted(store.refused) == ["broken", "empty"]
    with pytest.raises(CheckpointError, match="not a valid card"):
        store.find("broken")


@pytest.mark.parametrize("name", ["", "nobody", "../mnist_cnn-mult-1.0", "a/b"])
def test_unknown_name_is_answered_with_the_known_ones(store: CheckpointStore, name: str) -> None:
    with pytest.raises(UnknownCheckpointError, match=store.names()[0]):
        store.find(name)


def test_card_that_names_other_noise_points_than_its_graph_is_refused(copied: Path) -> None:
    points = json.loads((copied / CARD_FILE).read_text())["noise_points"]
    change_card(copied, noise_points=points[:-1], devices=None)
    with pytest.raises(CheckpointError, match=r"has the inputs .* its card promises"):
        Checkpoint(copied).runtime(NoiseKind.MULTIPLICATIVE)


def test_checkpoint_that_was_refused_stays_refused(copied: Path) -> None:
    weights = (copied / WEIGHTS_FILE).read_bytes()
    (copied / WEIGHTS_FILE).write_bytes(b"")
    checkpoint = Checkpoint(copied)
    with pytest.raises(CheckpointError, match="SHA-256"):
        checkpoint.runtime(NoiseKind.ADDITIVE)
    (copied / WEIGHTS_FILE).write_bytes(weights)
    with pytest.raises(CheckpointError, match="Restore the file"):
        checkpoint.runtime(NoiseKind.ADDITIVE)


def test_a_system_without_room_refuses_for_that_moment_only(copied: Path) -> None:
    checkpoint = Checkpoint(copied)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, before[1]))
    try:
        with pytest.raises(CheckpointError, match="cannot be read: Too many open files"):
            checkpoint.runtime(NoiseKind.ADDITIVE)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert checkpoint.refusal is None
    checkpoint.runtime(NoiseKind.ADDITIVE)


def test_a_noise_without_a_graph_is_no_refusal_of_the_checkpoint(copied: Path) -> None:
    own = Checkpoint(copied).card.noise.kind
    [other] = set(NoiseKind) - {own}
    change_card(copied, graphs={own: f"{own}.onnx"})
    checkpoint = Checkpoint(copied)
    with pytest.raises(CheckpointError, match=f"has no graph for {other} noise"):
        checkpoint.runtime(other)
    assert checkpoint.refusal is None


def test_fingerprint_changes_with_the_cards_defaults(copied: Path) -> None:
    before = Checkpoint(copied).fingerprint
    card = json.loads((copied / CARD_FILE).read_text())
    change_card(copied, noise=card["noise"] | {"sigma_train": 0.123})
    changed = Checkpoint(copied).fingerprint
    change_card(copied, noise=card["noise"], evaluations=[])
    assert Checkpoint(copied).fingerprint == before != changed


class BatchDependentRuntime:
    """A runtime whose outputs shift with the number of rows, as with several threads a pass."""

    kind = NoiseKind.MULTIPLICATIVE
    arithmetic = REFERENCE

    def outputs(self, rows: Rows) -> NDArray[np.float32]:
        return np.full((len(rows.keys), 10), 1 + 1e-7 * len(rows.keys), np.float32)


def test_votes_that_depend_on_their_batch_are_refused(shipped: Checkpoint) -> None:
    with pytest.raises(CheckpointError, match="cannot be replayed"):
        check_batch_invariance(BatchDependentRuntime(), shipped.card)
