"""A torch module of others learns to stand noise, on samples of its owner's."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from torch import Tensor, nn

from noisevote.models.data.dataset import Examples
from noisevote.models.data.fitting import labels_for
from noisevote.models.data.sample_inputs import inputs_for
from noisevote.models.data.samples import Samples
from noisevote.models.errors import TrainingError
from noisevote.models.networks.brought import OUTPUTS, Brought, module_from
from noisevote.models.networks.noise_points import NoisePoint, noise_from, noise_points
from noisevote.models.noise import NoiseKind
from noisevote.models.specs import InputSpec
from noisevote.training.fit.data import Parts
from noisevote.training.fit.loop import fit
from noisevote.training.importing.order import order_of_outputs
from noisevote.training.on_device.profile import with_profile
from noisevote.training.recipes.recipe import Hardening, Recipe, Schedule, recipe_from_dict

NAMED = re.compile(r"(?P<kind>mult|add)-(?P<relative>rms-)?(?P<sigma>\d+(?:\.\d+)?)")
USUAL = "mult-1.0"
"""The recipe where none is named."""

KINDS = {"mult": NoiseKind.MULTIPLICATIVE, "add": NoiseKind.ADDITIVE}
NUMBER = re.compile(r"0|[1-9][0-9]*")
DRAWS = 16
RMS_INPUTS = 256
ORDER_INPUTS = 512
HELD_BACK = 0.2
"""Share of the samples, about, that are looked at after each epoch and never trained on."""


@dataclass(frozen=True, slots=True)
class HardenPlan:
    """What is to be learned.

    Attributes:
        source: ``MODULE:CALLABLE``.
        weights: file that it starts from; None: as the callable gives it.
        recipe: ``mult-SIGMA``, ``add-SIGMA``, or ``add-rms-SIGMA``: in units of the root mean
            square of each layer's signal; None: ``mult-1.0``, or on a device no other noise.
        points: patterns of the names of layers that get noise; none: all.
        name: of the run and the checkpoint.
        schedule: how the weights are learned.
        seed: of the order of the samples and the noise.
        device: name of a device, or ``FILE.toml``, on which it is to be learned.
        age_s: smallest and largest age of its chips; None: the smallest for which it is known.
        weight_clip: weights are clipped at so many standard deviations of their column.
    """

    source: str
    weights: Path | None
    recipe: str | None
    points: Sequence[str]
    name: str
    schedule: Schedule
    seed: int = 1
    device: str | None = None
    age_s: tuple[float, float] | None = None
    weight_clip: float | None = None


def brought_by(plan: HardenPlan, shape: tuple[int, ...]) -> Brought:
    """Return the module of a plan, with noise points behind its layers.

    Args:
        plan: what is to be learned.
        shape: of one input.

    Raises:
        ImportingError: the module cannot be called, or a pattern fits none of its layers.
    """
    weights = None if plan.weights is None else str(plan.weights)
    return Brought(module_from(plan.source, weights), shape, plan.points)


def parts_of(samples: Samples, spec: InputSpec, classes: Sequence[str], name: str) -> Parts:
    """Return the examples to learn from, and those held back.

    Their content decides, so that none that is held back is like one that is learned from.

    Args:
        samples: with labels.
        spec: what one input is.
        classes: names of the outputs.
        name: of the checkpoint, for messages.

    Raises:
        DataError: there are too few, or they do not fit.
    """
    held_back, learned = (
        Examples(inputs_for(part, (spec,), name)[spec.name], labels_for(part, classes, name))
        for part in samples.parted(HELD_BACK)
    )
    return learned, held_back


def names_of_classes(given: Sequence[str] | None, samples: Samples, classes: int) -> list[str]:
    """Return the names of a module's outputs, in their order.

    Args:
        given: by its owner; None: labels of the samples, sorted, or numbers from 0 where these are.
        samples: with labels.
        classes: outputs of the module.

    Raises:
        TrainingError: there are no labels, or not as many as outputs.
    """
    if samples.content.labels is None:
        raise TrainingError(f"{samples.source} has no labels; hardening needs them")
    found = set(samples.content.labels)
    if given is None and all(NUMBER.fullmatch(label) for label in found):
        return list(map(str, range(classes)))
    names = sorted(found) if given is None else list(given)
    if len(names) != classes:
        whose = f"{samples.source} has" if given is None else "--labels names"
        raise TrainingError(
            f"{whose} {len(names)} classes; the module has {classes} outputs: give --labels, a "
            "name for each of them in their order"
        )
    return names


def check_order(
    network: Brought, examples: Examples, names: Sequence[str], is_trained: bool
) -> None:
    """Refuse a module that has learned the classes in another order than that of their names.

    Args:
        network: as it came.
        examples: to learn from.
        names: of the classes, in the order that is taken for that of the outputs.
        is_trained: whether it brings weights; else one of two classes may be so by chance.

    Raises:
        TrainingError: it has, and training would only turn it round.
    """
    if network.classes != len(names) or (len(names) == 2 and not is_trained):
        return
    some = np.linspace(0, len(examples) - 1, min(len(examples), ORDER_INPUTS)).astype(int)
    with torch.no_grad():
        scores = network.eval()(torch.from_numpy(np.ascontiguousarray(examples.inputs[some])))
    order = order_of_outputs(scores.argmax(dim=1).numpy(), examples.labels[some], names)
    if order is not None:
        raise TrainingError(
            "the module has learned the classes in another order than that of the sorted labels: "
            f"give --labels, it seems {','.join(order)}"
        )


def recipe_for(
    plan: HardenPlan, network: Brought, examples: Examples, about: str, held_back: int
) -> Recipe:
    """Return the recipe by which a module is hardened.

    Args:
        plan: what is to be learned.
        network: module of the plan.
        examples: to learn from.
        about: what these are.
        held_back: how many others are looked at after each epoch.

    Raises:
        TrainingError: there is no recipe of that name, there are too few examples, one is of a
            class that the network has no output for, or the device does not go with the rest.
        InputError: there is no such device.
    """
    hardening = hardening_for(plan, network, examples)
    check_classes(network, examples)
    shape = examples.inputs.shape[1:]
    options: dict[str, Any] = {"shape": list(shape), "points": list(plan.points)}
    if plan.weights is not None:
        options["weights"] = str(plan.weights)
    data = Recipe(
        name=plan.name,
        network=plan.source,
        dataset=about,
        hardening=hardening,
        schedule=fitting(plan.schedule, len(examples)),
        seed=plan.seed,
        validation_images=held_back,
        options=options,
    ).as_dict()
    return with_profile(recipe_from_dict(data))  # which looks at the numbers, too


def hardening_for(plan: HardenPlan, network: Brought, examples: Examples) -> Hardening:
    """Return how the noise of a plan enters.

    Raises:
        TrainingError: there is no recipe of that name, or there is one beside a device.
    """
    draws = DRAWS if network.ends_in_noise else 1
    clip = plan.weight_clip
    if plan.device is not None:
        if plan.recipe is not None:
            raise TrainingError(
                f"--device {plan.device} brings its own noise; leave out --recipe {plan.recipe}"
            )
        return Hardening(
            loss="marginal", output_draws=draws, device=plan.device, age_s=plan.age_s,
            weight_clip=clip,
        )  # fmt: skip
    match = NAMED.fullmatch(plan.recipe or USUAL)
    if match is None:
        raise TrainingError(
            f"there is no recipe {plan.recipe!r}; write mult-1.0, add-0.1 or add-rms-0.1, with any "
            "sigma"
        )
    sigma: float | dict[str, float] = float(match["sigma"])
    if match["relative"]:
        sigma = {
            name: float(match["sigma"]) * rms
            for name, rms in rms_of(network, examples.inputs[:RMS_INPUTS]).items()
        }
    elif not network.ends_in_noise:
        sigma = dict.fromkeys(names_in(network), float(match["sigma"]))
    return Hardening(
        KINDS[match["kind"]], sigma, "marginal", output_draws=draws, age_s=plan.age_s,
        weight_clip=clip,
    )  # fmt: skip


def check_classes(network: Brought, examples: Examples) -> None:
    """Refuse labels that the network has no output for.

    Raises:
        TrainingError: there is one.
    """
    highest = int(examples.labels.max())
    if highest >= network.classes:
        raise TrainingError(
            f"the samples have the class {highest}; the module tells {network.classes} apart"
        )


def fitting(schedule: Schedule, examples: int) -> Schedule:
    """Return a schedule whose batches the examples to learn from fill.

    Raises:
        TrainingError: there are too few of them.
    """
    if examples < 2:
        raise TrainingError(f"{examples} samples to learn from; needed are some dozens at least")
    return replace(schedule, batch_size=min(schedule.batch_size, examples))


def names_in(network: Brought) -> list[str]:
    """Return the names of the layers that get noise."""
    return [point.name for point in noise_points(network) if point.name != OUTPUTS]


def rms_of(network: nn.Module, inputs: NDArray[Any]) -> dict[str, float]:
    """Return the root mean square of each layer's signal without noise, by name."""
    found: dict[str, float] = {}

    def note(point: NoisePoint, signal: Tensor, step: int | None) -> Tensor:  # noqa: ARG001
        found[point.name] = float(signal.square().mean().sqrt())
        return signal

    with torch.no_grad(), noise_from(network.eval(), note):
        network(torch.from_numpy(np.ascontiguousarray(inputs)))
    return {name: rms for name, rms in found.items() if name != OUTPUTS}


def harden(
    recipe: Recipe, parts: Parts, folder: Path, console: Console, minutes: float
) -> Brought | None:
    """Harden a module, from the state in ``folder`` if there is one.

    Args:
        recipe: by :func:`recipe_for`.
        parts: examples to learn from, and others to look at after each epoch.
        folder: where the state is kept.
        console: where progress is shown.
        minutes: when they are over, the run is left as it is.

    Returns:
        It with its new weights, in evaluation mode; None if the time was over before the end.
    """
    progress = fit(recipe, parts, folder, console, minutes=minutes)
    network = progress.network
    return network if progress.is_finished and isinstance(network, Brought) else None
