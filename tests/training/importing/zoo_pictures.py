"""Networks of convolutions."""

from onnx import ModelProto

from tests.training.importing.drawing import FLOAT, Drawing, Specimen


def pictures(*shape: int | str) -> dict[str, tuple[int, list[int | str]]]:
    return {"x": (FLOAT, ["n", *shape])}


def scores(*shape: int) -> dict[str, tuple[int, list[int | str]]]:
    return {"scores": (FLOAT, ["n", *shape])}


def head(draw: Drawing, signal: str, channels: int, classes: int = 3) -> None:
    """Average over places, and a dense layer."""
    mean = draw("Flatten", draw("GlobalAveragePool", signal))
    draw("Gemm", mean, draw.weight("wh", channels, classes), to="scores")


def plain(opset: int = 17) -> ModelProto:
    draw = Drawing()
    first = draw(
        "Conv", "x", draw.weight("w1", 4, 1, 3, 3), draw.weight("b1", 4), to="first",
        pads=[1, 1, 1, 1], strides=[2, 2],
    )  # fmt: skip
    pooled = draw("MaxPool", draw("Relu", first), kernel_shape=[2, 2], strides=[2, 2])
    second = draw("Conv", pooled, draw.weight("w2", 4, 4, 2, 2), to="second", dilations=[2, 2])
    flat = draw("Flatten", draw("Relu", second))
    draw("Gemm", flat, draw.weight("w3", 4, 3), draw.weight("b3", 3), to="scores")
    return draw.model(pictures(1, 12, 12), scores(3), opset)


def residual() -> ModelProto:
    draw = Drawing()
    stem = draw("Conv", "x", draw.weight("ws", 4, 3, 3, 3), to="stem", pads=[1, 1, 1, 1])
    block = draw("Relu", draw.batch_norm(stem, "bn1", 4))
    inner = draw("Conv", block, draw.weight("wi", 8, 4, 3, 3), to="inner", pads=[1, 1, 1, 1],
                 strides=[2, 2])  # fmt: skip
    inner = draw.batch_norm(inner, "bn2", 8)
    short = draw("Conv", block, draw.weight("wd", 8, 4, 1, 1), to="short", strides=[2, 2])
    head(draw, draw("Relu", draw("Add", inner, short)), 8)
    return draw.model(pictures(3, 8, 8), scores(3))


def dense_blocks() -> ModelProto:
    """Batch norms as scale and shift before a convolution; maps are concatenated (DenseNet)."""
    draw = Drawing()
    signal, channels = "x", 3
    for layer in (1, 2):
        scaled = draw("Mul", signal, draw.weight(f"g{layer}", channels, 1, 1))
        shifted = draw("Relu", draw("Add", scaled, draw.weight(f"s{layer}", channels, 1, 1)))
        grown = draw("Conv", shifted, draw.weight(f"w{layer}", 4, channels, 3, 3),
                     to=f"grown{layer}", pads=[1, 1, 1, 1])  # fmt: skip
        signal, channels = draw("Concat", signal, grown, axis=1), channels + 4
    head(draw, signal, channels)
    return draw.model(pictures(3, 6, 6), scores(3))


def depthwise() -> ModelProto:
    """Expand, depthwise, project; scores are a map of one place (MobileNet)."""
    draw = Drawing()
    zero, six = draw.constant("zero", 0.0, "float32"), draw.constant("six", 6.0, "float32")
    expand = draw("Conv", "x", draw.weight("we", 6, 3, 1, 1), to="expand")
    hidden = draw("Clip", expand, zero, six)
    wide = draw("Conv", hidden, draw.weight("wd", 6, 1, 3, 3), draw.weight("bd", 6), to="depth",
                group=6, pads=[1, 1, 1, 1])  # fmt: skip
    project = draw("Conv", draw("Clip", wide, zero, six), draw.weight("wp", 3, 6, 1, 1),
                   to="project")  # fmt: skip
    mean = draw("GlobalAveragePool", draw("Add", "x", project))
    draw("Conv", mean, draw.weight("wh", 5, 3, 1, 1), draw.weight("bh", 5), to="scores")
    return draw.model(pictures(3, 6, 6), scores(5, 1, 1))


def shuffled() -> ModelProto:
    """Grouped convolutions with their channels shuffled (ShuffleNet)."""
    draw = Drawing()
    first = draw("Conv", "x", draw.weight("w1", 8, 2, 1, 1), to="first", group=2)
    apart = draw("Reshape", first, draw.constant("to", [-1, 2, 4, 5, 5]))
    mixed = draw("Transpose", apart, perm=[0, 2, 1, 3, 4])
    back = draw("Reshape", mixed, draw.constant("back", [-1, 8, 5, 5]))
    second = draw("Conv", draw("Relu", back), draw.weight("w2", 8, 4, 3, 3), to="second", group=2)
    head(draw, draw("Relu", second), 8)
    return draw.model(pictures(4, 5, 5), scores(3))


def squeeze_excite() -> ModelProto:
    draw = Drawing()
    stem = draw("Conv", "x", draw.weight("w", 8, 3, 3, 3), to="stem")
    signal = draw("HardSwish", stem)
    squeezed = draw("GlobalAveragePool", signal)
    less = draw("Relu", draw("Conv", squeezed, draw.weight("wl", 2, 8, 1, 1), to="squeeze"))
    more = draw("Conv", less, draw.weight("wm", 8, 2, 1, 1), to="excite")
    head(draw, draw("Mul", signal, draw("HardSigmoid", more)), 8)
    return draw.model(pictures(3, 6, 6), scores(3))


def branches() -> ModelProto:
    """Filters of several sizes side by side (Inception)."""
    draw = Drawing()
    sides = [
        draw("Conv", "x", draw.weight(f"w{size}", 2, 3, size, size), to=f"side{size}",
             pads=[size // 2] * 4)
        for size in (1, 3, 5)
    ]  # fmt: skip
    pooled = draw("AveragePool", "x", kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    head(draw, draw("Relu", draw("Concat", *sides, pooled, axis=1)), 9)
    return draw.model(pictures(3, 6, 6), scores(3))


def sensor() -> ModelProto:
    draw = Drawing()
    first = draw("Conv", "x", draw.weight("w1", 4, 6, 5), to="first", strides=[2])
    second = draw("Conv", draw("Relu", first), draw.weight("w2", 4, 4, 3), to="second")
    head(draw, draw("Relu", second), 4)
    return draw.model(pictures(6, 32), scores(3))


def video() -> ModelProto:
    draw = Drawing()
    first = draw("Conv", "x", draw.weight("w1", 4, 1, 3, 3, 3), to="first")
    head(draw, draw("Relu", first), 4)
    return draw.model(pictures(1, 4, 6, 6), scores(3))


def upsampled() -> ModelProto:
    """Down and up again, then judged (U-Net-like)."""
    draw = Drawing()
    down = draw("Relu", draw("Conv", "x", draw.weight("wd", 6, 2, 2, 2), to="down",
                             strides=[2, 2]))  # fmt: skip
    up = draw("ConvTranspose", down, draw.weight("wu", 6, 3, 2, 2), draw.weight("bu", 3), to="up",
              strides=[2, 2])  # fmt: skip
    head(draw, draw("Relu", draw("Concat", "x", up, axis=1)), 5)
    return draw.model(pictures(2, 6, 6), scores(3))


def layer_scaled() -> ModelProto:
    """Depthwise, layer norm over channels, two dense layers, a scale, a shortcut (ConvNeXt)."""
    draw = Drawing()
    deep = draw("Conv", "x", draw.weight("wd", 4, 1, 3, 3), to="deep", group=4, pads=[1, 1, 1, 1])
    last = draw("Transpose", deep, perm=[0, 2, 3, 1])
    norm = draw("LayerNormalization", last, draw.weight("ng", 4), draw.weight("nb", 4), axis=-1)
    wide = draw("MatMul", norm, draw.weight("w1", 4, 8), to="widened")
    wide = draw("Add", wide, draw.weight("b1", 8), to="wide")
    half = draw.constant("half", 0.5, "float32")
    root = draw.constant("root", 2**0.5, "float32")
    one = draw.constant("one", 1.0, "float32")
    erf = draw("Add", draw("Erf", draw("Div", wide, root)), one)
    gelu = draw("Mul", draw("Mul", wide, erf), half)
    narrow = draw("MatMul", gelu, draw.weight("w2", 8, 4), to="narrow")
    scaled = draw("Mul", draw("Add", narrow, draw.weight("b2", 4)), draw.weight("gamma", 4),
                  to="scaled")  # fmt: skip
    head(draw, draw("Add", "x", draw("Transpose", scaled, perm=[0, 3, 1, 2])), 4)
    return draw.model(pictures(4, 6, 6), scores(3))


def channels_last() -> ModelProto:
    """As Keras gives it: pictures with the channels last, whole numbers that are scaled inside."""
    draw = Drawing()
    unit = draw("Div", draw.cast("x", FLOAT), draw.constant("most", 255.0, "float32"))
    first = draw("Transpose", unit, perm=[0, 3, 1, 2])
    conv = draw("Conv", first, draw.weight("w", 4, 3, 3, 3), draw.weight("b", 4), to="conv")
    back = draw("Transpose", draw("Relu", conv), perm=[0, 2, 3, 1])
    flat = draw("Reshape", back, draw.constant("flat", [-1, 64]))
    dense = draw("MatMul", flat, draw.weight("wh", 64, 3), to="dense")
    draw("Add", dense, draw.weight("bh", 3), to="scores")
    return draw.model({"x": (2, ["n", 6, 6, 3])}, scores(3))


def free_size() -> ModelProto:
    """Takes pictures of any size."""
    draw = Drawing()
    first = draw("Conv", "x", draw.weight("w", 4, 3, 3, 3), to="first")
    head(draw, draw("Relu", first), 4)
    return draw.model(pictures(3, "height", "width"), scores(3))


SPECIMENS = {
    "plain": Specimen(
        "convolutional", plain, {"first": "first", "second": "second", "scores": "scores"}
    ),
    "residual": Specimen(
        "residual", residual,
        {"stem": "bn1.y", "inner": "bn2.y", "short": "short", "scores": "scores"},
    ),
    "dense blocks": Specimen(
        "dense blocks", dense_blocks,
        {"grown1": "grown1", "grown2": "grown2", "scores": "scores"},
    ),
    "depthwise": Specimen(
        "depthwise", depthwise,
        {"expand": "expand", "depth": "depth", "project": "project", "scores": "scores"},
    ),
    "shuffled": Specimen(
        "grouped", shuffled, {"first": "first", "second": "second", "scores": "scores"}
    ),
    "squeeze-excite": Specimen(
        "squeeze-excite", squeeze_excite,
        {"stem": "stem", "squeeze": "squeeze", "excite": "excite", "scores": "scores"},
    ),
    "branches": Specimen(
        "branches", branches,
        {"side1": "side1", "side3": "side3", "side5": "side5", "scores": "scores"},
    ),
    "sensor": Specimen(
        "one dimension", sensor, {"first": "first", "second": "second", "scores": "scores"}
    ),
    "video": Specimen("three dimensions", video, {"first": "first", "scores": "scores"}),
    "upsampled": Specimen(
        "transposed convolution", upsampled, {"down": "down", "up": "up", "scores": "scores"},
        ("--noise-after", "Conv,Gemm,ConvTranspose"),
    ),
    "layer scale": Specimen(
        "ConvNeXt-like", layer_scaled,
        {"deep": "deep", "widened": "wide", "narrow": "scaled", "scores": "scores"},
    ),
    "channels last": Specimen(
        "whole numbers", channels_last, {"conv": "conv", "dense": "scores"},
        ("--range", "0:255"),
    ),
    "free size": Specimen(
        "any size", free_size, {"first": "first", "scores": "scores"}, ("--input", "3x7x9")
    ),
}  # fmt: skip
