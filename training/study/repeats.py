"""Which layers are tried with several reads, and which of these are confirmed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from noisevote.models.card import Card
from noisevote.models.study.cells import Half
from noisevote.models.study.conclusions import pareto
from noisevote.models.study.costs import CostModel
from noisevote.models.study.options import Weighed
from noisevote.models.study.results import Results
from noisevote.training.measure.energy_search import Budget, predicted_path
from noisevote.training.measure.sensitivity import Floor, Sensitivity, fit_rows

Repeats = dict[str, int]
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
    (``training.measure.energy_search``); on a device the layers that lose the most for their energy
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
    sensitivities = {name: fit for name in card.point_names if (fit := midpoint(results, name))}
    if len(sensitivities) < len(card.point_names):
        return []
    costs = CostModel(results.head, card)
    energy = {
        point.name: max(costs.energy_of_layers[point.name], 1e-12) / point.latency
        for point in card.noise_points
    }
    budget = Budget(card.noise_points, energy, MOST_PASSES)
    sigma = dict.fromkeys(card.point_names, results.head.operating_sigma)
    found = predicted_path(
        budget, {name: fit.sensitivity for name, fit in sensitivities.items()}, sigma
    )
    return [repeats for repeats in found if repeats]


def by_loss(results: Results, card: Card) -> list[Repeats]:
    """Return repeats of the layers that alone lose the most for their energy, more and more."""
    energy = CostModel(results.head, card).energy_of_layers
    losses = {}
    for point, cells in results.layers.items():
        (measured,) = cells[:1]
        samples = len(measured.fell_on)
        labels = results.labels_of(Half.CHOICE, samples)
        clean = results.clean_votes(Half.CHOICE)[:, 0]
        clean = clean[np.arange(samples) * len(clean) // samples]
        gain = float((clean == labels).mean() - (measured.fell_on[:, 0] == labels).mean())
        losses[point] = gain / max(energy.get(point, 0.0), 1e-30)
    order = sorted(losses, key=lambda point: -losses[point])
    return [
        dict.fromkeys(order[:count], reads) for count in range(1, len(order)) for reads in READS
    ]


def spread(settings: Sequence[Repeats], most: int) -> list[Repeats]:
    """Return at most so many, spread evenly."""
    count = min(most, len(settings))
    return [settings[place * len(settings) // count] for place in range(count)]


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


def midpoint(results: Results, point: str) -> Midpoint | None:
    """Return the midpoint of a noise point; None where it was not measured, or on a device."""
    cells = [of for of in results.layers.get(point, []) if not of.cell.on_chip]
    if len(cells) < FEWEST_STRENGTHS:
        return None
    strengths = {float(of.cell.condition.at.sigma[point]): of for of in cells}  # type: ignore[union-attr, index]
    sigmas = np.array(sorted(strengths))
    samples = len(strengths[sigmas[0]].fell_on)
    labels = results.labels_of(Half.CHOICE, samples)
    clean = results.clean_votes(Half.CHOICE)[:, 0]
    clean = clean[np.arange(samples) * len(clean) // samples] == labels
    right = np.stack([strengths[sigma].fell_on[:, 0] == labels for sigma in sigmas.tolist()])
    row = fit_row(sigmas, clean, right, 1 / results.head.classes, RESAMPLES)
    return Midpoint(
        Sensitivity(*(float(str(row[key])) for key in ("s50", "k", "floor", "clean"))),
        (float(str(row["s50_low"])), float(str(row["s50_high"]))),
        float(sigmas[-1]),
        samples,
    )


def fit_row(
    sigmas: NDArray[np.float64],
    clean: NDArray[np.bool_],
    right: NDArray[np.bool_],
    chance: float,
    resamples: int,
) -> dict[str, object]:
    """Return the fit of a point with a free floor; see ``training.measure.sensitivity``."""
    rows = fit_rows(sigmas, clean, right, chance, resamples)
    return next(row for row in rows if row["floor_is"] is Floor.FREE)


def settings_to_confirm(options: Sequence[Weighed]) -> list[Repeats]:
    """Return the repeats of the best options: those that nothing as cheap reaches or beats."""
    front = pareto(options)
    found = {
        tuple(sorted(of.option.repeats.items())): dict(of.option.repeats)
        for of in front
        if of.option.repeats
    }
    return spread(list(found.values()), MOST_CONFIRMED)
