"""Networks in the forms in which files come: old, small numbers, frozen, parted, quantised."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
from onnx import ModelProto, helper
from onnxruntime.quantization import CalibrationDataReader, quantize_static

from tests.training.importing.drawing import DOUBLE, FLOAT, HALF, Array, Drawing, Specimen
from tests.training.importing.zoo_pictures import plain

Declared = dict[str, tuple[int, list[int | str]]]


def features(count: int, kind: int = FLOAT, batch: int | str = "n") -> Declared:
    return {"x": (kind, [batch, count])}


def scores(count: int = 3, kind: int = FLOAT, batch: int | str = "n") -> Declared:
    return {"scores": (kind, [batch, count])}


def of_2018(is_today: bool = False) -> ModelProto:
    """Weights among the inputs, constants as nodes, batch norms with five outputs, or as today."""
    draw = Drawing()
    conv = draw("Conv", "x", draw.weight("w", 4, 1, 3, 3), to="conv", kernel_shape=[3, 3])
    of_training = () if is_today else [f"norm.{part}" for part in "abcd"]
    norm = draw.batch_norm(conv, "norm", 4, *of_training)
    pooled = draw("MaxPool", draw("Relu", norm), kernel_shape=[2, 2], strides=[2, 2])
    shape = helper.make_tensor("shape", onnx.TensorProto.INT64, [2], [-1, 36])
    flat = draw("Reshape", pooled, draw("Constant", value=shape))
    draw("Gemm", flat, draw.weight("wh", 36, 3), draw.weight("bh", 3), to="scores")
    inputs: Declared = {"x": (FLOAT, ["n", 1, 8, 8])}
    if is_today:
        return draw.model(inputs, scores())
    model = draw.model(inputs, scores(), opset=7, ir=3)
    among = [
        helper.make_tensor_value_info(entry.name, entry.data_type, entry.dims)
        for entry in model.graph.initializer
    ]
    model.graph.input.extend(among)
    return model


def older_still() -> ModelProto:
    """Operators of a version that ONNX Runtime does not run."""
    draw = Drawing()
    hidden = draw("Relu", draw("MatMul", "x", draw.weight("w", 6, 8), to="hidden"))
    draw("MatMul", hidden, draw.weight("wh", 8, 3), to="scores")
    return draw.model(features(6), scores(), opset=6, ir=3)


def newest() -> ModelProto:
    draw = Drawing()
    hidden = draw("Gelu", draw("MatMul", "x", draw.weight("w", 6, 8), to="hidden"))
    draw("MatMul", hidden, draw.weight("wh", 8, 3), to="scores")
    return draw.model(features(6), scores(), opset=23, ir=11)


def half_precision() -> ModelProto:
    draw = Drawing("float16")
    conv = draw("Conv", "x", draw.weight("w", 4, 3, 3, 3), draw.weight("b", 4), to="conv")
    mean = draw("Flatten", draw("GlobalAveragePool", draw("Relu", conv)))
    draw("Gemm", mean, draw.weight("wh", 4, 3), to="scores")
    return draw.model({"x": (HALF, ["n", 3, 6, 6])}, scores(kind=HALF))


def half_weights() -> ModelProto:
    """Weights in half precision that are cast where they are used."""
    draw = Drawing("float16")
    first = draw("MatMul", "x", draw.cast(draw.weight("w", 6, 8), FLOAT), to="first")
    hidden = draw("Relu", draw("Add", first, draw.cast(draw.weight("b", 8), FLOAT), to="biased"))
    draw("MatMul", hidden, draw.cast(draw.weight("wh", 8, 3), FLOAT), to="scores")
    return draw.model(features(6), scores())


def double_precision() -> ModelProto:
    draw = Drawing("float64")
    hidden = draw("Tanh", draw("Gemm", "x", draw.weight("w", 6, 8), to="hidden"))
    draw("Gemm", hidden, draw.weight("wh", 8, 3), to="scores")
    return draw.model(features(6, DOUBLE), scores(kind=DOUBLE))


class Calibration(CalibrationDataReader):  # type: ignore[misc]
    """Gives a few pictures to the quantisation."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        generator = np.random.default_rng(0)
        self.batches: Iterator[dict[str, Array]] = iter(
            [{"x": generator.normal(size=(4, *shape)).astype(np.float32)}]
        )

    def get_next(self) -> dict[str, Array] | None:
        return next(self.batches, None)


def quantised() -> ModelProto:
    """Products of real numbers between quantised signals (QDQ)."""
    with TemporaryDirectory() as folder:
        onnx.save_model(plain(opset=21), Path(folder) / "real.onnx")
        quantize_static(
            Path(folder) / "real.onnx", Path(folder) / "qdq.onnx", Calibration((1, 12, 12))
        )
        return onnx.load_model(Path(folder) / "qdq.onnx")


def frozen() -> ModelProto:
    """Exported for one input a pass; the shapes say so."""
    draw = Drawing()
    conv = draw("Conv", "x", draw.weight("w", 4, 1, 3, 3), to="conv")
    flat = draw("Reshape", draw("Relu", conv), draw.constant("flat", [1, 64]))
    draw("Gemm", flat, draw.weight("wh", 64, 3), to="scores")
    return draw.model({"x": (FLOAT, [1, 1, 6, 6])}, scores(batch=1))


def frozen_for_good() -> ModelProto:
    """One input a pass, and no shape says where it went."""
    draw = Drawing()
    apart = draw("Reshape", "x", draw.constant("apart", [3, 4]))
    mixed = draw("MatMul", apart, draw.weight("w", 4, 4), to="mixed")
    flat = draw("Reshape", draw("Relu", mixed), draw.constant("flat", [1, 12]))
    draw("Gemm", flat, draw.weight("wh", 12, 3), to="scores")
    return draw.model(features(12, batch=1), scores(batch=1))


def functions() -> ModelProto:
    """A layer is a function of the file's own."""
    draw = Drawing()
    for layer, (less, more) in enumerate([(6, 8), (8, 3)]):
        weights, bias = draw.weight(f"w{layer}", less, more), draw.weight(f"b{layer}", more)
        draw("Dense", "x" if layer == 0 else "layer0", weights, bias,
             to=["layer0", "scores"][layer], domain="own")  # fmt: skip
    body = [
        helper.make_node("MatMul", ["a", "b"], ["product"], name="product"),
        helper.make_node("Add", ["product", "c"], ["sum"]),
        helper.make_node("Tanh", ["sum"], ["y"]),
    ]
    opsets = [helper.make_opsetid("", 17)]
    dense = helper.make_function("own", "Dense", ["a", "b", "c"], ["y"], body, opsets)
    return draw.model(
        features(6), scores(), functions=[dense], domains=[helper.make_opsetid("own", 1)]
    )


def large() -> ModelProto:
    """Weights that are kept beside the graph."""
    draw = Drawing()
    hidden = draw("Relu", draw("MatMul", "x", draw.weight("w", 40, 60), to="hidden"))
    draw("MatMul", hidden, draw.weight("wh", 60, 3), to="scores")
    return draw.model(features(40), scores())


LAYERS = {"hidden": "hidden", "scores": "scores"}

SPECIMENS = {
    "of 2018": Specimen("old file", of_2018, {"conv": "norm.y", "scores": "scores"},
                         meant=partial(of_2018, is_today=True)),
    "older still": Specimen("old file", older_still, LAYERS),
    "newest": Specimen("new file", newest, LAYERS),
    "half precision": Specimen(
        "half precision", half_precision, {"conv": "conv", "scores": "scores"}, tolerance=1e-2
    ),
    "half weights": Specimen("half precision", half_weights, {"first": "biased",
                                                              "scores": "scores"}),
    "double precision": Specimen("double precision", double_precision, LAYERS),
    "frozen": Specimen("frozen to one", frozen, {"conv": "conv", "scores": "scores"}),
    "frozen for good": Specimen(
        "frozen to one", frozen_for_good, {"mixed": "mixed", "scores": "scores"}, place="single"
    ),
    "functions": Specimen("functions", functions, {"product__1": "sum__1", "product__2": "sum__2"}),
    "weights beside": Specimen("external data", large, LAYERS),
    "quantised": Specimen(
        "quantised (QDQ)", quantised,
        {"first": "Relu_1", "second": "Relu_4", "scores": "scores_QuantizeLinear_Input"},
        tolerance=1e-2,
    ),
}  # fmt: skip
