"""Batch norms that are estimated anew under noise."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from safetensors.numpy import load_file

from noisevote.models.errors import ImportingError
from noisevote.models.noise import NoiseKind
from noisevote.training.importing.look import Look, Wishes, look_at
from noisevote.training.importing.read import read_graph
from noisevote.training.importing.take import ImportPlan, take_in
from tests.training.importing.drawing import FLOAT, Drawing

SIGMA = 0.5
ROWS = 4096
BATCH = np.random.default_rng(3).normal(1.0, 2.0, (ROWS, 6)).astype(np.float32)


def drawn(folder: Path, with_norm: bool) -> Look:
    """A network of two layers, the second one with a batch norm of mean 0 and variance 1."""
    draw = Drawing()
    first = draw("MatMul", "x", draw.weight("w1", 6, 5))
    second = draw("MatMul", first, draw.weight("w2", 5, 4))
    if with_norm:
        ones, zeros = np.ones(4, np.float32), np.zeros(4, np.float32)
        constants = [draw.constant(name, value) for name, value in (
            ("scale", ones), ("shift", zeros), ("mean", zeros), ("variance", ones))]  # fmt: skip
        second = draw("BatchNormalization", second, *constants)
    draw("MatMul", second, draw.weight("w3", 4, 3), to="scores")
    path = folder / "network.onnx"
    path.write_bytes(
        draw.model({"x": (FLOAT, ["n", 6])}, {"scores": (FLOAT, ["n", 3])}).SerializeToString()
    )
    return look_at(read_graph(path), Wishes())


def plan(folder: Path) -> ImportPlan:
    return ImportPlan(
        folder / "mine", None, NoiseKind.MULTIPLICATIVE, SIGMA, "import",
        batch_norms=(SIGMA, {"x": BATCH}),
    )  # fmt: skip


def test_statistics_are_those_of_noisy_signals(tmp_path: Path) -> None:
    """With x W1 = s, the norm reads (s (1 + sigma z)) W2: 4,096 rows tell it to a few per cent."""
    checkpoint = take_in(drawn(tmp_path, with_norm=True), plan(tmp_path)).checkpoint
    held = load_file(checkpoint.folder / checkpoint.card.weights)
    graph = onnx.load(checkpoint.folder / "multiplicative.onnx", load_external_data=False)
    found = {
        tensor.name: numpy_helper.to_array(tensor)
        for tensor in graph.graph.initializer
        if tensor.name in {"mean", "variance"}
    }
    signal = BATCH @ held["w1"]
    expected = np.var(signal @ held["w2"], axis=0) + SIGMA**2 * (
        np.mean(signal**2, axis=0) @ held["w2"] ** 2
    )
    np.testing.assert_allclose(found["variance"], expected, rtol=0.15)
    np.testing.assert_allclose(
        found["mean"], np.mean(signal @ held["w2"], axis=0), atol=4 * np.sqrt(expected.max() / ROWS)
    )
    assert checkpoint.card.imported is not None
    assert checkpoint.card.imported.batch_norm_sigma == SIGMA
    assert checkpoint.runtime(NoiseKind.ADDITIVE).kind is NoiseKind.ADDITIVE


def test_the_same_samples_give_the_same_statistics(tmp_path: Path) -> None:
    look = drawn(tmp_path, with_norm=True)
    first = take_in(look, plan(tmp_path)).checkpoint.card.digests
    again = replace(plan(tmp_path), replaces=True)
    assert take_in(look, again).checkpoint.card.digests == first


def test_a_network_without_batch_norms_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImportingError, match="the graph has no batch norms of its own"):
        take_in(drawn(tmp_path, with_norm=False), plan(tmp_path))
