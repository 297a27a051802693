"""``noisevote-train harden``: a torch module of the user's own, in a package called models."""

import math
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from noisevote.models.checkpoint import Checkpoint
from noisevote.models.data.dataset import Examples
from noisevote.models.data.sample_files import Content
from noisevote.models.data.samples import Samples, samples_of
from noisevote.models.errors import ImportingError, NoisevoteError, TrainingError
from noisevote.models.networks.brought import Brought, module_from
from noisevote.models.networks.noise_points import NoisePoint, noise_points
from noisevote.models.noise import NoiseKind
from noisevote.models.specs import InputSpec
from noisevote.training.fit.run import prepare
from noisevote.training.fit.sources import Sources
from noisevote.training.importing.harden import (
    HardenPlan,
    brought_by,
    names_of_classes,
    parts_of,
    recipe_for,
)
from noisevote.training.recipes.recipe import Recipe, Schedule
from tests.training.support import run

MODULES = Path(__file__).with_name("modules_of_users.py")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a module in a package called models, and samples."""
    folder = tmp_path_factory.mktemp("harden")
    for package in ("models", "nets_to_harden"):
        (folder / package).mkdir()
        (folder / package / "__init__.py").write_text("")
        shutil.copy(MODULES, folder / package / "mine.py")
    inputs, labels = load_digits(return_X_y=True)
    np.savez(folder / "digits.npz", inputs=(inputs / 16).astype(np.float32), labels=labels)
    return folder


@pytest.fixture
def here(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(place)
    monkeypatch.syspath_prepend(str(place))
    return place


@pytest.fixture
def digits() -> Examples:
    inputs, labels = load_digits(return_X_y=True)
    return Examples((inputs / 16).astype(np.float32), labels.astype(np.int64))


def plan(callable_name: str = "make", **changed: object) -> HardenPlan:
    """What is to be learned of a module that can be imported in this process."""
    usual = {"weights": None, "recipe": "mult-1.0", "points": (), "name": "mine"}
    source = f"nets_to_harden.mine:{callable_name}"
    return HardenPlan(source, schedule=Schedule(2), **(usual | changed))  # type: ignore[arg-type]


def recipe_of(asked: HardenPlan, examples: Examples, held_back: int = 10) -> Recipe:
    network = brought_by(asked, examples.inputs.shape[1:])
    return recipe_for(asked, network, examples, "digits", held_back)


def learn_without_noise(digits: Examples, weights: Path) -> None:
    """Train the deep module as its owner would, and keep its weights."""
    network = module_from("nets_to_harden.mine:deep").train()
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    inputs, labels = torch.tensor(digits.inputs), torch.tensor(digits.labels)
    generator = torch.Generator().manual_seed(0)
    for _ in range(15):
        for chosen in torch.randperm(len(labels), generator=generator).split(64):  # type: ignore[no-untyped-call]
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(network(inputs[chosen]), labels[chosen])
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    torch.save(network.state_dict(), weights)


@pytest.mark.slow
def test_a_module_in_a_package_called_models_gains_fifteen_points_and_is_served(
    here: Path, digits: Examples
) -> None:
    learn_without_noise(digits, here / "learned.pt")
    command = [
        *(sys.executable, "-m", "noisevote.training", "harden", "models.mine:deep"),
        *("--samples", "digits.npz", "--checkpoints", "mine", "--name", "mine", "--epochs", "30"),
        *("--weights", "learned.pt"),
    ]
    told = subprocess.run(
        command, cwd=here, env={**os.environ, "COLUMNS": "200"}, capture_output=True, text=True,
        check=False, timeout=300,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    row = r"(as given|hardened) │ ([\d.]+)%.*?│ ([\d.]+)%.*?│ ([\d.]+)%"
    told_of = {title: list(map(float, cells)) for title, *cells in re.findall(row, told.stderr)}
    assert told_of["as given"][0] > 95  # it had learned
    assert told_of["hardened"][1] > 55
    assert told_of["hardened"][1] >= told_of["as given"][1] + 15
    checkpoint = Checkpoint(here / "mine" / "mine")
    assert checkpoint.card.point_names == ["conv1", "conv2", "fc1", "fc2"]
    assert checkpoint.card.noise.sigma_train == 1.0
    assert checkpoint.runtime(NoiseKind.MULTIPLICATIVE).kind is NoiseKind.MULTIPLICATIVE


def test_noise_stands_behind_the_batch_norm_of_a_layer(here: Path) -> None:
    assert here.exists()
    network = Brought(module_from("nets_to_harden.mine:make"), (64,))
    inputs = torch.rand(4, 64)
    inner = network.network
    first, last = noise_points(network)
    seen: list[torch.Tensor] = []

    def note(_: NoisePoint, signal: torch.Tensor, __: int | None) -> torch.Tensor:
        seen.append(signal)
        return signal

    first.source = note
    with torch.no_grad():
        network(inputs)
        torch.testing.assert_close(seen[0], inner.norm(inner.first(inputs)))  # type: ignore[operator]
    assert (first.name, last.name) == ("first", "last")
    assert network.ends_in_noise


def test_a_network_that_ends_in_softmax_has_no_noise_on_its_outputs(
    here: Path, digits: Examples
) -> None:
    assert here.exists()
    recipe = recipe_of(plan("sure"), digits)
    assert recipe.hardening.sigma_train == {"0.first": 1.0, "0.last": 1.0}
    assert recipe.hardening.output_draws == 1


def test_relative_noise_is_in_units_of_each_signal(here: Path, digits: Examples) -> None:
    assert here.exists()
    recipe = recipe_of(plan(recipe="add-rms-0.5"), digits)
    assert recipe.hardening.kind is NoiseKind.ADDITIVE
    inner = module_from("nets_to_harden.mine:make")
    with torch.no_grad():
        shown = torch.from_numpy(np.asarray(digits.inputs[:256], np.float32))
        signal = inner.norm(inner.first(shown))  # type: ignore[operator]
    sigma = recipe.hardening.sigma_train
    assert isinstance(sigma, dict)
    assert sigma["first"] == pytest.approx(0.5 * float(signal.square().mean().sqrt()), rel=1e-5)


@pytest.mark.parametrize(
    ("changed", "error", "said"),
    [
        ({"callable_name": "number"}, ImportingError, "gives a int; needed is a torch module"),
        ({"callable_name": "leaves"}, ImportingError, "cannot be called: SystemExit: 0"),
        ({"callable_name": "absent"}, ImportingError, "cannot be called: AttributeError"),
        ({"recipe": "loud-1"}, TrainingError, "there is no recipe 'loud-1'; write mult-1.0"),
        ({"points": ("frist",)}, ImportingError, "'frist' fits no layer that is called; there are"),
        ({"weights": Path("no.pt")}, ImportingError, "no.pt cannot be read"),
        ({"weights": Path("digits.npz")}, ImportingError, "does not hold the weights"),
    ],
)
def test_what_cannot_be_hardened_says_why(
    here: Path, digits: Examples, changed: dict[str, object], error: type[NoisevoteError], said: str
) -> None:
    assert here.exists()
    with pytest.raises(error, match=re.escape(said)):
        recipe_of(plan(**changed), digits)  # type: ignore[arg-type]


def test_inputs_of_another_shape_and_unknown_classes_are_refused(
    here: Path, digits: Examples
) -> None:
    assert here.exists()
    with pytest.raises(ImportingError, match=r"takes no inputs of the shape \[8\]"):
        recipe_of(plan(), Examples(digits.inputs[:, :8], digits.labels))
    with pytest.raises(TrainingError, match="have the class 19; the module tells 10 apart"):
        recipe_of(plan(), Examples(digits.inputs, digits.labels + 10))


def test_a_checkpoint_that_stands_in_the_way_is_told_before_hours_of_training(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "card.json").write_text("{}")
    place = ["--checkpoints", str(tmp_path), "--name", "mine", "--runs", str(tmp_path / "runs")]
    samples = ["--samples", str(here / "digits.npz")]
    assert run(monkeypatch, "harden", "nets_to_harden.mine:make", *samples, *place) == 1
    assert "there is a checkpoint mine" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def labelled(labels: list[str], inputs: np.ndarray | None = None) -> Samples:
    given = np.arange(len(labels), dtype=np.float32)[:, None] if inputs is None else inputs
    names = tuple(map(str, range(len(labels))))
    return samples_of("some.npz", Content(names, tuple(labels), arrays={"inputs": given}))


def test_what_is_held_back_is_like_nothing_that_was_learned_from(
    here: Path, digits: Examples, tmp_path: Path
) -> None:
    assert here.exists()
    inputs = np.concatenate([digits.inputs[:200]] * 5)
    samples = labelled([str(label) for label in digits.labels[:200].tolist()] * 5, inputs)
    spec, classes = InputSpec(shape=(64,)), list("0123456789")
    parts = used, held_back = parts_of(samples, spec, classes, "mine")
    learned = {row.tobytes() for row in used.inputs}
    assert len(used) + len(held_back) == 1000
    assert 100 < len(held_back) < 300
    assert not [row for row in held_back.inputs if row.tobytes() in learned]
    recipe = recipe_of(plan(), used, len(held_back))
    run = prepare(recipe, parts, tmp_path, torch.device("cpu"), math.inf, Sources())
    np.testing.assert_array_equal(run.train.inputs, used.inputs)
    np.testing.assert_array_equal(run.validation.inputs, held_back.inputs)
    np.testing.assert_array_equal(run.validation.labels, held_back.labels)


@pytest.mark.parametrize(
    ("given", "labels", "names"),
    [
        (None, ["2", "0"], ["0", "1", "2"]),
        (None, ["02", "00", "01"], ["00", "01", "02"]),
        (None, ["owl", "cat", "dog"], ["cat", "dog", "owl"]),
        (["a", "b", "c"], ["0"], ["a", "b", "c"]),
        (None, ["0", "99999999999"], ["0", "1", "2"]),  # which is told when they are fitted
    ],
)
def test_classes_bear_the_labels_of_the_samples_or_the_numbers_of_the_outputs(
    given: list[str] | None, labels: list[str], names: list[str]
) -> None:
    assert names_of_classes(given, labelled(labels), 3) == names


def test_names_that_are_not_as_many_as_outputs_are_refused_before_anything_is_learned(
    here: Path,
) -> None:
    assert here.exists()
    assert brought_by(plan(), (64,)).classes == 10
    with pytest.raises(TrainingError, match=r"some\.npz has 2 classes; the module has 10 outputs"):
        names_of_classes(None, labelled(["cat", "dog"]), 10)
    with pytest.raises(TrainingError, match="--labels names 2 classes; the module has 10"):
        names_of_classes(["cat", "dog"], labelled(["0"]), 10)
    unlabelled = samples_of("some.npz", Content(("0",), None, arrays={"inputs": np.zeros((1, 1))}))
    with pytest.raises(TrainingError, match=r"some\.npz has no labels"):
        names_of_classes(None, unlabelled, 10)


def test_a_module_learns_on_a_device_and_its_chips_are_told(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = (
        *("harden", "nets_to_harden.mine:make", "--samples", str(here / "digits.npz")),
        *("--checkpoints", str(tmp_path / "mine"), "--name", "mine", "--epochs", "2"),
        *("--runs", str(tmp_path / "runs"), "--device", "pcm-joshi", "--weight-clip", "2.5"),
    )
    monkeypatch.setenv("COLUMNS", "200")
    assert run(monkeypatch, *command) == 0
    told = capsys.readouterr().err
    assert len(re.findall(r"(as given|hardened) │ -", told)) == 4
    assert "10 chips of pcm-joshi" in told
    card = Checkpoint(tmp_path / "mine" / "mine").card
    assert card.devices is not None
    assert "--device pcm-joshi" in card.devices.command


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"device": "pcm-joshi", "recipe": "mult-1.0"}, "leave out --recipe mult-1.0"),
        ({"device": "pcm-josh"}, "there is no device 'pcm-josh'"),
        ({"device": "pcm-joshi", "weight_clip": 0.1}, "hardening.weight_clip is 0.1"),
        ({"device": "pcm-joshi", "age_s": (1.0, 2.0)}, "depends on the age"),
        ({"age_s": (1.0, 2.0)}, "hardening.age_s needs a device"),
    ],
)
def test_what_does_not_go_with_a_device_is_told_before_it_learns(
    here: Path, digits: Examples, changed: dict[str, object], said: str
) -> None:
    assert here.exists()
    with pytest.raises(NoisevoteError, match=re.escape(said)):
        recipe_of(plan(**({"recipe": None} | changed)), digits)  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_layer_that_is_called_twice_serves_with_the_noise_of_training_at_both_calls(
    place: Path,
) -> None:
    command = [
        *(sys.executable, "-m", "noisevote.training", "harden", "models.mine:shared"),
        *("--samples", "digits.npz", "--checkpoints", "mine", "--name", "shared"),
        *("--recipe", "mult-0.5", "--epochs", "1"),
    ]
    told = subprocess.run(
        command, cwd=place, capture_output=True, text=True, check=False, timeout=300
    )
    assert told.returncode == 0, told.stderr
    card = Checkpoint(place / "mine" / "shared").card
    assert card.point_names == ["first", "cell", "cell:2", "last"]
    assert card.noise.sigma_train == dict.fromkeys(card.point_names, 0.5)
    assert "first 0.5, cell 0.5, cell:2 0.5, last 0.5" in " ".join(told.stderr.split())
