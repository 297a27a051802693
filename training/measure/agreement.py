"""How much votes agree on validation images: what the drift monitor of the service expects."""

from collections.abc import Iterator, Sequence
from typing import Annotated

import numpy as np
from pydantic import Field

from noisevote.models.card import Card
from noisevote.models.drift import shares_of
from noisevote.models.measured import AgreementReference
from noisevote.models.noise import Noise, NoiseKind
from noisevote.training.measure.evaluate import MAX_SEED, Caster, NumberedExamples
from noisevote.training.measure.plan import Plan, Positive

DEFAULT_SIGMAS = (0.5, 0.8, 1.0, 1.25, 1.5)
"""As multiples of the checkpoint's ``sigma_train``."""

WITHOUT_NOISE = 0.4
"""Taken in its place for a checkpoint that was trained without noise."""


class AgreementPlan(Plan):
    """What is measured; every combination gets a reference."""

    noise: NoiseKind | None = None
    """Multiplicative or additive; by default the checkpoint's."""

    sigma: tuple[Positive, ...] = ()
    """At all noise points; by default 0.5 to 1.5 times sigma_train."""

    votes: tuple[Annotated[int, Field(ge=2)], ...] = (5, 20)
    """Numbers of votes; the smaller ones are the first of the largest."""

    images: Annotated[int, Field(ge=2)] = 1000
    """So many, spread over the split."""

    seed: Annotated[int, Field(ge=0, le=MAX_SEED)] = 2
    """Of the votes' noise."""

    def sigmas(self, card: Card) -> tuple[float, ...]:
        """Return the sigmas that a checkpoint is measured at."""
        trained_for = card.noise.largest_sigma or WITHOUT_NOISE
        return self.sigma or tuple(round(times * trained_for, 6) for times in DEFAULT_SIGMAS)


def measured_agreement(
    caster: Caster, images: NumberedExamples, plan: AgreementPlan, command: str
) -> Iterator[AgreementReference]:
    """Yield what votes agree on, for each sigma and number of votes.

    Args:
        caster: casts them.
        images: images that the network was not trained on.
        plan: noise and votes.
        command: command that is kept with the figures.
    """
    card = caster.checkpoint.card
    kind, classes = plan.noise or card.noise.kind, len(card.labels)
    for sigma in plan.sigmas(card):
        fell_on = caster.cast(images, Noise(kind, sigma), max(plan.votes)).fell_on
        for count in plan.votes:
            cast = fell_on[:, :count, np.newaxis] == np.arange(classes)
            agreement, margin = shares_of(cast.sum(axis=1)).T
            yield AgreementReference(
                kind=kind,
                sigma=sigma,
                votes=count,
                inputs=len(images),
                agreement_mean=round(float(agreement.mean()), 6),
                agreement_sd=round(float(agreement.std()), 6),
                margin_mean=round(float(margin.mean()), 6),
                margin_sd=round(float(margin.std()), 6),
                seed=caster.seed,
                noise_scheme=card.noise_scheme,
                command=command,
            )


def with_agreements(card: Card, new: Sequence[AgreementReference]) -> Card:
    """Return a card with figures, in the place of those for the same noise and votes."""
    replaced = {key_of(entry) for entry in new}
    kept = [entry for entry in card.agreements if key_of(entry) not in replaced]
    return card.model_copy(update={"agreements": tuple(sorted([*kept, *new], key=key_of))})


def key_of(reference: AgreementReference) -> tuple[str, float, int]:
    """Return what a figure is for."""
    return reference.kind, reference.sigma, reference.votes
