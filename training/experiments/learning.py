"""Learning curves at a constant learning rate.

Source: Qin & Vucinic, arXiv 1811.10649, Figure 3: validation accuracy and loss over the first
mini-batches, for several sigma_train; stronger noise learns more slowly. Batch 32 and Adam as
there; the learning rate and the number of mini-batches are lost and are 1e-3 and 1,000 here.
"""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import nn
from torch.nn import functional

from noisevote.models.networks.noise_points import fresh_noise, noise_from
from noisevote.training.experiments.bench import Bench
from noisevote.training.experiments.experiment import Experiment, one_figure_each, shown_or_open
from noisevote.training.fit.data import Batches, split
from noisevote.training.fit.start import untrained
from noisevote.training.losses.hardening import step_loss
from noisevote.training.measure.plan import Count, NotNegative, Plan, Positive
from noisevote.training.measure.results import SHARE_COLUMNS, Table, share
from noisevote.training.recipes.recipe import Recipe
from noisevote.training.recipes.table import find_recipe
from noisevote.training.report.markdown import commands, figure
from noisevote.training.report.style import groups, new_figure, series_style

COLUMNS = ("sigma_train", "step", "loss", *SHARE_COLUMNS)
FOLDER = "learning"
EVALUATION_BATCH = 250
SHOWN = "mnist_cnn-mult-grid"

TEXT = """## Learning curves (Figure 3)

Validation accuracy and loss of one noisy pass at sigma_train over the first mini-batches of 32, at
a constant learning rate; the paper's learning rate and its number of mini-batches are lost.
"""


class LearningPlan(Plan):
    """What is learned and how often it is looked at."""

    sigma_train: tuple[NotNegative, ...] = (0.0, 0.5, 1.0)
    """One curve each."""

    steps: Count = 1000
    """Mini-batches."""

    every: Count = 50
    """Mini-batches between two looks."""

    images: Count = 1000
    """Of the validation split, looked at with noise of sigma_train."""

    batch_size: Count = 32
    """Images of a mini-batch."""

    learning_rate: Positive = 1e-3
    """Of Adam."""


def run_learning(bench: Bench, base: str, plan: LearningPlan) -> None:
    """Write loss and accuracy on validation images over the first mini-batches.

    The loss is plain cross-entropy of one noisy draw, as in the paper, whatever the recipe says.
    """
    recipe = bench.recipe(find_recipe(base))
    train, validation = (
        Batches.on(bench.accelerator, part)
        for part in split(bench.dataset(recipe.dataset).train, recipe)
    )
    file = bench.file(
        f"{FOLDER}/{base}.csv",
        None,
        COLUMNS,
        recipe=f"{recipe.network}, {recipe.hardening.kind} noise, cross-entropy, Adam, constant "
        f"learning rate {plan.learning_rate:g}, batch {plan.batch_size}, seed {recipe.seed}",
        split=f"validation, {plan.images} images, one noisy pass at sigma_train",
    )
    torch.set_num_threads(bench.threads)
    for sigma in plan.sigma_train:
        if not file.having(sigma_train=sigma):
            hardening = replace(
                recipe.hardening, sigma_train=sigma, loss="cross_entropy", output_draws=1
            )
            curve = learn(replace(recipe, hardening=hardening), train, validation, plan)
            file.add({"sigma_train": sigma, **row} for row in curve)


def learn(
    recipe: Recipe, train: Batches, validation: Batches, plan: LearningPlan
) -> list[dict[str, object]]:
    """Train for some mini-batches; return one row for each look at the validation images."""
    device = train.labels.device
    network = untrained(recipe).to(device)
    optimizer = torch.optim.Adam(network.parameters(), lr=plan.learning_rate)
    loss = step_loss(recipe.hardening)
    generator = torch.Generator(device).manual_seed(recipe.seed)
    order = np.random.default_rng(recipe.seed)
    rows = [{"step": 0, **look(network, recipe, validation, plan)}]
    for step in range(1, plan.steps + 1):
        network.train()
        chosen = torch.from_numpy(order.integers(0, len(train), plan.batch_size))
        images, labels = train.batch(chosen.to(device))
        optimizer.zero_grad()
        loss(network, images, labels, generator, 1.0).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if step % plan.every == 0:
            rows.append({"step": step, **look(network, recipe, validation, plan)})
    return rows


def look(
    network: nn.Module, recipe: Recipe, validation: Batches, plan: LearningPlan
) -> dict[str, object]:
    """Return loss and accuracy of one noisy pass over the first validation images."""
    network.eval()
    generator = torch.Generator(validation.labels.device).manual_seed(0)
    source = fresh_noise(recipe.hardening.kind, recipe.hardening.sigma_train, generator)
    examples = validation.first(plan.images)
    total, right = 0.0, 0
    with torch.inference_mode(), noise_from(network, source):
        for images, labels in examples.in_order(EVALUATION_BATCH):
            outputs = network(images)
            total += float(functional.cross_entropy(outputs, labels, reduction="sum"))
            right += int((outputs.argmax(1) == labels).sum())
    return {"loss": total / len(examples), **share(right, len(examples))}


def learning_section(results: Path) -> list[str]:
    """Return Figure 3."""
    return [TEXT, *shown_or_open(results, FOLDER, SHOWN, shown)]


def shown(table: Table) -> list[str]:
    """Return what the page shows of the curves."""
    return [
        figure(f"{FOLDER}-{SHOWN}", "Accuracy and loss over mini-batches"),
        commands([table]),
    ]


def learning_figure(table: Table) -> Figure:
    """Draw validation accuracy and loss over mini-batches (Figure 3)."""
    figure = new_figure(8.4, 3.4)
    of_accuracy, of_loss = figure.subplots(1, 2)
    for index, (sigma, rows) in enumerate(groups(table.rows, "sigma_train").items()):
        steps = [int(row["step"]) for row in rows]
        style = series_style(index) | {"markersize": 2.5, "label": f"sigma_train {sigma}"}
        of_accuracy.plot(steps, [100 * float(row["accuracy"]) for row in rows], **style)
        of_loss.plot(steps, [float(row["loss"]) for row in rows], **style)
    of_accuracy.set_ylabel("validation accuracy, %")
    of_loss.set_ylabel("validation loss")
    for axes in (of_accuracy, of_loss):
        axes.set_xlabel("mini-batches")
    of_accuracy.legend()
    return figure


LEARNING = Experiment(
    FOLDER,
    "Learning curves at a constant learning rate (Figure 3).",
    "recipe",
    LearningPlan(),
    LearningPlan(sigma_train=(0.0, 1.0), steps=4, every=2, images=64),
    run_learning,
    learning_section,
    partial(one_figure_each, experiment=FOLDER, draw=learning_figure),
)
