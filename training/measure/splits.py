"""The examples that networks are judged on, by the name of their split."""

from enum import StrEnum

from noisevote.models.data.dataset import LoadedDataset
from noisevote.models.errors import DataError
from noisevote.training.fit.data import split
from noisevote.training.measure.evaluate import NumberedExamples, numbered
from noisevote.training.recipes.recipe import Recipe


class Split(StrEnum):
    """Which examples.

    ``validation`` are the training examples that a recipe holds back: what is chosen is chosen on
    them. ``test`` are the official test examples. ``exact_test`` are those of them that are at
    hand with exact pixels, where the data are a lossy copy.
    """

    VALIDATION = "validation"
    TEST = "test"
    EXACT_TEST = "exact_test"


def has_split(dataset: LoadedDataset, name: Split) -> bool:
    """Return whether a data set has that split."""
    return name is not Split.EXACT_TEST or dataset.exact_test is not None


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
