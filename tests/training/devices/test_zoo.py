"""Networks of others, whose votes lie in many ways, get devices where their columns lie."""

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from onnx import NodeProto, ValueInfoProto, helper
from torch.nn import functional as F  # noqa: N812 - as torch's users call it

from noisevote.models.engines.onnx_runtime import options_with
from noisevote.training.devices.points import traced_points
from noisevote.training.devices.ranges import fed
from tests.training.devices.ready import Ready, made_ready
from tests.training.importing import zoo_dense, zoo_forms, zoo_pictures, zoo_tokens

ZOO = {
    **zoo_dense.SPECIMENS,
    **zoo_pictures.SPECIMENS,
    **zoo_tokens.SPECIMENS,
    **zoo_forms.SPECIMENS,
}

CHOSEN = (
    "transposed Gemm", "scaled bias", "one logit", "depthwise", "sensor", "video", "channels last",
    "layer scale", "patches", "windows", "folded inside", "sequence first", "half weights",
    "double precision", "frozen", "frozen for good",
)  # fmt: skip


@pytest.fixture(scope="module", params=CHOSEN)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Ready:
    specimen = ZOO[request.param]
    return made_ready(specimen.draw(), tmp_path_factory.mktemp("zoo"), *specimen.options)


def product(node: NodeProto, x: NDArray[Any], weights: torch.Tensor, columns: int) -> Any:
    """What a node gives without bias, by its stored weights."""
    matrix = torch.movedim(weights, columns, 0)
    given = torch.from_numpy(x.astype(np.float64))
    if node.op_type != "Conv":
        return (given @ matrix.T).numpy()
    options = {entry.name: helper.get_attribute_value(entry) for entry in node.attribute}
    pads = options.get("pads", [0] * 2 * (x.ndim - 2))
    half = len(pads) // 2
    for_torch = [side for axis in range(half)[::-1] for side in (pads[axis], pads[axis + half])]
    convolve = {3: F.conv1d, 4: F.conv2d, 5: F.conv3d}[x.ndim]
    found = convolve(
        F.pad(given, for_torch), matrix, stride=tuple(options.get("strides", [1] * half)),
        dilation=tuple(options.get("dilations", [1] * half)), groups=options.get("group", 1),
    )  # fmt: skip
    return found.numpy()


def test_a_signal_is_scale_times_product_plus_offset(made: Ready) -> None:
    card = made.checkpoint.card
    contents = made.checkpoint.verified()
    model = onnx.load_model_from_string(contents["additive.onnx"])
    traced = traced_points(model, contents[card.weights], made.shapes)
    names = {product.entering for point in traced.points for product in point.products}
    names |= {meeting.signal for point in traced.points for meeting in point.meetings}
    names -= {card.input.name}
    model.graph.output.extend(ValueInfoProto(name=name) for name in names)
    session = onnxruntime.InferenceSession(model.SerializeToString(), options_with(contents))
    inputs = {card.input.name: made.inputs[: 1 if card.tile == 1 else None]}
    outputs = session.run(sorted(names), fed(made.checkpoint, inputs))
    values = {**inputs, **dict(zip(sorted(names), outputs, strict=True))}
    assert traced.points
    for point in traced.points:
        (one,), (meeting,) = point.products, point.meetings
        p = product(one.node, values[one.entering], made.weights[one.stored.name], one.columns)
        wide = [-1, *[1] * (p.ndim - point.signal.axis - 1)]
        scale, offset = (
            made.scales[f"{point.name}.{part}"].reshape(wide) for part in ("scale", "offset")
        )
        expected = scale * p + offset
        found = values[meeting.signal]
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * np.abs(expected).max())


def test_columns_lie_where_the_card_says(made: Ready) -> None:
    rows = made.of_row if made.checkpoint.card.tile > 1 else made.of_row[-1:]
    device = made.draw("column")
    noise = {}
    for name, array in made.devices.arrays.items():
        device.tables[name][:2] = [[1], [0]]
        shape = [1] * (len(made.shapes[name]) + 1)
        shape[array.axis + 1] = array.columns
        noise[f"noise.{name}"] = device.noise[name] * device.tables[name][2].reshape(shape)
    feed = device.feed()
    one = Ready(made.checkpoint, made.inputs[: 1 if len(rows) == 1 else None])
    given = {
        key: array[: len(rows)] if key.startswith("noise.") else array
        for key, array in feed.items()
    }
    plain = {key: array[: len(rows)] for key, array in noise.items()}
    found = one.outputs("device-column.onnx", given, rows)
    expected = one.outputs("additive.onnx", plain, rows)
    # Not to the bit: ONNX Runtime may have a convolution sum up on top of plain noise.
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6 * np.abs(expected).max())
