"""A network trained on few levels resumes exactly and serves what it learned."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from rich.console import Console

from noisevote.models.checkpoint import WEIGHTS_FILE, CheckpointStore
from noisevote.models.data.dataset import Examples, LoadedDataset
from noisevote.models.errors import TrainingError
from noisevote.models.networks.quantisers import quantised_weight
from noisevote.models.networks.trained import load_network
from noisevote.models.noise import NoiseKind
from noisevote.training.export.checkpoint import Parity, check_parity, export_checkpoint
from noisevote.training.fit.loop import fit
from noisevote.training.fit.sources import Sources, weights_digest
from noisevote.training.fit.start import take_weights, untrained
from noisevote.training.recipes.recipe import Recipe
from noisevote.training.recipes.vary import vary
from tests.training.test_export import PROVENANCE

quiet = Console(quiet=True)
QUANTISATIONS: dict[str, dict[str, Any]] = {
    "4 learned": {"bits": 4},
    "8 constant": {"bits": 8, "scale": "constant", "constant_scale": 0.02},
}


@pytest.fixture(scope="module")
def few(dataset: LoadedDataset) -> Examples:
    return dataset.train.first(112)


@pytest.fixture(scope="module")
def short(recipe: Recipe) -> Recipe:
    """Two epochs of three steps."""
    return vary(recipe, {"name": "short", "validation_images": 16, "schedule.batch_size": 32})


@pytest.mark.parametrize("name", ["4 learned", pytest.param("8 constant", marks=pytest.mark.slow)])
def test_quantised_run_learns_resumes_and_serves_its_votes(
    name: str, short: Recipe, few: Examples, tmp_path: Path
) -> None:
    recipe = vary(short, {"quantisation": QUANTISATIONS[name]})
    network = fit(recipe, few, tmp_path / "whole", quiet).network
    while not (progress := fit(recipe, few, tmp_path / "run", quiet, minutes=0)).is_finished:
        pass
    assert weights_digest(progress.network) == weights_digest(network)
    assert progress.history[1]["loss"] < progress.history[0]["loss"]
    training = PROVENANCE.model_copy(update={"recipe": recipe.as_dict()})
    export_checkpoint(network, recipe, "short", training, tmp_path / "checkpoints" / "short")
    checkpoint = CheckpointStore(tmp_path / "checkpoints").find("short")
    reloaded = load_network(checkpoint.folder, checkpoint.card)
    assert weights_digest(reloaded) == weights_digest(network)
    images = np.random.default_rng(0).random((200, 1, 28, 28), dtype=np.float32)
    for kind in NoiseKind:
        parity = check_parity(reloaded, checkpoint.runtime(kind), checkpoint.card, images, 0.5)
        assert parity.is_quantised
        assert parity.holds, parity
        spoiled = copy.deepcopy(reloaded)
        spoiled.get_parameter("fc2.weight").data.mul_(1.01)
        runtime = checkpoint.runtime(kind)
        assert not check_parity(spoiled, runtime, checkpoint.card, images, 0.5).holds


def test_graph_holds_baked_weights_and_quantises_activations_in_plain_operators(
    short: Recipe, tmp_path: Path
) -> None:
    recipe = vary(short, {"quantisation": {"bits": 4}})
    network = untrained(recipe)
    before = network.get_parameter("conv2.conv.weight").detach().clone()
    export_checkpoint(network, recipe, "q", PROVENANCE, tmp_path / "q")
    assert torch.equal(network.get_parameter("conv2.conv.weight"), quantised_weight(before, 4))
    model = onnx.load(tmp_path / "q" / "multiplicative.onnx", load_external_data=False)
    operators = [node.op_type for node in model.graph.node]
    assert operators.count("Round") == 5
    assert all(node.domain == "" for node in model.graph.node)
    assert (tmp_path / "q" / WEIGHTS_FILE).stat().st_size < 500_000


def test_quantised_run_may_start_from_a_network_that_is_not_and_the_other_way_round(
    short: Recipe, few: Examples, tmp_path: Path
) -> None:
    plain = vary(short, {"schedule.epochs": 1})
    fit(plain, few, tmp_path / "plain", quiet)
    sources = Sources(runs=tmp_path)
    quantised = vary(
        short,
        {"schedule.epochs": 1, "warm_start": "run:plain", "quantisation": {"bits": 8}},
    )
    progress = fit(quantised, few, tmp_path / "quantised", quiet, sources=sources)
    assert progress.sources["run:plain"] == weights_digest(sources.network("run:plain"))
    back = untrained(plain)
    take_weights(back, progress.network, "run:quantised")
    assert torch.equal(
        back.get_parameter("fc2.weight"), progress.network.get_parameter("fc2.weight")
    )


def test_parity_of_a_quantised_network_allows_for_other_levels_in_a_few_images() -> None:
    assert Parity(1000, 0.05, 995, 1e-6, is_quantised=True).holds
    assert not Parity(1000, 0.05, 995, 1e-6, is_quantised=False).holds
    assert not Parity(1000, 0.05, 1000, 1e-3, is_quantised=True).holds
    assert not Parity(1000, 0.05, 980, 1e-6, is_quantised=True).holds


@pytest.mark.parametrize(
    ("quantisation", "message"),
    [
        ({"bits": 5}, "quantisation.bits is 5: Input should be 4 or 8"),
        ({"scale": "learned"}, "quantisation.bits: .*required"),
        ({"bits": 4, "scale": "fixed"}, "quantisation.scale is 'fixed': .* 'learned' or 'const"),
        ({"bits": 4, "step": 1}, "quantisation.step: Unexpected keyword"),
        ({"bits": 4, "constant_scale": 0}, "constant_scale is 0: .* greater than 0"),
    ],
)
def test_wrong_quantisation_is_named(
    short: Recipe, quantisation: dict[str, Any], message: str
) -> None:
    with pytest.raises(TrainingError, match=message):
        vary(short, {"quantisation": quantisation})
