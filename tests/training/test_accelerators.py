"""Where a network learns, and in which precision."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from rich.console import Console

from noisevote.models.data.dataset import LoadedDataset
from noisevote.training.__main__ import SETTINGS
from noisevote.training.fit import accelerators
from noisevote.training.fit.accelerators import precision_on, shown_accelerator
from noisevote.training.fit.loop import fit
from noisevote.training.fit.state import STATE_FILE, read_state
from noisevote.training.recipes.recipe import Precision, Recipe, Schedule

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("capabilities", "precision", "shown"),
    [
        ({"amx_bf16": True, "avx512_bf16": True}, "bfloat16", "cpu (AMX, bfloat16)"),
        ({"amx_bf16": False, "avx512_bf16": True}, "bfloat16", "cpu (AVX512_BF16, bfloat16)"),
        ({"avx2": True}, "float32", f"cpu ({torch.backends.cpu.get_cpu_capability()}, float32)"),
    ],
)
def test_auto_is_the_precision_in_which_the_cpu_multiplies(
    capabilities: dict[str, bool],
    precision: str,
    shown: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    chosen = precision_on(CPU, Schedule(1, precision="auto"))
    assert chosen == precision
    assert shown_accelerator(CPU, chosen) == shown


def test_precision_that_a_recipe_names_is_taken_everywhere() -> None:
    named: tuple[Precision, ...] = ("float32", "bfloat16")
    for precision in named:
        assert precision_on(CPU, Schedule(1, precision=precision)) == precision


def test_run_on_another_cpu_goes_on_and_says_so(
    recipe: Recipe, dataset: LoadedDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit(recipe, dataset.train, tmp_path, Console(quiet=True), minutes=0)
    before = read_state(tmp_path)["devices"]
    monkeypatch.setattr(accelerators, "bfloat16_unit", lambda: None)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "SVE256")
    console = Console(record=True, width=200)
    progress = fit(recipe, dataset.train, tmp_path, console)
    assert progress.is_finished
    assert progress.devices == [*before, "cpu (SVE256, float32)"]
    assert f"another accelerator, cpu (SVE256, float32) after {before[0]}" in console.export_text()
    assert (tmp_path / STATE_FILE).is_file()


@pytest.mark.skipif(sys.platform != "linux", reason="the settings are Linux's")
def test_command_starts_in_a_process_with_the_settings_and_keeps_those_of_the_user() -> None:
    code = (
        "import os; from training.__main__ import restart_with_settings, SETTINGS; "
        "restart_with_settings(); print(*(os.environ[name] for name in SETTINGS))"
    )
    bare = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    for given in ({}, {"OMP_WAIT_POLICY": "active"}):
        found = subprocess.run(
            [sys.executable, "-c", code],
            env=bare | given,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        assert found.stdout.split() == list((SETTINGS | given).values())
