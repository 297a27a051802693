"""What the noise costs: the arithmetic, and that the real steps of both runs are timed."""

import os

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_pre_hook

from noisevote.models.errors import TrainingError
from noisevote.models.networks.densenet import DenseNet
from noisevote.training.fit.accelerators import accelerator_named
from noisevote.training.kernels.densenet import serving_variant
from noisevote.training.kernels.library import CHOICE
from noisevote.training.measure.throughput import made_up, measure_throughput, summary
from noisevote.training.recipes.network import fitting_dataset
from noisevote.training.recipes.recipe import Recipe
from noisevote.training.recipes.vary import vary
from tests.photographs import SMALL


def test_ratio_is_that_of_the_times_and_has_students_interval() -> None:
    seconds = np.array([[2.0, 1.0], [2.0, 1.5], [4.0, 3.0]])
    found = summary(seconds, images=60)
    assert found.one == pytest.approx(180 / 8)
    assert found.other == pytest.approx(180 / 5.5)
    assert found.ratio == pytest.approx((1 / 2 * 3 / 4 * 3 / 4) ** (1 / 3))
    logarithms = np.log([1 / 2, 3 / 4, 3 / 4])
    # 4.302653: Student's t at 97.5 % and 2 degrees of freedom.
    half = 4.302653 * logarithms.std(ddof=1) / np.sqrt(3)
    assert np.log(found.interval) == pytest.approx(
        [logarithms.mean() - half, logarithms.mean() + half], rel=1e-6
    )


def test_equal_times_have_a_ratio_of_one_without_spread() -> None:
    found = summary(np.ones((5, 2)), images=10)
    assert found.ratio == 1
    assert found.interval == (1, 1)
    assert found.pairs == 5


@pytest.mark.parametrize(
    ("network", "options"), [("mnist_cnn", {"fc_units": 8}), ("stroke_lstm", {"units": 4})]
)
def test_steps_of_any_network_are_timed(
    recipe: Recipe, network: str, options: dict[str, int]
) -> None:
    small = vary(
        recipe,
        {
            "network": network,
            "dataset": fitting_dataset(network).name,
            "options": options,
            "schedule.batch_size": 2,
            "schedule.epochs": 10,
            "validation_images": 1,
        },
    )
    done = []
    found = measure_throughput(small, 1, 2, torch.device("cpu"), lambda: done.append(1))
    assert len(done) == 3
    assert found.pairs == 2
    assert min(found.one, found.other, *found.interval) > 0


def test_made_up_examples_have_the_shape_of_the_network(recipe: Recipe) -> None:
    pictures = made_up(recipe)
    assert pictures.inputs.shape[1:] == (1, 28, 28)
    assert pictures.inputs.dtype == np.uint8
    assert len(pictures) == 4 * recipe.schedule.batch_size + recipe.validation_images


@pytest.mark.parametrize("name", ["cuda:99", "nonsense"])
def test_device_that_is_not_there_is_named(name: str) -> None:
    with pytest.raises(TrainingError, match=f"there is no accelerator '{name}' here"):
        accelerator_named(name)


def test_convolutions_in_float32_are_never_taken_as_tf32(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    accelerator_named("cpu")
    assert not torch.backends.cudnn.allow_tf32


@pytest.mark.skipif(serving_variant() is None, reason="no compiled kernels serve here")
def test_steps_by_compiled_kernels_and_by_torch_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    by_torch = 0

    def look(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        nonlocal by_torch
        is_step = not inputs[0].is_meta  # but the pass that looks whether the data fit
        by_torch += isinstance(module, DenseNet) and is_step

    recipe = vary(SMALL, {"schedule.batch_size": 32, "schedule.epochs": 100})
    monkeypatch.delenv(CHOICE, raising=False)
    hook = register_module_forward_pre_hook(look)
    measure_throughput(recipe, 2, 3, torch.device("cpu"), against="torch")
    hook.remove()
    assert by_torch == 2 * (3 + 1)
    assert CHOICE not in os.environ
