"""What a recipe may ask for beside the noise: each resumes exactly, and does what it says."""

from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from torch import Tensor

from noisevote.models.checkpoint import SHIPPED, CheckpointStore
from noisevote.models.data.dataset import Examples, LoadedDataset, as_inputs
from noisevote.models.errors import TrainingError, UnknownCheckpointError
from noisevote.models.networks.trained import load_network
from noisevote.training.fit import loop
from noisevote.training.fit.data import Batches, augmented, flipped, shifted
from noisevote.training.fit.loop import fit, take_step
from noisevote.training.fit.run import Run
from noisevote.training.fit.sources import Sources, weights_digest
from noisevote.training.fit.start import scheduler_of
from noisevote.training.fit.state import STATE_FILE, Progress, read_state
from noisevote.training.recipes.recipe import Recipe
from noisevote.training.recipes.vary import vary

quiet = Console(quiet=True)

FEATURES: dict[str, dict[str, Any]] = {
    "ramp": {"hardening.ramp": 0.6},
    "averaging": {"schedule.averaging": 0.5},
    "sgd": {"schedule.optimizer": "sgd", "schedule.curve": "cosine"},
    "sgd one-cycle": {"schedule.optimizer": "sgd"},
    "passes": {"hardening.pass_draws": 2},
    "by layer": {"hardening.sigma_train": {"conv2": 0.4, "fc2": 0.9}},
    "muon": {"schedule.optimizer": "muon", "schedule.curve": "linear"},
    "label smoothing": {"hardening.loss": "cross_entropy", "hardening.label_smoothing": 0.2},
    "shift": {"max_shift": 2},
    "mirrored border": {"max_shift": 2, "padding": "reflect"},
    "flips": {"flips": True},
    "variance": {"hardening.variance": {"alpha": 0.5, "theta": 0.4}, "hardening.ramp": 0.3},
    "warm start": {"warm_start": "run:before"},
    "teacher": {"teacher": {"weights": "mnist_cnn-clean", "temperature": 2, "weight": 0.3}},
}


@pytest.fixture(scope="module")
def few(dataset: LoadedDataset) -> Examples:
    return dataset.train.first(48)


@pytest.fixture(scope="module")
def short(recipe: Recipe) -> Recipe:
    """Two epochs of two steps."""
    return vary(recipe, {"name": "short", "validation_images": 16, "schedule.batch_size": 16})


@pytest.fixture(scope="module")
def sources(short: Recipe, few: Examples, tmp_path_factory: pytest.TempPathFactory) -> Sources:
    """The shipped checkpoints, and one finished run."""
    runs = tmp_path_factory.mktemp("runs")
    fit(vary(short, {"schedule.epochs": 1, "seed": 9}), few, runs / "before", quiet)
    return Sources(SHIPPED, runs)


@pytest.fixture(scope="module")
def plain_digest(short: Recipe, few: Examples, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Of the weights without any of the features."""
    return weights_digest(fit(short, few, tmp_path_factory.mktemp("plain"), quiet).network)


def in_pieces(recipe: Recipe, few: Examples, folder: Path, sources: Sources) -> Progress:
    """Train with a stop after every step."""
    while True:
        before = read_state(folder)["step"] if (folder / STATE_FILE).exists() else 0
        progress = fit(recipe, few, folder, quiet, minutes=0, sources=sources)
        assert progress.step == before + 1
        if progress.is_finished:
            return progress


@pytest.mark.parametrize("feature", FEATURES)
def test_run_stopped_after_every_step_gives_the_weights_of_one_that_was_not(
    feature: str,
    short: Recipe,
    few: Examples,
    sources: Sources,
    plain_digest: str,
    tmp_path: Path,
) -> None:
    recipe = vary(short, FEATURES[feature])
    whole = fit(recipe, few, tmp_path / "whole", quiet, sources=sources)
    pieces = in_pieces(recipe, few, tmp_path / "pieces", sources)
    assert whole.is_finished
    assert weights_digest(pieces.network) == weights_digest(whole.network)
    assert [row["epoch"] for row in pieces.history] == [1, 2]
    assert weights_digest(whole.network) != plain_digest


def test_averaged_weights_are_the_moving_average_of_all_steps(
    short: Recipe, few: Examples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    after_step: list[Tensor] = []

    def watched(run: Run, chosen: Tensor) -> Tensor:
        loss = take_step(run, chosen)
        after_step.append(run.progress.network.get_parameter("fc2.weight").detach().clone())
        return loss

    monkeypatch.setattr(loop, "take_step", watched)
    recipe = vary(short, {"schedule.averaging": 0.5})
    network = fit(recipe, few, tmp_path, quiet).network
    expected, *later = after_step
    for weight in later:
        expected = 0.5 * expected + 0.5 * weight
    torch.testing.assert_close(network.get_parameter("fc2.weight").detach(), expected)


def first_weights(
    recipe: Recipe, few: Examples, folder: Path, sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Tensor]:
    """The weights before the first step."""
    taken: dict[str, Tensor] = {}

    def stop(run: Run, chosen: Tensor) -> Tensor:  # noqa: ARG001
        taken.update(run.progress.network.state_dict())
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(loop, "take_step", stop)
        with pytest.raises(KeyboardInterrupt):
            fit(recipe, few, folder, quiet, sources=sources)
    return taken


def test_warm_start_begins_with_the_weights_of_the_checkpoint_or_run(
    short: Recipe, few: Examples, sources: Sources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = CheckpointStore(SHIPPED).find("mnist_cnn-mult-1.0")
    for name, expected in (
        ("run:before", read_state(sources.runs / "before")["network"]),
        ("mnist_cnn-mult-1.0", load_network(checkpoint.folder, checkpoint.card).state_dict()),
    ):
        options: dict[str, Any] = {} if name.startswith("run:") else {"options": {}}
        recipe = vary(short, {"warm_start": name} | options)
        taken = first_weights(recipe, few, tmp_path, sources, monkeypatch)
        assert all(torch.equal(taken[key], expected[key]) for key in expected)


def test_state_records_the_digest_of_the_weights_it_learned_from(
    short: Recipe, few: Examples, sources: Sources, tmp_path: Path
) -> None:
    recipe = vary(short, FEATURES["warm start"] | FEATURES["teacher"])
    fit(recipe, few, tmp_path, quiet, sources=sources)
    assert read_state(tmp_path)["sources"] == {
        name: weights_digest(sources.network(name)) for name in ("run:before", "mnist_cnn-clean")
    }


def test_run_does_not_go_on_with_another_teacher_of_the_same_name(
    short: Recipe, few: Examples, tmp_path: Path
) -> None:
    runs = tmp_path / "runs"
    recipe = vary(short, {"teacher": {"weights": "run:teacher"}})
    for seed in (1, 2):
        one_epoch = vary(short, {"schedule.epochs": 1, "seed": seed})
        fit(one_epoch, few, runs / f"teacher-{seed}", quiet)
    teacher = runs / "teacher"
    (runs / "teacher-1").rename(teacher)
    fit(recipe, few, tmp_path / "run", quiet, minutes=0, sources=Sources(SHIPPED, runs))
    teacher.rename(runs / "old")
    (runs / "teacher-2").rename(teacher)
    with pytest.raises(TrainingError, match="run:teacher are not those that the run"):
        fit(recipe, few, tmp_path / "run", quiet, sources=Sources(SHIPPED, runs))


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        (
            {"warm_start": "run:nothing"},
            TrainingError,
            r"warm start of .*, run:nothing, is missing",
        ),
        ({"warm_start": "nobody"}, UnknownCheckpointError, "there is no checkpoint 'nobody'"),
        ({"warm_start": "stroke_lstm-clean"}, TrainingError, "cannot be the warm start"),
        (
            {"schedule.stages": [{"side": 14, "share": 0.5}]},
            TrainingError,
            r"mnist_cnn takes no inputs of side 14, only of shape \(1, 28, 28\)",
        ),
        (
            {"schedule.stages": [{"side": 14, "share": 0.5}, {"side": 20, "share": 0.5}]},
            TrainingError,
            "the stages take all steps",
        ),
        ({"hardening.sigma_train": {"conv9": 1}}, TrainingError, "names conv9; .* conv1, conv2"),
    ],
)
def test_recipe_that_cannot_start_says_why(
    short: Recipe,
    few: Examples,
    sources: Sources,
    tmp_path: Path,
    settings: dict[str, Any],
    error: type[Exception],
    message: str,
) -> None:
    with pytest.raises(error, match=message):
        fit(vary(short, settings), few, tmp_path, quiet, sources=sources)


def test_unfinished_run_is_no_warm_start(short: Recipe, few: Examples, tmp_path: Path) -> None:
    fit(short, few, tmp_path / "unfinished", quiet, minutes=0)
    recipe = vary(short, {"warm_start": "run:unfinished"})
    with pytest.raises(TrainingError, match="run:unfinished, is not finished"):
        fit(recipe, few, tmp_path / "run", quiet, sources=Sources(SHIPPED, tmp_path))


def test_state_of_a_version_before_these_features_goes_on(
    short: Recipe, few: Examples, tmp_path: Path
) -> None:
    expected = fit(short, few, tmp_path / "whole", quiet)
    fit(short, few, tmp_path / "older", quiet, minutes=0)
    state = read_state(tmp_path / "older")
    for key in ("average", "sources", "devices", "epoch_loss", "epoch_steps"):
        del state[key]
    for key in ("warm_start", "teacher", "adversary", "max_shift", "flips", "padding"):
        del state["recipe"][key]
    for key in ("ramp", "pass_draws", "variance", "label_smoothing"):
        del state["recipe"]["hardening"][key]
    for key in ("optimizer", "momentum", "curve", "averaging", "rest_rate", "stages"):
        del state["recipe"]["schedule"][key]
    torch.save(state, tmp_path / "older" / STATE_FILE)
    resumed = fit(short, few, tmp_path / "older", quiet)
    assert weights_digest(resumed.network) == weights_digest(expected.network)
    assert resumed.devices == ["cpu", *expected.devices]


@pytest.mark.parametrize("steps", [1, 2, 5, 6])
def test_one_cycle_of_few_steps_has_a_learning_rate_for_each(short: Recipe, steps: int) -> None:
    optimizer = torch.optim.AdamW([torch.zeros(1, requires_grad=True)])
    scheduler = scheduler_of(optimizer, short.schedule, steps)
    rates = []
    for _ in range(steps):
        rates.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    assert all(0 < rate <= short.schedule.learning_rate for rate in rates)


def test_shifts_move_the_whole_picture_by_every_offset_alike() -> None:
    picture = torch.zeros(9000, 1, 5, 5)
    picture[:, :, 2, 2] = 1
    moved = shifted(picture, 1, torch.Generator().manual_seed(0))
    assert moved.shape == picture.shape
    assert torch.equal(moved.sum((1, 2, 3)), torch.ones(9000))
    share = moved.mean((0, 1))[1:4, 1:4]
    # 9,000 draws of a chance of 1/9: a standard deviation of 0.0033; 5 of them.
    torch.testing.assert_close(share, torch.full((3, 3), 1 / 9), atol=0.0166, rtol=0)


def test_what_is_shifted_out_is_lost_and_zeros_move_in() -> None:
    pictures = torch.ones(64, 3, 8, 8)
    moved = shifted(pictures, 3, torch.Generator().manual_seed(1))
    rows = (moved.amax(3) > 0).sum(2)
    assert set(rows.flatten().tolist()) <= {5, 6, 7, 8}
    assert rows.min() < 8
    same = shifted(pictures, 0, torch.Generator())
    assert torch.equal(same, pictures)


@pytest.mark.parametrize("change", [{"max_shift": 1}, {"flips": True}])
def test_sequences_can_be_neither_shifted_nor_flipped(
    recipe: Recipe, change: dict[str, Any]
) -> None:
    with pytest.raises(TrainingError, match=r"are no pictures: their shape is \(48, 2\)"):
        augmented(torch.zeros(4, 48, 2), vary(recipe, change), torch.Generator())


def test_half_of_the_pictures_are_mirrored_left_to_right() -> None:
    # The count is binomial(4000, 1/2): it leaves 2000 +- 125 once in 10,000 seeds.
    pictures = torch.rand(4000, 3, 2, 3)
    mirrored = flipped(pictures, torch.Generator().manual_seed(0))
    is_same = (mirrored == pictures).flatten(1).all(1)
    assert torch.equal(mirrored[~is_same], pictures[~is_same].flip(3))
    assert abs(int(is_same.sum()) - 2000) <= 125


def test_batches_are_the_inputs_that_service_takes(dataset: LoadedDataset) -> None:
    images, labels = Batches.on("cpu", dataset.test).batch(torch.tensor([3, 5]))
    assert images.is_contiguous(memory_format=torch.channels_last)
    assert (images.numpy() == as_inputs(dataset.test.inputs[[3, 5]])).all()
    assert labels.tolist() == dataset.test.labels[[3, 5]].tolist()
