"""Votes as one writes them without this project: the exported graph, NumPy's noise, the mode.

All votes of a request go through ONNX Runtime, or OpenVINO, as one batch on one thread. Runs in the
environment of each peer, which has NumPy and the engine beside the server.
"""

import os
from collections.abc import Callable
from typing import Any

import numpy as np

SIGMA = 0.5

Run = Callable[[dict[str, Any]], Any]
"""Takes arrays by name, returns outputs ``[rows, classes]``."""


def in_onnxruntime(graph: str) -> tuple[Run, dict[str, list[int]]]:
    """Load a graph; return what runs it, and the shapes of a row of each input."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    shapes = {entry.name: entry.shape[1:] for entry in session.get_inputs()}
    return lambda feed: session.run(["outputs"], feed)[0], shapes


def in_openvino(graph: str) -> tuple[Run, dict[str, list[int]]]:
    """Load a graph, in bfloat16 where the processor has it; see :func:`in_onnxruntime`."""
    import openvino

    settings = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1}
    compiled = openvino.Core().compile_model(graph, "CPU", settings)
    shapes = {
        entry.any_name: [int(side.to_string()) for side in list(entry.partial_shape)[1:]]
        for entry in compiled.inputs
    }
    return lambda feed: compiled(feed)["outputs"], shapes


ENGINES = {"onnxruntime": in_onnxruntime, "openvino": in_openvino}


class Voter:
    """Casts votes with the graph, and in the engine, that environment variables name."""

    def __init__(self) -> None:
        load = ENGINES[os.environ.get("NOISEVOTE_PEER_ENGINE", "onnxruntime")]
        self._run, shapes = load(os.environ["NOISEVOTE_PEER_GRAPH"])
        self._generator = np.random.Generator(np.random.SFC64())
        self._shapes = {name: shape for name, shape in shapes.items() if name.startswith("noise.")}

    def vote(self, inputs: Any, votes: int) -> dict[str, Any]:
        """Return mode and counts of votes on one image given as nested lists."""
        image = np.asarray(inputs, np.float32).reshape(1, 1, 28, 28)
        feed = {
            name: 1 + SIGMA * self._generator.standard_normal((votes, *shape), dtype=np.float32)
            for name, shape in self._shapes.items()
        }
        feed |= {"images": image, "image_of_row": np.zeros(votes, np.int64)}
        outputs = self._run(feed)
        counts = np.bincount(outputs.argmax(axis=1), minlength=10)
        return {"mode": int(counts.argmax()), "vote_counts": counts.tolist()}
