"""Mean magnitude of the weights over sigma_train.

Source: Qin & Vucinic, arXiv 1811.10649, Table 4 ("expected norm of weights"). Taken here as the
mean of |w| over all elements of matrices and kernels; biases and batch norms are left out. A batch
norm behind a layer makes the scale of its weights free, so that the table says more about weight
decay and schedule than about noise; it is here because the paper has it.
"""

from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from noisevote.training.experiments.bench import Bench
from noisevote.training.experiments.experiment import Experiment, shown_or_open
from noisevote.training.measure.plan import NotNegative, Plan
from noisevote.training.measure.results import Table
from noisevote.training.recipes.table import find_recipe
from noisevote.training.recipes.vary import at_sigma_train
from noisevote.training.report.markdown import commands, markdown_table
from noisevote.training.report.paper import PAPER_WEIGHTS, SIGMAS

COLUMNS = ("sigma_train", "layer", "weights", "mean_magnitude")
FOLDER = "weights"
ALL = "all"
SHOWN = "mnist_cnn-mult-grid"

TEXT = """## Magnitude of the weights (Table 4)

Mean of |w| over matrices and kernels. A batch norm behind a layer makes the scale of its weights
free, so the absolute values depend on width, initialisation and weight decay; only the trend over
sigma_train compares with the paper.
"""


class WeightsPlan(Plan):
    """What is measured."""

    sigma_train: tuple[NotNegative, ...] = SIGMAS
    """Of the networks."""


def run_weights(bench: Bench, base: str, plan: WeightsPlan) -> None:
    """Write the magnitudes for the networks of a grid, trained if they are missing."""
    file = bench.file(f"{FOLDER}/{base}.csv", None, COLUMNS, recipe=base)
    for value in plan.sigma_train:
        if file.having(sigma_train=value):
            continue
        recipe = at_sigma_train(find_recipe(base), value)
        checkpoint = bench.trained(recipe)
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


def weights_section(results: Path) -> list[str]:
    """Return Table 4."""
    return [TEXT, *shown_or_open(results, FOLDER, SHOWN, shown)]


def shown(table: Table) -> list[str]:
    """Return the magnitudes of all layers beside the paper's."""
    layers = list(dict.fromkeys(row["layer"] for row in table.rows))
    rows = []
    for value in dict.fromkeys(row["sigma_train"] for row in table.rows):
        cells = {row["layer"]: row for row in table.rows if row["sigma_train"] == value}
        paper = f"{PAPER_WEIGHTS[round(10 * float(value))]:.3f}"
        rows.append(
            [value, paper, *(f"{float(cells[layer]['mean_magnitude']):.4f}" for layer in layers)]
        )
    names = [layer.removesuffix(".weight") for layer in layers]
    head = ["sigma_train", "paper", *(f"ours, {name}" for name in names)]
    return [markdown_table(head, rows), commands([table])]


WEIGHTS = Experiment(
    FOLDER,
    "Mean magnitude of the weights over sigma_train (Table 4).",
    "recipe",
    WeightsPlan(),
    WeightsPlan(sigma_train=(0.0, 1.0)),
    run_weights,
    weights_section,
)
