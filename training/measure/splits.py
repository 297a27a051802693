"""The examples that networks are judged on: splits of a recipe's data, or anybody's samples."""

from enum import StrEnum

import numpy as np

from noisevote.models.card import Card
from noisevote.models.data.dataset import LoadedDataset
from noisevote.models.data.sample_inputs import examples_for
from noisevote.models.data.samples import Samples
from noisevote.models.errors import DataError
from noisevote.training.fit.data import split
from noisevote.training.measure.evaluate import NumberedExamples, numbered
from noisevote.training.recipes.recipe import Recipe


class Split(StrEnum):
    """Which examples.

    ``validation`` are the training examples that a recipe holds back: what is chosen is chosen on
    them. ``test`` are the official test examples. ``exact_test`` are those of them that are at
    hand with exact pixels, where the data are a lossy copy. Of samples the first two are halves,
    told by a digest of each.
    """

    VALIDATION = "validation"
    TEST = "test"
    EXACT_TEST = "exact_test"


def has_split(dataset: LoadedDataset, name: Split) -> bool:
    """Return whether a data set has that split."""
    return name is not Split.EXACT_TEST or dataset.exact_test is not None


def reported_split(dataset: LoadedDataset) -> Split:
    """Return the split that figures are reported on: exact pixels where the data have both."""
    return Split.EXACT_TEST if has_split(dataset, Split.EXACT_TEST) else Split.TEST


def examples_of(dataset: LoadedDataset, recipe: Recipe, name: Split) -> NumberedExamples:
    """Return the examples of a split, numbered.

    Raises:
        DataError: the data set has no such split.
    """
    if name is Split.VALIDATION:
        return numbered(split(dataset.train, recipe)[1])
    if name is Split.TEST:
        return numbered(dataset.test)
    if dataset.exact_test is None:
        raise DataError(
            f"{dataset.about.name} is no lossy copy, or its exact test examples are missing"
        )
    return numbered(dataset.exact_test)


def part_of(samples: Samples, name: Split | None) -> Samples:
    """Return the half of samples that stands for a split, or all of them.

    Raises:
        DataError: there is none.
    """
    if name is None:
        return samples
    if name is Split.EXACT_TEST:
        raise DataError(f"{samples.source} has no exact test examples; say --test or --validation")
    validation, test = samples.parted()
    return validation if name is Split.VALIDATION else test


def sample_examples(samples: Samples, card: Card, has_labels: bool = True) -> NumberedExamples:
    """Return samples as examples for a checkpoint, numbered by their place in their file.

    Args:
        samples: at least one.
        card: of the checkpoint.
        has_labels: whether their labels are taken; else all are 0.

    Raises:
        DataError: they do not fit it.
    """
    numbers = np.array(samples.numbers, np.int64)
    return NumberedExamples(examples_for(samples, card, has_labels), numbers)
