"""Classifiers of scikit-learn, written as plain products, answer image by image as the original."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import ModelProto
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier

from noisevote.models.noise import NoiseKind, VoteKey
from tests.training.importing.drawing import FLOAT, Array, Drawing
from tests.training.importing.run_command import imported, votes

DIGITS = load_digits()
PICTURES, LABELS = DIGITS.data / 16.0, DIGITS.target
TRAINED = 1000


def as_graph(weights: list[Array], biases: list[Array]) -> ModelProto:
    """Return the network of the coefficients of a classifier."""
    draw, signal = Drawing(), "x"
    for layer, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        product = draw("MatMul", signal, draw.constant(f"coefs.{layer}.weight", weight, "float32"))
        sums = draw("Add", product, draw.constant(f"b{layer}", bias, "float32"))
        is_last = layer == len(weights) - 1
        signal = sums if is_last else draw("Relu", sums)
    draw("Softmax", signal, to="probabilities", axis=1)
    return draw.model({"x": (FLOAT, ["n", 64])}, {"probabilities": (FLOAT, ["n", 10])})


def perceptron() -> tuple[Any, ModelProto]:
    made = MLPClassifier((24,), max_iter=80, random_state=0)
    made.fit(PICTURES[:TRAINED], LABELS[:TRAINED])
    return made, as_graph(made.coefs_, made.intercepts_)


def regression() -> tuple[Any, ModelProto]:
    made = LogisticRegression(max_iter=15)
    made.fit(PICTURES[:TRAINED], LABELS[:TRAINED])
    return made, as_graph([made.coef_.T], [made.intercept_])


@pytest.mark.parametrize("make", [perceptron, regression])
def test_its_accuracy_is_that_of_the_original_image_by_image(make: Any, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        original, graph = make()
    onnx.save_model(graph, tmp_path / "digits.onnx")
    checkpoint = imported(tmp_path / "digits.onnx", tmp_path, "--range", "0:1")
    assert checkpoint.card.point_names == [
        f"coefs.{n}" for n in range(len(checkpoint.card.noise_points))
    ]
    tests = PICTURES[TRAINED:].astype(np.float32)
    of_row = list(range(len(tests)))
    keys = [VoteKey(0, index, 0) for index in of_row]
    silent = np.zeros(len(checkpoint.card.noise_points))
    outputs = votes(checkpoint, NoiseKind.MULTIPLICATIVE, {"x": tests}, of_row, silent, keys)
    expected = original.predict(tests)
    assert np.array_equal(outputs.argmax(axis=1), expected)
    assert (expected == LABELS[TRAINED:]).mean() > 0.85
    np.testing.assert_allclose(outputs, original.predict_proba(tests), atol=1e-4)
