"""Whole runs on a device: what a recipe may ask for, and how a run goes on."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console
from torch import Tensor

from noisevote.models.data.dataset import Examples
from noisevote.models.devices.presets import DeviceStore
from noisevote.models.errors import NoisevoteError, TrainingError
from noisevote.training.fit import loop
from noisevote.training.fit.data import Parts
from noisevote.training.fit.loop import fit, take_step
from noisevote.training.fit.run import Run
from noisevote.training.fit.state import read_state
from noisevote.training.on_device.profile import with_profile
from noisevote.training.recipes.recipe import Hardening, Recipe, Schedule
from noisevote.training.recipes.vary import train_command, vary

quiet = Console(quiet=True)


@pytest.fixture
def on_device() -> Recipe:
    """A recipe of a small module on a device with frozen errors, converters, noise and drift."""
    return Recipe(
        "small",
        network="tests.training.modules_of_users:make",
        dataset="made up",
        hardening=Hardening(
            device="pcm-nandakumar", loss="marginal", output_draws=4, age_s=(20.0, 2.6e6),
            weight_clip=2.5,
        ),
        schedule=Schedule(2, batch_size=32, learning_rate=1e-2),
        options={"shape": [64], "points": []},
    )  # fmt: skip


@pytest.fixture
def parts() -> Parts:
    """Inputs whose class is where they are large, for learning and for looking at."""
    random = np.random.default_rng(4)
    labels = random.integers(0, 10, 240)
    inputs = random.uniform(0, 0.3, (240, 64)).astype(np.float32)
    inputs[np.arange(240), 6 * labels] = 1
    examples = Examples(inputs, labels)
    return examples.chosen(np.arange(160)), examples.chosen(np.arange(160, 240))


class PowerCut(Exception):  # noqa: N818
    """Stands for whatever ends a run: a signal, a power cut."""


def test_an_interrupted_run_on_a_device_goes_on_to_the_same_weights(
    on_device: Recipe, parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = fit(on_device, parts, tmp_path / "whole", quiet)
    assert whole.history[1]["loss"] < whole.history[0]["loss"]
    monkeypatch.setattr(loop, "SAVE_SECONDS", 0.0)
    done = 0

    def interrupting(run: Run, chosen: Tensor) -> Tensor:
        nonlocal done
        if done == 6:  # within the life of a chip, of four steps
            raise PowerCut
        done += 1
        return take_step(run, chosen)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "take_step", interrupting)
        with pytest.raises(PowerCut):
            fit(on_device, parts, tmp_path / "cut", quiet)
    fit(on_device, parts, tmp_path / "cut", quiet)
    one, other = (read_state(tmp_path / name)["network"] for name in ("whole", "cut"))
    assert all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def test_a_run_tells_its_profile_and_refuses_to_go_on_with_another(
    on_device: Recipe, parts: Parts, tmp_path: Path
) -> None:
    fit(on_device, parts, tmp_path / "run", quiet)
    kept = read_state(tmp_path / "run")["recipe"]["hardening"]
    profile = DeviceStore().find("pcm-nandakumar")
    assert kept["profile"] == {"name": "pcm-nandakumar", "digest": profile.digest}
    told = with_profile(on_device)
    assert "profile" not in train_command(told)
    assert "hardening.device=pcm-nandakumar" in train_command(told)
    other = vary(told, {"hardening.profile.digest": "0" * 16})
    with pytest.raises(TrainingError, match=r"whose profile is now pcm-nandakumar .* made for"):
        with_profile(other)


def test_a_device_is_read_from_a_file(on_device: Recipe, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('profile = 1\nname = "mine"\n[read]\na = 0.1\n')
    asked = vary(on_device, {"hardening.device": str(file), "hardening.age_s": None})
    found = with_profile(asked).hardening.profile
    assert found is not None
    assert found.name == "mine"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"hardening.device": "pcm-hremes"}, "there is no device 'pcm-hremes'; there are"),
        ({"hardening.device": "no.toml"}, "no.toml cannot be read"),
        ({"hardening.sigma_train": 0.5}, "does not go with hardening.sigma_train"),
        ({"hardening.loss": "vote"}, "does not go with hardening.loss vote"),
        ({"quantisation": {"bits": 8, "scale": "learned"}}, "does not go with quantisation"),
        ({"hardening.age_s": [1e5, 20]}, "allowed are"),
        ({"hardening.age_s": [0, 20]}, "begins at 0"),
        (
            {"hardening.device": "reram-wan", "hardening.age_s": [0.1, 20]},
            "from 1 to 172800 s, for which device reram-wan is known",
        ),
        ({"hardening.device": "pcm-joshi"}, "nothing of device pcm-joshi depends on the age"),
        ({"hardening.device": None}, "hardening.age_s needs a device"),
        ({"hardening.weight_clip": 0.5}, "hardening.weight_clip is 0.5"),
        ({"hardening.chip_steps": 0}, "hardening.chip_steps is 0"),
    ],
)
def test_settings_that_do_not_go_with_a_device_say_why(
    on_device: Recipe, changed: dict[str, object], said: str
) -> None:
    with pytest.raises(NoisevoteError) as caught:
        with_profile(vary(on_device, changed))
    assert said in str(caught.value)


def test_weights_are_clipped_without_a_device_too(
    on_device: Recipe, parts: Parts, tmp_path: Path
) -> None:
    hardening = Hardening(sigma_train=0.5, weight_clip=1.5)
    network = fit(replace(on_device, hardening=hardening), parts, tmp_path, quiet).network
    weights = dict(network.named_parameters())["network.first.weight"].detach()
    spread = weights.square().mean(1).sqrt()
    assert bool((weights.abs().amax(1) < 1.6 * spread).all())
