"""The grid: accuracy over sigma for networks trained at several sigma_train.

Source: Qin & Vucinic, arXiv 1811.10649, Tables 2, 3, 5, 6 (one vote) and 7, 8, 9 (20 votes),
Figures 2 and 6 to 10. The sigma_train that does best at each sigma is chosen on validation images
and reported on test images, on other noise; the choice is made by whoever reads the files.

One vote is counted on all images, several on a part of them spread over the split. The first vote
of an image counts only, so that the images are independent and the interval exact.
"""

from dataclasses import dataclass

from models.checkpoint import Checkpoint
from training.experiments.bench import SEEDS, Bench
from training.measure.evaluate import REPORTED_VOTES, Caster, NumberedExamples
from training.measure.noise_setting import NoiseSetting
from training.measure.results import SHARE_COLUMNS, ResultsFile, share
from training.measure.splits import Split
from training.recipes.recipe import Recipe
from training.recipes.table import find_recipe
from training.recipes.vary import train_command, vary

COLUMNS = ("split", "sigma", "votes", *SHARE_COLUMNS)
FOLDER = "grid"
SIGMAS_TRAIN = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


@dataclass(frozen=True, slots=True)
class GridPlan:
    """What the grid measures.

    Attributes:
        sigma_train: of the networks.
        sigmas: at which they are measured.
        votes: on each of the voted images.
        voted_images: of a split, spread over it; half as many of the validation split.
        images: with one vote, spread over each split; None: all.
    """

    sigma_train: tuple[float, ...] = SIGMAS_TRAIN
    sigmas: tuple[float, ...] = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    votes: int = 20
    voted_images: int = 2000
    images: int | None = None

    @property
    def shown_votes(self) -> str:
        """Say how many votes fall on how many images."""
        if self.votes == 1:
            return "1 on all images"
        return f"{self.votes} on {self.voted_images} test images and half as many of validation"

    @property
    def equal_energy_sigmas(self) -> tuple[float, ...]:
        """Sigmas of one pass that takes the energy of several votes; none if there is one vote.

        At every sigma that of all votes, and at the largest that of fewer, too.
        """
        if self.votes == 1:
            return ()
        all_votes = [sigma / self.votes**0.5 for sigma in self.sigmas if sigma > 0]
        fewer = [max(self.sigmas) / t**0.5 for t in REPORTED_VOTES if 1 < t < self.votes]
        return (*all_votes, *(sigma for sigma in fewer if sigma > 0))


def run_grid(bench: Bench, base: str, plan: GridPlan) -> None:
    """Train and measure the networks of a grid, as far as they are missing.

    Args:
        bench: where.
        base: name of the recipe that is varied.
        plan: what is measured.
    """
    for sigma_train in plan.sigma_train:
        recipe = grid_recipe(find_recipe(base), sigma_train)
        checkpoint = bench.trained(recipe, train_command(recipe))
        splits = bench.splits(checkpoint)
        file = bench.file(
            f"{FOLDER}/{base}/{shown(sigma_train)}.csv",
            checkpoint,
            COLUMNS,
            noise=str(recipe.hardening.kind),
            splits="; ".join(f"{name}: seed {SEEDS[name]}" for name in sorted(splits)),
            votes=plan.shown_votes,
            **({} if plan.images is None else {"images": str(plan.images)}),
        )
        for split in splits:
            measure(bench, checkpoint, plan, split, file)


def grid_recipe(base: Recipe, sigma_train: float) -> Recipe:
    """Return the recipe of one network of a grid."""
    name = f"{base.name}-{shown(sigma_train)}"
    return vary(base, {"hardening.sigma_train": sigma_train, "name": name})


def shown(sigma_train: float) -> str:
    """Return a sigma_train as it stands in names: 0, 0.2, 1.0."""
    return "0" if sigma_train == 0 else str(float(sigma_train))


def measure(
    bench: Bench, checkpoint: Checkpoint, plan: GridPlan, split: Split, file: ResultsFile
) -> None:
    """Measure one network on one split, as far as the file lacks it."""
    images = bench.images(checkpoint, split)
    if plan.images is not None:
        images, _ = images.spread(plan.images)
    voted_images = plan.voted_images // (2 if split is Split.VALIDATION else 1)
    settings = dict.fromkeys(plan.sigmas, plan.votes)
    for sigma in plan.equal_energy_sigmas:
        settings.setdefault(sigma, 1)
    left = {
        sigma: votes
        for sigma, votes in settings.items()
        if not file.having(split=split, sigma=sigma)
    }
    with bench.caster(checkpoint, split, len(left) * len(images)) as caster:
        for sigma, votes in left.items():
            noise = NoiseSetting(checkpoint.card.noise.kind, sigma)
            file.add(
                {"split": split, "sigma": sigma, **row}
                for row in rows_of(caster, images, noise, votes, voted_images)
            )


def rows_of(
    caster: Caster, images: NumberedExamples, noise: NoiseSetting, votes: int, voted_images: int
) -> list[dict[str, object]]:
    """Return accuracies: of one vote on all images, of more on a part of them."""
    is_same = noise.sigma == 0  # all votes fall on the same class
    voted, others = images.spread(len(images) if is_same or votes == 1 else voted_images)
    cast = caster.cast(voted, noise, votes)
    correct = cast.correct(1)
    if len(others):
        correct += caster.cast(others, noise, 1).correct(1)
    rows: list[dict[str, object]] = [{"votes": 1, **share(correct, len(images))}]
    more = sorted({*(t for t in REPORTED_VOTES if t < votes), votes} - {1})
    rows += [{"votes": count, **share(cast.correct(count), len(voted))} for count in more]
    return rows
