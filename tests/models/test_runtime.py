"""The runtime on the shipped checkpoints: rows are independent of the batch they are in."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from noisevote.models.checkpoint import Checkpoint, CheckpointStore
from noisevote.models.engines.loading import ENGINES, ONNX_RUNTIME_OF_MANY, load_session
from noisevote.models.engines.onnx_runtime import OnnxSession
from noisevote.models.engines.session import Inputs
from noisevote.models.errors import CheckpointError
from noisevote.models.noise import NoiseKind, VoteKey
from noisevote.models.runtime import GraphRuntime, Rows, votes_of
from noisevote.models.specs import IMAGES

ROWS = 20

# Chance that a statistical test here fails although all is right; seeds are fixed.
ERROR_PROBABILITY = 1e-4


def rows_on(checkpoint: Checkpoint, images: int = 4) -> Rows:
    """Votes on random inputs whose images, sigmas, seeds and positions all differ."""
    card = checkpoint.card
    generator = np.random.default_rng(3)
    low, high = card.input.limits
    shape = (images, *card.input.shape)
    return Rows(
        inputs={IMAGES: generator.uniform(low, high, shape).astype(np.float32)},
        input_of_row=generator.integers(0, images, ROWS),
        sigma=generator.uniform(0, 1, (ROWS, len(card.noise_points))),
        keys=[VoteKey(row // 3, row % 3, row) for row in range(ROWS)],
    )


def some_of(rows: Rows, chosen: list[int]) -> Rows:
    """The chosen rows, in that order."""
    return replace(
        rows,
        input_of_row=rows.input_of_row[chosen],
        sigma=rows.sigma[chosen],
        keys=[rows.keys[row] for row in chosen],
    )


def outputs(checkpoint: Checkpoint, kind: NoiseKind, rows: Rows) -> NDArray[np.float32]:
    return checkpoint.runtime(kind).outputs(rows)


@pytest.mark.parametrize("kind", list(NoiseKind))
def test_outputs_of_a_row_do_not_depend_on_its_neighbours(
    shipped: Checkpoint, kind: NoiseKind
) -> None:
    rows = rows_on(shipped)
    together = outputs(shipped, kind, rows)
    order = np.random.default_rng(4).permutation(ROWS).tolist()
    assert np.array_equal(outputs(shipped, kind, some_of(rows, order)), together[order])
    for row in range(0, ROWS, 7):
        assert np.array_equal(outputs(shipped, kind, some_of(rows, [row]))[0], together[row])


def test_without_noise_every_row_of_an_image_is_the_same(shipped: Checkpoint) -> None:
    rows = rows_on(shipped, images=1)
    quiet = replace(rows, sigma=np.zeros_like(rows.sigma))
    result = outputs(shipped, NoiseKind.MULTIPLICATIVE, quiet)
    assert (result == result[0]).all()


def test_kinds_agree_without_noise(shipped: Checkpoint) -> None:
    rows = rows_on(shipped)
    quiet = replace(rows, sigma=np.zeros_like(rows.sigma))
    factors = outputs(shipped, NoiseKind.MULTIPLICATIVE, quiet)
    summands = outputs(shipped, NoiseKind.ADDITIVE, quiet)
    np.testing.assert_allclose(factors, summands, rtol=1e-5, atol=1e-5)


def test_noise_of_every_point_reaches_the_outputs(shipped: Checkpoint) -> None:
    rows = some_of(rows_on(shipped), [0])
    quiet = np.zeros_like(rows.sigma)
    reference = outputs(shipped, NoiseKind.ADDITIVE, replace(rows, sigma=quiet))
    for point in range(quiet.shape[1]):
        sigma = quiet.copy()
        sigma[0, point] = 1.0
        noisy = outputs(shipped, NoiseKind.ADDITIVE, replace(rows, sigma=sigma))
        assert not np.allclose(noisy, reference, rtol=1e-3, atol=1e-3)


def vote_counts(
    checkpoint: Checkpoint, image: NDArray[np.float32], votes: int, library_sigma: float | None
) -> NDArray[np.int64]:
    """Count votes on one image: by the keyed scheme, or with normals drawn by NumPy."""
    card = checkpoint.card
    runtime = checkpoint.runtime(NoiseKind.MULTIPLICATIVE)
    generator = np.random.default_rng(5)
    fell_on = []
    for first in range(0, votes, 10):
        of_image = np.zeros(10, np.int64)
        if library_sigma is None:
            keys = [VoteKey(3, 0, first + row) for row in range(10)]
            sigma = np.ones((10, len(card.noise_points)))
            outputs = runtime.outputs(Rows({IMAGES: image}, of_image, sigma, keys))
        else:
            noise = [
                generator.normal(1, library_sigma, (10, *point.shape)).astype(np.float32)
                for point in card.noise_points
            ]
            outputs = runtime.outputs_for({IMAGES: image}, of_image, noise)
        fell_on.append(votes_of(outputs))
    return np.bincount(np.concatenate(fell_on), minlength=len(card.labels))


def chance_of_the_same_votes(one: NDArray[np.int64], other: NDArray[np.int64]) -> float:
    """Return the p-value of "both were cast by the same distribution"."""
    often = one + other >= 10
    table = np.array([[*counts[often], counts[~often].sum()] for counts in (one, other)])
    return float(stats.chi2_contingency(table[:, table.sum(axis=0) > 0]).pvalue)


@pytest.mark.parametrize("name", ["mnist_cnn-mult-1.0", "stroke_lstm-mult-1.0"])
def test_votes_fall_as_with_freshly_drawn_normals_of_the_library(
    store: CheckpointStore, name: str
) -> None:
    checkpoint = store.find(name)
    image = rows_on(checkpoint, images=1).inputs[IMAGES]
    keyed, library, quieter = (
        vote_counts(checkpoint, image, 300, sigma) for sigma in (None, 1.0, 0.3)
    )
    assert chance_of_the_same_votes(keyed, library) > ERROR_PROBABILITY
    # The test has the power to tell noise that is not the right one.
    assert chance_of_the_same_votes(keyed, quieter) < ERROR_PROBABILITY


def test_work_is_counted(shipped: Checkpoint) -> None:
    runtime, rows = shipped.runtime(NoiseKind.ADDITIVE), rows_on(shipped)
    before = runtime.work
    runtime.outputs(rows)
    after, per_vote = runtime.work, sum(np.prod(p.shape) for p in shipped.card.noise_points)
    assert after.passes - before.passes == 1
    assert after.rows - before.rows == ROWS
    assert after.inputs - before.inputs == len(rows.inputs[IMAGES])
    assert after.normals - before.normals == ROWS * per_vote
    assert after.bytes_fed - before.bytes_fed == (
        rows.inputs[IMAGES].nbytes + rows.input_of_row.nbytes + 4 * ROWS * per_vote
    )


def test_the_log_says_why_a_graph_cannot_be_loaded_and_the_refusal_names_no_file(
    caplog: pytest.LogCaptureFixture,
) -> None:
    graph = Path("place/broken.onnx")
    contents = {graph.name: b"no graph", "weights.safetensors": b""}
    with pytest.raises(CheckpointError, match=r"place/broken.onnx cannot be loaded: \w+$"):
        load_session(graph, contents)
    assert "protobuf" in caplog.text.lower()


@pytest.mark.parametrize("name", ["mnist_cnn-clean", "stroke_lstm-clean"])
def test_sessions_that_share_memory_give_the_same_outputs_to_the_bit(
    store: CheckpointStore, name: str
) -> None:
    checkpoint, kind = store.find(name), NoiseKind.ADDITIVE
    rows, graph = rows_on(checkpoint), checkpoint.folder / checkpoint.card.graphs[kind]
    sessions = [load_session(graph, engine=ONNX_RUNTIME_OF_MANY) for _ in range(2)]
    runtimes = [GraphRuntime(session, checkpoint.card, kind) for session in sessions]
    expected = outputs(checkpoint, kind, rows)
    with ThreadPoolExecutor(4) as threads:
        found = threads.map(lambda turn: runtimes[turn % 2].outputs(rows), range(8))
        assert all(np.array_equal(each, expected) for each in found)


class RecordingSession(OnnxSession):
    """Another engine: it notes what it is fed."""

    def run(self, output: str, feed: Inputs) -> NDArray[np.float32]:
        self.fed = list(feed)
        return super().run(output, feed)


def test_another_engine_is_fed_by_the_same_runtime(
    store: CheckpointStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ENGINES, "recording", RecordingSession)
    checkpoint, kind = store.find("mnist_cnn-clean"), NoiseKind.MULTIPLICATIVE
    session = load_session(checkpoint.folder / checkpoint.card.graphs[kind], engine="recording")
    assert isinstance(session, RecordingSession)
    rows = rows_on(checkpoint)
    outputs_of_other = GraphRuntime(session, checkpoint.card, kind).outputs(rows)
    assert np.array_equal(outputs_of_other, outputs(checkpoint, kind, rows))
    points = [f"noise.{name}" for name in checkpoint.card.point_names]
    assert session.fed == ["images", "image_of_row", *points]
