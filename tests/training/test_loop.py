"""The training loop: it learns, it resumes exactly, its batch-norm statistics fit the noise."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console
from torch import Tensor, nn

from noisevote.models.data.dataset import LoadedDataset
from noisevote.models.errors import TrainingError
from noisevote.models.networks.noise_points import fresh_noise, noise_from
from noisevote.training.fit import loop
from noisevote.training.fit.accelerators import shown_accelerator
from noisevote.training.fit.data import Batches, split
from noisevote.training.fit.loop import fit, seed_of_step, take_step
from noisevote.training.fit.run import Run
from noisevote.training.fit.sources import Sources
from noisevote.training.fit.start import start
from noisevote.training.fit.state import STATE_FILE, read_state, save_state
from noisevote.training.fit.validation import accuracy
from noisevote.training.recipes.recipe import Recipe
from noisevote.training.recipes.table import RECIPES
from noisevote.training.recipes.vary import vary

quiet = Console(quiet=True)


@pytest.fixture(scope="module")
def trained(
    recipe: Recipe, dataset: LoadedDataset, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("run")
    fit(recipe, dataset.train, folder, quiet)
    return folder


def weights(folder: Path) -> dict[str, Tensor]:
    state: dict[str, Tensor] = read_state(folder)["network"]
    return state


def test_training_lowers_the_loss_and_beats_chance_under_noise(trained: Path) -> None:
    history = read_state(trained)["history"]
    assert [row["epoch"] for row in history] == [1, 2]
    assert history[1]["loss"] < history[0]["loss"]
    assert history[1]["noisy_accuracy"] > 0.5


def test_same_recipe_gives_the_same_weights(
    trained: Path, recipe: Recipe, dataset: LoadedDataset, tmp_path: Path
) -> None:
    fit(recipe, dataset.train, tmp_path, quiet)
    again = weights(tmp_path)
    assert all(torch.equal(tensor, again[name]) for name, tensor in weights(trained).items())


class PowerCut(Exception):  # noqa: N818
    """Stands for whatever ends a run: a signal, a power cut."""


@pytest.mark.parametrize("steps_before", [3, 7], ids=["within an epoch", "in the second epoch"])
def test_interrupted_run_goes_on_to_the_same_weights(
    trained: Path,
    recipe: Recipe,
    dataset: LoadedDataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    steps_before: int,
) -> None:
    monkeypatch.setattr(loop, "SAVE_SECONDS", 0.0)
    done = 0

    def interrupting(run: Run, chosen: Tensor) -> Tensor:
        nonlocal done
        if done == steps_before:
            raise PowerCut
        done += 1
        return take_step(run, chosen)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "take_step", interrupting)
        with pytest.raises(PowerCut):
            fit(recipe, dataset.train, tmp_path, quiet)
    assert read_state(tmp_path)["step"] == steps_before
    fit(recipe, dataset.train, tmp_path, quiet)
    resumed = weights(tmp_path)
    assert all(torch.equal(tensor, resumed[name]) for name, tensor in weights(trained).items())
    # The loss of an epoch is that of all its steps, whenever they were done.
    losses, expected = (
        [row["loss"] for row in read_state(f)["history"]] for f in (tmp_path, trained)
    )
    assert losses == expected


def test_state_of_another_recipe_is_refused(
    trained: Path, recipe: Recipe, dataset: LoadedDataset
) -> None:
    with pytest.raises(TrainingError, match=r"state of another recipe \(seed: 1, now 2\)"):
        fit(replace(recipe, seed=2), dataset.train, trained, quiet)


def test_finished_state_keeps_the_weights_alone_and_the_device(trained: Path) -> None:
    state = read_state(trained)
    assert state["is_finished"]
    assert not {"optimizer", "scheduler", "average"} & state.keys()
    assert state["devices"] == [shown_accelerator(torch.device("cpu"), "float32")]


def test_state_of_a_run_stays_under_16_mib_while_it_runs(tmp_path: Path) -> None:
    # Of those that differ in size, but for madry_cnn, which is stated to be larger.
    by_size = {
        (recipe.network, *recipe.options.items(), recipe.schedule.averaging > 0): recipe
        for recipe in RECIPES.values()
        if recipe.network != "madry_cnn"
    }
    assert {"densenet40", "densenet100"} < {recipe.network for recipe in by_size.values()}
    for recipe in by_size.values():
        fresh = vary(recipe, {"warm_start": None})
        folder = tmp_path / recipe.name
        progress, _ = start(fresh, 2, folder, Sources(), "cpu")
        for parameter in progress.network.parameters():
            parameter.grad = torch.zeros_like(parameter)
        progress.optimizer.step()  # from here on it keeps its averages
        save_state(folder, fresh, progress)
        assert (folder / STATE_FILE).stat().st_size < 16 * 2**20, recipe.name


@pytest.mark.parametrize("content", [b"not a state", b"hello world\n", b"PK\3\4", b""])
def test_damaged_state_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / STATE_FILE).write_bytes(content)
    with pytest.raises(TrainingError, match="is damaged, or of another version"):
        read_state(tmp_path)


@pytest.mark.parametrize("name", ["recipe", "network", "step", "history", "is_finished"])
def test_a_state_that_lacks_a_field_is_refused(trained: Path, tmp_path: Path, name: str) -> None:
    state = {field: value for field, value in read_state(trained).items() if field != name}
    torch.save(state, tmp_path / STATE_FILE)
    with pytest.raises(TrainingError, match=f"is no state of a run: it lacks {name}"):
        read_state(tmp_path)


@pytest.mark.parametrize("step", [-1, float("nan"), "ten", None])
def test_a_state_whose_step_is_no_count_is_refused(
    trained: Path, tmp_path: Path, step: object
) -> None:
    torch.save(read_state(trained) | {"step": step}, tmp_path / STATE_FILE)
    with pytest.raises(TrainingError, match=f"is no state of a run: its step is {step}"):
        read_state(tmp_path)


@pytest.mark.parametrize("name", ["network", "optimizer"])
def test_a_state_that_does_not_fit_its_recipe_is_refused(
    trained: Path, recipe: Recipe, dataset: LoadedDataset, tmp_path: Path, name: str
) -> None:
    state = read_state(trained) | {"is_finished": False, "optimizer": {}, name: {}}
    torch.save(state, tmp_path / STATE_FILE)
    with pytest.raises(TrainingError, match="is damaged, or of another version"):
        fit(recipe, dataset.train, tmp_path, quiet)


def test_finished_run_is_left_as_it_is(
    trained: Path, recipe: Recipe, dataset: LoadedDataset
) -> None:
    before = (trained / STATE_FILE).read_bytes()
    fit(recipe, dataset.train, trained, quiet)
    assert (trained / STATE_FILE).read_bytes() == before


def test_validation_images_are_never_trained_on(recipe: Recipe, dataset: LoadedDataset) -> None:
    train, validation = split(dataset.train, recipe)
    assert len(train) + len(validation) == len(dataset.train)
    assert len(validation) == recipe.validation_images
    seen = {picture.tobytes() for picture in train.inputs}
    assert not any(picture.tobytes() in seen for picture in validation.inputs)


def test_evaluation_at_the_training_sigma_agrees_with_training_mode(
    recipe: Recipe, dataset: LoadedDataset, trained: Path
) -> None:
    # Batch norm in training mode uses the statistics of the noisy batch; in evaluation mode the
    # estimated ones. At the training sigma both must give like outputs, or the noise would be
    # another one in service than in training.
    network = fit(recipe, dataset.train, trained, quiet).network
    train, _ = split(dataset.train, recipe)
    images, _ = Batches.on("cpu", train).batch(slice(None))

    def outputs(mode: Callable[[], nn.Module]) -> Tensor:
        mode()
        noise = fresh_noise(
            recipe.hardening.kind, recipe.hardening.sigma_train, torch.Generator().manual_seed(3)
        )
        with torch.no_grad(), noise_from(network, noise):
            result: Tensor = network(images)
        return result

    in_evaluation = outputs(network.eval)
    in_training = outputs(network.train)
    correlation = np.corrcoef(in_evaluation.flatten(), in_training.flatten())[0, 1]
    assert correlation > 0.99
    assert in_evaluation.std() == pytest.approx(float(in_training.std()), rel=0.1)


def test_noisy_accuracy_of_a_hardened_network_falls_with_sigma(
    recipe: Recipe, dataset: LoadedDataset, trained: Path
) -> None:
    network = fit(recipe, dataset.train, trained, quiet).network
    generator = torch.Generator().manual_seed(1)
    quiet_noise, loud = (fresh_noise(recipe.hardening.kind, s, generator) for s in (0.2, 3.0))
    test = Batches.on("cpu", dataset.test)
    assert accuracy(network, test, quiet_noise) > accuracy(network, test, loud)


def test_two_seeds_draw_other_noise_in_every_step() -> None:
    first = {
        float(torch.randn((), generator=torch.Generator().manual_seed(seed_of_step(seed, step))))
        for seed in (1, 2, 3, 2**31 - 1)
        for step in range(50)
    }
    assert len(first) == 200
