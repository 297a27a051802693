"""OpenVINO as an engine, in float32 or bfloat16; needs the extra ``openvino``.

One thread a call, as many calls side by side as there are cores. In bfloat16 noise comes in 16
bits, too: the engine would round it all the same. Weights are read from a folder of their own that
is gone once the graph is compiled, so what was verified is what is run.

Source: OpenVINO, "CPU device" (inference precision, streams and threads).
"""

import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noisevote.models.cores import allowed_cores
from noisevote.models.draws.numbers import to_bfloat16
from noisevote.models.engines.arithmetic import Arithmetic, Engine, Precision
from noisevote.models.engines.session import (
    INPUT_OF_ROW,
    NOISE_PREFIX,
    Contents,
    Inputs,
    Tensor,
    weights_in,
)

# Beside its engine the package holds converters, which tell its makers of every import.
CONVERTERS = "openvino.tools.ovc"
is_here = CONVERTERS in sys.modules
sys.modules.setdefault(CONVERTERS, None)  # type: ignore[arg-type]
import openvino  # noqa: E402

if not is_here:
    del sys.modules[CONVERTERS]

TYPES = {
    "boolean": "bool",
    "bf16": "bfloat16",
    "f16": "float16",
    "f32": "float",
    "f64": "double",
    "i8": "int8",
    "i32": "int32",
    "i64": "int64",
    "u8": "uint8",
}
"""Types of numbers as ONNX calls them, by OpenVINO's names."""

OF_ROWS = (NOISE_PREFIX, INPUT_OF_ROW)
"""How the names of inputs begin that have a length of rows."""

MOST_TWICE = 64 * 2**20
"""Bytes of weights up to which a graph is compiled a second time, for calls of one size."""

MOST_OPERATIONS = 1000
"""Of such a graph: more take a second to compile, and unrolled networks never gave the same bits.
"""

QUANTISED = b"uantizeLinear"
"""Of the operators QuantizeLinear and DequantizeLinear, in the bytes of a graph that has one."""

REAL_PRODUCTS = {"LP_TRANSFORMS_MODE": "NO", "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0}

HINTS = {Precision.FLOAT32: "f32", Precision.BFLOAT16: "bf16"}


class Limit:
    """A time after which the calls of a thread are ended."""

    def __init__(self) -> None:
        self.is_over = False
        self.request: Any = None  # in flight

    def end(self) -> None:
        """End the call in flight, and let none follow."""
        self.is_over = True
        if self.request is not None:
            self.request.cancel()


class OpenVinoSession:
    """A graph in OpenVINO.

    It is compiled for calls of any size and, unless it is large, for those of the usual number of
    rows on one input, which then take less. Where that cannot be, or gives other bits, it is left
    out.

    Args:
        graph: path of the graph; its weights lie beside it.
        contents: contents of the graph and of its weights, by file name.
        rows: of most calls.
        precision: in which it is computed.
    """

    def __init__(
        self, graph: Path, contents: Contents, rows: int | None, precision: Precision
    ) -> None:
        weights = weights_in(contents)
        with in_own_folder({graph.name: contents[graph.name], **weights}) as folder:
            model = core().read_model(folder / graph.name)
            self._inputs = tensors_of(model.inputs)
            self._outputs = tensors_of(model.outputs)
            if precision is Precision.BFLOAT16:
                model = with_short_noise(model)
            chosen = options(precision, QUANTISED in contents[graph.name])
            self._of_any_size = core().compile_model(model, "CPU", chosen)
            self._of_size: dict[int, Any] = {}
            is_large = len(model.get_ordered_ops()) > MOST_OPERATIONS
            if rows and not is_large and sum(map(len, weights.values())) <= MOST_TWICE:
                with suppress(RuntimeError):
                    model.reshape(
                        {entry.any_name: shape_for(entry, rows) for entry in model.inputs}
                    )
                    compiled = core().compile_model(model, "CPU", chosen)
                    if are_same(compiled, self._of_any_size):
                        self._of_size[rows] = compiled
        self._precision = precision
        self._own = threading.local()

    @property
    def arithmetic(self) -> Arithmetic:
        """Engine and precision of its calls."""
        return Arithmetic(Engine.OPENVINO, self._precision)

    @property
    def inputs(self) -> dict[str, Tensor]:
        """The inputs of the graph by name, in order."""
        return self._inputs

    @property
    def outputs(self) -> dict[str, Tensor]:
        """The outputs of the graph by name, in order."""
        return self._outputs

    def run(self, output: str, feed: Inputs) -> NDArray[np.float32]:
        """Return an output of the graph; what lies in order and may be written is not copied."""
        request, limit = self._request_for(feed), self._limit
        if limit is None:
            return outputs_of(request, output, feed)
        if limit.is_over:
            raise TimeoutError("the time for this graph is up")
        limit.request = request
        return outputs_of(request, output, feed)

    @contextmanager
    def for_at_most(self, seconds: float) -> Iterator[None]:
        """End the calls inside the block after so long, which raises a ``TimeoutError``."""
        self._own.limit = limit = Limit()
        timer = threading.Timer(seconds, limit.end)
        timer.daemon = True
        timer.start()
        try:
            yield
        except Exception as error:
            if limit.is_over:
                raise TimeoutError(f"the graph takes longer than {seconds:g} s") from error
            raise
        finally:
            timer.cancel()
            self._own.limit = None

    @property
    def _limit(self) -> Limit | None:
        """That of this thread's calls."""
        return getattr(self._own, "limit", None)

    def _request_for(self, feed: Inputs) -> Any:
        """Return what this thread computes a call with; it keeps the memory for the next."""
        inputs = {len(array) for name, array in feed.items() if not name.startswith(OF_ROWS)}
        rows = len(feed[INPUT_OF_ROW])
        size = rows if inputs == {1} and rows in self._of_size else None
        requests = self._own.__dict__.setdefault("requests", {})
        if size not in requests:
            compiled = self._of_any_size if size is None else self._of_size[size]
            requests[size] = compiled.create_infer_request()
        return requests[size]


@lru_cache(maxsize=1)
def core() -> Any:
    """Return OpenVINO itself, once a process; files are read, not mapped."""
    one = openvino.Core()
    one.set_property({"ENABLE_MMAP": False})
    return one


def options(precision: Precision, is_quantised: bool) -> dict[str, Any]:
    """Return how a graph is compiled.

    Quantised signals meet products of real numbers, as in the reference: 8-bit products saturate on
    processors without VNNI, and some graphs end the process while they are compiled for them. The
    first option for it is an internal one (tried with 2026.2 and 2026.4); a version without it
    would refuse the graph, and the reference serve it.
    """
    side_by_side = allowed_cores()
    return {
        "INFERENCE_PRECISION_HINT": HINTS[precision],
        "NUM_STREAMS": side_by_side,
        "INFERENCE_NUM_THREADS": side_by_side,  # one a stream
        "ENABLE_CPU_PINNING": False,
        **(REAL_PRODUCTS if is_quantised else {}),
    }


@contextmanager
def in_own_folder(contents: Contents) -> Iterator[Path]:
    """Write files to a folder that nobody else may read, gone at the end of the block."""
    with tempfile.TemporaryDirectory(prefix="noisevote-") as folder:
        for name, content in contents.items():
            (Path(folder) / name).write_bytes(content)
        yield Path(folder)


def with_short_noise(model: Any) -> Any:
    """Return a model that takes its noise in bfloat16."""
    change = openvino.preprocess.PrePostProcessor(model)
    for entry in model.inputs:
        if entry.any_name.startswith(NOISE_PREFIX):
            change.input(entry.any_name).tensor().set_element_type(openvino.Type.bf16)
    return change.build()


def shape_for(entry: Any, rows: int) -> list[int]:
    """Return the shape of an input in calls of so many rows on one input."""
    first = rows if entry.any_name.startswith(OF_ROWS) else 1
    return [first if axis.is_dynamic else axis.get_length() for axis in entry.partial_shape]


def trial_for(entry: Any, generator: np.random.Generator) -> NDArray[Any]:
    """Return numbers for an input: normal ones around 1, or 0 where they are whole."""
    drawn = generator.normal(1, 0.5, list(entry.shape)).astype(np.float32)
    if entry.element_type == openvino.Type.bf16:
        return to_bfloat16(drawn)
    return drawn.astype(entry.element_type.to_dtype(), copy=False) * (
        1 if entry.element_type.is_real() else 0
    )


def are_same(left: Any, right: Any) -> bool:
    """Return whether two compiled graphs give the same bits, for what the left one takes."""
    generator = np.random.default_rng(0)
    feed = {entry.any_name: trial_for(entry, generator) for entry in left.inputs}
    requests = [of.create_infer_request() for of in (left, right)]
    for entry in left.outputs:
        first, second = (outputs_of(request, entry.any_name, feed) for request in requests)
        if not np.array_equal(first, second, equal_nan=True):
            return False
    return True


def outputs_of(request: Any, output: str, feed: Inputs) -> NDArray[np.float32]:
    """Return an output of a call."""
    for name, array in feed.items():
        request.set_tensor(name, wrapped(array))
    request.infer()
    outputs: NDArray[np.float32] = request.get_tensor(output).data.copy()
    return outputs


def wrapped(array: NDArray[Any]) -> Any:
    """Return an array as OpenVINO takes it, in the same memory; 16 bits of no type are bfloat16."""
    held = np.require(array, requirements="C")
    if held.dtype == np.uint16:
        return openvino.Tensor(held, openvino.Shape(held.shape), openvino.Type.bf16)
    return openvino.Tensor(held, shared_memory=held.flags.writeable)


def tensors_of(entries: Sequence[Any]) -> dict[str, Tensor]:
    """Return inputs or outputs as OpenVINO describes them."""
    return {
        entry.any_name: Tensor(
            TYPES.get(entry.element_type.get_type_name(), entry.element_type.get_type_name()),
            tuple(None if axis.is_dynamic else axis.get_length() for axis in entry.partial_shape),
        )
        for entry in entries
    }
