"""The splits that networks are judged on."""

from dataclasses import replace

import numpy as np
import pytest

from noisevote.models.data.dataset import LoadedDataset
from noisevote.models.errors import DataError
from noisevote.training.measure.splits import Split, examples_of, has_split
from noisevote.training.recipes.recipe import Recipe


def test_splits_are_whole_numbered_and_disjoint(dataset: LoadedDataset, recipe: Recipe) -> None:
    validation = examples_of(dataset, recipe, Split.VALIDATION)
    test = examples_of(dataset, recipe, Split.TEST)
    assert len(validation) == recipe.validation_images
    assert test.numbers.tolist() == list(range(len(dataset.test)))
    assert np.array_equal(test.examples.labels, dataset.test.labels)


def test_only_a_lossy_copy_has_exact_test_examples(dataset: LoadedDataset, recipe: Recipe) -> None:
    assert not has_split(dataset, Split.EXACT_TEST)
    with pytest.raises(DataError, match="mnist is no lossy copy"):
        examples_of(dataset, recipe, Split.EXACT_TEST)
    lossy = replace(dataset, exact_test=dataset.test.first(3))
    assert all(has_split(lossy, split) for split in Split)
    assert len(examples_of(lossy, recipe, Split.EXACT_TEST)) == 3
