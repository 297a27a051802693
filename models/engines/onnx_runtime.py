"""ONNX Runtime, the engine of the reference: float32, one thread a call."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from noisevote.models.engines.arithmetic import REFERENCE, Arithmetic
from noisevote.models.engines.optimizers import idle_optimizers
from noisevote.models.engines.session import Contents, Inputs, Tensor, weights_in


class OnnxSession:
    """A graph in ONNX Runtime.

    Args:
        graph: path of the graph; its weights lie beside it.
        contents: contents of the graph and of its weights, by file name.
        rows: of most calls; they are as fast as they can be whatever these are.
    """

    def __init__(self, graph: Path, contents: Contents, rows: int | None = None) -> None:  # noqa: ARG002
        self._session = onnxruntime.InferenceSession(
            contents[graph.name],
            self.options(contents),
            providers=["CPUExecutionProvider"],
            disabled_optimizers=self.left_out(contents[graph.name]),
        )
        self._options: onnxruntime.RunOptions | None = None

    def options(self, contents: Contents) -> onnxruntime.SessionOptions:
        """Return how the graph is loaded."""
        return options_with(contents)

    def left_out(self, _graph: bytes | bytearray) -> list[str]:
        """Return the optimizers that do not look at the graph."""
        return []

    @property
    def arithmetic(self) -> Arithmetic:
        """Engine and precision of its calls."""
        return REFERENCE

    @property
    def inputs(self) -> dict[str, Tensor]:
        """The inputs of the graph by name, in order."""
        return tensors_of(self._session.get_inputs())

    @property
    def outputs(self) -> dict[str, Tensor]:
        """The outputs of the graph by name, in order."""
        return tensors_of(self._session.get_outputs())

    def run(self, output: str, feed: Inputs) -> NDArray[np.float32]:
        """Return an output of the graph."""
        outputs: NDArray[np.float32] = self._session.run([output], feed, self._options)[0]
        return outputs

    @contextmanager
    def for_at_most(self, seconds: float) -> Iterator[None]:
        """End the calls inside the block after so long, which raises a ``TimeoutError``."""
        self._options = options = onnxruntime.RunOptions()
        is_over = threading.Timer(seconds, setattr, (options, "terminate", True))
        is_over.daemon = True
        is_over.start()
        try:
            yield
        except Exception as error:
            if options.terminate:
                raise TimeoutError(f"the graph takes longer than {seconds:g} s") from error
            raise
        finally:
            is_over.cancel()
            self._options = None


class OnnxSessionOfMany(OnnxSession):
    """A graph in ONNX Runtime of which many sessions are loaded, with other weights each.

    All of them take the memory of calls from one place: of ``mnist_cnn`` a further one takes 5 MB
    in place of 26, and its first call touches no fresh pages. Which results of nodes take each
    other's place is not planned, and passes that find nothing to improve are left out, since both
    are much of the time to load a small graph. Outputs are the same to the bit.
    """

    def options(self, contents: Contents) -> onnxruntime.SessionOptions:
        """Return how the graph is loaded."""
        share_memory()
        options = options_with(contents)
        options.enable_mem_reuse = False
        options.add_session_config_entry("session.use_env_allocators", "1")
        options.add_session_config_entry("session.use_device_allocator_for_initializers", "1")
        return options

    def left_out(self, graph: bytes | bytearray) -> list[str]:
        """Return the optimizers that do not look at the graph."""
        return idle_optimizers(graph)


@lru_cache(maxsize=1)
def share_memory() -> None:
    """Make the place that sessions share for the memory of calls, once a process."""
    memory = onnxruntime.OrtMemoryInfo(
        "Cpu",
        onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR,
        0,
        onnxruntime.OrtMemType.DEFAULT,
    )
    onnxruntime.create_and_register_allocator(memory, onnxruntime.OrtArenaCfg(0, -1, -1, -1))


def tensors_of(entries: Sequence[Any]) -> dict[str, Tensor]:
    """Return inputs or outputs as ONNX Runtime describes them."""
    return {
        entry.name: Tensor(
            entry.type.removeprefix("tensor(").removesuffix(")"),
            tuple(axis if isinstance(axis, int) else None for axis in entry.shape),
        )
        for entry in entries
    }


def options_with(contents: Contents) -> onnxruntime.SessionOptions:
    """Return options under which a graph takes its weights from memory.

    ONNX Runtime copies them. From a path it would map the file, and one that is overwritten in
    place would end the process with a bus error at the next call.

    Args:
        contents: contents of the graph and its weights, by file name.
    """
    options = session_options()
    weights = weights_in(contents)
    options.add_external_initializers_from_files_in_memory(
        list(weights), list(weights.values()), [len(content) for content in weights.values()]
    )
    return options


def session_options() -> onnxruntime.SessionOptions:
    """Return options for one thread a call.

    Memory is kept between calls: fresh pages cost 3 to 8 % of a call. It is known to grow with
    the largest call (microsoft/onnxruntime#11627), and calls are no larger than a tile. Quantised
    signals (QDQ) meet products of real numbers, as the file says: the kernels that would take the
    place of both saturate in 16 bits on processors without VNNI.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.enable_cpu_mem_arena = True
    options.enable_mem_pattern = True
    options.log_severity_level = 3
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    return options
