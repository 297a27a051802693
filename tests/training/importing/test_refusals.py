"""What cannot be taken in is refused, with the reason and the remedy."""

import os
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from onnx import ModelProto, helper

from noisevote.models.checkpoint import SHIPPED, Checkpoint
from noisevote.training.importing.read import INTEGER_PRODUCTS
from tests.training.importing import zoo_dense, zoo_pictures, zoo_tokens
from tests.training.importing.run_command import NAME, command, imported, said
from tests.training.importing.zoo_refused import (
    batch_of_four,
    cell,
    infinite,
    integer_product,
    linear_classifier,
    loop_with_weights,
    mask_without_range,
    mixing,
    of_strings,
    one_product,
    random,
    segmentation,
    stateful,
    tree,
    weights_of_4_bits,
    zipmap,
)

REFUSED: dict[str, tuple[Callable[[], ModelProto], list[str], str]] = {
    "integer products": (integer_product, [], "MatMulInteger multiplies whole numbers, and noise "
                         "needs real ones: quantise the network in QDQ format"),
    "4 bits": (weights_of_4_bits, [], "'long' holds numbers of less than 8 bits (int4), which the "
               "format of the weights does not have: quantise to 8 bits"),
    "zipmap": (zipmap, [], "the graph gives no tensor of scores (scores a list); of scikit-learn, "
               "export with options={'zipmap': False}"),
    "linear classifier": (linear_classifier, [], "the network has no layer with weights (Conv, "
                          "Gemm, MatMul) to put noise after; trees and operators such as "
                          "LinearClassifier have none"),
    "trees": (tree, [], "the network has no layer with weights"),
    "free axes": (zoo_pictures.free_size, [], "x leaves axes open, 3x?x?, and noise needs a fixed "
                  "shape: give it, for instance --input x=3x32x32"),
    "another shape": (zoo_pictures.free_size, ["--input", "1x8x8"],
                      "--input says x is 1x8x8; the graph 3x?x?"),
    "segmentation": (segmentation, [], "no output has one score a class for each input; the graph "
                     "gives scores [1, 4, 6, 6] float32"),
    "inputs that mix": (mixing, [], "the network mixes its inputs: outputs depend on their "
                        "neighbours by"),
    "randomness": (random, [], "gives other outputs each time, so that votes could not be "
                   "replayed: export it in evaluation mode"),
    "infinity": (infinite, [], "the network gives outputs that are not finite on random "
                 "inputs; give --samples, or a --range"),
    "four inputs a pass": (batch_of_four, [], "x is 4x6, so 4 inputs a pass are fixed: export with "
                           "a free first axis, or with 1"),
    "strings": (of_strings, [], "x is a tensor of string; taken are tensors of float, "),
    "one axis": (stateful, [], "x has no axis beside that of the inputs"),
    "whole numbers": (mask_without_range, [], "mask takes whole numbers (int64); say which are "
                      "allowed, for instance --range mask=0:1"),
    "one number": (zoo_dense.sigmoid_column, [], "the graph gives one number an input (scores "
                   "[1, 1] float32); say --binary if it decides between two classes"),
    "no one number": (zoo_dense.perceptron, ["--binary"], "--binary needs one number an input; the "
                      "graph gives scores [1, 4] float32"),
    "two heads": (zoo_dense.two_heads, [], "several outputs have one score a class: colour, shape; "
                  "choose one with --output"),
    "an unknown output": (zoo_dense.two_heads, ["--output", "size"], "--output names 'size'; the "
                          "graph gives colour, shape"),
    "an unknown input": (one_product, ["--input", "y=6"], "--input names 'y'; the graph takes x"),
    "an unknown range": (one_product, ["--range", "y=0:1"], "--range names 'y'; the graph takes x"),
    "which input": (zoo_dense.towers, ["--range", "0:1"], "the graph takes user, item: say which, "
                    "--range user=..."),
    "a state": (cell, [], "the output next has the shape of the input state, as a "
                "state that is handed on: networks with a state are not served"),
    "two ranges": (one_product, ["--range", "x=0:1", "--range", "x=0:2"], "--range x=0:2: an input "
                   "of that name is told twice"),
    "no shape": (one_product, ["--input", "3,4"], "--input 3,4 is no shape; write NAME=3x224x224"),
    "no range": (one_product, ["--range", "1:0"], "--range 1:0 is no range; write LOW:HIGH"),
    "a pattern for nothing": (zoo_pictures.residual, ["--exclude", "inn"], "'inn' fits none of the "
                              "4 products; the nearest names are inner"),
    "a pattern for nothing more": (one_product, ["--include", "lstm*"], "'lstm*' fits none of the "
                                   "1 products; the nearest names are"),
    "an operator": (one_product, ["--noise-after", "Softmax"], "--noise-after names 'Softmax'; "
                    "products are Conv, Gemm, MatMul, ConvTranspose, Einsum"),
    "no noise": (one_product, ["--exclude", "*"], "none of the 1 products gets noise: scores "
                 "(MatMul): --exclude"),
    "LSTM": (zoo_tokens.long_memory, [], "of the multiply-accumulates of layers with weights get "
             "noise; without are state (its products are inside the operator LSTM)"),
    "GRU": (zoo_tokens.gated_units, [], "are state (its products are inside the operator GRU)"),
    "transposed convolution": (zoo_pictures.upsampled, [], "without are up (ConvTranspose is not "
                               "in --noise-after). Add operators with --noise-after"),
    "weights in a loop": (loop_with_weights, [], "steps multiplies inside a Loop, where noise "
                          "cannot follow"),
    "few labels": (one_product, ["--labels", "a,b"], "there are 2 labels; the output scores has 3 "
                   "classes"),
    "equal labels": (one_product, ["--labels", "a,b,a"], "the label 'a' is empty, stands twice"),
    "a long label": (one_product, ["--labels", f"a,b,{'c' * 201}"], "is longer than 200 letters"),
    "no labels": (one_product, ["--labels", "labels.txt"], "--labels labels.txt is neither a file "
                  "nor a list such as cat,dog"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_taken_in_is_refused_with_the_reason(
    case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draw, options, message = REFUSED[case]
    onnx.save_model(draw(), tmp_path / "model.onnx")
    place = ["--name", NAME, "--checkpoints", str(tmp_path / "checkpoints")]
    assert command("import", str(tmp_path / "model.onnx"), *place, *options) == 1
    assert message in said(capsys)
    assert not (tmp_path / "checkpoints" / NAME).exists()


@pytest.mark.parametrize("operator", sorted(INTEGER_PRODUCTS))
def test_products_of_whole_numbers_are_refused_by_name_wherever_they_stand(
    operator: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = one_product()
    inner = helper.make_graph([helper.make_node(operator, ["x"], ["y"])], "inner", [], [])
    model.graph.node.append(helper.make_node("If", ["c"], ["d"], then_branch=inner))
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    assert command("points", str(tmp_path / "model.onnx")) == 1
    assert f"{operator} multiplies whole numbers" in said(capsys)


@pytest.mark.parametrize(
    "content", [b"\x80\x04\x95", b"PK\x03\x04", b"\x89HDF\r\n"], ids=["pickle", "torch", "keras"]
)
def test_pickles_are_not_opened(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "model.pt").write_bytes(content + bytes(99))
    assert command("points", str(tmp_path / "model.pt")) == 1
    assert "model.pt is no ONNX file, but looks like a pickle, an archive or HDF5" in said(capsys)


def with_weights_in(file: str, folder: Path) -> Path:
    """Write a network whose weights lie in ``weights.bin`` and say that they lie elsewhere."""
    model = one_product()
    onnx.save_model(model, folder / "model.onnx", save_as_external_data=True,
                    location="weights.bin", size_threshold=0)  # fmt: skip
    lean = onnx.load_model(folder / "model.onnx", load_external_data=False)
    for tensor in lean.graph.initializer:
        for entry in tensor.external_data:
            entry.value = file if entry.key == "location" else entry.value
    (folder / "model.onnx").write_bytes(lean.SerializeToString())
    return folder / "model.onnx"


@pytest.mark.parametrize("where", ["../secret", "/etc/passwd", "inner/weights.bin", "link"])
def test_weights_are_read_from_the_own_folder_only(
    where: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "secret").write_bytes(bytes(999))
    (tmp_path / "folder" / "inner").mkdir(parents=True)
    (tmp_path / "folder" / "link").symlink_to("../secret")
    assert command("points", str(with_weights_in(where, tmp_path / "folder"))) == 1
    assert f"lie in '{where}'; files are read from the graph's own folder only" in said(capsys)


def test_weights_that_are_cut_or_missing_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = with_weights_in("weights.bin", tmp_path)
    os.truncate(tmp_path / "weights.bin", 8)
    assert command("points", str(model)) == 1
    assert "weights.bin is too short for the weights 'w'" in said(capsys)
    (tmp_path / "weights.bin").unlink()
    assert command("points", str(model)) == 1
    line = said(capsys)
    assert "which cannot be read beside the graph: No such file" in line
    assert "copy that file there, too" in line


def test_links_of_a_cache_into_one_folder_are_followed(tmp_path: Path) -> None:
    (tmp_path / "blobs").mkdir()
    (tmp_path / "snapshot").mkdir()
    model = with_weights_in("weights.bin", tmp_path / "blobs")
    for file in (model, tmp_path / "blobs" / "weights.bin"):
        (tmp_path / "snapshot" / file.name).symlink_to(file)
    assert command("points", str(tmp_path / "snapshot" / "model.onnx")) == 0


def test_a_checkpoint_is_overwritten_only_when_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    onnx.save_model(one_product(), tmp_path / "model.onnx")
    imported(tmp_path / "model.onnx", tmp_path, "--labels", "a,b,c")
    again = [str(tmp_path / "model.onnx"), "--name", NAME, "--checkpoints", str(tmp_path)]
    assert command("import", *again) == 1
    assert f"there is a checkpoint {NAME} in {tmp_path}; give --replace" in said(capsys)
    assert Checkpoint(tmp_path / NAME).card.labels == ("a", "b", "c")
    assert command("import", *again, "--replace") == 0
    assert Checkpoint(tmp_path / NAME).card.labels == ("0", "1", "2")


@pytest.mark.parametrize("name", ["", ".hidden", "_own", "a/b", "../a", "a b"])
def test_a_name_is_that_of_a_plain_folder(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = ["--name", name, "--checkpoints", str(tmp_path)]
    assert command("import", "model.onnx", *place) == 1
    assert f"--name {name!r} is no name of a checkpoint" in said(capsys)


def test_the_folder_of_the_package_is_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    place = ["--name", NAME, "--checkpoints", str(SHIPPED)]
    assert command("import", "model.onnx", *place) == 1
    assert "--checkpoints is the folder of the package; name one of your own" in said(capsys)
