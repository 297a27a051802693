"""``noisevote-train harden``: a torch module of the user's own, in a package called models."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from noisevote.models.checkpoint import Checkpoint
from noisevote.models.data.dataset import Examples
from noisevote.models.errors import ImportingError, NoisevoteError, TrainingError
from noisevote.models.networks.brought import Brought, module_from
from noisevote.models.networks.noise_points import NoisePoint, noise_points
from noisevote.models.noise import NoiseKind
from tests.training.harden.support import plan, recipe_of
from tests.training.support import run


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
