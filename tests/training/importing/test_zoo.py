"""Networks of many kinds are imported and give the votes that they are to give."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, helper, inliner

from noisevote.models.checkpoint import Checkpoint
from noisevote.models.engines.onnx_runtime import session_options
from noisevote.models.engines.optimizers import idle_optimizers
from noisevote.models.noise import NoiseKind, VoteKey
from noisevote.models.specs import InputSpec
from tests.training.importing import zoo_dense, zoo_forms, zoo_pictures, zoo_tokens
from tests.training.importing.drawing import Specimen
from tests.training.importing.oracle import noisy, normals_of, vote
from tests.training.importing.run_command import imported, votes

SPECIMENS: dict[str, Specimen] = {
    **zoo_dense.SPECIMENS,
    **zoo_pictures.SPECIMENS,
    **zoo_tokens.SPECIMENS,
    **zoo_forms.SPECIMENS,
}

INPUTS = 3
SIGMA = 0.4


@dataclass(frozen=True)
class Taken:
    """A network of the zoo that was imported, and inputs for it."""

    specimen: Specimen
    model: ModelProto
    checkpoint: Checkpoint
    inputs: Mapping[str, NDArray[Any]]

    def one(self, index: int) -> dict[str, NDArray[Any]]:
        """Return an input as the graph that came takes it."""
        types = {
            entry.name: helper.tensor_dtype_to_np_dtype(entry.type.tensor_type.elem_type)
            for entry in self.model.graph.input
        }
        return {
            name: np.moveaxis(array[[index]], 0, self.specimen.axis).astype(types[name])
            for name, array in self.inputs.items()
        }

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {point.name: point.shape for point in self.checkpoint.card.noise_points}

    def close(self, found: NDArray[Any], expected: NDArray[Any]) -> None:
        scale = max(1.0, float(np.abs(expected).max()))
        np.testing.assert_allclose(found, expected, rtol=0, atol=self.specimen.tolerance * scale)


def trial(spec: InputSpec) -> NDArray[Any]:
    return spec.trial(np.random.default_rng(7), INPUTS)


@pytest.fixture(scope="module", params=SPECIMENS)
def taken(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Taken:
    specimen, folder = SPECIMENS[request.param], tmp_path_factory.mktemp("zoo")
    model = specimen.draw()
    beside = specimen.kind == "external data"
    onnx.save_model(model, folder / "model.onnx", save_as_external_data=beside, location="w.bin",
                    size_threshold=0)  # fmt: skip
    if beside:
        model = onnx.load_model(folder / "model.onnx")
    if specimen.meant is not None:
        model = specimen.meant()
    elif model.functions:
        model = inliner.inline_local_functions(model)
    checkpoint = imported(folder / "model.onnx", folder / "checkpoints", *specimen.options)
    inputs = {spec.name: trial(spec) for spec in checkpoint.card.inputs}
    return Taken(specimen, model, checkpoint, inputs)


def test_an_imported_network_has_the_points_and_the_place_that_it_is_to_have(taken: Taken) -> None:
    card = taken.checkpoint.card
    assert card.point_names == list(taken.specimen.points)
    assert card.imported is not None
    assert taken.specimen.place in {None, card.imported.placement}


def test_without_noise_it_gives_what_the_original_gives(taken: Taken) -> None:
    options = onnxruntime.SessionOptions()  # 8-bit kernels may saturate
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(taken.model.SerializeToString(), options)
    silent = np.zeros(len(taken.shapes))
    for index in range(INPUTS):
        (output,) = session.run([taken.specimen.output], taken.one(index))
        found = votes(taken.checkpoint, NoiseKind.ADDITIVE, taken.inputs, [index], silent,
                      [VoteKey(0, 0, 0)])  # fmt: skip
        taken.close(found, taken.specimen.scores(output))


@pytest.mark.parametrize("kind", NoiseKind)
def test_a_vote_meets_the_noise_of_its_key_where_it_is_to(taken: Taken, kind: NoiseKind) -> None:
    for index, key in enumerate([VoteKey(5, 2, 7), VoteKey(2**53 - 1, 0, 1)]):
        sigma = np.linspace(SIGMA, 1, len(taken.shapes))  # another one at each point
        drawn = normals_of(key, list(taken.shapes.values()))
        deviations: dict[str, Callable[[Any], Any]] = {
            signal: partial(noisy, kind, normals=normals, sigma=at)
            for signal, normals, at in zip(
                taken.specimen.points.values(), drawn, sigma, strict=True
            )
        }
        output = vote(taken.model, taken.one(index), taken.specimen.output, deviations)
        found = votes(taken.checkpoint, kind, taken.inputs, [index], sigma, [key])
        taken.close(found, taken.specimen.scores(output))
        assert found.argmax() == taken.specimen.scores(output).argmax()


@pytest.mark.parametrize("kind", NoiseKind)
def test_a_vote_is_the_same_alone_and_in_a_crowd(taken: Taken, kind: NoiseKind) -> None:
    count = 2 * taken.checkpoint.card.tile + 1
    of_row = [(7 * row) % INPUTS for row in range(count)]
    keys = [VoteKey(1, index, row) for row, index in enumerate(of_row)]
    sigma = np.full(len(taken.shapes), SIGMA)
    crowd = votes(taken.checkpoint, kind, taken.inputs, of_row, sigma, keys)
    for row in {0, 1, count // 2, count - 1}:
        alone = votes(taken.checkpoint, kind, taken.inputs, [of_row[row]], sigma, [keys[row]])
        assert np.array_equal(alone[0], crowd[row])


def test_optimizers_that_are_left_out_change_no_bit(taken: Taken) -> None:
    content = taken.model.SerializeToString()
    left_out = idle_optimizers(content)
    options = session_options()
    few, all_of_them = (
        onnxruntime.InferenceSession(content, options, disabled_optimizers=names)
        for names in (left_out, [])
    )
    for index in range(INPUTS):
        for found, expected in zip(
            few.run(None, taken.one(index)), all_of_them.run(None, taken.one(index)), strict=True
        ):
            assert np.asarray(found).tobytes() == np.asarray(expected).tobytes()


def test_an_optimizer_stays_if_one_of_its_operators_is_there() -> None:
    graphs = {name: specimen.draw() for name, specimen in SPECIMENS.items()}
    left_out = {
        name: set(idle_optimizers(graph.SerializeToString())) for name, graph in graphs.items()
    }
    operators = {name: {node.op_type for node in graphs[name].graph.node} for name in graphs}
    with_erf = {name for name, some in operators.items() if "Erf" in some}
    with_softmax = {name for name, some in operators.items() if "Softmax" in some}
    assert with_erf
    assert with_softmax
    assert {name for name, out in left_out.items() if "GeluFusionL1" not in out} == with_erf
    assert not any("BiasSoftmaxFusion" in left_out[name] for name in with_softmax)


def test_the_zoo_is_wide() -> None:
    assert len(SPECIMENS) >= 40
    assert len({specimen.kind for specimen in SPECIMENS.values()}) >= 15
