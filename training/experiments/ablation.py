"""Ablation: what each part of a hardening recipe gains or loses, one change at a time.

All runs are short and judged on validation images, since recipes are chosen by them. The interval
of a difference is over the images; how much a run's seed alone moves the figures is shown by a
change that does nothing else.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.checkpoint import Checkpoint
from training.experiments.bench import SEEDS, Bench
from training.experiments.grid import grid_recipe
from training.experiments.pairs import paired
from training.measure.evaluate import NumberedExamples
from training.measure.noise_setting import NoiseSetting, Sigma
from training.measure.results import SHARE_COLUMNS, share
from training.measure.splits import Split
from training.recipes.table import find_recipe
from training.recipes.vary import as_text, train_command, vary

PAIR_COLUMNS = (
    "reference_correct", "only_this_right", "only_reference_right",
    "difference", "difference_low", "difference_high",
)  # fmt: skip
COLUMNS = ("change", "settings", "sigma", "votes", *SHARE_COLUMNS, *PAIR_COLUMNS, "trained_by")
FOLDER = "ablation"
BASE = "none"
CLEAN = "clean"
"""Stands in a change for the run of the same recipe without noise."""

CHANGES: dict[str, dict[str, Any]] = {
    BASE: {},
    "seed": {"seed": 2},
    "cross-entropy": {"hardening.loss": "cross_entropy", "hardening.output_draws": 1},
    "cross-entropy-16": {"hardening.loss": "cross_entropy"},
    "vote": {"hardening.loss": "vote", "hardening.loss_power": 1.0},
    "variance-aware": {
        "hardening.variance": {"alpha": 0.45, "theta": 0.5, "distribution": "half_normal"}
    },
    "warm-start": {"warm_start": CLEAN},
    "teacher": {"teacher.weights": CLEAN},
    "rising-sigma": {"hardening.ramp": 0.5},
    "averaged-weights": {"schedule.averaging": 0.99},
    "low-learning-rate": {"schedule.learning_rate": 1e-3},
    "two-passes": {"hardening.pass_draws": 2},
    "shifted-pictures": {"max_shift": 2},
    "marginal-64": {"hardening.output_draws": 64},
    "vote-logarithm": {"hardening.loss": "vote"},
    "cosine": {"schedule.curve": "cosine"},
    "float32": {"schedule.precision": "float32"},
}
"""What is replaced in the recipe, by path; names are those of the runs."""


@dataclass(frozen=True, slots=True)
class AblationPlan:
    """What is trained and measured.

    Attributes:
        changes: names in :data:`CHANGES`; that of the recipe as it is comes first.
        epochs: of each run.
        sigmas: at which one vote is counted on all validation images.
        votes: at the recipe's own sigma_train.
        voted_images: of the validation split, spread over it.
    """

    changes: tuple[str, ...] = tuple(CHANGES)
    epochs: int = 2
    sigmas: tuple[float, ...] = (0.0, 0.5, 1.0, 1.5)
    votes: int = 20
    voted_images: int = 1000


Right = list[tuple[Sigma, int, NDArray[np.bool_]]]
"""Sigma, votes, and whether each image is right ``[images]``."""


class Ablation:
    """One recipe under one plan.

    Args:
        bench: where.
        base: name of the recipe.
        plan: what is changed and measured.
    """

    def __init__(self, bench: Bench, base: str, plan: AblationPlan) -> None:
        self.bench, self.plan, self.base = bench, plan, find_recipe(base)
        self.file = bench.file(
            f"{FOLDER}/{base}.csv",
            None,
            COLUMNS,
            noise=str(self.base.hardening.kind),
            recipe=f"{base} with {plan.epochs} epochs and one change",
            split=f"{Split.VALIDATION}, seed {SEEDS[Split.VALIDATION]}",
            votes=f"{plan.votes} on {plan.voted_images} images",
        )

    def run(self) -> None:
        """Train and measure what is missing, each change beside the recipe as it is."""
        changes = dict.fromkeys((BASE, *self.plan.changes))
        left = [change for change in changes if not self.file.having(change=change)]
        if left:
            reference = self.right(self.trained(BASE))
            for change in left:
                self.file.add(self.rows(change, self.trained(change), reference))

    def trained(self, change: str) -> Checkpoint:
        """Return the network of the recipe with one change."""
        settings = CHANGES[change]
        if CLEAN in settings.values():
            clean = f"run:{grid_recipe(self.base, 0.0).name}"
            settings = {k: clean if v == CLEAN else v for k, v in settings.items()}
        name = f"{self.base.name}-{FOLDER}-{change}"
        short = {"name": name, "schedule.epochs": self.plan.epochs}
        recipe = vary(self.base, {**short, **settings})
        return self.bench.trained(recipe, train_command(recipe))

    def rows(
        self, change: str, checkpoint: Checkpoint, reference: Right
    ) -> list[dict[str, object]]:
        """Return what a network gets right, paired with the reference: same images, same noise."""
        return [
            {
                "change": change,
                "settings": ", ".join(f"{k}={as_text(v)}" for k, v in CHANGES[change].items()),
                "sigma": sigma,
                "votes": votes,
                **share(int(is_right.sum()), len(is_right)),
                **paired(is_right, is_reference_right),
                "trained_by": checkpoint.card.training.command,
            }
            for (sigma, votes, is_right), (_, _, is_reference_right) in zip(
                self.right(checkpoint), reference, strict=True
            )
        ]

    def right(self, checkpoint: Checkpoint) -> Right:
        """Measure a network: one vote on all images at each sigma, more on a part at its own."""
        images = self.bench.images(checkpoint, Split.VALIDATION)
        voted, _ = images.spread(self.plan.voted_images)
        hardening = self.base.hardening
        settings: list[tuple[Sigma, int, NumberedExamples]] = [
            *((sigma, 1, images) for sigma in self.plan.sigmas),
            (hardening.sigma_train, self.plan.votes, voted),
        ]
        total = sum(len(part) for _, _, part in settings)
        with self.bench.caster(checkpoint, Split.VALIDATION, total) as caster:
            return [
                (
                    sigma,
                    votes,
                    caster.cast(part, NoiseSetting(hardening.kind, sigma), votes).is_correct(votes),
                )
                for sigma, votes, part in settings
            ]
