"""A hardened module is taken in as a network of others, with the noise that it learned with."""

from dataclasses import replace
from typing import Any

from numpy.typing import NDArray
from torch import nn

from noisevote.models.networks.brought import Brought
from noisevote.training.importing.callables import graph_from
from noisevote.training.importing.harden import names_in
from noisevote.training.importing.inputs import Asked
from noisevote.training.importing.layers import CALL, PRODUCTS, Rule
from noisevote.training.importing.look import Look, Wishes, look_at


def names_of_layers(network: Brought) -> Rule:
    """Return the rule by which the layers that were hardened get noise, and no others."""
    return Rule(PRODUCTS, only=tuple(names_in(network)))


def sigma_of_calls(sigma: float | dict[str, float], look: Look) -> float | dict[str, float]:
    """Return the sigma of training at the noise points of an imported module.

    A layer that is called several times has a point of its own for each call there.

    Args:
        sigma: one number, or by the names of layers.
        look: at the module, by :func:`names_of_layers`.
    """
    if not isinstance(sigma, dict):
        return sigma
    points = [each.layer.name for each in look.layers if each.layer.quiet is None]
    return {name: sigma[name.partition(CALL)[0]] for name in points}


def look_at_module(
    network: nn.Module,
    source: str,
    shape: tuple[int, ...],
    wishes: Wishes,
    inputs: NDArray[Any],
) -> Look:
    """Look at a torch module, as at a network that comes as a file."""
    asked: dict[str | None, Asked] = {None: Asked(shape)}
    graph = graph_from(network, source, asked)
    name = graph.model.graph.input[0].name
    return look_at(graph, replace(wishes, shapes={None: shape}), lambda _: {name: inputs})
