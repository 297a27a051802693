"""Engines: what runs a graph. A further one is a session and its row in :data:`ENGINES`."""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from noisevote.models.errors import CheckpointError

log = logging.getLogger("noisevote")

WEIGHTS_SUFFIX = ".safetensors"

ONNX_RUNTIME = "onnxruntime"

Inputs = Mapping[str, NDArray[Any]]
"""Of a graph, by name."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """An input or output of a graph.

    Attributes:
        type: type of its numbers, as ONNX calls it.
        shape: None stands for an axis of any length.
    """

    type: str
    shape: tuple[int | None, ...]

    def __str__(self) -> str:
        lengths = ", ".join("any" if axis is None else str(axis) for axis in self.shape)
        return f"{self.type} [{lengths}]"


class Session(Protocol):
    """A graph that an engine has loaded; one thread a call, several calls side by side.

    One thread makes the outputs bitwise independent of the batch they are computed in, and lets
    several calls run side by side without fighting for cores.
    """

    @property
    def inputs(self) -> dict[str, Tensor]:
        """The inputs of the graph by name, in order."""

    @property
    def outputs(self) -> dict[str, Tensor]:
        """The outputs of the graph by name, in order."""

    def run(self, output: str, feed: Inputs) -> NDArray[np.float32]:
        """Return an output of the graph."""

    def for_at_most(self, seconds: float) -> AbstractContextManager[None]:
        """End the calls inside the block after so long, which raises a ``TimeoutError``."""


class OnnxSession:
    """A graph in ONNX Runtime.

    Args:
        graph: path of the graph; its weights lie beside it.
        contents: contents of the graph and of its weights, by file name.
    """

    def __init__(self, graph: Path, contents: Mapping[str, bytes]) -> None:
        self._session = onnxruntime.InferenceSession(
            contents[graph.name], options_with(contents), providers=["CPUExecutionProvider"]
        )
        self._options: onnxruntime.RunOptions | None = None

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


ENGINES: dict[str, Callable[[Path, Mapping[str, bytes]], Session]] = {ONNX_RUNTIME: OnnxSession}
"""What runs graphs, by name."""


def load_session(
    graph: Path, contents: Mapping[str, bytes] | None = None, engine: str = ONNX_RUNTIME
) -> Session:
    """Load a graph.

    Args:
        graph: path of the graph; its weights lie beside it.
        contents: contents of the graph and of its weights by file name, if they have been read
            already.
        engine: engine that runs it, one of :data:`ENGINES`.

    Raises:
        CheckpointError: it cannot be loaded.
    """
    session_of = ENGINES[engine]
    try:
        if contents is None:
            contents = {file.name: file.read_bytes() for file in files_of(graph)}
        return session_of(graph, contents)
    except Exception as error:
        shown = f"{graph.parent.name}/{graph.name}"
        # It may name files; clients see the other message.
        log.warning("%s cannot be loaded: %s", shown, str(error).partition("\n")[0])
        raise CheckpointError(f"{shown} cannot be loaded: {type(error).__name__}") from error


def files_of(graph: Path) -> list[Path]:
    """Return a graph and the files beside it that may hold its weights."""
    return [graph, *graph.parent.glob("*" + WEIGHTS_SUFFIX)]


def tensors_of(entries: Sequence[Any]) -> dict[str, Tensor]:
    """Return inputs or outputs as ONNX Runtime describes them."""
    return {
        entry.name: Tensor(
            entry.type.removeprefix("tensor(").removesuffix(")"),
            tuple(axis if isinstance(axis, int) else None for axis in entry.shape),
        )
        for entry in entries
    }


def options_with(contents: Mapping[str, bytes]) -> onnxruntime.SessionOptions:
    """Return options under which a graph takes its weights from memory.

    ONNX Runtime copies them. From a path it would map the file, and one that is overwritten in
    place would end the process with a bus error at the next call.

    Args:
        contents: contents of the graph and its weights, by file name.
    """
    options = session_options()
    weights = {name: content for name, content in contents.items() if name.endswith(WEIGHTS_SUFFIX)}
    options.add_external_initializers_from_files_in_memory(
        list(weights), list(weights.values()), [len(content) for content in weights.values()]
    )
    return options


def session_options() -> onnxruntime.SessionOptions:
    """Return options for one thread a call.

    Memory is kept between calls: fresh pages cost 3 to 8 % of a call. It is known to grow with
    the largest call (microsoft/onnxruntime#11627), and calls are no larger than a tile.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.enable_cpu_mem_arena = True
    options.enable_mem_pattern = True
    options.log_severity_level = 3
    return options
