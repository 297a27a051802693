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
from training.noise_setting import NoiseSetting
from training.recipe_table import find_recipe
from training.results_file import SHARE_COLUMNS, share
from training.splits import Split
from training.variation import as_text, train_command, vary

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
        reference = self.trained(BASE)
        for change in dict.fromkeys((BASE, *self.plan.changes)):
            if not self.file.having(change=change):
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
        self, change: str, checkpoint: Checkpoint, reference: Checkpoint
    ) -> list[dict[str, object]]:
        """Measure a network, paired with the reference: same images, same noise."""
        sigma_train = self.base.hardening.sigma_train
        rows: list[dict[str, object]] = []
        for sigma, votes in [*((s, 1) for s in self.plan.sigmas), (sigma_train, self.plan.votes)]:
            noise = NoiseSetting(self.base.hardening.kind, sigma)
            is_right = self.is_right(checkpoint, noise, votes)
            rows.append(
                {
                    "change": change,
                    "settings": ", ".join(f"{k}={as_text(v)}" for k, v in CHANGES[change].items()),
                    "sigma": sigma,
                    "votes": votes,
                    **share(int(is_right.sum()), len(is_right)),
                    **paired(is_right, self.is_right(reference, noise, votes)),
                    "trained_by": checkpoint.card.training.command,
                }
            )
        return rows

    def is_right(
        self, checkpoint: Checkpoint, noise: NoiseSetting, votes: int
    ) -> NDArray[np.bool_]:
        """Return whether the votes are right: one on all images, more on a part of them."""
        images = self.bench.images(checkpoint, Split.VALIDATION)
        if votes > 1:
            images, _ = images.spread(self.plan.voted_images)
        with self.bench.caster(checkpoint, Split.VALIDATION, len(images)) as caster:
            return caster.cast(images, noise, votes).is_correct(votes)
