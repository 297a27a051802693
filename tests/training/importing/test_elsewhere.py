"""Networks of other people's packages, in an environment that has them.

Their command is ``make test-packages``; what is not installed is left out.
"""

import importlib
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from noisevote.models.checkpoint import Checkpoint
from noisevote.models.noise import NoiseKind, VoteKey
from noisevote.models.specs import InputSpec
from tests.training.importing import elsewhere
from tests.training.importing.run_command import NAME, command, imported, said, votes

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

INPUTS = 3


def check_votes(checkpoint: Checkpoint, original: Any, tolerance: float = 1e-4) -> None:
    """Compare what a checkpoint gives without noise, and whether its votes can be replayed."""
    card, generator = checkpoint.card, np.random.default_rng(3)

    def trial(spec: InputSpec) -> Any:
        return spec.trial(generator, INPUTS)

    inputs = {spec.name: trial(spec) for spec in card.inputs}
    expected = original(*inputs.values())
    silent, loud = np.zeros(len(card.noise_points)), np.full(len(card.noise_points), 0.3)
    count = card.tile + 1
    of_row = [row % INPUTS for row in range(count)]
    keys = [VoteKey(3, index, row) for row, index in enumerate(of_row)]
    for kind in NoiseKind:
        found = votes(checkpoint, kind, inputs, [0, 1, 2], silent, keys[:1] * INPUTS)
        scale = max(1.0, np.abs(expected).max())
        np.testing.assert_allclose(found, expected, atol=tolerance * scale)
        crowd = votes(checkpoint, kind, inputs, of_row, loud, keys)
        alone = votes(checkpoint, kind, inputs, of_row[:1], loud, keys[:1])
        assert np.array_equal(alone[0], crowd[0])
        assert not np.allclose(crowd[0], expected[0], atol=1e-6)
    assert card.imported is not None
    print(f"{card.imported.source}: {len(card.noise_points)} points, {card.imported.placement}")  # noqa: T201


def of_module(module: nn.Module) -> Any:
    def run(*arrays: Any) -> Any:
        with torch.no_grad():
            return module(*map(torch.from_numpy, arrays)).numpy()

    return run


@pytest.mark.parametrize("name", elsewhere.OF_TRANSFORMERS)
def test_networks_of_transformers(name: str, tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    source = f"tests.training.importing.elsewhere:{name}"
    checkpoint = imported(source, tmp_path, *elsewhere.OF_TRANSFORMERS[name])
    check_votes(checkpoint, of_module(getattr(elsewhere, name)()))


@pytest.mark.parametrize("name", elsewhere.OF_TIMM)
def test_networks_of_timm(name: str, tmp_path: Path) -> None:
    pytest.importorskip("timm")
    source = f"tests.training.importing.elsewhere:{name}"
    checkpoint = imported(source, tmp_path, *elsewhere.OF_TIMM[name])
    check_votes(checkpoint, of_module(getattr(elsewhere, name)()))


@pytest.mark.parametrize("kind", ["dense", "pictures"])
def test_networks_of_keras(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras")
    layers = importlib.import_module("keras").layers
    keras.utils.set_random_seed(0)
    shape = (12,) if kind == "dense" else (10, 10, 3)
    body = (
        [layers.Dense(8, activation="relu")]
        if kind == "dense"
        else [
            layers.Conv2D(4, 3, activation="relu"), layers.BatchNormalization(),
            layers.DepthwiseConv2D(3), layers.GlobalAveragePooling2D(),
        ]
    )  # fmt: skip
    network = keras.Sequential([keras.Input(shape), *body, layers.Dense(4, activation="softmax")])
    network.predict(np.zeros((1, *shape), np.float32), verbose=0)
    network.export(str(tmp_path / "model.onnx"), format="onnx", verbose=False)
    checkpoint = imported(tmp_path / "model.onnx", tmp_path)

    def original(array: Any) -> Any:
        return np.concatenate([network.predict(one[None], verbose=0) for one in array])

    check_votes(checkpoint, original)


def exported(model: Any, folder: Path, zipmap: bool = False) -> Path:
    """Write a classifier of scikit-learn as skl2onnx does."""
    skl2onnx = pytest.importorskip("skl2onnx")
    tensor = importlib.import_module("skl2onnx.common.data_types").FloatTensorType([None, 64])
    made = skl2onnx.convert_sklearn(
        model, initial_types=[("x", tensor)], options={id(model): {"zipmap": zipmap}}
    )
    (folder / "model.onnx").write_bytes(made.SerializeToString())
    return folder / "model.onnx"


def trained(model: Any) -> Any:
    from sklearn.datasets import load_digits

    digits = load_digits()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(digits.data[:600] / 16, digits.target[:600])


def test_a_perceptron_by_skl2onnx(tmp_path: Path) -> None:
    pytest.importorskip("skl2onnx")
    from sklearn.neural_network import MLPClassifier

    model = trained(MLPClassifier((16,), max_iter=20, random_state=0))
    checkpoint = imported(exported(model, tmp_path), tmp_path, "--range", "0:1")
    check_votes(checkpoint, model.predict_proba)


@pytest.mark.parametrize(
    ("kind", "zipmap", "message"),
    [
        ("neural_network.MLPClassifier", True, "export with options={'zipmap': False}"),
        ("linear_model.LogisticRegression", False, "the network has no layer with weights"),
        ("ensemble.RandomForestClassifier", False, "the network has no layer with weights"),
    ],
)
def test_what_skl2onnx_writes_without_products_is_refused(
    kind: str, zipmap: bool, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("skl2onnx")
    module, name = kind.split(".")
    model = trained(getattr(importlib.import_module(f"sklearn.{module}"), name)())
    path = exported(model, tmp_path, zipmap)
    place = ["--name", NAME, "--checkpoints", str(tmp_path)]
    assert command("import", str(path), *place) == 1
    assert message in said(capsys)
