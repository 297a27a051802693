"""What is needed of the Adversarial Robustness Toolbox (ART), an extra of its own."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import numpy as np

from noisevote.models.errors import MissingExtraError, how_to_install


def check_art() -> None:
    """Refuse to begin without ART; it is not imported, which takes seconds.

    Raises:
        MissingExtraError: it is not installed.
    """
    if find_spec("art") is None:
        raise MissingExtraError(
            "the attack hop_skip_jump needs the Adversarial Robustness Toolbox; "
            + how_to_install("art")
        )


def art_modules() -> dict[str, Any]:
    """Import what is needed of ART."""
    check_art()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from art.attacks.evasion import HopSkipJump
        from art.estimators.classification import BlackBoxClassifier
    return {"HopSkipJump": HopSkipJump, "BlackBoxClassifier": BlackBoxClassifier}


@contextmanager
def seeded_globally(seed: int) -> Iterator[None]:
    """Seed NumPy's global generator, which ART draws from, and put it back afterwards."""
    before = np.random.get_state()  # noqa: NPY002 - the global generator is ART's
    np.random.seed(seed)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(before)  # noqa: NPY002
