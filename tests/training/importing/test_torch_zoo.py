"""Torch modules, by both of torch's exporters, vote as forward hooks say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from noisevote.models.checkpoint import Checkpoint
from noisevote.models.noise import NoiseKind, VoteKey
from noisevote.training.importing.callables import exported
from tests.training.importing import torch_networks
from tests.training.importing.oracle import normals_of
from tests.training.importing.run_command import NAME, command, imported, said, votes

INPUTS, SIGMA = 3, 0.4

PICTURE = ["--input", "x=3x16x16"]
IN_BLOCK = ["attention.qkv", "attention.out", "wide", "narrow"]


@dataclass(frozen=True)
class Case:
    """A module of the zoo.

    Attributes:
        points: the modules behind which noise stands, in order, with the layer that it is of
            where that is another one: a convolution, and the batch norm that follows.
        options: of the command.
        inputs: type and shape of each as a pass of three takes them, by name.
        is_quick: whether it is tried by each run of the tests.
    """

    points: Mapping[str, str]
    options: Sequence[str]
    inputs: Mapping[str, tuple[torch.dtype, tuple[int, ...]]]
    is_quick: bool = False


def same(*names: str) -> dict[str, str]:
    return {name: name for name in names}


REAL = torch.float32
PICTURES = {"x": (REAL, (INPUTS, 3, 16, 16))}
FEATURES = {"x": (REAL, (INPUTS, 6))}
IDS = ["--input", "ids=6:int64"]

CASES = {
    "perceptron": Case({"0": "1", "4": "4"}, ["--input", "6"], FEATURES, True),
    "convolutional": Case({"0": "1", "4": "4", "7": "7"}, ["--input", "1x12x12"],
                          {"x": (REAL, (INPUTS, 1, 12, 12))}),
    "residual": Case(
        {
            **{f"{n}.{conv}": f"{n}.{at}" for n in (0, 1)
               for conv, at in (("conv1", "bn1"), ("conv2", "bn2"), ("short", "short"))},
            "4": "4",
        },
        PICTURE, PICTURES,
    ),
    "depthwise": Case({"0": "0", "2": "3", "5.less": "5.less", "5.more": "5.more", "6": "6",
                       "9": "9"}, PICTURE, PICTURES, True),
    "patches": Case(same("patch", *(f"blocks.0.{n}" for n in IN_BLOCK), "head"), PICTURE,
                    PICTURES),
    "windows": Case(same("patch", *(f"block.{n}" for n in IN_BLOCK), "head"), PICTURE, PICTURES),
    "words": Case(same("two", "three", "head"), [*IDS, "--range", "0:29"],
                  {"ids": (torch.int64, (INPUTS, 6))}, True),
    "encoder": Case(
        same(*(f"block.{n}" for n in IN_BLOCK), "head"),
        [*IDS, "--input", "mask=6:int64", "--range", "ids=0:29", "--range", "mask=0:1"],
        {"ids": (torch.int64, (INPUTS, 6)), "mask": (torch.int64, (INPUTS, 6))},
    ),
    "layer_scaled": Case(same("stem", "deep", "wide", "head") | {"narrow": "scale"},
                         PICTURE, PICTURES),
    "steps_first": Case(same("into", "out", "head"), ["--input", "5x6"],
                        {"x": (REAL, (INPUTS, 5, 6))}),
    "code": Case(same("encoder.0", "encoder.2", "head"), ["--input", "12", "--exclude", "decoder"],
                 {"x": (REAL, (INPUTS, 12))}),
    "long_memory": Case(same("head"), ["--input", "5x6", "--allow-quiet"],
                        {"x": (REAL, (INPUTS, 5, 6))}),
    "gated_units": Case(same("head"), ["--input", "5x6", "--allow-quiet"],
                        {"x": (REAL, (INPUTS, 5, 6))}),
}  # fmt: skip
"""By the name of what makes the module."""

SLOW = pytest.mark.slow


def cases() -> list[Any]:
    """Each module by each exporter; the quick ones by one of them in each run."""
    found = []
    for name, case in CASES.items():
        for exporter in ("callable", "file of the first exporter"):
            is_quick = case.is_quick and (exporter == "callable") == (name == "perceptron")
            marks = [] if is_quick else [SLOW]
            found.append(pytest.param((name, exporter), id=f"{name}, {exporter}", marks=marks))
    return found


@dataclass(frozen=True)
class Taken:
    case: Case
    module: nn.Module
    checkpoint: Checkpoint
    inputs: Mapping[str, Tensor]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the inputs by the names of the graph, in their order."""
        names = [tensor.name for tensor in self.checkpoint.card.inputs]
        return {name: t.numpy() for name, t in zip(names, self.inputs.values(), strict=True)}


@pytest.fixture(scope="module", params=cases())
def taken(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Taken:
    name, exporter = request.param
    case, folder = CASES[name], tmp_path_factory.mktemp("torch")
    module = getattr(torch_networks, name)()
    generator = torch.Generator().manual_seed(5)
    inputs = {
        key: torch.rand(shape, generator=generator)
        if dtype is REAL
        else torch.randint(0, 30 if key == "ids" else 2, shape, generator=generator)
        for key, (dtype, shape) in case.inputs.items()
    }
    source = f"tests.training.importing.torch_networks:{name}"
    if exporter != "callable":
        content = exported(module, tuple(inputs.values()), list(inputs), dynamo=False)
        (folder / "model.onnx").write_bytes(content)
        source = str(folder / "model.onnx")
    return Taken(case, module, imported(source, folder, *case.options), inputs)


@pytest.mark.parametrize("kind", NoiseKind)
def test_a_vote_is_what_forward_hooks_make_of_the_same_noise(taken: Taken, kind: NoiseKind) -> None:
    card, key, index = taken.checkpoint.card, VoteKey(11, 1, 4), 1
    assert card.imported is not None
    shapes = {point.name: point.shape for point in card.noise_points}
    layer_of = dict(taken.case.points)
    assert set(shapes) == set(layer_of)
    drawn = dict(zip(shapes, normals_of(key, list(shapes.values())), strict=True))

    def hook(name: str) -> Any:
        def noisy(module: nn.Module, given: Any, made: Tensor) -> Tensor:
            del module, given
            deviation = torch.from_numpy(SIGMA * drawn[name]).float().reshape(made.shape)
            return kind.meet(made, kind.finished(deviation))

        return noisy

    hooks = [
        taken.module.get_submodule(at).register_forward_hook(hook(name))
        for name, at in layer_of.items()
    ]
    with torch.no_grad():
        one = [tensor[[index]] for tensor in taken.inputs.values()]
        expected = taken.module(*one).numpy()
    for each in hooks:
        each.remove()
    found = votes(taken.checkpoint, kind, taken.arrays(), [index], np.full(len(shapes), SIGMA),
                  [key])  # fmt: skip
    np.testing.assert_allclose(found, expected, atol=1e-4 * max(1, np.abs(expected).max()))


def test_without_noise_it_gives_what_the_module_gives(taken: Taken) -> None:
    with torch.no_grad():
        expected = taken.module(*taken.inputs.values()).numpy()
    silent = np.zeros(len(taken.case.points))
    keys = [VoteKey(0, index, 0) for index in range(INPUTS)]
    for kind in NoiseKind:
        found = votes(taken.checkpoint, kind, taken.arrays(), [0, 1, 2], silent, keys)
        np.testing.assert_allclose(found, expected, atol=1e-4 * max(1, np.abs(expected).max()))


def test_votes_are_the_same_alone_and_in_a_crowd(taken: Taken) -> None:
    count = taken.checkpoint.card.tile + 1
    of_row = [row % INPUTS for row in range(count)]
    keys = [VoteKey(1, index, row) for row, index in enumerate(of_row)]
    sigma = np.full(len(taken.case.points), SIGMA)
    for kind in NoiseKind:
        crowd = votes(taken.checkpoint, kind, taken.arrays(), of_row, sigma, keys)
        alone = votes(taken.checkpoint, kind, taken.arrays(), of_row[-2:-1], sigma, keys[-2:-1])
        assert np.array_equal(alone[0], crowd[-2])


@SLOW
@pytest.mark.parametrize("name", ["long_memory", "gated_units"])
def test_recurrent_layers_are_not_quiet_without_a_word(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = ["--name", NAME, "--checkpoints", str(tmp_path), "--input", "5x6"]
    source = f"tests.training.importing.torch_networks:{name}"
    assert command("import", source, *place) == 1
    assert "of the multiply-accumulates of layers with weights get noise" in said(capsys)


@SLOW
def test_a_module_whose_batch_is_baked_in_is_taken_one_input_a_pass(tmp_path: Path) -> None:
    source = "tests.training.importing.torch_networks:baked"
    checkpoint = imported(source, tmp_path, "--input", "6")
    assert checkpoint.card.point_names == ["one", "head"]


@SLOW
def test_an_encoder_of_torch_is_taken_in(tmp_path: Path) -> None:
    source = "tests.training.importing.torch_networks:of_torch"
    checkpoint = imported(source, tmp_path, "--input", "6x8")
    assert len(checkpoint.card.noise_points) == 5


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nowhere:net", "nowhere:net cannot be called: ModuleNotFoundError"),
        ("tests.training.importing.torch_networks:nothing", "cannot be called: AttributeError"),
        ("tests.training.importing.torch_networks:INPUTS", "cannot be called: AttributeError"),
        ("math:pi", "cannot be called: TypeError"),
        ("builtins:dict", "gives a dict; needed is a torch module"),
        (
            "tests.training.importing.torch_networks:perceptron",
            "is a torch module, which does not tell the shape of its inputs; give --input "
            "input=3x224x224",
        ),
    ],
)
def test_a_callable_that_gives_no_module_is_refused(
    source: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("points", source) == 1
    assert message in said(capsys)
