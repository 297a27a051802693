"""The network of a checkpoint without noise: what a noisy vote is measured against."""

import shutil
from pathlib import Path

import onnx
import onnxruntime
from onnx import ModelProto, NodeProto, helper

from noisevote.models.checkpoint import Checkpoint
from noisevote.models.engines.onnx_runtime import session_options
from noisevote.models.engines.session import INPUT_OF_ROW, NOISE_PREFIX
from noisevote.models.noise import NoiseKind
from noisevote.models.specs import IMAGES, OUTPUTS


def clean_session(checkpoint: Checkpoint, folder: Path) -> onnxruntime.InferenceSession:
    """Return a session of the network that takes images ``[n, ...]`` and no noise.

    It has the options of the runtime that serves, so that both are optimised alike.

    Args:
        checkpoint: whose network.
        folder: for graph and weights; must last as long as the session.
    """
    graph = checkpoint.folder / checkpoint.card.graphs[NoiseKind.MULTIPLICATIVE]
    shutil.copy(checkpoint.folder / checkpoint.card.weights, folder)
    path = folder / "clean.onnx"
    path.write_bytes(without_noise(onnx.load(graph, load_external_data=False)).SerializeToString())
    return onnxruntime.InferenceSession(
        str(path), session_options(), providers=["CPUExecutionProvider"]
    )


def without_noise(model: ModelProto) -> ModelProto:
    """Return a copy of a graph with noise inputs that takes none: the graph pass undone."""
    result = ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    stands_for: dict[str, str] = {}
    nodes: list[NodeProto] = []
    for node in graph.node:
        inputs = [stands_for.get(name, name) for name in node.input]
        signal = next((name for name in inputs if not name.startswith(NOISE_PREFIX)), "")
        if node.op_type == "Gather" and node.input[0].startswith(NOISE_PREFIX):
            continue  # the noise of one step
        if any(name.startswith(NOISE_PREFIX) for name in inputs) or INPUT_OF_ROW in inputs:
            stands_for[node.output[0]] = signal
            if node.output[0] == OUTPUTS:
                nodes.append(helper.make_node("Identity", [signal], [OUTPUTS]))
            continue
        kept = NodeProto()
        kept.CopyFrom(node)
        del kept.input[:]
        kept.input.extend(inputs)
        nodes.append(kept)
    del graph.node[:]
    graph.node.extend(nodes)
    images = [entry for entry in graph.input if entry.name == IMAGES]
    del graph.input[:]
    graph.input.extend(images)
    graph.output[0].type.tensor_type.shape.dim[0].dim_param = "images"
    return result
