"""From a trained run to a checkpoint: same outputs, same votes, and a card that says it all."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from noisevote.models.card import Training
from noisevote.models.checkpoint import SHIPPED, Checkpoint, CheckpointStore
from noisevote.models.data.dataset import LoadedDataset, as_inputs
from noisevote.models.data.datasets import DATASETS
from noisevote.models.networks.trained import load_network
from noisevote.models.noise import NoiseKind
from noisevote.training.export.checkpoint import check_parity, export_checkpoint
from noisevote.training.fit.loop import fit
from noisevote.training.recipes.network import network_of
from noisevote.training.recipes.recipe import Recipe
from noisevote.training.recipes.vary import vary

PROVENANCE = Training(
    recipe={}, command="test", data_digests={}, data_is_official=False, data_licence="none",
    torch_version="test",
)  # fmt: skip


@pytest.fixture(scope="module")
def exported(
    recipe: Recipe, dataset: LoadedDataset, tmp_path_factory: pytest.TempPathFactory
) -> Checkpoint:
    folder = tmp_path_factory.mktemp("export")
    network = fit(recipe, dataset.train, folder / "run", Console(quiet=True)).network
    training = PROVENANCE.model_copy(update={"recipe": recipe.as_dict()})
    export_checkpoint(network, recipe, "small", training, folder / "small")
    return CheckpointStore(folder).find("small")


@pytest.mark.parametrize("kind", list(NoiseKind))
def test_torch_and_onnx_give_the_same_votes_on_the_same_noise(
    exported: Checkpoint, dataset: LoadedDataset, kind: NoiseKind
) -> None:
    network = load_network(exported.folder, exported.card)
    images = as_inputs(dataset.test.inputs)
    parity = check_parity(network, exported.runtime(kind), exported.card, images, 0.5)
    assert parity.holds, parity


def test_parity_check_sees_a_network_with_other_weights(
    exported: Checkpoint, dataset: LoadedDataset
) -> None:
    network = load_network(exported.folder, exported.card)
    next(network.parameters()).data.mul_(1.01)
    images = as_inputs(dataset.test.inputs)
    runtime = exported.runtime(NoiseKind.MULTIPLICATIVE)
    assert not check_parity(network, runtime, exported.card, images, 0.5).holds


@pytest.mark.parametrize("name", [path.name for path in sorted(SHIPPED.iterdir()) if path.is_dir()])
def test_shipped_checkpoint_gives_torchs_outputs(name: str) -> None:
    checkpoint = CheckpointStore(SHIPPED).find(name)
    card = checkpoint.card
    network = load_network(checkpoint.folder, card)
    low, high = card.input.limits
    generator = np.random.default_rng(5)
    images = generator.uniform(low, high, (32, *card.input.shape)).astype(np.float32)
    for kind in NoiseKind:
        parity = check_parity(network, checkpoint.runtime(kind), card, images, 0.5)
        assert parity.largest_difference <= 1e-4


def test_card_names_noise_points_recipe_and_digests(exported: Checkpoint, recipe: Recipe) -> None:
    card = exported.card
    assert [point.name for point in card.noise_points] == [
        "conv1", "conv2", "conv3", "conv4", "fc1", "fc2",
    ]  # fmt: skip
    assert sum(int(np.prod(point.shape)) for point in card.noise_points) == 75_264 + 32 + 10
    assert card.recipe == recipe.as_dict()
    assert set(card.digests) == {"weights.safetensors", "multiplicative.onnx", "additive.onnx"}
    assert card.evaluations == ()


def test_export_is_the_same_byte_for_byte(
    exported: Checkpoint, recipe: Recipe, tmp_path: Path
) -> None:
    network = load_network(exported.folder, exported.card)
    export_checkpoint(network, recipe, "small", exported.card.trained, tmp_path / "small")
    assert CheckpointStore(tmp_path).find("small").card.digests == exported.card.digests


def test_graphs_hold_no_path_of_the_machine_that_exported_them(exported: Checkpoint) -> None:
    here = str(Path(__file__).parents[2]).encode()
    for graph in exported.card.graphs.values():
        assert here not in (exported.folder / graph).read_bytes()


def test_checkpoint_can_be_moved(exported: Checkpoint, tmp_path: Path) -> None:
    shutil.copytree(exported.folder, tmp_path / "small")
    moved = CheckpointStore(tmp_path).find("small")
    assert moved.fingerprint == exported.fingerprint
    moved.runtime(NoiseKind.ADDITIVE)


def test_card_is_made_of_network_and_data_set(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = tuple("ABCDEFGHIJ")
    clothes = replace(DATASETS["mnist"], name="clothes", labels=labels, preprocessing="grey-1")
    monkeypatch.setitem(DATASETS, "clothes", clothes)
    dressed = vary(recipe, {"dataset": "clothes"})
    card = export_checkpoint(network_of(dressed), dressed, "c", PROVENANCE, tmp_path)
    assert (card.network, card.labels, card.input.preprocessing) == ("mnist_cnn", labels, "grey-1")
