"""Which layers are tried with several reads, and which of these are confirmed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from noisevote.models.card import Card
from noisevote.models.study.cells import Half
from noisevote.models.study.conclusions import pareto
from noisevote.models.study.costs import CostModel
from noisevote.models.study.results import Results
from noisevote.models.study.store import Repeats
from noisevote.models.study.weighed import Weighed
from noisevote.training.study.predicted_repeats import Budget, predicted_path
from noisevote.training.study.sensitivity import Sensitivity, fit_with_interval

QUIETER = (2, 4, 8, 16)
"""Reads of every layer: a device that spends as many times the energy on less noise."""

READS = (4, 16)
"""Of single layers on a device."""

MOST_PASSES = 4.0
"""Energy of one vote with repeats of single layers, in passes without, at most."""

MOST_SETTINGS = 8
"""Of repeats of single layers that are tried."""

MOST_CONFIRMED = 6
RESAMPLES = 100
FEWEST_STRENGTHS = 4


def settings_to_try(results: Results, card: Card) -> list[Repeats]:
    """Return repeats that promise more accuracy for their energy, by what layers do alone.

    Under noise of a strength the sensitivities of the layers predict them
    (``predicted_repeats``); on a device the layers that lose the most for their energy
    come first. Every layer read as often, which is what a quieter device would do, is among them.
    """
    uniform = [dict.fromkeys(card.point_names, reads) for reads in QUIETER]
    single = (
        by_sensitivity(results, card) if results.head.device is None else by_loss(results, card)
    )
    last = card.point_names[-1]
    found = [*uniform, *({last: reads} for reads in READS), *spread(single, MOST_SETTINGS)]
    return list({tuple(sorted(repeats.items())): repeats for repeats in found}.values())


def by_sensitivity(results: Results, card: Card) -> list[Repeats]:
    """Return the repeats that the layers' sensitivities predict to be best, from cheap to dear."""
    sensitivities = {name: fit for name in card.point_names if (fit := midpoint(results, name, 0))}
    if len(sensitivities) < len(card.point_names):
        return []
    costs = CostModel(results.head, card)
    energy = {
        point.name: max(costs.energy_of_layers[point.name], 1e-12) / point.latency
        for point in card.noise_points
    }
    budget = Budget(card.noise_points, energy, MOST_PASSES)
    found = predicted_path(
        budget,
        {name: fit.sensitivity for name, fit in sensitivities.items()},
        results.head.operating_sigma,
    )
    return [repeats for repeats in found if repeats]


def by_loss(results: Results, card: Card) -> list[Repeats]:
    """Return repeats of the layers that alone lose the most for their energy, more and more."""
    energy = CostModel(results.head, card).energy_of_layers
    losses = {}
    for point, cells in results.layers.items():
        measured = cells[0]
        samples = len(measured.fell_on)
        right = measured.fell_on[:, 0] == results.labels_of(Half.CHOICE, samples)
        gain = float(results.clean_right(Half.CHOICE, samples).mean() - right.mean())
        losses[point] = gain / max(energy.get(point, 0.0), 1e-30)
    order = sorted(losses, key=lambda point: -losses[point])
    return [
        dict.fromkeys(order[:count], reads) for count in range(1, len(order)) for reads in READS
    ]


def spread(settings: Sequence[Repeats], most: int) -> list[Repeats]:
    """Return at most so many, spread evenly."""
    count = min(most, len(settings))
    places = np.linspace(0, len(settings) - 1, count).round().astype(int)
    return [settings[place] for place in places.tolist()]


@dataclass(frozen=True, slots=True)
class Midpoint:
    """How accuracy falls with the noise at one point alone.

    Attributes:
        sensitivity: midpoint, steepness and floor.
        interval: of the midpoint at 95 %, from a bootstrap over the samples.
        largest: strength that was tried; a midpoint beyond it is not told from others.
        samples: that it was measured on.
    """

    sensitivity: Sensitivity
    interval: tuple[float, float]
    largest: float
    samples: int


def midpoint(results: Results, point: str, resamples: int = RESAMPLES) -> Midpoint | None:
    """Return the midpoint of a noise point.

    Args:
        results: of a study.
        point: name of the noise point.
        resamples: of the bootstrap; 0 leaves the interval out.

    Returns:
        None where it was not measured, on a device, where no curve fits, or where the network is no
        better than a guess without noise.
    """
    cells = [of for of in results.layers.get(point, []) if not of.cell.on_chip]
    if len(cells) < FEWEST_STRENGTHS:
        return None
    strengths = {float(of.cell.condition.at.sigma[point]): of for of in cells}  # type: ignore[union-attr, index]
    sigmas = np.array(sorted(strengths))
    samples = len(strengths[sigmas[0]].fell_on)
    labels = results.labels_of(Half.CHOICE, samples)
    clean = results.clean_right(Half.CHOICE, samples)
    chance = 1 / results.head.classes
    if clean.mean() <= chance:
        return None
    right = np.stack([strengths[sigma].fell_on[:, 0] == labels for sigma in sigmas.tolist()])
    try:
        fitted, interval = fit_with_interval(sigmas, clean, right, chance, resamples)
    except RuntimeError:  # no curve fits
        return None
    return Midpoint(fitted, interval, float(sigmas[-1]), samples)


def settings_to_confirm(options: Sequence[Weighed], best: Weighed | None) -> list[Repeats]:
    """Return the repeats of the best options.

    That which would be recommended comes first, then those of one chip that nothing as cheap
    reaches or beats.
    """
    front = pareto([of for of in options if of.option.chips == 1])
    found = {
        tuple(sorted(of.option.repeats.items())): dict(of.option.repeats)
        for of in front
        if of.option.repeats
    }
    chosen = [dict(best.option.repeats)] if best is not None and best.option.repeats else []
    some = [*chosen, *spread(list(found.values()), MOST_CONFIRMED)]
    return list({tuple(sorted(repeats.items())): repeats for repeats in some}.values())
