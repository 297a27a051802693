"""The networks by name: how to build each, and what its inputs and outputs mean."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import nn

from models.cifar10 import CLASSES, SHAPE
from models.errors import TrainingError
from models.networks.densenet import DenseNet
from models.networks.madry_cnn import MadryCnn
from models.networks.mnist_cnn import MnistCnn
from models.networks.quantisers import Quantisation
from models.networks.stroke_lstm import StrokeLstm
from models.noise import NoiseKind
from models.strokes import FEATURES, GRID, PREPROCESSING, STEPS


@dataclass(frozen=True, slots=True)
class Network:
    """One row of the registry.

    Attributes:
        build: makes the untrained network for one kind of noise; further keywords are options of
            the recipe, such as widths.
        dataset: the data set it learns.
        input_shape: shape of one input, without the batch axis.
        input_range: smallest and largest value of an input.
        preprocessing: how a request's picture becomes an input, one of
            ``models.pictures.PREPROCESSINGS``, or its drawing, ``models.strokes.PREPROCESSING``.
        labels: name of each class, in the order of the outputs.
        tile: rows of a forward pass that serve well.
        is_quantisable: whether ``build`` takes a ``quantisation``.
    """

    build: Callable[..., nn.Module]
    dataset: str
    input_shape: tuple[int, ...]
    input_range: tuple[float, float]
    preprocessing: str
    labels: tuple[str, ...]
    tile: int = 8
    is_quantisable: bool = False


def densenet(depth: int, bottleneck: bool = False) -> Network:
    """Return the row of a DenseNet of that depth.

    Its tile is the smallest of those that take the least time a vote (1 to 20 rows measured): it
    keeps the maps in the caches and the memory low.
    """
    build = partial(DenseNet, depth=depth, bottleneck=bottleneck)
    return Network(build, "cifar10", SHAPE, (0.0, 1.0), "cifar_picture-1", CLASSES, tile=4)


NETWORKS: dict[str, Network] = {
    "densenet40": densenet(depth=40),
    "densenet100": densenet(depth=100, bottleneck=True),
    "madry_cnn": Network(
        MadryCnn,
        "mnist",
        (1, 28, 28),
        (0.0, 1.0),
        "mnist_digit-2",
        tuple("0123456789"),
        tile=20,
        is_quantisable=True,
    ),
    "mnist_cnn": Network(
        MnistCnn,
        "mnist",
        (1, 28, 28),
        (0.0, 1.0),
        "mnist_digit-2",
        tuple("0123456789"),
        is_quantisable=True,
    ),
    "stroke_lstm": Network(
        StrokeLstm,
        "mnist_strokes",
        (STEPS, FEATURES),
        (-float(GRID), float(GRID)),
        PREPROCESSING,
        tuple("0123456789"),
        tile=10,
    ),
}


def build_network(
    name: str, kind: NoiseKind, options: dict[str, int], quantisation: Quantisation | None = None
) -> nn.Module:
    """Build an untrained network.

    Raises:
        TrainingError: there is no network of that name, or it cannot be quantised.
    """
    if name not in NETWORKS:
        raise TrainingError(f"there is no network {name!r}; known are: {', '.join(NETWORKS)}")
    if quantisation is None:
        return NETWORKS[name].build(kind=kind, **options)
    if not NETWORKS[name].is_quantisable:
        able = ", ".join(key for key, network in NETWORKS.items() if network.is_quantisable)
        raise TrainingError(f"{name} cannot be quantised; {able} can")
    return NETWORKS[name].build(kind=kind, quantisation=quantisation, **options)
