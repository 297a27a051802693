"""Surrogates in torch; the only module of this package that needs it."""

import hashlib
import threading
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from noisevote.models.checkpoint import Checkpoint
from noisevote.models.draws.schemes import FIRST, SCHEMES, NoiseScheme
from noisevote.models.draws.tensors import fill_noise
from noisevote.models.errors import InputError
from noisevote.models.networks.brought import Brought, module_from
from noisevote.models.networks.noise_points import given_noise, noise_from, noise_points
from noisevote.models.networks.trained import load_network
from noisevote.models.noise import Noise, VoteKey
from noisevote.models.robustness.aim import Aim
from noisevote.models.robustness.ball import Samples
from noisevote.models.robustness.pgd import SurrogateNoise

ROWS = 32
"""Rows of every pass. A short batch is filled up, since the last bits of a gradient depend on the
number of rows beside it; at a fixed number they do not (tested), so results do not depend on which
samples are attacked together. Passes of more rows are no faster: what they hold leaves the caches
of a core. Other cores climb batches of their own."""


class TorchSurrogate:
    """A network in evaluation mode, with log-odds as its loss.

    They are those against the label or, where the samples have target classes, for these.

    Args:
        network: network that is differentiated with respect to its inputs.
        noise: if given, losses and gradients are means over noisy passes.
        device: torch device.
        scheme: scheme of the draws; that of the target, for an attacker who knows the seed.

    Raises:
        InputError: noise is asked for and the network has no noise points.
    """

    def __init__(
        self,
        network: nn.Module,
        noise: SurrogateNoise | None = None,
        device: str = "cpu",
        scheme: NoiseScheme = FIRST,
    ) -> None:
        if noise is not None and not noise_points(network):
            raise InputError("the surrogate has no noise points; attack it without noise")
        self._network = network.eval().to(device).requires_grad_(False)
        self._noise = noise
        self._device = torch.device(device)
        self._scheme = scheme
        self._of_thread = threading.local()
        self._of_thread.network = self._network

    @property
    def rows_at_once(self) -> int:
        """How many samples it takes well in one call."""
        return ROWS if self._noise is None else max(1, ROWS // self._noise.draws)

    @property
    def passes(self) -> int:
        """Forward passes behind one loss of one sample."""
        return 1 if self._noise is None else self._noise.draws

    def with_noise(self, noise: SurrogateNoise) -> "TorchSurrogate":
        """Return the same network behind noise."""
        return TorchSurrogate(self._network, noise, str(self._device), self._scheme)

    def gradients(
        self, samples: Samples, turn: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the loss of each sample ``[n]`` and its gradient ``[n, *shape]``."""
        losses, gradients = [], []
        for rows, inputs, classes, keys in self._batches(samples, turn):
            inputs.requires_grad_(True)
            loss = loss_of(samples.aim, self._outputs(inputs, keys), classes)
            (gradient,) = torch.autograd.grad(loss.sum(), inputs)
            losses.append(loss.detach().cpu().numpy()[:rows])
            gradients.append(gradient.cpu().numpy()[:rows])
        return self._mean(losses), self._mean(gradients)

    def losses(self, samples: Samples, turn: int) -> NDArray[np.float32]:
        """Return the loss of each sample ``[n]``."""
        losses = []
        with torch.inference_mode():
            for rows, inputs, classes, keys in self._batches(samples, turn):
                loss = loss_of(samples.aim, self._outputs(inputs, keys), classes)
                losses.append(loss.cpu().numpy()[:rows])
        return self._mean(losses)

    def predictions(self, samples: Samples, turn: int) -> NDArray[np.int64]:
        """Return the mode of the draws' classes of each sample ``[n]``; of several, the lowest."""
        votes = []
        with torch.inference_mode():
            for rows, inputs, _, keys in self._batches(samples, turn):
                votes.append(self._outputs(inputs, keys).argmax(dim=1).cpu().numpy()[:rows])
        of_sample = np.concatenate(votes).reshape(len(samples), self.passes)
        return np.array([np.bincount(classes).argmax() for classes in of_sample], np.int64)

    def least_likely(self, samples: Samples) -> NDArray[np.int64]:
        """Return the class with the lowest output of each sample, but for its label ``[n]``."""
        parts = []
        with torch.inference_mode():
            for rows, inputs, _, keys in self._batches(samples, 0):
                parts.append(self._outputs(inputs, keys).cpu().numpy()[:rows])
        outputs = self._mean(parts)
        outputs[np.arange(len(samples)), samples.labels] = np.inf
        return np.asarray(outputs.argmin(axis=1))

    def _batches(
        self, samples: Samples, turn: int
    ) -> Iterator[tuple[int, Tensor, Tensor, list[VoteKey]]]:
        """Yield rows that count, inputs, classes and noise keys of passes of :data:`ROWS` rows.

        The classes are the target classes or, if there are none, the labels.
        """
        aim = samples.aim
        classes = aim.labels if aim.target_classes is None else aim.target_classes
        of_row = np.arange(len(samples)).repeat(self.passes)
        keys = [key for index in samples.indices.tolist() for key in self._keys(index, turn)]
        for first in range(0, len(of_row), ROWS):
            chosen = of_row[first : first + ROWS]
            rows = len(chosen)
            filled = np.pad(chosen, (0, ROWS - rows), mode="edge")
            batch_keys = keys[first : first + rows]
            yield (
                rows,
                torch.from_numpy(samples.inputs[filled]).to(self._device),
                torch.from_numpy(classes[filled]).to(self._device),
                batch_keys + batch_keys[-1:] * (ROWS - rows),
            )

    def _keys(self, index: int, turn: int) -> list[VoteKey]:
        """Return the keys of the draws that one sample meets in one turn."""
        noise = self._noise
        if noise is None:
            return [VoteKey(0, 0, 0)]
        if noise.is_frozen:
            return [VoteKey(noise.seed, 0, draw) for draw in range(noise.draws)]
        first = turn * noise.draws
        return [VoteKey(noise.seed, index, first + draw) for draw in range(noise.draws)]

    def _outputs(self, inputs: Tensor, keys: list[VoteKey]) -> Tensor:
        """Return the outputs ``[rows, classes]``, in single precision."""
        noise = self._noise
        if noise is None:
            outputs: Tensor = self._network(inputs)
            return outputs.float()
        network = self._network_of_thread()
        points = noise_points(network)
        tensors = [np.empty((len(keys), *point.shape), np.float32) for point in points]
        at_points = Noise(noise.kind, noise.sigma, noise.repeats).at([p.name for p in points])
        sigma = np.tile(at_points.sigma, (len(keys), 1))
        fill_noise(noise.kind, sigma, keys, tensors, scheme=self._scheme)
        named = {
            point.name: torch.from_numpy(tensor).to(self._device)
            for point, tensor in zip(points, tensors, strict=True)
        }
        with noise_from(network, given_noise(noise.kind, named)):
            outputs = network(inputs)
        return outputs.float()

    def _network_of_thread(self) -> nn.Module:
        """Return a network in which no other thread installs noise; any but the first copy it."""
        if not hasattr(self._of_thread, "network"):
            self._of_thread.network = deepcopy(self._network)
        network: nn.Module = self._of_thread.network
        return network

    def _mean(self, parts: list[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Return the mean over the draws of each sample."""
        rows = np.concatenate(parts)
        if self.passes == 1:
            return rows
        mean: NDArray[np.float32] = rows.reshape(-1, self.passes, *rows.shape[1:]).mean(axis=1)
        return mean


def loss_of(aim: Aim, outputs: Tensor, classes: Tensor) -> Tensor:
    """Return the loss that an attack raises ``[rows]``.

    Args:
        aim: what it wants.
        outputs: ``[rows, classes]``, before the softmax.
        classes: the class that is to be lost or, if there are target classes, won ``[rows]``.
    """
    against = log_odds_against(outputs, classes)
    return against if aim.target_classes is None else -against


def log_odds_against(outputs: Tensor, labels: Tensor) -> Tensor:
    """Return the logarithm of the odds against the label ``[rows]``.

    The cross-entropy is ``log(1 + e^x)`` of it: both rise together, so they rank examples alike and
    their gradients have one direction. But where the network is sure, the cross-entropy and its
    gradient vanish in single precision and an attack stands still.

    Args:
        outputs: ``[rows, classes]``, before the softmax.
        labels: ``[rows]``.
    """
    of_label = outputs.gather(1, labels.unsqueeze(1)).squeeze(1)
    others = outputs.scatter(1, labels.unsqueeze(1), -torch.inf)
    return others.logsumexp(1) - of_label


def surrogate_from(checkpoint: Checkpoint, device: str = "cpu") -> TorchSurrogate:
    """Return a checkpoint's network as a surrogate.

    Raises:
        CheckpointError: its weights are damaged, or its network is unknown to torch.
    """
    checkpoint.verified()
    card = checkpoint.card
    network = load_network(checkpoint.folder, card)
    return TorchSurrogate(network, device=device, scheme=SCHEMES[card.noise_scheme])


@dataclass(frozen=True, slots=True)
class BroughtSurrogate:
    """A module of others as a surrogate.

    Attributes:
        surrogate: it.
        classes: number of its outputs.
        points: names of the noise points behind its layers.
        digest: SHA-256 of its weights, in hexadecimal.
    """

    surrogate: TorchSurrogate
    classes: int
    points: tuple[str, ...]
    digest: str


def surrogate_from_module(
    source: str, weights: Path | None, shape: tuple[int, ...]
) -> BroughtSurrogate:
    """Return what ``MODULE:CALLABLE`` gives as a surrogate, with noise points behind its layers.

    Args:
        source: is imported and called.
        weights: file of its weights.
        shape: of one input.

    Raises:
        ImportingError: it cannot be called, does not take such inputs, or has no layers.
    """
    module = module_from(source, None if weights is None else str(weights))
    network = Brought(module, shape, marks_outputs=False)
    points = tuple(point.name for point in noise_points(network))
    return BroughtSurrogate(
        TorchSurrogate(network), network.classes, points, digest_of(module.state_dict())
    )


def digest_of(weights: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of weights and their names, in hexadecimal."""
    digest = hashlib.sha256()
    for name, tensor in sorted(weights.items()):
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
