"""Networks that are a callable of the user's own: torch modules, exported to a graph."""

import hashlib
import inspect
import io
import logging
import warnings
from collections.abc import Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import onnx
import torch
from torch import nn

from noisevote.models.errors import ImportingError
from noisevote.training.importing.inputs import Asked
from noisevote.training.importing.read import Graph, first_line, graph_of

DTYPES = {
    "float32": torch.float32, "int64": torch.int64, "int32": torch.int32, "uint8": torch.uint8,
}  # fmt: skip

ROWS = 3
"""Inputs of the pass that is traced."""


def graph_from(network: nn.Module, source: str, asked: Mapping[str | None, Asked]) -> Graph:
    """Export a module to a graph.

    Args:
        network: in evaluation mode.
        source: for the card.
        asked: shape and type of each input.

    Raises:
        ImportingError: its inputs are not known, or torch cannot export it.
    """
    parameters = list(inspect.signature(network.forward).parameters)
    if not asked:
        raise ImportingError(
            f"{source} is a torch module, which does not tell the shape of its inputs; give "
            f"--input {parameters[0] if parameters else 'x'}=3x224x224"
        )
    names = [name or parameters[0] for name in asked]
    inputs = tuple(
        torch.zeros(ROWS, *entry.shape, dtype=DTYPES[entry.dtype]) for entry in asked.values()
    )
    reasons = []
    for dynamo in (True, False):
        try:
            content = exported(network, inputs, names, dynamo)
            model = onnx.load_model_from_string(content)
            return graph_of(model, source, hashlib.sha256(content).hexdigest())
        except ImportingError:
            raise
        except Exception as error:  # noqa: BLE001 - torch raises anything on modules of strangers
            reasons.append(f"{type(error).__name__}: {first_line(error)}")
    raise ImportingError(f"torch cannot export {source}: {'; then '.join(reasons)}")


def exported(
    network: nn.Module, inputs: tuple[torch.Tensor, ...], names: list[str], dynamo: bool
) -> bytes:
    """Return the ONNX file of a module, by torch's new exporter or the one before it."""
    with silenced(), torch.no_grad(), TemporaryDirectory() as folder:
        file = Path(folder) / "network.onnx"
        if dynamo:
            batch = torch.export.Dim("batch")
            shapes = tuple({0: batch} for _ in inputs)
            program = torch.onnx.export(
                network, inputs, input_names=names, dynamo=True, dynamic_shapes=shapes,
                verbose=False,
            )  # fmt: skip
            if program is None:
                raise RuntimeError("torch.onnx.export returned no program")
            return bytes(program.model_proto.SerializeToString())
        axes = {name: {0: "batch"} for name in names}
        torch.onnx.export(network, inputs, file, input_names=names, dynamo=False, dynamic_axes=axes)
        return file.read_bytes()


@contextmanager
def silenced() -> Any:
    """Keep what exporters say of themselves from the terminal."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with (
            warnings.catch_warnings(),
            redirect_stdout(io.StringIO()),
            redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)
