"""Four ways to spend energy at the sigma of the device, each as a curve of accuracy.

N votes (N passes); one pass at sigma / sqrt(E), which is every layer read E times; repeats of
single layers in one pass; repeats and votes. Energy is counted in passes of the network without
repeats. The last two are found on validation images (``energy_search``) and confirmed on test
images, on other noise.
"""

import math
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field

from noisevote.models.checkpoint import Checkpoint
from noisevote.models.cost import energy_by_macs
from noisevote.models.errors import DataError
from noisevote.models.noise import Noise
from noisevote.models.noise_setting import parse_map, parse_repeats, shown_map
from noisevote.training.experiments.bench import SEEDS, Bench
from noisevote.training.experiments.midpoints import sensitivities_of
from noisevote.training.measure.energy_search import (
    Budget,
    OperatingPoint,
    Repeats,
    cheapest,
    check_energy,
    greedy_path,
    pareto,
    predicted_path,
    predicted_worth,
    unique,
)
from noisevote.training.measure.evaluate import NumberedExamples, reported
from noisevote.training.measure.plan import Count, NotNegative, Plan
from noisevote.training.measure.results import PAIR_COLUMNS, SHARE_COLUMNS, paired, share
from noisevote.training.measure.splits import Split

CURVE_COLUMNS = ("curve", "split", "votes", "repeats", "energy", *SHARE_COLUMNS)
ANSWER_COLUMNS = (
    "tolerance", "votes", "repeats", "energy", *SHARE_COLUMNS,
    "reference_votes", *PAIR_COLUMNS,
)  # fmt: skip
FOLDER = "energy"
MOST_PASSES = 4.0
"""Energy of one vote with repeats at most, in passes without."""

MOST_REPEATED_VOTES = 5
"""Votes that repeats are combined with at most."""

TOLERANCES = (0.003, 0.01, 0.03)
"""How far below the reference votes an answer may be on validation images, as a share."""


def read_energy(given: object) -> object:
    """Return energies that are given as text, such as ``conv1=3,fc1=1``, as a map."""
    return parse_map(given, float) if isinstance(given, str) else given


class EnergyPlan(Plan):
    """What is searched."""

    sigma: NotNegative = 1.0
    """Of one read, at all noise points."""

    energy: Annotated[dict[str, float], BeforeValidator(read_energy)] = Field({})
    """Of one evaluation of each layer, such as conv1=3,fc1=1; by default its multiply-accumulates.
    """

    votes: Count = 20
    """The reference."""

    images: Count = 2000
    """Of each split, spread over it."""

    answer_images: Count | None = None
    """Of the test split, on which the answers are confirmed; by default all."""


class EnergyCurves:
    """One checkpoint under one plan.

    Args:
        bench: where.
        checkpoint: checkpoint that votes.
        plan: what is searched.

    Raises:
        DataError: the checkpoint's midpoints are not measured yet.
        InputError: the plan's energy is not that of each noise point.
    """

    def __init__(self, bench: Bench, checkpoint: Checkpoint, plan: EnergyPlan) -> None:
        self.bench, self.checkpoint, self.plan = bench, checkpoint, plan
        self.kind = checkpoint.card.noise.kind
        self.test = bench.reported(checkpoint)
        points = checkpoint.card.noise_points
        check_energy(plan.energy, [point.name for point in points])
        self.budget = Budget(points, plan.energy or energy_by_macs(points), MOST_PASSES)
        self.sensitivities = sensitivities_of(bench, checkpoint)
        given = shown_map(plan.energy) or "proportional to multiply-accumulates"
        about = {
            "noise": f"{self.kind}, sigma {plan.sigma:g}",
            "energy": given,
            "splits": f"at most {plan.images} images spread over each; "
            + "; ".join(f"{name}: seed {SEEDS[name]}" for name in (self.test, Split.VALIDATION)),
        }
        name = f"{FOLDER}/{checkpoint.name}"
        self.curves = bench.file(f"{name}.csv", checkpoint, CURVE_COLUMNS, **about)
        self.answers = bench.file(f"{name}-answer.csv", checkpoint, ANSWER_COLUMNS, **about)

    def run(self) -> None:
        """Measure the four curves and confirm the answer, as far as they are missing."""
        for split in (Split.VALIDATION, self.test):
            self.votes_curve(split)
        self.quieter_curve()
        self.search()
        self.confirm_curves()
        self.answer()

    @property
    def counts(self) -> list[int]:
        """Numbers of votes that are looked at."""
        return reported(self.plan.votes)

    def images(self, split: Split) -> NumberedExamples:
        """Return the images of a split that the curves are measured on."""
        return self.bench.images(self.checkpoint, split).spread(self.plan.images)[0]

    def noise(self, repeats: Repeats, quieter: float = 1.0) -> Noise:
        """Return the noise of a pass; ``quieter`` is the energy that every read spends."""
        return Noise(self.kind, self.plan.sigma / math.sqrt(quieter), repeats)

    def row(
        self, curve: str, split: Split, point: OperatingPoint, images: int
    ) -> dict[str, object]:
        """Return one row of the file of curves."""
        return {
            "curve": curve,
            "split": split,
            "votes": point.votes,
            "repeats": shown_map(point.repeats),
            "energy": point.energy,
            **share(point.correct, images),
        }

    def cast(
        self, split: Split, repeats: Repeats, counts: list[int], label: str
    ) -> list[OperatingPoint]:
        """Measure repeats with several numbers of votes."""
        images = self.images(split)
        with self.bench.caster(self.checkpoint, split, len(images)) as caster:
            votes = caster.cast(images, self.noise(repeats), counts[-1])
        self.bench.console.print(f"{label}: {shown_map(repeats) or 'no repeats'}")
        return [
            OperatingPoint(t, repeats, self.budget.passes(repeats, t), votes.correct(t))
            for t in counts
        ]

    def votes_curve(self, split: Split) -> None:
        """Measure votes without repeats."""
        if not self.curves.having(curve="votes", split=split):
            points = self.cast(split, {}, self.counts, "votes")
            self.add("votes", split, points)

    def quieter_curve(self) -> None:
        """Measure one pass at lower sigma."""
        if self.curves.having(curve="quieter"):
            return
        images = self.images(self.test)
        with self.bench.caster(
            self.checkpoint, self.test, len(images) * len(self.counts)
        ) as caster:
            points = [
                OperatingPoint(
                    1, {}, float(energy), caster.cast(images, self.noise({}, energy), 1).correct(1)
                )
                for energy in self.counts
            ]
        self.add("quieter", self.test, points)

    def search(self) -> None:
        """Find repeats on validation images, and measure them with several votes."""
        if self.curves.having(curve="both", split=Split.VALIDATION):
            return
        images = self.images(Split.VALIDATION)
        with self.bench.caster(self.checkpoint, Split.VALIDATION, 0) as caster:

            def measure(repeats: Repeats) -> NDArray[np.bool_]:
                is_right = caster.cast(images, self.noise(repeats), 1).is_correct(1)
                self.bench.console.print(f"{is_right.sum()} right: {shown_map(repeats)}")
                return is_right

            path = greedy_path(
                self.budget,
                measure,
                lambda repeats: predicted_worth(self.sensitivities, self.sigmas, repeats),
            )
        greedy = [
            OperatingPoint(1, c.repeats, self.budget.passes(c.repeats), int(c.is_right.sum()))
            for c in path
        ]
        predicted = predicted_path(self.budget, self.sensitivities, self.sigmas)
        both = self.points("votes", Split.VALIDATION)
        counts = [t for t in self.counts if t <= MOST_REPEATED_VOTES]
        for repeats in unique([*(c.repeats for c in path), *predicted]):
            if repeats:
                both += self.cast(Split.VALIDATION, repeats, counts, "votes and repeats")
        self.curves.drop(curve="repeats", split=Split.VALIDATION)
        self.add("repeats", Split.VALIDATION, greedy)
        self.add("both", Split.VALIDATION, both)

    @property
    def sigmas(self) -> dict[str, float]:
        """Sigma of one read at each noise point."""
        return dict.fromkeys(self.budget.names, self.plan.sigma)

    def confirm_curves(self) -> None:
        """Measure the greedy path and the best of votes and repeats on test images."""
        chosen = {
            "repeats": self.points("repeats", Split.VALIDATION),
            "both": pareto(self.points("both", Split.VALIDATION)),
        }
        for curve, points in chosen.items():
            if self.curves.having(curve=curve, split=self.test):
                continue
            confirmed = []
            for repeats in unique([point.repeats for point in points]):
                counts = sorted({p.votes for p in points if p.repeats == repeats})
                confirmed += self.cast(self.test, repeats, counts, f"confirm {curve}")
            self.add(curve, self.test, confirmed)

    def answer(self) -> None:
        """Confirm the cheapest ways to come close to the reference votes on all test images."""
        left = [t for t in TOLERANCES if not self.answers.having(tolerance=t)]
        if not left:
            return
        reference = max(self.points("votes", Split.VALIDATION), key=lambda point: point.votes)
        images = self.bench.images(self.checkpoint, self.test)
        images, _ = images.spread(self.plan.answer_images or len(images))
        is_reference_right = self.is_right(reference, images)
        for tolerance in left:
            needed = reference.correct - tolerance * len(self.images(Split.VALIDATION))
            found = cheapest(self.points("both", Split.VALIDATION), needed)
            if found is None:  # the reference itself is among the points, so this cannot be
                raise DataError(f"{self.curves.path} lacks the votes of {self.checkpoint.name}")
            is_right = self.is_right(found, images)
            self.answers.add(
                [
                    {
                        "tolerance": tolerance,
                        "votes": found.votes,
                        "repeats": shown_map(found.repeats),
                        "energy": found.energy,
                        **share(int(is_right.sum()), len(images)),
                        "reference_votes": reference.votes,
                        **paired(is_right, is_reference_right),
                    }
                ]
            )

    def is_right(self, point: OperatingPoint, images: NumberedExamples) -> NDArray[np.bool_]:
        """Return whether votes and repeats are right on each test image."""
        with self.bench.caster(self.checkpoint, self.test, len(images)) as caster:
            votes = caster.cast(images, self.noise(point.repeats), point.votes)
        return votes.is_correct(point.votes)

    def points(self, curve: str, split: Split) -> list[OperatingPoint]:
        """Return the stored points of a curve."""
        return [
            OperatingPoint(
                int(row["votes"]),
                parse_repeats(row["repeats"]),
                float(row["energy"]),
                int(row["correct"]),
            )
            for row in self.curves.having(curve=curve, split=split)
        ]

    def add(self, curve: str, split: Split, points: list[OperatingPoint]) -> None:
        """Store the points of a curve."""
        images = len(self.images(split))
        self.curves.add(self.row(curve, split, point, images) for point in points)
