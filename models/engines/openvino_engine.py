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
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noisevote.models.cores import allowed_cores
from noisevote.models.engines.arithmetic import Arithmetic, Engine, Precision
from noisevote.models.engines.session import (
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

HINTS = {Precision.FLOAT32: "f32", Precision.BFLOAT16: "bf16"}


class OpenVinoSession:
    """A graph in OpenVINO.

    Args:
        graph: path of the graph; its weights lie beside it.
        contents: contents of the graph and of its weights, by file name.
        precision: in which it is computed.
    """

    def __init__(self, graph: Path, contents: Contents, precision: Precision) -> None:
        with in_own_folder({graph.name: contents[graph.name], **weights_in(contents)}) as folder:
            model = core().read_model(folder / graph.name)
            self._inputs = tensors_of(model.inputs)
            self._outputs = tensors_of(model.outputs)
            if precision is Precision.BFLOAT16:
                model = with_short_noise(model)
            self._compiled = core().compile_model(model, "CPU", options(precision))
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
        """Return an output of the graph; what is given is not copied."""
        if getattr(self._own, "is_over", None) is not None and self._own.is_over.is_set():
            raise TimeoutError("the time for this graph is up")
        request = self._request
        for name, array in feed.items():
            request.set_tensor(name, wrapped(array))
        request.infer()
        outputs: NDArray[np.float32] = request.get_tensor(output).data.copy()
        return outputs

    @contextmanager
    def for_at_most(self, seconds: float) -> Iterator[None]:
        """End the calls inside the block after so long, which raises a ``TimeoutError``."""
        is_over, request = threading.Event(), self._request

        def end() -> None:
            is_over.set()
            request.cancel()

        timer = threading.Timer(seconds, end)
        timer.daemon = True
        timer.start()
        self._own.is_over = is_over
        try:
            yield
        except Exception as error:
            if is_over.is_set():
                raise TimeoutError(f"the graph takes longer than {seconds:g} s") from error
            raise
        finally:
            timer.cancel()
            self._own.is_over = None

    @property
    def _request(self) -> Any:
        """What this thread computes with; it keeps the memory of a call for the next."""
        if not hasattr(self._own, "request"):
            self._own.request = self._compiled.create_infer_request()
        return self._own.request


@lru_cache(maxsize=1)
def core() -> Any:
    """Return OpenVINO itself, once a process; files are read, not mapped."""
    one = openvino.Core()
    one.set_property({"ENABLE_MMAP": False})
    return one


def options(precision: Precision) -> dict[str, Any]:
    """Return how a graph is compiled."""
    side_by_side = allowed_cores()
    return {
        "INFERENCE_PRECISION_HINT": HINTS[precision],
        "NUM_STREAMS": side_by_side,
        "INFERENCE_NUM_THREADS": side_by_side,  # one a stream
        "ENABLE_CPU_PINNING": False,
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


def wrapped(array: NDArray[Any]) -> Any:
    """Return an array as OpenVINO takes it, in the same memory; 16 bits of no type are bfloat16."""
    held = np.ascontiguousarray(array)
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
