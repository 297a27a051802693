"""Ablation: what each part of a hardening recipe gains or loses, one change at a time.

All runs are short and judged on validation images, since recipes are chosen by them. The interval
of a difference is over the images; how much a run's seed alone moves the figures is shown by a
change that does nothing else.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noisevote.models.checkpoint import Checkpoint
from noisevote.models.errors import InputError
from noisevote.models.noise import Noise
from noisevote.models.noise_setting import Sigma
from noisevote.training.experiments.bench import SEEDS, Bench
from noisevote.training.experiments.experiment import Experiment, shown_or_open
from noisevote.training.measure.evaluate import NumberedExamples
from noisevote.training.measure.plan import Count, NotNegative, Plan
from noisevote.training.measure.results import PAIR_COLUMNS, SHARE_COLUMNS, Table, paired, share
from noisevote.training.measure.splits import Split
from noisevote.training.recipes.table import find_recipe
from noisevote.training.recipes.vary import as_text, at_sigma_train, vary
from noisevote.training.report.markdown import (
    commands,
    find,
    markdown_table,
    open_row,
    shown_difference,
    shown_share,
)

COLUMNS = ("change", "settings", "sigma", "votes", *SHARE_COLUMNS, *PAIR_COLUMNS, "trained_by")
FOLDER = "ablation"
BASE = "none"
CLEAN = "clean"
"""Stands in a change for the run of the same recipe without noise."""
SHOWN = "mnist_cnn-mult-grid"

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

TEXT = """## What each part of a hardening recipe gains

The recipe of the grid with one change at a time, in short runs on validation images: what helps
early need not help late. One vote on all of these images, 20 votes on a part. Differences are
paired, on the same images and noise, with 95 % intervals over the images; the row `seed` shows how
much another seed of the training moves the same figures. `clean` is a run of 6 epochs without
noise, which comes on top of the epochs of the others.
"""


class AblationPlan(Plan):
    """What is trained and measured."""

    change: tuple[str, ...] = tuple(CHANGES)
    """Changes of the recipe, which itself comes first."""

    epochs: Count = 2
    """Of each run."""

    sigma: tuple[NotNegative, ...] = (0.0, 0.5, 1.0, 1.5)
    """At which one vote is counted on all validation images."""

    votes: Count = 20
    """At the recipe's own sigma_train."""

    voted_images: Count = 1000
    """Of the validation split, spread over it."""


Right = list[tuple[Sigma, int, NDArray[np.bool_]]]
"""Sigma, votes, and whether each image is right ``[images]``."""


class Ablation:
    """One recipe under one plan.

    Args:
        bench: where.
        base: name of the recipe.
        plan: what is changed and measured.

    Raises:
        InputError: there is no change of that name.
    """

    def __init__(self, bench: Bench, base: str, plan: AblationPlan) -> None:
        if wrong := sorted(set(plan.change) - CHANGES.keys()):
            raise InputError(f"change is {wrong[0]!r}; it must be one of {', '.join(CHANGES)}")
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
        changes = dict.fromkeys((BASE, *self.plan.change))
        left = [change for change in changes if not self.file.having(change=change)]
        if left:
            reference = self.right(self.trained(BASE))
            for change in left:
                self.file.add(self.rows(change, self.trained(change), reference))

    def trained(self, change: str) -> Checkpoint:
        """Return the network of the recipe with one change."""
        settings = CHANGES[change]
        if CLEAN in settings.values():
            clean = f"run:{at_sigma_train(self.base, 0.0).name}"
            settings = {k: clean if v == CLEAN else v for k, v in settings.items()}
        name = f"{self.base.name}-{FOLDER}-{change}"
        short = {"name": name, "schedule.epochs": self.plan.epochs}
        recipe = vary(self.base, {**short, **settings})
        return self.bench.trained(recipe)

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
                "trained_by": checkpoint.card.command,
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
            *((sigma, 1, images) for sigma in self.plan.sigma),
            (hardening.sigma_train, self.plan.votes, voted),
        ]
        total = sum(len(part) for _, _, part in settings)
        with self.bench.caster(checkpoint, Split.VALIDATION, total) as caster:
            return [
                (
                    sigma,
                    votes,
                    caster.cast(part, Noise(hardening.kind, sigma), votes).is_correct(votes),
                )
                for sigma, votes, part in settings
            ]


def run_ablation(bench: Bench, base: str, plan: AblationPlan) -> None:
    """Train and measure what is missing of a recipe's changes."""
    Ablation(bench, base, plan).run()


def ablation_section(results: Path) -> list[str]:
    """Return what each change of the grid's recipe does."""
    return [TEXT, *shown_or_open(results, FOLDER, SHOWN, shown)]


def shown(table: Table) -> list[str]:
    """Return the accuracies by change, and what is still missing."""
    *single, voted = [
        (row["sigma"], row["votes"])
        for row in table.rows
        if row["change"] == table.rows[0]["change"]
    ]
    rows = []
    for first in (row for row in table.rows if (row["sigma"], row["votes"]) == single[0]):
        found = [
            find(table, change=first["change"], sigma=sigma, votes=votes)
            for sigma, votes in (*single, voted)
        ]
        at_trained = find(table, change=first["change"], sigma=voted[0], votes="1")
        rows.append(
            [
                first["change"],
                f"`{first['settings']}`" if first["settings"] else "the recipe as it is",
                *(shown_share(row) for row in found),
                shown_difference(at_trained) if first["settings"] else "-",
            ]
        )
    head = ["change", "settings", *(f"sigma {sigma}, one vote" for sigma, _ in single)]
    head += [
        f"sigma {voted[0]}, {voted[1]} votes",
        f"difference, sigma {voted[0]}, one vote, points",
    ]
    left = [change for change in CHANGES if find(table, change=change) is None]
    options = " ".join(f"--change {change}" for change in left)
    command = f"noisevote-train experiment ablation {SHOWN} {options}"
    return [
        markdown_table(head, rows),
        commands([table]),
        *([open_row(command, f"{', '.join(left)} not measured")] if left else []),
    ]


ABLATION = Experiment(
    FOLDER,
    "What each part of a hardening recipe gains, one change at a time.",
    "recipe",
    AblationPlan(),
    AblationPlan(change=(BASE, "cross-entropy"), sigma=(0.0, 1.0), votes=3),
    run_ablation,
    ablation_section,
    default=SHOWN,
)
