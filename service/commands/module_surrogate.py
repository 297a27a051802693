"""A torch module of the user's own as the attacker's network; on the command line and nowhere else.

It is the user's code, so no request can name it.
"""

from pathlib import Path

from noisevote.models.card import Card
from noisevote.models.errors import InputError, MissingExtraError
from noisevote.service.jobs.chosen import NEEDS_TORCH, Attacker


def attacker_from_module(source: str, weights: Path | None, target: Card) -> Attacker:
    """Return a module as the attacker's network, with noise points behind its layers.

    Args:
        source: ``MODULE:CALLABLE``; it takes the target's inputs and gives scores, not
            probabilities, ``[n, classes]``.
        weights: file of its weights; nothing is unpickled but tensors.
        target: card of the target.

    Raises:
        ImportingError: it cannot be called, or does not take the target's inputs.
        InputError: it tells another number of classes apart.
        MissingExtraError: torch is missing.
    """
    try:
        from noisevote.models.robustness.surrogate import surrogate_from_module
    except ImportError as error:
        raise MissingExtraError(NEEDS_TORCH) from error
    brought = surrogate_from_module(source, weights, target.input.shape)
    if brought.classes != len(target.labels):
        raise InputError(
            f"{source} tells {brought.classes} classes apart; checkpoint {target.name} has "
            f"{len(target.labels)}",
            "surrogate_module",
        )
    return Attacker(source, brought.digest, brought.points, lambda: brought.surrogate)
