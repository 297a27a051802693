"""Small networks twice: as ONNX, drawn node by node, and by formula with devices in them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from onnx import ModelProto, numpy_helper
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - as torch's users call it

from tests.training.devices.oracle import Drawn
from tests.training.importing.drawing import FLOAT, Drawing

Weights = Mapping[str, Tensor]
EPSILON = 1e-5


@dataclass(frozen=True)
class Network:
    """A network twice; ``formula`` maps a device, weights and rows of inputs to outputs."""

    draw: Callable[[], ModelProto]
    formula: Callable[[Drawn, Weights, Tensor], Tensor]


def weights_of(model: ModelProto) -> dict[str, Tensor]:
    return {
        tensor.name.removesuffix(".weight"): torch.from_numpy(
            numpy_helper.to_array(tensor).astype(np.float64)
        )
        for tensor in model.graph.initializer
        if tensor.data_type == FLOAT
    }


def declared(*shape: int) -> dict[str, Any]:
    return {"x": (FLOAT, ["n", *shape])}


SCORES: dict[str, Any] = {"scores": (FLOAT, ["n", 3])}


def folded(weights: Weights, name: str, axes: int) -> tuple[Tensor, Tensor]:
    """Scale and offset of a batch norm."""
    scale, bias, mean, var = (
        weights[f"{name}.{part}"] for part in ("scale", "bias", "mean", "var")
    )
    factor = scale / torch.sqrt(var + EPSILON)
    wide = [-1, *[1] * axes]
    return factor.reshape(wide), (bias - mean * factor).reshape(wide)


def conv(weight: Tensor, **options: Any) -> tuple[Callable[..., Tensor], Callable[..., Tensor]]:
    """A convolution, and the same with ones."""
    return (
        lambda x: F.conv2d(x, weight, **options),
        lambda x: F.conv2d(x, torch.ones_like(weight), **options),
    )


def dense(weight: Tensor) -> tuple[Callable[..., Tensor], Callable[..., Tensor]]:
    """A product with a matrix ``[inputs, outputs]``, and the sum of the inputs."""
    return lambda x: x @ weight, lambda x: x.sum(-1, keepdim=True)


def draw_convolutional() -> ModelProto:
    """Conv with bias and batch norm, strides and pads; a dilated one with scalings; Gemm."""
    draw = Drawing()
    kernel, bias = draw.weight("w1.weight", 4, 2, 3, 3), draw.weight("b1", 4)
    first = draw("Conv", "x", kernel, bias, pads=[1, 0, 1, 2], strides=[2, 1])
    first = draw("Relu", draw.batch_norm(first, "bn", 4))
    second = draw("Conv", first, draw.weight("w2.weight", 5, 4, 2, 2), dilations=[2, 2])
    second = draw("Sub", draw.constant("shift", np.linspace(-1, 1, 5).reshape(5, 1, 1), "float32"),
                  second)  # fmt: skip
    second = draw("Div", second, draw.constant("divisor", np.linspace(1, 2, 5).reshape(1, 5, 1, 1),
                                               "float32"))  # fmt: skip
    pooled = draw("Flatten", draw("GlobalAveragePool", draw("Relu", second)))
    matrix, bias = draw.weight("w3.weight", 3, 5), draw.weight("b3", 3)
    draw("Gemm", pooled, matrix, bias, to="scores", transB=1, alpha=0.5, beta=2.0)
    return draw.model(declared(2, 8, 8), SCORES)


def convolutional(device: Drawn, weights: Weights, x: Tensor) -> Tensor:
    scale, offset = folded(weights, "bn", 2)
    padded = {"stride": (2, 1)}

    def pad(given: Tensor) -> Tensor:
        return F.pad(given, (0, 2, 1, 1))

    multiply, ones = conv(weights["w1"], **padded)
    bias = weights["b1"].reshape(-1, 1, 1)
    x = device.acts("w1", x, lambda e: multiply(pad(e)), lambda e: ones(pad(e)), scale,
                    scale * bias + offset)  # fmt: skip
    divisor = weights["divisor"][0]
    x = device.acts("w2", torch.relu(x), *conv(weights["w2"], dilation=2), -1 / divisor,
                    weights["shift"] / divisor)  # fmt: skip
    x = torch.relu(x).mean((2, 3))
    return device.acts("w3", x, *dense(weights["w3"].T), 0.5, 2.0 * weights["b3"])


def draw_grouped() -> ModelProto:
    """A grouped and a depthwise convolution, and one of 1 x 1."""
    draw = Drawing()
    first = draw("Conv", "x", draw.weight("w1.weight", 6, 2, 3, 3), group=2, pads=[1, 1, 1, 1])
    second = draw("Conv", draw("Relu", first), draw.weight("w2.weight", 6, 1, 3, 3), group=6,
                  auto_pad="SAME_UPPER")  # fmt: skip
    third = draw("Conv", draw("Relu", second), draw.weight("w3.weight", 3, 6, 1, 1), strides=[2, 2])
    draw("Flatten", draw("GlobalAveragePool", third), to="scores")
    return draw.model(declared(4, 6, 6), SCORES)


def grouped(device: Drawn, weights: Weights, x: Tensor) -> Tensor:
    x = device.acts("w1", x, *conv(weights["w1"], groups=2, padding=1))
    x = device.acts("w2", torch.relu(x), *conv(weights["w2"], groups=6, padding=1))
    return device.acts("w3", torch.relu(x), *conv(weights["w3"], stride=2)).mean((2, 3))


def draw_sequence() -> ModelProto:
    """Matrices over the last axis of sequences ``[n, T, C]``, biases behind or before."""
    draw = Drawing()
    first = draw("MatMul", "x", draw.weight("w1.weight", 4, 6))
    first = draw("Tanh", draw("Add", draw.constant("b1", np.linspace(-1, 1, 6), "float32"), first))
    second = draw("Mul", draw("MatMul", first, draw.weight("w2.weight", 6, 5)),
                  draw.constant("g2", np.linspace(0.5, 1.5, 5), "float32"))  # fmt: skip
    flat = draw("Flatten", draw("Relu", second))
    draw("MatMul", flat, draw.weight("w3.weight", 35, 3), to="scores")
    return draw.model(declared(7, 4), SCORES)


def sequence(device: Drawn, weights: Weights, x: Tensor) -> Tensor:
    x = device.acts("w1", x, *dense(weights["w1"]), 1.0, weights["b1"])
    x = device.acts("w2", torch.tanh(x), *dense(weights["w2"]), weights["g2"])
    return device.acts("w3", torch.relu(x).flatten(1), *dense(weights["w3"]))


def draw_residual() -> ModelProto:
    """Two layers read the same map, which went through a device before."""
    draw = Drawing()
    stem = draw("Relu", draw("Conv", "x", draw.weight("ws.weight", 4, 3, 3, 3), pads=[1, 1, 1, 1]))
    inner = draw(
        "Conv", stem, draw.weight("wi.weight", 6, 4, 3, 3), pads=[1, 1, 1, 1], strides=[2, 2]
    )
    inner = draw.batch_norm(inner, "bn", 6)
    short = draw("Conv", stem, draw.weight("wd.weight", 6, 4, 1, 1), strides=[2, 2])
    both = draw("Relu", draw("Add", inner, short))
    flat = draw("Flatten", draw("GlobalAveragePool", both))
    draw("Gemm", flat, draw.weight("wh.weight", 6, 3), to="scores")
    return draw.model(declared(3, 6, 6), SCORES)


def residual(device: Drawn, weights: Weights, x: Tensor) -> Tensor:
    scale, offset = folded(weights, "bn", 2)
    stem = torch.relu(device.acts("ws", x, *conv(weights["ws"], padding=1)))
    inner = device.acts("wi", stem, *conv(weights["wi"], padding=1, stride=2), scale, offset)
    short = device.acts("wd", stem, *conv(weights["wd"], stride=2))
    return device.acts("wh", torch.relu(inner + short).mean((2, 3)), *dense(weights["wh"]))


def lstm(device: Drawn, weights: Weights, x: Tensor) -> Tensor:
    """Our recurrent network: inputs and states enter the same array."""
    units = len(weights["state_weight"])
    hidden = cell = None
    for step in range(x.shape[1]):
        entering = [x[:, step]] if hidden is None else [x[:, step], hidden]
        matrices = [weights["input_weight"], weights["state_weight"]]
        signal = device.acts(
            "gates",
            entering,
            lambda *given: sum(e @ m for e, m in zip(given, matrices, strict=False)),  # noqa: B023
            lambda *given: sum(e.sum(1, keepdim=True) for e in given),
            1.0,
            weights["bias"],
            step,
        )
        gates, candidate = signal[:, : 3 * units], signal[:, 3 * units :]
        enter, keep, leave = torch.sigmoid(gates).chunk(3, 1)
        new = enter * torch.tanh(candidate)
        cell = new if cell is None else keep * cell + new
        hidden = leave * torch.tanh(cell)
    assert hidden is not None
    return device.acts("fc", hidden, *dense(weights["fc.weight"].T), 1.0, weights["fc.bias"])


def mnist_cnn(device: Drawn, weights: Weights, x: Tensor) -> Tensor:
    """Our convolutional network."""

    def norm(name: str, axes: int) -> tuple[Tensor, Tensor]:
        parts = ("weight", "bias", "running_mean", "running_var")
        scale, bias, mean, var = (weights[f"{name}.{part}"] for part in parts)
        factor = scale / torch.sqrt(var + EPSILON)
        wide = [-1, *[1] * axes]
        return factor.reshape(wide), (bias - mean * factor).reshape(wide)

    for number in (1, 2, 3, 4):
        multiply, ones = conv(weights[f"conv{number}.conv.weight"], padding=1)
        scales = norm(f"conv{number}.norm", 2)
        x = torch.relu(device.acts(f"conv{number}", x, multiply, ones, *scales))
        x = F.max_pool2d(x, 2) if number in {2, 4} else x
    x = device.acts("fc1", x.flatten(1), *dense(weights["fc1.weight"].T), *norm("norm1", 0))
    return device.acts(
        "fc2", torch.relu(x), *dense(weights["fc2.weight"].T), 1.0, weights["fc2.bias"]
    )


NETWORKS = {
    "convolutional": Network(draw_convolutional, convolutional),
    "grouped": Network(draw_grouped, grouped),
    "sequence": Network(draw_sequence, sequence),
    "residual": Network(draw_residual, residual),
}
