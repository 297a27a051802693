"""What an installation puts into an environment, beside modules of other people."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import onnx
import pytest

from tests.programs import ROOT
from tests.training.importing.zoo_dense import perceptron

ASK = """
import sys
sys.path.insert(0, ".")
import noisevote.service.app, noisevote.models.runtime
import models.resnet, service, training.loop
print(models.resnet.ResNet18, service.NAME, training.loop.NAME)
"""


@pytest.fixture(params=["packages", "plain folders"])
def theirs(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Modules of other people that are called as our rooms are."""
    for name in ("models", "training"):
        (tmp_path / name).mkdir()
        if request.param == "packages":
            (tmp_path / name / "__init__.py").touch()
    (tmp_path / "models" / "resnet.py").write_text("ResNet18 = 18")
    (tmp_path / "training" / "loop.py").write_text("NAME = 'loop'")
    (tmp_path / "service.py").write_text("NAME = 'theirs'")
    return tmp_path


def said_in(folder: Path, path: str | None) -> str:
    """Ask for both from a folder; None: with what the tests were installed with."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    if path is not None:
        environment["PYTHONPATH"] = path
    done = subprocess.run(
        [sys.executable, "-c", ASK],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_modules_of_other_people_are_imported_beside_ours(theirs: Path) -> None:
    assert said_in(theirs, None) == "18 theirs loop\n"


@pytest.mark.slow
def test_a_wheel_takes_one_name_and_holds_all_files(theirs: Path, tmp_path: Path) -> None:
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(tmp_path)]
    subprocess.run([*build, str(ROOT)], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].partition("-")[0] for name in names} == {"noisevote"}
    for file in (
        "models/checkpoints/mnist_cnn-mult-1.0/card.json",
        "models/devices/presets/pcm-hermes-2t.toml",
        "models/report_page.css",
        "models/robustness/page.html.j2",
        "models/studies/mnist_cnn-mult-1.0/study.sqlite",
        "service/static/page.js",
        "training/experiments/grid.py",
        "training/study/page.html.j2",
    ):
        assert f"noisevote/{file}" in names
    unpacked = tmp_path / "unpacked"
    zipfile.ZipFile(wheel).extractall(unpacked)
    assert said_in(theirs, str(unpacked)) == "18 theirs loop\n"


def test_public_names_need_neither_server_nor_runtime() -> None:
    ask = (
        "import sys, noisevote; [getattr(noisevote, name) for name in noisevote.__all__]; "
        "print(sorted({'onnxruntime', 'scipy', 'fastapi', 'torch', 'PIL'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("command", ["points", "import"])
def test_networks_are_imported_without_torch(command: str, tmp_path: Path) -> None:
    onnx.save_model(perceptron(), tmp_path / "model.onnx")
    ask = (
        "import sys; sys.modules['torch'] = None; "
        "from noisevote.training.__main__ import main; main()"
    )
    options = [str(tmp_path / "model.onnx")]
    if command == "import":
        options += ["--name", "theirs", "--checkpoints", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-c", ask, command, *options], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "2 noise points" in done.stdout + done.stderr


def test_help_without_torch_shows_what_needs_none() -> None:
    ask = (
        "import sys; sys.modules['torch'] = None; sys.argv = ['noisevote-train', '--help']; "
        "from noisevote.training.__main__ import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    assert "points" in done.stdout
    assert "throughput" not in done.stdout
