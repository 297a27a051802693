"""Export: a trained network becomes a checkpoint folder that serves without torch."""

import logging
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from onnx import ModelProto
from onnxscript import optimizer
from safetensors.torch import save_file
from torch import Tensor, nn

from noisevote.models.card import CARD_VERSION, Card, Training
from noisevote.models.checkpoint import WEIGHTS_FILE, sha256_of
from noisevote.models.data.datasets import find_dataset
from noisevote.models.draws.schemes import NEWEST, SCHEMES
from noisevote.models.draws.tensors import fill_noise
from noisevote.models.errors import ExportError
from noisevote.models.networks.noise_points import given_noise, marking, noise_from, noise_points
from noisevote.models.networks.quantisers import bake_weights
from noisevote.models.networks.registry import NETWORKS
from noisevote.models.noise import NoiseKind, VoteKey
from noisevote.models.runtime import GraphRuntime
from noisevote.models.specs import IMAGES, OUTPUTS, InputSpec, NoiseSpec, PointSpec
from noisevote.training.export.card_file import write_card
from noisevote.training.export.graph import with_noise_inputs
from noisevote.training.export.nodes import strip_provenance
from noisevote.training.export.weights import point_into_weights
from noisevote.training.recipes.recipe import Recipe

PARITY_TOLERANCE = 1e-4
QUANTISED_VOTES = 0.99


@dataclass(frozen=True, slots=True)
class Parity:
    """How far torch and ONNX Runtime are apart on the same noise.

    Attributes:
        images: images compared, one vote each.
        largest_difference: of any output, relative to the largest output of its image if that is
            above 1.
        same_votes: votes that are the same.
        median_difference: the median over the images of the largest difference of their outputs.
        is_quantised: whether activations lie on levels. One that lies between two of them, within
            rounding, may fall on either: most images have none such, some differ by whole levels.
    """

    images: int
    largest_difference: float
    same_votes: int
    median_difference: float
    is_quantised: bool

    @property
    def holds(self) -> bool:
        """Whether outputs are within 1e-4 and all votes are the same.

        If activations are quantised, whether the outputs of most images are, and 99 % of votes.
        """
        if self.is_quantised:
            difference, votes = self.median_difference, QUANTISED_VOTES * self.images
        else:
            difference, votes = self.largest_difference, self.images
        return difference <= PARITY_TOLERANCE and self.same_votes >= votes


def export_checkpoint(
    network: nn.Module, recipe: Recipe, name: str, training: Training, folder: Path
) -> Card:
    """Write ``folder`` with weights, graphs and card; the weights of ``network`` are rounded.

    Matrices and kernels are stored in half precision, everything else in single precision.

    Args:
        network: trained, from the recipe.
        recipe: what it was trained by.
        name: of the checkpoint.
        training: where the weights come from.
        folder: made if absent; the files of an earlier export are overwritten.

    Raises:
        ExportError: the network cannot be exported.
    """
    folder.mkdir(parents=True, exist_ok=True)
    dataset = find_dataset(recipe.dataset)
    bake_weights(network)
    round_weights(network)
    save_weights(network, folder / WEIGHTS_FILE)
    shapes = {point.name: point.shape for point in noise_points(network)}
    marked = export_marked(network, dataset.shape)
    graphs = {}
    for kind in NoiseKind:
        graphs[kind] = f"{kind}.onnx"
        graph = with_noise_inputs(marked, kind, shapes)
        point_into_weights(graph, folder / WEIGHTS_FILE)
        (folder / graphs[kind]).write_bytes(graph.SerializeToString(deterministic=True))
    card = Card(
        card_version=CARD_VERSION,
        name=name,
        network=recipe.network,
        inputs=(
            InputSpec(
                shape=dataset.shape, range=dataset.range, preprocessing=dataset.preprocessing
            ),
        ),
        labels=dataset.labels,
        noise_scheme=NEWEST.id,
        noise=NoiseSpec(kind=recipe.hardening.kind, sigma_train=recipe.hardening.sigma_train),
        noise_points=tuple(
            PointSpec(name=point.name, shape=point.shape, macs=point.macs, latency=point.latency)
            for point in noise_points(network)
        ),
        tile=NETWORKS[recipe.network].tile,
        graphs=graphs,
        weights=WEIGHTS_FILE,
        digests={
            file: sha256_of((folder / file).read_bytes())
            for file in (*graphs.values(), WEIGHTS_FILE)
        },
        training=training,
    )
    write_card(card, folder)
    return card


def round_weights(network: nn.Module) -> None:
    """Round matrices and kernels to what half precision holds, in place."""
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.dim() > 1:
                parameter.copy_(parameter.half().float())


def save_weights(network: nn.Module, path: Path) -> None:
    """Write parameters and statistics to a safetensors file."""
    state: dict[str, Tensor] = {}
    for name, tensor in network.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        stored = tensor.half() if tensor.dim() > 1 else tensor
        state[name] = stored.cpu().contiguous()
        if not torch.isfinite(state[name]).all():
            raise ExportError(f"{name} has values that are not finite in half precision")
    save_file(state, path)
    path.chmod(0o644)  # safetensors writes for the owner alone; a container runs as another user


def export_marked(network: nn.Module, input_shape: tuple[int, ...]) -> ModelProto:
    """Export ``network`` in evaluation mode, its noise points marked."""
    network.eval().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), noise_from(network, marking), torch.no_grad():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            network,
            (torch.zeros(2, *input_shape),),
            dynamo=True,
            optimize=False,
            input_names=[IMAGES],
            output_names=[OUTPUTS],
            dynamic_shapes=({0: torch.export.Dim(IMAGES)},),
            verbose=False,
        )
    if program is None:
        raise ExportError("torch.onnx.export returned no program")
    optimizer.fold_constants(program.model)
    optimizer.remove_unused_nodes(program.model)
    model: ModelProto = program.model_proto
    strip_provenance(model)
    return model


def check_parity(
    network: nn.Module, runtime: GraphRuntime, card: Card, images: NDArray[np.float32], sigma: float
) -> Parity:
    """Compare torch and ONNX Runtime on one vote an image, with the same noise.

    Args:
        network: in evaluation mode.
        runtime: of the exported graph.
        card: of the checkpoint.
        images: ``[n, *input_shape]``.
        sigma: at every noise point.
    """
    points = card.noise_points
    differences: list[float] = []
    same = 0
    for first in range(0, len(images), card.tile):
        batch = images[first : first + card.tile]
        noise = [np.empty((len(batch), *point.shape), np.float32) for point in points]
        keys = [VoteKey(0, first + row, 0) for row in range(len(batch))]
        at_points = np.full((len(batch), len(points)), sigma)
        fill_noise(runtime.kind, at_points, keys, noise, scheme=SCHEMES[card.noise_scheme])
        ours = runtime.outputs_for({card.input.name: batch}, np.arange(len(batch)), noise)
        named = {
            point.name: torch.from_numpy(tensor)
            for point, tensor in zip(points, noise, strict=True)
        }
        with torch.inference_mode(), noise_from(network, given_noise(runtime.kind, named)):
            theirs = network(torch.from_numpy(batch)).numpy()
        scale = np.maximum(np.abs(theirs).max(axis=1, keepdims=True), 1)
        differences += (np.abs(ours - theirs) / scale).max(axis=1).tolist()
        same += int((ours.argmax(1) == theirs.argmax(1)).sum())
    is_quantised = card.recipe.get("quantisation") is not None
    median = float(np.median(differences))
    return Parity(len(images), max(differences), same, median, is_quantised)
