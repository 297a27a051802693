"""A look at the validation examples after each epoch."""

import torch
from torch import nn

from noisevote.models.networks.noise_points import NoiseSource, fresh_noise, noise_from
from noisevote.training.fit.data import Batches
from noisevote.training.losses.adversary import LinfAttack, adversarial, attack_of_step
from noisevote.training.on_device.hardening import OnDevice
from noisevote.training.recipes.recipe import Recipe

EVALUATION_BATCH = 500
ROBUST_EXAMPLES = 500
ROBUST_STEPS = 10
ROBUST_REACH = 2.5
"""How far the steps of the validation's attack would lead in all, in units of epsilon."""


def validate(
    network: nn.Module, validation: Batches, recipe: Recipe, on_device: OnDevice | None = None
) -> dict[str, float]:
    """Return what a network that trains by ``recipe`` gets right.

    Returns:
        The accuracy without noise and that of one vote at the training sigma, or on chips of the
        device, another one for each batch; for a recipe with an
        adversary also that under an attack of many steps, of one vote at the training sigma. If it
        falls while the training goes on, the network has learned to deceive the short attack of
        the training (catastrophic overfitting, arXiv 2001.03994, section 5.4).
    """
    hardening = recipe.hardening
    generator = torch.Generator(validation.inputs.device).manual_seed(recipe.seed)
    noise = fresh_noise(hardening.kind, hardening.sigma_train, generator)
    found = {
        "clean_accuracy": accuracy(network, validation),
        "noisy_accuracy": accuracy(network, validation, noise)
        if on_device is None
        else accuracy_on_device(network, validation, on_device, generator),
    }
    if recipe.adversary is not None:
        attack = attack_of_step(recipe.adversary, recipe.dataset, share=1.0)
        few = validation.first(ROBUST_EXAMPLES)
        found["robust_accuracy"] = robust_accuracy(network, few, attack, noise, generator)
    return found


def accuracy(network: nn.Module, examples: Batches, source: NoiseSource | None = None) -> float:
    """Return the share of ``examples`` that one pass in evaluation mode gets right."""
    network.eval()
    right = 0
    with torch.inference_mode(), noise_from(network, source):
        for images, labels in examples.in_order(EVALUATION_BATCH):
            right += int((network(images).argmax(1) == labels).sum())
    return right / len(examples)


def accuracy_on_device(
    network: nn.Module, examples: Batches, on_device: OnDevice, generator: torch.Generator
) -> float:
    """Return the share of ``examples`` that one pass gets right, each batch on another chip."""
    network.eval()
    right = 0
    with torch.inference_mode():
        for images, labels in examples.in_order(EVALUATION_BATCH):
            chip = on_device.drawn(network, generator)
            with on_device.passing(network, chip, generator):
                right += int((network(images).argmax(1) == labels).sum())
    return right / len(examples)


def robust_accuracy(
    network: nn.Module,
    examples: Batches,
    attack: LinfAttack,
    source: NoiseSource | None,
    generator: torch.Generator,
) -> float:
    """Return the share of ``examples`` that one pass gets right after an attack of many steps.

    Args:
        network: attacked with its own gradients, and judged.
        examples: images to begin from.
        attack: attack of the training; its ball is taken, its steps are not.
        source: source of the noise in each pass.
        generator: generator of the starts.
    """
    thorough = LinfAttack(
        attack.epsilon,
        ROBUST_REACH * attack.epsilon / ROBUST_STEPS,
        ROBUST_STEPS,
        attack.low,
        attack.high,
    )
    network.eval()
    right = 0
    for batch in examples.in_order(EVALUATION_BATCH):
        moved = adversarial(network, batch, thorough, source, generator)
        with torch.inference_mode(), noise_from(network, source):
            right += int((network(moved).argmax(1) == batch[1]).sum())
    return right / len(examples)
