"""OpenVINO casts the votes that the reference casts, whatever else is in the batch."""

import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from noisevote.models.checkpoint import SHIPPED, Checkpoint, CheckpointStore
from noisevote.models.engines.arithmetic import ARITHMETICS, REFERENCE, Arithmetic, Precision
from noisevote.models.engines.loading import ENGINES, load_session
from noisevote.models.engines.preference import Preference, has_bfloat16
from noisevote.models.errors import CheckpointError
from noisevote.models.noise import NoiseKind, VoteKey
from noisevote.models.runtime import GraphRuntime, Rows, votes_of
from tests.models.engines.needed import need_openvino

need_openvino()

ROWS = 31

OTHERS = [
    pytest.param(
        one,
        id=str(one),
        marks=pytest.mark.skipif(
            one.precision is Precision.BFLOAT16 and not has_bfloat16(),
            reason="this processor has no bfloat16",
        ),
    )
    for one in ARITHMETICS
    if one != REFERENCE
]
TOLERANCE = {Precision.FLOAT32: 1e-5, Precision.BFLOAT16: 0.05}
"""Of outputs, over the largest."""

NETWORKS = [
    ("mnist_cnn-mult-1.0", NoiseKind.MULTIPLICATIVE),
    ("mnist_cnn-mult-1.0", NoiseKind.ADDITIVE),
    pytest.param("stroke_lstm-clean", NoiseKind.MULTIPLICATIVE, marks=pytest.mark.slow),
    ("madry_cnn-adv", NoiseKind.ADDITIVE),
    pytest.param("densenet40-clean", NoiseKind.MULTIPLICATIVE, marks=pytest.mark.slow),
]


def rows_on(checkpoint: Checkpoint, rows: int = ROWS, images: int = 5) -> Rows:
    """Votes on random inputs under noise of 0.3 to 1; all differ."""
    generator, card = np.random.default_rng(4), checkpoint.card
    return Rows(
        inputs={tensor.name: tensor.trial(generator, images) for tensor in card.inputs},
        input_of_row=generator.integers(0, images, rows),
        sigma=generator.uniform(0.3, 1, (rows, len(card.noise_points))),
        keys=[VoteKey(7, row % 3, row) for row in range(rows)],
    )


def runtime_in(arithmetic: Arithmetic, checkpoint: Checkpoint, kind: NoiseKind) -> GraphRuntime:
    found = checkpoint.runtime(kind, arithmetic)
    assert found.arithmetic == arithmetic
    return found


@pytest.mark.parametrize(("name", "kind"), NETWORKS)
@pytest.mark.parametrize("arithmetic", OTHERS)
def test_outputs_are_those_of_the_reference_but_for_rounding(
    store: CheckpointStore, name: str, kind: NoiseKind, arithmetic: Arithmetic
) -> None:
    checkpoint = store.find(name)
    rows = rows_on(checkpoint, rows=9)
    expected = checkpoint.runtime(kind).outputs(rows)
    found = runtime_in(arithmetic, checkpoint, kind).outputs(rows)
    assert found.dtype == np.float32
    largest = np.abs(expected).max()
    assert np.abs(found - expected).max() <= TOLERANCE[arithmetic.precision] * largest
    assert arithmetic.precision is Precision.FLOAT32 or not np.array_equal(found, expected)


@pytest.mark.parametrize(
    "name", ["mnist_cnn-mult-1.0", pytest.param("stroke_lstm-clean", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("arithmetic", OTHERS)
def test_a_vote_is_the_same_alone_in_any_batch_and_in_any_thread(
    store: CheckpointStore, name: str, arithmetic: Arithmetic
) -> None:
    checkpoint = store.find(name)
    kind, rows = checkpoint.card.noise.kind, rows_on(checkpoint)
    runtime = runtime_in(arithmetic, checkpoint, kind)
    together = runtime.outputs(rows)
    places = np.random.default_rng(0).permutation(ROWS)
    sizes = [1, 2, 3, 4, 5, 7, 9]
    assert sum(sizes) == ROWS
    parts = np.split(places, np.cumsum(sizes)[:-1])
    with ThreadPoolExecutor(3) as threads:
        found = threads.map(lambda part: runtime.outputs(rows.chosen(part.tolist())), parts)
        for part, outputs in zip(parts, found, strict=True):
            assert np.array_equal(outputs, together[part])


@pytest.mark.parametrize("arithmetic", OTHERS)
def test_a_session_that_is_loaded_again_gives_the_same_bits(
    store: CheckpointStore, arithmetic: Arithmetic
) -> None:
    checkpoint = store.find("mnist_cnn-mult-1.0")
    kind, rows = NoiseKind.MULTIPLICATIVE, rows_on(checkpoint)
    session = load_session(checkpoint.folder / checkpoint.card.graphs[kind], None, str(arithmetic))
    again = GraphRuntime(session, checkpoint.card, kind).outputs(rows)
    assert np.array_equal(again, runtime_in(arithmetic, checkpoint, kind).outputs(rows))


@pytest.mark.parametrize("arithmetic", OTHERS)
def test_nearly_all_votes_fall_as_those_of_the_reference(
    store: CheckpointStore, arithmetic: Arithmetic
) -> None:
    """On the same noise; of 496 votes on drawn noise at most 2 % may fall elsewhere."""
    checkpoint = store.find("mnist_cnn-mult-1.0")
    kind, rows = NoiseKind.MULTIPLICATIVE, rows_on(checkpoint, rows=496)
    votes = [
        votes_of(runtime.outputs(rows))
        for runtime in (checkpoint.runtime(kind), runtime_in(arithmetic, checkpoint, kind))
    ]
    assert np.mean(votes[0] == votes[1]) >= 0.98
    assert len(set(votes[0].tolist())) > 3


@pytest.mark.parametrize("arithmetic", OTHERS)
def test_the_usual_tile_gives_the_bits_of_any_other_size(
    store: CheckpointStore, arithmetic: Arithmetic
) -> None:
    checkpoint = store.find("mnist_cnn-mult-1.0")
    card, kind = checkpoint.card, NoiseKind.MULTIPLICATIVE
    runtime = runtime_in(arithmetic, checkpoint, kind)
    rows = rows_on(checkpoint, rows=card.tile + 1, images=1)
    beyond = runtime.outputs(rows)
    usual = runtime.outputs(rows.chosen(range(card.tile)))
    assert np.array_equal(usual, beyond[: card.tile])
    plain = load_session(checkpoint.folder / card.graphs[kind], None, str(arithmetic))
    assert np.array_equal(GraphRuntime(plain, card, kind).outputs(rows), beyond)


def test_nothing_of_the_weights_is_left_behind(
    store: CheckpointStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    checkpoint = store.find("mnist_cnn-mult-1.0")
    load_session(checkpoint.folder / "additive.onnx", None, "openvino-float32")
    assert list(tmp_path.iterdir()) == []


def test_a_call_that_takes_too_long_is_ended(store: CheckpointStore) -> None:
    checkpoint = store.find("densenet40-clean")
    kind = checkpoint.card.noise.kind
    runtime = runtime_in(Arithmetic(*OPENVINO_32), checkpoint, kind)
    rows = rows_on(checkpoint, rows=100)
    with pytest.raises(TimeoutError, match="longer than"), runtime.session.for_at_most(0.01):
        runtime.outputs(rows)
    assert np.isfinite(runtime.outputs(rows_on(checkpoint, rows=2))).all()


OPENVINO_32 = next((one.engine, one.precision) for one in ARITHMETICS if one != REFERENCE)


class Unsteady:
    """A session whose outputs shift with the rows of a call."""

    def __init__(self, graph: Path, contents: dict[str, bytes], rows: int | None = None) -> None:
        self._session = load_session(graph, contents, "openvino-float32 as it is", rows)

    def __getattr__(self, name: str) -> object:
        return getattr(self._session, name)

    def run(self, output: str, feed: dict[str, NDArray[np.float32]]) -> NDArray[np.float32]:
        found = self._session.run(output, feed)
        return found + np.float32(1e-3 * len(found))


def in_place_of_openvino(
    monkeypatch: pytest.MonkeyPatch, session: type[Unsteady], name: str
) -> Checkpoint:
    """Return a checkpoint that prefers OpenVINO, which computes as a session does."""
    monkeypatch.setitem(ENGINES, "openvino-float32 as it is", ENGINES["openvino-float32"])
    monkeypatch.setitem(ENGINES, "openvino-float32", session)
    return Checkpoint(SHIPPED / name, Preference("openvino"))


def test_an_engine_whose_votes_depend_on_the_batch_leaves_them_to_the_reference(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    checkpoint = in_place_of_openvino(monkeypatch, Unsteady, "mnist_cnn-clean")
    wanted = checkpoint.preferred
    assert str(wanted) == str(checkpoint.arithmetic) == "openvino-float32"
    kind = checkpoint.card.noise.kind
    assert checkpoint.loaded(kind, wanted) is None
    for _ in range(2):
        assert checkpoint.runtime(kind, wanted).arithmetic == REFERENCE
    assert checkpoint.loaded(kind, wanted) is checkpoint.runtime(kind)
    assert checkpoint.arithmetic == REFERENCE
    assert "alone" in checkpoint.engine_refusals[wanted]
    assert checkpoint.refusal is None
    assert caplog.text.count("casts votes in place of") == 1


class RarelyUnsteady(Unsteady):
    """A session in which a batch moves one output of a thousand."""

    def run(self, output: str, feed: dict[str, NDArray[np.float32]]) -> NDArray[np.float32]:
        found = self._session.run(output, feed)
        is_moved = (np.abs(found) * 1e5).astype(np.int64) % 1000 == 7
        return np.where(is_moved & (len(found) > 1), found + np.float32(1e-3), found)


def test_many_votes_of_a_small_network_are_compared_since_rounding_hides_what_a_batch_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    checkpoint = in_place_of_openvino(monkeypatch, RarelyUnsteady, "stroke_lstm-clean")
    wanted = checkpoint.preferred
    assert checkpoint.runtime(checkpoint.card.noise.kind, wanted).arithmetic == REFERENCE
    assert "alone" in checkpoint.engine_refusals[wanted]


class Turned(Unsteady):
    """A session that takes each class for another."""

    def run(self, output: str, feed: dict[str, NDArray[np.float32]]) -> NDArray[np.float32]:
        return np.roll(self._session.run(output, feed), 1, axis=1)


def test_an_engine_that_computes_something_else_leaves_votes_to_the_reference(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    checkpoint = in_place_of_openvino(monkeypatch, Turned, "mnist_cnn-clean")
    wanted = checkpoint.preferred
    assert checkpoint.runtime(checkpoint.card.noise.kind, wanted).arithmetic == REFERENCE
    assert "other outputs in openvino-float32 than in" in checkpoint.engine_refusals[wanted]


def test_a_graph_that_cannot_be_written_leaves_the_votes_on_it_alone_to_the_reference(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Also where many threads ask for it at once, and the log says it once."""
    checkpoint = Checkpoint(SHIPPED / "mnist_cnn-clean", Preference("openvino"))
    wanted, own = checkpoint.preferred, checkpoint.card.noise.kind
    (other,) = set(NoiseKind) - {own}
    runtime = runtime_in(wanted, checkpoint, own)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: checkpoint.runtime(other, wanted), range(4)))
    assert {one.arithmetic for one in found} == {REFERENCE}
    assert "FileNotFoundError" in checkpoint.engine_refusals[wanted]
    assert caplog.text.count("casts votes in place of") == 1
    assert checkpoint.arithmetic == wanted
    assert checkpoint.runtime(own, wanted) is runtime
    assert checkpoint.loaded_kinds == [own, other]


def test_a_graph_that_neither_engine_loads_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "mnist_cnn-clean"
    folder.mkdir()
    for file in (SHIPPED / folder.name).iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / "weights.safetensors").write_bytes(b"nothing")
    checkpoint = Checkpoint(folder, Preference("openvino"))
    with pytest.raises(CheckpointError, match="SHA-256"):
        checkpoint.runtime(NoiseKind.MULTIPLICATIVE, checkpoint.preferred)


def test_its_converters_which_tell_of_every_import_are_not_imported() -> None:
    code = (
        "import sys, noisevote.models.engines.openvino_engine as engine\n"
        "engine.core()\n"
        "print([name for name in sys.modules if 'telemetry' in name or '.ovc' in name])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60
    )
    assert ran.stdout.strip() == "[]"
