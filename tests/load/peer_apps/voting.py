"""Votes as one writes them without this project: the exported graph, NumPy's noise, the mode.

All votes of a request go through ONNX Runtime as one batch on one thread. Runs in the environment
of each peer, which has NumPy and ONNX Runtime beside the server.
"""

import os
from typing import Any

import numpy as np
import onnxruntime

SIGMA = 0.5


class Voter:
    """Casts votes with the graph that the environment variable names."""

    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            os.environ["NOISEVOTE_PEER_GRAPH"], options, providers=["CPUExecutionProvider"]
        )
        self._generator = np.random.Generator(np.random.SFC64())
        self._shapes = {
            entry.name: entry.shape[1:]
            for entry in self._session.get_inputs()
            if entry.name.startswith("noise.")
        }

    def vote(self, inputs: Any, votes: int) -> dict[str, Any]:
        """Return mode and counts of votes on one image given as nested lists."""
        image = np.asarray(inputs, np.float32).reshape(1, 1, 28, 28)
        feed = {
            name: 1 + SIGMA * self._generator.standard_normal((votes, *shape), dtype=np.float32)
            for name, shape in self._shapes.items()
        }
        feed |= {"images": image, "image_of_row": np.zeros(votes, np.int64)}
        outputs = self._session.run(["outputs"], feed)[0]
        counts = np.bincount(outputs.argmax(axis=1), minlength=10)
        return {"mode": int(counts.argmax()), "vote_counts": counts.tolist()}
