"""The trained networks that a run starts from or learns from, by name."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from models.checkpoint import SHIPPED, CheckpointStore
from models.errors import TrainingError
from models.networks.registry import build_network
from models.networks.trained import load_network
from training.recipes import Recipe, recipe_from_dict
from training.state import read_state

RUN_PREFIX = "run:"


@dataclass(frozen=True, slots=True)
class Sources:
    """Where trained networks are found.

    Attributes:
        checkpoints: folder of the checkpoints.
        runs: folder of the runs, each in a folder of its recipe's name.
    """

    checkpoints: Path = SHIPPED
    runs: Path = Path("runs")

    def network(self, name: str) -> nn.Module:
        """Return the network of a checkpoint, or of the run whose name follows ``run:``.

        Raises:
            UnknownCheckpointError: there is no such checkpoint.
            CheckpointError: its files are not those of its card.
            TrainingError: there is no such run, or it is not finished.
        """
        if not name.startswith(RUN_PREFIX):
            checkpoint = CheckpointStore(self.checkpoints).find(name)
            checkpoint.verified()
            return load_network(checkpoint.folder, checkpoint.card)
        state = read_state(self.runs / name.removeprefix(RUN_PREFIX))
        if not state["is_finished"]:
            raise TrainingError(f"{name} is not finished; train it to its end first")
        recipe = recipe_from_dict(state["recipe"])
        network = network_of(recipe)
        network.load_state_dict(state["network"])
        return network.eval()


def network_of(recipe: Recipe) -> nn.Module:
    """Return the untrained network of a recipe.

    Raises:
        TrainingError: there is no network of that name, or it cannot be quantised.
    """
    return build_network(recipe.network, recipe.hardening.kind, recipe.options, recipe.quantisation)


def weights_digest(network: nn.Module) -> str:
    """Return the SHA-256 of all weights and statistics, in the order of their names."""
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        if not name.endswith("num_batches_tracked"):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().float().contiguous().numpy().tobytes())
    return digest.hexdigest()
