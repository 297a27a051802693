"""The trained networks that a run starts from or learns from, by name."""

import hashlib
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from noisevote.models.checkpoint import SHIPPED, CheckpointStore
from noisevote.models.errors import TrainingError
from noisevote.models.networks.trained import load_network
from noisevote.training.fit.state import has_state, read_state
from noisevote.training.recipes.network import network_of
from noisevote.training.recipes.recipe import Recipe, recipe_from_dict
from noisevote.training.recipes.vary import named_recipe, train_command

RUN_PREFIX = "run:"


@dataclass(frozen=True, slots=True)
class Sources:
    """Where trained networks are found.

    Attributes:
        checkpoints: folder of the checkpoints.
        runs: folder of the runs, each in a folder of its recipe's name.
        others: folder of the checkpoints that are taken where the first has none of a name.
    """

    checkpoints: Path = SHIPPED
    runs: Path = Path("runs")
    others: Path = SHIPPED

    def network(self, name: str, use: str = "the trained network") -> nn.Module:
        """Return the network of a checkpoint, or of the run whose name follows ``run:``.

        Args:
            name: name of the checkpoint or run.
            use: what it is taken for, as errors say it.

        Raises:
            UnknownCheckpointError: there is no such checkpoint.
            CheckpointError: its files are not those of its card.
            TrainingError: there is no such run, or it is not finished.
        """
        if not is_run(name):
            own = CheckpointStore(self.checkpoints)
            store = own if name in own.names() else CheckpointStore(self.others)
            checkpoint = store.find(name)
            checkpoint.verified()
            return load_network(checkpoint.folder, checkpoint.card)
        folder = self.runs / name.removeprefix(RUN_PREFIX)
        if not has_state(folder):
            raise TrainingError(
                f"{use}, {name}, is missing: there is no run in {folder}; {how_to_make(folder)}"
            )
        return finished_run(folder, f"{use}, {name},").network()

    def lacking(self, recipe: Recipe, folder: Path) -> list[Recipe]:
        """Return the recipes of the runs that a run in ``folder`` needs and that are not finished.

        A run that has begun needs its warm start no more. Runs of unknown recipes are left out.
        """
        teacher = recipe.teacher.weights if recipe.teacher else None
        names = [teacher, None if has_state(folder) else recipe.warm_start]
        runs = [name.removeprefix(RUN_PREFIX) for name in names if name and is_run(name)]
        found = [named_recipe(run) for run in runs if not is_finished(self.runs / run)]
        return [needed for needed in found if needed is not None]


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """A run that was trained to its end.

    Attributes:
        recipe: recipe that it followed.
        state: as it was saved.
    """

    recipe: Recipe
    state: dict[str, Any]

    def network(self) -> nn.Module:
        """Return its network, in evaluation mode."""
        network = network_of(self.recipe)
        network.load_state_dict(self.state["network"])
        return network.eval()


def finished_run(folder: Path, use: str = "the run") -> FinishedRun:
    """Read a finished run.

    Args:
        folder: folder of the run.
        use: what it is taken for, as errors say it.

    Raises:
        TrainingError: there is no run in that folder, or it is not finished.
    """
    state = read_state(folder)
    recipe = recipe_from_dict(state["recipe"])
    if not state["is_finished"]:
        raise TrainingError(
            f"{use} is not finished: it has done {len(state['history'])} of "
            f"{recipe.schedule.epochs} epochs; go on with: {train_command(recipe)} --run "
            f"{shlex.quote(str(folder))}"
        )
    return FinishedRun(recipe, state)


def is_run(name: str) -> bool:
    """Return whether a name is that of a run, and not of a checkpoint."""
    return name.startswith(RUN_PREFIX)


def shown_source(name: str) -> str:
    """Return the name of a source as people read it: ``run NAME`` or ``checkpoint NAME``."""
    return f"run {name.removeprefix(RUN_PREFIX)}" if is_run(name) else f"checkpoint {name}"


def is_finished(folder: Path) -> bool:
    """Return whether ``folder`` holds the state of a finished run."""
    return has_state(folder) and bool(read_state(folder)["is_finished"])


def how_to_make(folder: Path) -> str:
    """Say by which command the run in ``folder`` is made, if its name tells."""
    recipe = named_recipe(folder.name)
    place = "" if folder.parent == Path("runs") else f" --run {shlex.quote(str(folder))}"
    if recipe is None:
        command = f"noisevote-train train RECIPE --name {shlex.quote(folder.name)}"
        return f"no recipe has this name; train one under it with: {command}{place}"
    return f"train it first with: {train_command(recipe)}{place}"


def weights_digest(network: nn.Module) -> str:
    """Return the SHA-256 of all weights and statistics, in the order of their names."""
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        if not name.endswith("num_batches_tracked"):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().float().contiguous().numpy().tobytes())
    return digest.hexdigest()
