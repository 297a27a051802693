"""Heads of studies that need no network."""

from typing import Any

from noisevote.models.noise import NoiseKind
from noisevote.models.study.head import StudyHead


def head_of(**changes: Any) -> StudyHead:
    """A head of a study of a network of three classes on four samples a half."""
    given: dict[str, Any] = {
        "checkpoint": "theirs", "fingerprint": "f", "classes": 3, "noise_scheme": "s",
        "kind": NoiseKind.MULTIPLICATIVE, "operating_sigma": 1.0, "choice": "a", "report": "b",
        "choice_samples": 4, "report_samples": 4, "sigmas": (0.0, 1.0), "seeds": 1, "votes": 2,
        "seed": 0, "tolerance": 0.01, "passes": 1000,
    }  # fmt: skip
    return StudyHead(**given | changes)
