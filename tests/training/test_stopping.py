"""How a training ends before its end: signals, a loss that is no number, a second process."""

import io
import signal
from pathlib import Path

import pytest
import torch
from rich.console import Console
from torch import Tensor

from noisevote.models.data.dataset import LoadedDataset
from noisevote.models.errors import TrainingError
from noisevote.training.fit import loop
from noisevote.training.fit.loop import fit, take_step
from noisevote.training.fit.run import Run
from noisevote.training.fit.state import STATE_FILE, has_state, read_state
from noisevote.training.recipes.recipe import Recipe
from noisevote.training.recipes.vary import vary
from tests.disk import LIMIT, files_of_at_most, held_elsewhere

quiet = Console(quiet=True)
STEPS = 10


def log() -> Console:
    """A console that no terminal shows."""
    return Console(file=io.StringIO(), width=80)


def told(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.fixture
def signalled(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> signal.Signals:
    """Have the process get a signal in the middle of its third step."""
    sent: signal.Signals = request.param
    done = 0

    def interrupted(run: Run, chosen: Tensor) -> Tensor:
        nonlocal done
        done += 1
        if done == 3:
            signal.raise_signal(sent)
        return take_step(run, chosen)

    monkeypatch.setattr(loop, "take_step", interrupted)
    return sent


@pytest.mark.parametrize("signalled", [signal.SIGINT, signal.SIGTERM], indirect=True)
def test_a_signal_lets_the_step_end_and_keeps_what_was_learned(
    recipe: Recipe,
    dataset: LoadedDataset,
    tmp_path: Path,
    signalled: signal.Signals,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = signal.getsignal(signalled)
    console = log()
    with pytest.raises(KeyboardInterrupt if signalled is signal.SIGINT else SystemExit) as ended:
        fit(recipe, dataset.train, tmp_path / "stopped", console)
    if isinstance(ended.value, SystemExit):
        assert ended.value.code == 143
    assert signal.getsignal(signalled) is before
    assert read_state(tmp_path / "stopped")["step"] == 3
    assert f"stopped by {signalled.name} after step 3 of {STEPS}" in told(console)
    assert f"kept is the state after step 3, in {tmp_path / 'stopped'}" in told(console)

    monkeypatch.undo()
    fit(recipe, dataset.train, tmp_path / "stopped", quiet)
    fit(recipe, dataset.train, tmp_path / "whole", quiet)
    stopped, whole = (read_state(tmp_path / name)["network"] for name in ("stopped", "whole"))
    assert all(torch.equal(tensor, stopped[name]) for name, tensor in whole.items())


def test_a_loss_that_is_no_number_ends_the_training_and_says_what_is_kept(
    recipe: Recipe, dataset: LoadedDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses: list[float] = []

    def diverging(run: Run, chosen: Tensor) -> Tensor:
        if len(losses) == 7:  # in the second epoch, after the first was saved
            run.progress.optimizer.param_groups[0]["lr"] = 1e30
        losses.append(take_step(run, chosen).item())
        return torch.tensor(losses[-1])

    monkeypatch.setattr(loop, "take_step", diverging)
    with pytest.raises(TrainingError) as error:
        fit(recipe, dataset.train, tmp_path, quiet)
    first = next(step for step, loss in enumerate(losses, 1) if not torch.tensor(loss).isfinite())
    assert f"the loss of step {first} is {losses[first - 1]}" in str(error.value)
    assert f"In {tmp_path} kept is the state after step 5" in str(error.value)
    state = read_state(tmp_path)
    assert state["step"] == 5
    assert all(tensor.isfinite().all() for tensor in state["network"].values())


def test_a_training_that_diverges_at_once_keeps_nothing_and_says_so(
    recipe: Recipe, dataset: LoadedDataset, tmp_path: Path
) -> None:
    wild = vary(recipe, {"schedule.learning_rate": 1e30, "name": "wild"})
    with pytest.raises(TrainingError, match=r"diverged.* nothing of this run is kept"):
        fit(wild, dataset.train, tmp_path, quiet)
    assert not has_state(tmp_path)


def test_a_log_has_a_line_before_the_first_epoch_ends(
    recipe: Recipe, dataset: LoadedDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "SHOW_SECONDS", 0.0)
    console = log()
    fit(recipe, dataset.train, tmp_path, console)
    first, second, *_ = told(console).splitlines()
    assert first.startswith(f"step 1 of {STEPS}, epoch 1, loss ")
    assert second.startswith("epoch 1  loss ")


def test_a_second_process_in_the_folder_of_a_run_is_told_at_once(
    recipe: Recipe, dataset: LoadedDataset, tmp_path: Path
) -> None:
    with (
        held_elsewhere(tmp_path / STATE_FILE),
        pytest.raises(TrainingError, match=f"another process trains in {tmp_path}"),
    ):
        fit(recipe, dataset.train, tmp_path, quiet)


def test_a_folder_that_cannot_be_written_is_refused_before_the_first_step(
    recipe: Recipe, dataset: LoadedDataset, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TrainingError, match=r"file/run cannot be written"):
        fit(recipe, dataset.train, tmp_path / "file" / "run", quiet)


def test_a_full_disk_keeps_the_last_state_and_says_which(
    recipe: Recipe, dataset: LoadedDataset, tmp_path: Path
) -> None:
    with files_of_at_most(LIMIT), pytest.raises(TrainingError) as error:
        fit(recipe, dataset.train, tmp_path, quiet)
    assert f"{STATE_FILE} cannot be written" in str(error.value)
    assert "nothing of this run is kept" in str(error.value)
    assert list(tmp_path.iterdir()) == []
