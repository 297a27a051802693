"""Learning curves at a constant learning rate.

Source: Qin & Vucinic, arXiv 1811.10649, Figure 3: validation accuracy and loss over the first
mini-batches, for several sigma_train; stronger noise learns more slowly. Batch 32 and Adam as
there; the learning rate and the number of mini-batches are lost and are 1e-3 and 1,000 here.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from models.networks.noise_points import fresh_noise, noise_from
from training.experiments.bench import Bench
from training.fit.data import Batches, split
from training.fit.start import untrained
from training.losses.hardening import step_loss
from training.measure.results import SHARE_COLUMNS, share
from training.recipes.recipe import Recipe
from training.recipes.table import find_recipe

COLUMNS = ("sigma_train", "step", "loss", *SHARE_COLUMNS)
FOLDER = "learning"
EVALUATION_BATCH = 250


@dataclass(frozen=True, slots=True)
class LearningPlan:
    """What is learned and how often it is looked at.

    Attributes:
        sigma_train: one curve each.
        steps: mini-batches.
        every: mini-batches between two looks.
        images: of the validation split, looked at with noise of sigma_train.
        batch_size: images of a mini-batch.
        learning_rate: of Adam.
    """

    sigma_train: tuple[float, ...] = (0.0, 0.5, 1.0)
    steps: int = 1000
    every: int = 50
    images: int = 1000
    batch_size: int = 32
    learning_rate: float = 1e-3


def run_learning(bench: Bench, base: str, plan: LearningPlan) -> None:
    """Write loss and accuracy on validation images over the first mini-batches.

    The loss is plain cross-entropy of one noisy draw, as in the paper, whatever the recipe says.
    """
    recipe = bench.recipe(find_recipe(base))
    train, validation = (
        Batches.on(bench.device, part)
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
