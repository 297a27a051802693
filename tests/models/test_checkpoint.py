"""Checkpoints on disk: what is damaged is refused, by name and with the reason."""

import json
import shutil
from pathlib import Path

import pytest

from models.checkpoint import CARD_FILE, WEIGHTS_FILE, Checkpoint, CheckpointStore
from models.errors import CheckpointError, UnknownCheckpointError
from models.noise import NOISE_SCHEME, NoiseKind


@pytest.fixture
def copied(shipped: Checkpoint, tmp_path: Path) -> Path:
    return Path(shutil.copytree(shipped.folder, tmp_path / shipped.name))


def change_card(folder: Path, **changes: object) -> None:
    card = json.loads((folder / CARD_FILE).read_text())
    (folder / CARD_FILE).write_text(json.dumps(card | changes))


def test_shipped_files_have_the_digests_of_their_card(shipped: Checkpoint) -> None:
    shipped.verify()


def test_every_weight_is_stored_once(shipped: Checkpoint) -> None:
    weights = (shipped.folder / WEIGHTS_FILE).stat().st_size
    for graph in shipped.card.graphs.values():
        assert (shipped.folder / graph).stat().st_size < max(weights / 10, 500_000)


def test_fingerprint_names_the_noise_scheme_and_changes_with_the_weights(copied: Path) -> None:
    before = Checkpoint(copied)
    assert before.fingerprint.startswith(NOISE_SCHEME + ":")
    digests = before.card.digests | {WEIGHTS_FILE: "0" * 64}
    change_card(copied, digests=digests)
    assert Checkpoint(copied).fingerprint != before.fingerprint


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
    [{"card_version": 2}, {"unknown": 1}, {"name": "other"}, {"noise_points": "none"}],
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


def test_card_points_to_graphs_that_take_exactly_its_noise_points(shipped: Checkpoint) -> None:
    renamed = dict(shipped.card.model_dump(mode="json"))
    renamed["noise_points"] = renamed["noise_points"][:-1]
    for kind in NoiseKind:
        assert shipped.runtime(kind).kind is kind
