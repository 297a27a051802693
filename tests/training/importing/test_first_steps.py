"""What whoever imports a first network meets: newer files, other people's words, hints."""

import re
from pathlib import Path

import onnx
import pytest
from onnx import ModelProto, helper

from tests.training.importing.drawing import Drawing
from tests.training.importing.run_command import command, imported, said


def written(folder: Path, model: ModelProto) -> Path:
    path = folder / "model.onnx"
    onnx.save(model, path)
    return path


def dense(graph_name: str = "graph") -> ModelProto:
    """One layer, in the newest format that onnx writes."""
    draw = Drawing()
    outputs = draw("Gemm", "x", draw.weight("w", 64, 10), to="y")
    given, made = (
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", length])
        for name, length in (("x", 64), (outputs, 10))
    )
    graph = helper.make_graph(draw.nodes, graph_name, [given], [made], draw.weights)
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=onnx.IR_VERSION
    )


def for_one_input() -> ModelProto:
    """A network that reshapes to one input, so that trying it with several fails."""
    model = dense()
    graph = model.graph
    graph.node.insert(0, helper.make_node("Reshape", ["x", "one"], ["row"]))
    graph.node[1].input[0] = "row"
    graph.initializer.append(helper.make_tensor("one", onnx.TensorProto.INT64, [2], [1, 64]))
    return model


def test_a_file_in_a_newer_format_than_onnx_runtime_reads_is_taken(tmp_path: Path) -> None:
    assert imported(written(tmp_path, dense()), tmp_path / "mine").card.noise_points


def test_points_come_as_output_and_no_library_speaks_between(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert command("points", str(written(tmp_path, for_one_input()))) == 0
    out, err = capfd.readouterr()
    assert "multiply-accumulates of layers" in out
    assert err == ""


def test_what_onnx_runtime_says_comes_without_places_in_its_sources(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = dense()
    model.graph.node[0].op_type = "Unheard"
    assert command("points", str(written(tmp_path, model))) == 1
    told = said(capsys)
    assert "Unheard" in told
    assert not re.search(r"ONNXRuntimeError|\.(cc|h):\d", told)


@pytest.mark.parametrize(
    ("name", "called"), [("mlp", "mlp"), ("main_graph", "model.onnx"), ("graph", "model.onnx")]
)
def test_a_graph_whose_name_says_nothing_is_called_by_its_file(
    tmp_path: Path, name: str, called: str
) -> None:
    checkpoint = imported(written(tmp_path, dense(name)), tmp_path / "mine")
    assert checkpoint.card.network == called


def test_what_was_excluded_is_said_to_be_left_out_of_the_share(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = dense()
    model.graph.node.append(helper.make_node("Gemm", ["y", "last"], ["z"], name="last"))
    model.graph.initializer.append(
        helper.make_tensor("last", onnx.TensorProto.FLOAT, [10, 10], [0.1] * 100)
    )
    model.graph.output[0].name = "z"
    assert command("points", str(written(tmp_path, model)), "--exclude", "last") == 0
    assert "under noise, what you excluded left out" in " ".join(capsys.readouterr().out.split())


def test_a_python_file_is_answered_with_how_a_callable_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text("def make(): ...\n")
    assert command("points", "net.py") == 1
    assert "of a module name what to call, net:CALLABLE" in said(capsys)
    assert command("points", "net.py:make") == 1
    assert "write it as an import does, net:make" in said(capsys)


def test_a_module_takes_the_shape_that_its_preprocessing_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch")
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "module_with_a_shape.py").write_text(
        "from torch import nn\n"
        "def make():\n"
        "    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(72, 10))\n"
    )
    (tmp_path / "grey.json").write_text('{"colour": "grey", "size": [8, 8]}')
    asked = ["points", "module_with_a_shape:make", "--preprocessing", str(tmp_path / "grey.json")]
    assert command(*asked) == 0
    assert "2x6x6" in capsys.readouterr().out
