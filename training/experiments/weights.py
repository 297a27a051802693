"""Mean magnitude of the weights over sigma_train.

Source: Qin & Vucinic, arXiv 1811.10649, Table 4 ("expected norm of weights"). Taken here as the
mean of |w| over all elements of matrices and kernels; biases and batch norms are left out. A batch
norm behind a layer makes the scale of its weights free, so that the table says more about weight
decay and schedule than about noise; it is here because the paper has it.
"""

import numpy as np
from safetensors.numpy import load_file

from training.experiments.bench import Bench
from training.experiments.grid import grid_recipe
from training.recipes.table import find_recipe
from training.recipes.vary import train_command

COLUMNS = ("sigma_train", "layer", "weights", "mean_magnitude")
FOLDER = "weights"
ALL = "all"


def run_weights(bench: Bench, base: str, sigma_train: tuple[float, ...]) -> None:
    """Write the magnitudes for the networks of a grid, trained if they are missing."""
    file = bench.file(f"{FOLDER}/{base}.csv", None, COLUMNS, recipe=base)
    for value in sigma_train:
        if file.having(sigma_train=value):
            continue
        recipe = grid_recipe(find_recipe(base), value)
        checkpoint = bench.trained(recipe, train_command(recipe))
        tensors = load_file(checkpoint.folder / checkpoint.card.weights)
        magnitudes = {
            name: np.abs(tensor.astype(np.float64))
            for name, tensor in tensors.items()
            if tensor.ndim > 1
        }
        flat = np.concatenate([entry.ravel() for entry in magnitudes.values()])
        file.add(
            {
                "sigma_train": value,
                "layer": layer,
                "weights": entry.size,
                "mean_magnitude": float(entry.mean()),
            }
            for layer, entry in {ALL: flat, **magnitudes}.items()
        )
