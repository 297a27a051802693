"""Files that nobody thought of get an answer or a reason, never a traceback."""

import os
import resource
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper

from tests.training.importing.drawing import FLOAT, Declared, Drawing
from tests.training.importing.run_command import NAME, command, said
from tests.training.importing.zoo_refused import FEATURES, one_product

SCORES: Declared = {"scores": (FLOAT, ["n", 3])}

Model = Callable[[], ModelProto]


def cut() -> bytes:
    content = bytes(one_product().SerializeToString())
    return content[: len(content) // 2]


def cycle() -> ModelProto:
    draw = Drawing()
    draw("Add", "x", "b", to="a")
    draw("MatMul", "a", draw.weight("w", 6, 6), to="b")
    draw("MatMul", "b", draw.weight("wh", 6, 3), to="scores")
    return draw.model(FEATURES, SCORES)


def lacking_input() -> ModelProto:
    model = one_product()
    del model.graph.input[:]
    return model


def sequence() -> ModelProto:
    draw = Drawing()
    at = draw("SequenceAt", "x", draw.constant("zero", 0))
    draw("MatMul", at, draw.weight("w", 6, 3), to="scores")
    model = draw.model(FEATURES, SCORES)
    tensor = helper.make_tensor_type_proto(FLOAT, ["n", 6])
    model.graph.input[0].type.CopyFrom(helper.make_sequence_type_proto(tensor))
    return model


def sequence_inside() -> ModelProto:
    draw = Drawing()
    parts = draw("SplitToSequence", "x", axis=1, keepdims=1)
    joined = draw("ConcatFromSequence", parts, axis=1)
    draw("MatMul", joined, draw.weight("w", 6, 3), to="scores")
    return draw.model(FEATURES, SCORES)


def only_control_flow() -> ModelProto:
    draw = Drawing()
    made = helper.make_tensor_value_info
    branches = {
        f"{name}_branch": helper.make_graph(
            [helper.make_node("MatMul", ["x", draw.weight(name, 6, 3)], [f"{name}.y"])],
            name, [], [made(f"{name}.y", FLOAT, None)],
        )
        for name in ("then", "else")
    }  # fmt: skip
    draw("If", draw.constant("yes", True), to="scores", **branches)
    return draw.model(FEATURES, SCORES)


def endless_loop() -> ModelProto:
    draw = Drawing()
    made = helper.make_tensor_value_info
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["still"]),
         helper.make_node("MatMul", ["s", draw.weight("w", 6, 6)], ["t"])],
        "body", [made("i", 7, []), made("go", 9, []), made("s", FLOAT, None)],
        [made("still", 9, []), made("t", FLOAT, None)],
    )  # fmt: skip
    many = draw("Loop", draw.constant("often", 3), draw.constant("yes", True), "x", body=body)
    draw("MatMul", many, draw.weight("wh", 6, 3), to="scores")
    return draw.model(FEATURES, SCORES)


def huge_constant() -> ModelProto:
    model = one_product()
    del model.graph.initializer[0].dims[:]
    model.graph.initializer[0].dims.extend([2**20, 2**20])
    return model


def huge_value() -> ModelProto:
    draw = Drawing()
    filled = draw("ConstantOfShape", draw.constant("shape", [2**20, 2**20]))
    draw("MatMul", draw("MatMul", "x", filled), draw.weight("w", 2**10, 3), to="scores")
    return draw.model(FEATURES, SCORES)


def negative_shape() -> ModelProto:
    model = one_product()
    model.graph.initializer[0].dims[0] = -6
    return model


def twice_the_same_name() -> ModelProto:
    draw = Drawing()
    draw("MatMul", "x", draw.weight("w", 6, 6), to="a")
    draw("MatMul", "a", draw.constant("w", np.ones((6, 3)), "float32"), to="a")
    draw("Identity", "a", to="scores")
    return draw.model(FEATURES, SCORES)


def same_names_of_nodes() -> ModelProto:
    """Which ONNX Runtime does not take."""
    draw = Drawing()
    first = draw("MatMul", "x", draw.weight("w", 6, 6), name="layer")
    draw("MatMul", first, draw.weight("wh", 6, 3), name="layer", to="scores")
    return draw.model(FEATURES, SCORES)


def empty() -> ModelProto:
    return Drawing().model(FEATURES, SCORES)


def passed_on() -> ModelProto:
    """The output is the input."""
    return Drawing().model({"x": (FLOAT, ["n", 3])}, {"x": (FLOAT, ["n", 3])})


def calls_itself() -> ModelProto:
    draw = Drawing()
    draw("Again", "x", to="scores", domain="own")
    body = [helper.make_node("Again", ["a"], ["b"], domain="own")]
    opsets = [helper.make_opsetid("own", 1), helper.make_opsetid("", 17)]
    again = helper.make_function("own", "Again", ["a"], ["b"], body, opsets)
    return draw.model(FEATURES, SCORES, functions=[again], domains=[helper.make_opsetid("own", 1)])


def unknown_operator() -> ModelProto:
    draw = Drawing()
    draw("Frobnicate", "x", draw.weight("w", 6, 3), to="scores", domain="nobody.knows")
    return draw.model(FEATURES, SCORES, domains=[helper.make_opsetid("nobody.knows", 1)])


def unknown_type() -> ModelProto:
    model = one_product()
    model.graph.input[0].type.tensor_type.elem_type = 99
    return model


def of_the_future() -> ModelProto:
    draw = Drawing()
    draw("MatMul", "x", draw.weight("w", 6, 3), to="scores")
    return draw.model(FEATURES, SCORES, opset=9999, ir=999)


def no_outputs() -> ModelProto:
    model = one_product()
    del model.graph.node[0].output[:]
    return model


def odd_names() -> ModelProto:
    """Names that are no file names, markup, or other than ASCII."""
    draw = Drawing()
    draw("MatMul", "[bold]x[/]", draw.weight("../w", 6, 3), to="näme/../y", name="a=b, c\n[red]")
    return draw.model({"[bold]x[/]": (FLOAT, ["n", 6])}, {"näme/../y": (FLOAT, ["n", 3])})


def many_axes() -> ModelProto:
    draw = Drawing()
    flat = draw("Flatten", "x")
    draw("MatMul", flat, draw.weight("w", 64, 3), to="scores")
    return draw.model({"x": (FLOAT, ["n", 2, 2, 2, 2, 2, 2])}, SCORES)


def bad_reshape() -> ModelProto:
    draw = Drawing()
    shaped = draw("Reshape", "x", draw.constant("to", [-1, 7]))
    draw("MatMul", shaped, draw.weight("w", 7, 3), to="scores")
    return draw.model(FEATURES, SCORES)


STRANGE: dict[str, tuple[bytes | Model, str | None]] = {
    "no bytes": (b"", "is no ONNX file, or holds an empty graph"),
    "random bytes": (
        np.random.default_rng(0).bytes(999),
        "is no ONNX file, or is damaged; export it anew",
    ),
    "text": (b'{"model": []}\n' * 9, "is no ONNX file, or is damaged"),
    "pointer": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
        "is a pointer of Git LFS, not the file: git lfs pull brings it",
    ),
    "cut": (cut(), "model.onnx"),
    "cycle": (cycle, "ONNX Runtime does not take the graph"),
    "lacking input": (lacking_input, "the graph takes no inputs"),
    "sequence": (sequence, "x is no tensor; taken are tensors of float"),
    "sequence inside": (sequence_inside, None),
    "only control flow": (only_control_flow, "its products are inside the operator If"),
    "loop": (endless_loop, "multiplies inside a Loop"),
    "huge constant": (huge_constant, "does not hold 1,099,511,627,776 values"),
    "huge value": (huge_value, "ConstantOfShape makes 1,099,511,627,776 values"),
    "negative shape": (negative_shape, "the file is damaged"),
    "twice the same name": (twice_the_same_name, "ONNX Runtime does not take the graph"),
    "same names of nodes": (same_names_of_nodes, "two nodes with same node name"),
    "empty graph": (empty, "is no ONNX file, or holds an empty graph"),
    "passed on": (passed_on, "is no ONNX file, or holds an empty graph"),
    "calls itself": (calls_itself, "model.onnx"),
    "unknown operator": (unknown_operator, "ONNX Runtime does not take the graph"),
    "unknown type": (unknown_type, "x is a tensor of an unknown type"),
    "of the future": (of_the_future, "ONNX Runtime does not take the graph: ONNX Runtime only"),
    "no outputs": (no_outputs, "error:"),
    "odd names": (odd_names, None),
    "many axes": (many_axes, None),
    "bad reshape": (bad_reshape, "a pass of the graph fails"),
}
"""What lies in the file, and what is said of it; None if it is taken in."""


@pytest.mark.parametrize("case", STRANGE)
def test_a_strange_file_gets_an_answer_or_a_reason(
    case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made, message = STRANGE[case]
    content = made if isinstance(made, bytes) else made().SerializeToString()
    (tmp_path / "model.onnx").write_bytes(content)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    place = ["--name", NAME, "--checkpoints", str(tmp_path)]
    code = command("import", str(tmp_path / "model.onnx"), *place)
    line = said(capsys)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**18  # KiB
    assert "Traceback" not in line
    if message is None:
        assert code == 0
    else:
        assert code == 1
        assert message in line


def test_what_is_no_file_is_not_waited_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(tmp_path / "pipe.onnx")
    for path in (tmp_path, tmp_path / "pipe.onnx", Path("/dev/zero")):
        assert command("points", str(path)) == 1
        assert f"{path} cannot be read: " in said(capsys)


def test_damaged_weights_of_every_type_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for kind in (TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL, TensorProto.FLOAT16):
        model = one_product()
        extra = model.graph.initializer.add(name="more", data_type=kind, dims=[3])
        extra.raw_data = b"\0"
        onnx.save_model(model, tmp_path / "model.onnx")
        assert command("points", str(tmp_path / "model.onnx")) == 1
        assert "the constant 'more' of shape [3] does not hold 3 values" in said(capsys)
