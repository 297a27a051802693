"""Runtimes: rows of votes in, outputs out.

A row is one vote: one image, the noise of one key. Rows of different images, sigmas, requests and
seeds share a forward pass, and what comes out of a row does not depend on its neighbours.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Protocol

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from models.errors import CheckpointError
from models.noise import NoiseKind, VoteKey, fill_noise

IMAGES = "images"
IMAGE_OF_ROW = "image_of_row"
OUTPUTS = "outputs"
NOISE_PREFIX = "noise."
WEIGHTS_SUFFIX = ".safetensors"


@dataclass(frozen=True, slots=True)
class Rows:
    """The votes that one forward pass computes.

    Attributes:
        images: inputs, each once ``[images, *input_shape]``, float32.
        image_of_row: index into ``images`` of each row ``[rows]``, int64.
        sigma: standard deviation of the noise of each row and noise point ``[rows, points]``.
        keys: key of each row's noise.
    """

    images: NDArray[np.float32]
    image_of_row: NDArray[np.int64]
    sigma: NDArray[np.float64]
    keys: Sequence[VoteKey]


@dataclass(frozen=True, slots=True)
class Tensor:
    """An input or output of a graph.

    Attributes:
        type: of its numbers.
        shape: None stands for an axis of any length.
    """

    type: str
    shape: tuple[int | None, ...]

    def __str__(self) -> str:
        lengths = ", ".join("any" if axis is None else str(axis) for axis in self.shape)
        return f"{self.type} [{lengths}]"


@dataclass(frozen=True, slots=True)
class Work:
    """What a runtime has done since it was loaded; tests and metrics count by it.

    Attributes:
        passes: calls of the graph.
        rows: votes computed.
        images: inputs passed, each once a call.
        normals: noise values drawn.
        bytes_fed: bytes of the arrays handed to the graph.
    """

    passes: int = 0
    rows: int = 0
    images: int = 0
    normals: int = 0
    bytes_fed: int = 0


class Runtime(Protocol):
    """Executes one checkpoint with one kind of noise."""

    @property
    def kind(self) -> NoiseKind:
        """The kind of noise that the runtime applies."""

    def outputs(self, rows: Rows) -> NDArray[np.float32]:
        """Return the outputs of each row ``[rows, classes]``; safe to call from several threads."""


class OnnxRuntime:
    """Runs an exported graph in ONNX Runtime, one thread a call.

    One thread makes the outputs bitwise independent of the batch they are computed in, and lets
    several calls run side by side without fighting for cores.

    Args:
        graph: path of the graph; its weights lie beside it.
        kind: the kind of noise that the graph takes.
        shapes: shape of each noise point by name, in graph order.
        contents: of the graph and of its weights by file name, if they have been read already.

    Raises:
        CheckpointError: the graph cannot be loaded, or its inputs are not the expected ones.
    """

    def __init__(
        self,
        graph: Path,
        kind: NoiseKind,
        shapes: dict[str, tuple[int, ...]],
        contents: Mapping[str, bytes] | None = None,
    ) -> None:
        self._kind = kind
        self._shapes = shapes
        self._buffers = threading.local()
        self._work = Work()
        self._counting = threading.Lock()
        self._options: onnxruntime.RunOptions | None = None
        shown = f"{graph.parent.name}/{graph.name}"
        try:
            if contents is None:
                contents = {file.name: file.read_bytes() for file in files_of(graph)}
            self._session = onnxruntime.InferenceSession(
                contents[graph.name],
                options_with(contents),
                providers=["CPUExecutionProvider"],
            )
        except Exception as error:
            raise CheckpointError(f"{shown} cannot be loaded: {type(error).__name__}") from error
        expected = [IMAGES, IMAGE_OF_ROW, *(NOISE_PREFIX + name for name in shapes)]
        found = [entry.name for entry in self._session.get_inputs()]
        if found != expected:
            raise CheckpointError(f"{shown} has the inputs {found}; its card promises {expected}")

    @property
    def kind(self) -> NoiseKind:
        """The kind of noise that the runtime applies."""
        return self._kind

    @property
    def tensors(self) -> dict[str, Tensor]:
        """The inputs and outputs of the graph, by name."""
        return {
            entry.name: Tensor(
                entry.type.removeprefix("tensor(").removesuffix(")"),
                tuple(axis if isinstance(axis, int) else None for axis in entry.shape),
            )
            for entry in (*self._session.get_inputs(), *self._session.get_outputs())
        }

    def outputs(self, rows: Rows) -> NDArray[np.float32]:
        """Return the outputs of each row ``[rows, classes]``."""
        noise = self._noise_tensors(len(rows.keys))
        fill_noise(self._kind, rows.sigma, rows.keys, noise)
        self._count(rows, noise)
        return self.outputs_for(rows.images, rows.image_of_row, noise)

    @contextmanager
    def for_at_most(self, seconds: float) -> Iterator[None]:
        """End the passes inside the block after so long.

        Raises:
            CheckpointError: the time was up.
        """
        self._options = options = onnxruntime.RunOptions()
        is_over = threading.Timer(seconds, setattr, (options, "terminate", True))
        is_over.daemon = True
        is_over.start()
        try:
            yield
        except Exception as error:
            if options.terminate:
                raise CheckpointError(
                    f"a few votes of the {self._kind} graph take longer than {seconds:g} s"
                ) from error
            raise
        finally:
            is_over.cancel()
            self._options = None

    @property
    def work(self) -> Work:
        """What :meth:`outputs` has done so far."""
        return self._work

    def outputs_for(
        self,
        images: NDArray[np.float32],
        image_of_row: NDArray[np.int64],
        noise: Sequence[NDArray[np.float32]],
    ) -> NDArray[np.float32]:
        """Return the outputs for finished noise tensors, one a noise point, in graph order."""
        feed = {IMAGES: images, IMAGE_OF_ROW: image_of_row}
        feed |= {
            NOISE_PREFIX + name: tensor for name, tensor in zip(self._shapes, noise, strict=True)
        }
        outputs: NDArray[np.float32] = self._session.run([OUTPUTS], feed, self._options)[0]
        return outputs

    def _count(self, rows: Rows, noise: Sequence[NDArray[np.float32]]) -> None:
        fed = rows.images.nbytes + rows.image_of_row.nbytes + sum(tensor.nbytes for tensor in noise)
        with self._counting:
            before = self._work
            self._work = Work(
                passes=before.passes + 1,
                rows=before.rows + len(rows.keys),
                images=before.images + len(rows.images),
                normals=before.normals + sum(tensor.size for tensor in noise),
                bytes_fed=before.bytes_fed + fed,
            )

    def _noise_tensors(self, rows: int) -> list[NDArray[np.float32]]:
        """Return this thread's tensors ``[rows, *shape]``, one a noise point, to be filled.

        They are kept from call to call: fresh pages would cost more than the noise.
        """
        kept: NDArray[np.float32] | None = getattr(self._buffers, "flat", None)
        needed = rows * sum(prod(shape) for shape in self._shapes.values())
        if kept is None or kept.size < needed:
            kept = np.empty(needed, np.float32)
            self._buffers.flat = kept
        tensors = []
        start = 0
        for shape in self._shapes.values():
            end = start + rows * prod(shape)
            tensors.append(kept[start:end].reshape(rows, *shape))
            start = end
        return tensors


def files_of(graph: Path) -> list[Path]:
    """Return a graph and the files beside it that may hold its weights."""
    return [graph, *graph.parent.glob("*" + WEIGHTS_SUFFIX)]


def options_with(contents: Mapping[str, bytes]) -> onnxruntime.SessionOptions:
    """Return options under which a graph takes its weights from memory.

    ONNX Runtime copies them. From a path it would map the file, and one that is overwritten in
    place would end the process with a bus error at the next call.

    Args:
        contents: of the graph and its weights, by file name.
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
