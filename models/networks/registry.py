"""The networks by name: how to build each, and how it serves."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import nn

from noisevote.models.errors import TrainingError
from noisevote.models.networks.brought import brought_network, is_brought
from noisevote.models.networks.densenet import DenseNet
from noisevote.models.networks.madry_cnn import MadryCnn
from noisevote.models.networks.mnist_cnn import MnistCnn
from noisevote.models.networks.quantisers import Quantisation
from noisevote.models.networks.stroke_lstm import StrokeLstm
from noisevote.models.noise import NoiseKind


@dataclass(frozen=True, slots=True)
class Network:
    """One row of the registry.

    Attributes:
        build: makes the untrained network for one kind of noise; further keywords are options of
            the recipe, such as widths.
        tile: rows of a forward pass that serve well: beyond them answers, or the votes of large
            networks, take hardly less CPU time (``python -m tests.load.bench tiles``). More rows
            share the weights and the work around a pass; fewer keep large maps in the caches.
        is_quantisable: whether ``build`` takes a ``quantisation``.
    """

    build: Callable[..., nn.Module]
    tile: int
    is_quantisable: bool = True


NETWORKS: dict[str, Network] = {
    "densenet40": Network(partial(DenseNet, depth=40), tile=4),
    "densenet100": Network(partial(DenseNet, depth=100, bottleneck=True), tile=4),
    "madry_cnn": Network(MadryCnn, tile=20),
    "mnist_cnn": Network(MnistCnn, tile=20),
    "stroke_lstm": Network(StrokeLstm, tile=40, is_quantisable=False),
}


def build_network(
    name: str, kind: NoiseKind, options: dict[str, Any], quantisation: Quantisation | None = None
) -> nn.Module:
    """Build an untrained network, or the one of a callable as that gives it.

    Raises:
        TrainingError: there is no network of that name, or it cannot be quantised.
    """
    if is_brought(name):
        return brought_network(name, options)
    if name not in NETWORKS:
        raise TrainingError(f"there is no network {name!r}; known are: {', '.join(NETWORKS)}")
    if quantisation is None:
        return NETWORKS[name].build(kind=kind, **options)
    if not NETWORKS[name].is_quantisable:
        able = ", ".join(key for key, network in NETWORKS.items() if network.is_quantisable)
        raise TrainingError(f"{name} cannot be quantised; {able} can")
    return NETWORKS[name].build(kind=kind, quantisation=quantisation, **options)
