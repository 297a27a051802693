"""How much votes agree on validation images: what the drift monitor of the service expects."""

from collections.abc import Iterator, Sequence

import numpy as np

from models.card import AgreementReference, Card
from models.drift import shares_of
from models.noise import NOISE_SCHEME, NoiseKind
from training.measure.evaluate import Caster, NumberedExamples
from training.measure.noise_setting import NoiseSetting


def measured_agreement(
    caster: Caster,
    images: NumberedExamples,
    noise: tuple[NoiseKind, Sequence[float]],
    votes: Sequence[int],
    command: str,
) -> Iterator[AgreementReference]:
    """Yield what votes agree on, for each sigma and number of votes.

    Args:
        caster: casts them.
        images: that the network was not trained on.
        noise: kind, and sigmas above 0.
        votes: numbers of votes; the smaller ones are the first of the largest.
        command: that is kept with the figures.
    """
    kind, sigmas = noise
    classes = len(caster.checkpoint.card.labels)
    for sigma in sigmas:
        fell_on = caster.cast(images, NoiseSetting(kind, sigma), max(votes)).fell_on
        for count in votes:
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
                noise_scheme=NOISE_SCHEME,
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
