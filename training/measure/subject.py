"""What is measured: a checkpoint, on its recipe's data or on samples."""

from dataclasses import dataclass, replace
from pathlib import Path

from noisevote.models.checkpoint import Checkpoint
from noisevote.models.data.dataset import Labels
from noisevote.models.data.datasets import load_dataset
from noisevote.models.data.samples import read_samples
from noisevote.models.noise import Noise
from noisevote.training.measure.evaluate import Caster, NumberedExamples
from noisevote.training.measure.splits import (
    Split,
    examples_of,
    part_of,
    reported_split,
    sample_examples,
)
from noisevote.training.recipes.recipe import recipe_from_dict


@dataclass(frozen=True, slots=True)
class Source:
    """Where examples come from.

    Attributes:
        samples: path or name of samples; None: the checkpoint's recipe tells its data set.
        labels: where theirs come from; None: they are not asked for.
        directory: folder of the data sets.
        allow_unknown: accept files of data sets that are not the official ones.
        threads: passes computed side by side.
    """

    samples: str | None
    labels: Labels | None
    directory: Path
    allow_unknown: bool
    threads: int


@dataclass(frozen=True, slots=True)
class Subject:
    """What is measured.

    Attributes:
        checkpoint: whose votes.
        examples: on which.
        split: what these are, in words.
        is_part: whether they are spread over more.
        threads: passes computed side by side.
        digest: of the samples; None: they are of the recipe's data.
    """

    checkpoint: Checkpoint
    examples: NumberedExamples
    split: str
    is_part: bool
    threads: int
    digest: str | None = None

    def noted(self, command: str) -> str:
        """Return a command as it is kept beside figures; a comment tells what a name does not."""
        return command if self.digest is None else f"{command}  # {self.split}"


def subject_of(
    checkpoint: Checkpoint, source: Source, split: Split | None, images: int | None = None
) -> Subject:
    """Load what a checkpoint is measured on.

    Args:
        checkpoint: whose votes.
        source: of the examples.
        split: None: all samples; of a recipe's data the validation images.
        images: only so many, spread over the split.

    Raises:
        DataError: there are none, or they do not fit the checkpoint.
        CheckpointError: there are no samples, and no recipe tells its data.
    """
    found = (
        of_recipe(checkpoint, source, split or Split.VALIDATION, images)
        if source.samples is None
        else of_samples(checkpoint, source.samples, source, split, images)
    )
    if source.labels is not Labels.PREDICTED:
        return found
    return replace(
        found,
        examples=with_predicted_labels(checkpoint, found.examples, source.threads),
        split=f"{found.split}, labels predicted without noise",
    )


def of_recipe(checkpoint: Checkpoint, source: Source, split: Split, images: int | None) -> Subject:
    """Return a split of the data that a checkpoint was trained on."""
    recipe = recipe_from_dict(checkpoint.card.recipe)
    dataset = load_dataset(recipe.dataset, source.directory, source.allow_unknown)
    whole = examples_of(dataset, recipe, split)
    chosen, others = whole.spread(images or len(whole))
    return Subject(checkpoint, chosen, split, len(others) > 0, source.threads)


def of_recipe_split(checkpoint: Checkpoint, source: Source) -> Split:
    """Return the split of a recipe's data that figures are reported on."""
    recipe = recipe_from_dict(checkpoint.card.recipe)
    return reported_split(load_dataset(recipe.dataset, source.directory, source.allow_unknown))


def of_samples(
    checkpoint: Checkpoint, given: str, source: Source, split: Split | None, images: int | None
) -> Subject:
    """Return samples, or one of their halves."""
    samples = read_samples(given, source.directory, source.allow_unknown)
    part = part_of(samples, split)
    chosen = part.spread(images or len(part))
    examples = sample_examples(chosen, checkpoint.card, source.labels is Labels.GIVEN)
    half = f", {split} half" if split else ""
    return Subject(
        checkpoint,
        examples,
        f"{samples.text}{half}",
        len(chosen) < len(part),
        source.threads,
        samples.digest,
    )


def with_predicted_labels(
    checkpoint: Checkpoint, images: NumberedExamples, threads: int
) -> NumberedExamples:
    """Return the same examples; their labels are what the network answers without noise."""
    noise = Noise(checkpoint.card.noise.kind, 0.0)
    answers = Caster(checkpoint, 0, threads).cast(images, noise, 1).fell_on[:, 0]
    return replace(images, examples=replace(images.examples, labels=answers.astype("int64")))
