"""A folder with modules of users and digits to harden them on."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from noisevote.models.data.dataset import Examples

MODULES = Path(__file__).parents[1] / "modules_of_users.py"


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
