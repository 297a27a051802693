"""What is to be learned of modules that can be imported in this process, and samples."""

import numpy as np

from noisevote.models.data.dataset import Examples
from noisevote.models.data.sample_files import Content
from noisevote.models.data.samples import Samples, samples_of
from noisevote.training.importing.harden import (
    HardenPlan,
    brought_by,
    recipe_for,
)
from noisevote.training.recipes.recipe import Recipe, Schedule


def plan(callable_name: str = "make", **changed: object) -> HardenPlan:
    """What is to be learned of a module that can be imported in this process."""
    usual = {"weights": None, "recipe": "mult-1.0", "points": (), "name": "mine"}
    source = f"nets_to_harden.mine:{callable_name}"
    return HardenPlan(source, schedule=Schedule(2), **(usual | changed))  # type: ignore[arg-type]


def recipe_of(asked: HardenPlan, examples: Examples, held_back: int = 10) -> Recipe:
    network = brought_by(asked, examples.inputs.shape[1:])
    return recipe_for(asked, network, examples, "digits", held_back)


def labelled(labels: list[str], inputs: np.ndarray | None = None) -> Samples:
    given = np.arange(len(labels), dtype=np.float32)[:, None] if inputs is None else inputs
    names = tuple(map(str, range(len(labels))))
    return samples_of("some.npz", Content(names, tuple(labels), arrays={"inputs": given}))
