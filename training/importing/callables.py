"""Networks that are a callable of the user's own: torch modules, exported to a graph."""

import hashlib
import inspect
import io
import logging
import warnings
from collections.abc import Iterable, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
import torch
from onnxscript import optimizer
from torch import nn
from torch.utils._pytree import tree_flatten

from noisevote.models.errors import ImportingError
from noisevote.training.importing.inputs import Asked
from noisevote.training.importing.measure import Passes
from noisevote.training.importing.read import Graph, first_line, graph_of

DTYPES = {
    "float32": torch.float32, "int64": torch.int64, "int32": torch.int32, "uint8": torch.uint8,
}  # fmt: skip

ATTEMPTS = ((True, 3), (False, 3), (False, 1))
"""Exporters that are tried in turn: the new one or not, and the inputs of the pass that is traced;
one where a module lets its pass hold no other number."""


def graph_from(
    network: nn.Module, source: str, asked: Mapping[str | None, Asked], folds: bool = True
) -> Graph:
    """Export a module to a graph.

    Args:
        network: in evaluation mode.
        source: for the card.
        asked: shape and type of each input.
        folds: whether batch norms may be folded into the layers before them; without that less of
            a graph runs once an input.

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
    reasons = []
    for dynamo, rows in ATTEMPTS:
        try:
            inputs = inputs_for(asked.values(), rows)
            content = exported(network, inputs, names, dynamo, is_frozen=rows == 1, folds=folds)
            graph = graph_of(
                onnx.load_model_from_string(content), source, hashlib.sha256(content).hexdigest()
            )
            check_outputs(network, graph, inputs_for(asked.values(), max(1, rows - 1)))
        except Exception as error:  # noqa: BLE001 - torch raises anything on modules of strangers
            reasons.append(f"{type(error).__name__}: {first_line(error)}")
        else:
            return graph
    raise ImportingError(f"torch cannot export {source}: {'; then '.join(reasons)}")


def inputs_for(asked: Iterable[Asked], rows: int) -> tuple[torch.Tensor, ...]:
    """Return inputs to trace a module with; whole numbers are 0 or 1, which all networks know."""
    generator = torch.Generator().manual_seed(0)
    return tuple(
        torch.randn(rows, *entry.shape, generator=generator)
        if entry.dtype == "float32"
        else torch.randint(
            0, 2, (rows, *entry.shape), generator=generator, dtype=DTYPES[entry.dtype]
        )
        for entry in asked
    )


def check_outputs(network: nn.Module, graph: Graph, inputs: tuple[torch.Tensor, ...]) -> None:
    """Compare what a module gives with what its export gives.

    Args:
        network: in evaluation mode.
        graph: its export.
        inputs: as many as a pass may hold, but of another number than it was traced with.

    Raises:
        ImportingError: they differ.
    """
    passes = Passes(graph.model)
    arrays = [tensor.numpy() for tensor in inputs]
    given = passes.run(dict(zip(passes.inputs, arrays, strict=True)))
    with torch.no_grad():
        made = network(*inputs)
    tensors = [made] if isinstance(made, torch.Tensor) else tree_flatten(made)[0]
    for tensor, (name, found) in zip(tensors, given.items(), strict=False):
        expected = tensor.numpy()
        scale = max(1.0, float(np.abs(expected).max(initial=0.0)))
        if found.shape != expected.shape or not np.abs(found - expected).max() <= 1e-3 * scale:
            raise ImportingError(
                f"the export gives {name} otherwise than the module for {len(inputs[0])} inputs"
            )


def exported(
    network: nn.Module,
    inputs: tuple[torch.Tensor, ...],
    names: list[str],
    dynamo: bool,
    is_frozen: bool = False,
    folds: bool = True,
) -> bytes:
    """Return the ONNX file of a module.

    Args:
        network: in evaluation mode.
        inputs: that it is traced with.
        names: of them.
        dynamo: whether torch's new exporter is to do it, or the one before.
        is_frozen: whether a pass is to hold as many inputs as these, and no others.
        folds: whether batch norms may be folded into the layers before them.
    """
    with silenced(), torch.no_grad(), TemporaryDirectory() as folder:
        file = Path(folder) / "network.onnx"
        if dynamo:
            batch = torch.export.Dim("batch")
            shapes = tuple({0: batch} for _ in inputs)
            program = torch.onnx.export(
                network, inputs, input_names=names, dynamo=True, dynamic_shapes=shapes,
                verbose=False, optimize=folds,
            )  # fmt: skip
            if program is None:
                raise RuntimeError("torch.onnx.export returned no program")
            if not folds:
                optimizer.fold_constants(program.model)
                optimizer.remove_unused_nodes(program.model)
            return bytes(program.model_proto.SerializeToString())
        axes = {} if is_frozen else {name: {0: "batch"} for name in names}
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
