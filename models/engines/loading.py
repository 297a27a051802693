"""Graphs are loaded: a further engine is a session and its row in :data:`ENGINES`."""

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path

from noisevote.models.engines.arithmetic import REFERENCE, Arithmetic, Engine, Precision
from noisevote.models.engines.onnx_runtime import OnnxSession, OnnxSessionOfMany
from noisevote.models.engines.session import WEIGHTS_SUFFIX, Contents, Session
from noisevote.models.errors import CheckpointError

log = logging.getLogger("noisevote")

ONNX_RUNTIME_OF_MANY = f"{REFERENCE}, of many"


def openvino_session(
    graph: Path, contents: Contents, rows: int | None, precision: Precision
) -> Session:
    """Return a graph in OpenVINO, which is imported here and no sooner."""
    from noisevote.models.engines.openvino_engine import OpenVinoSession

    return OpenVinoSession(graph, contents, rows, precision)


ENGINES: dict[str, Callable[[Path, Contents, int | None], Session]] = {
    str(REFERENCE): OnnxSession,
    ONNX_RUNTIME_OF_MANY: OnnxSessionOfMany,
    **{
        str(Arithmetic(Engine.OPENVINO, precision)): partial(openvino_session, precision=precision)
        for precision in Precision
    },
}
"""What runs graphs, by name."""


def load_session(
    graph: Path,
    contents: Contents | None = None,
    engine: str = str(REFERENCE),
    rows: int | None = None,
) -> Session:
    """Load a graph.

    Args:
        graph: path of the graph; its weights lie beside it.
        contents: contents of the graph and of its weights by file name, if they have been read
            already.
        engine: engine that runs it, one of :data:`ENGINES`.
        rows: of most calls, if that is known.

    Raises:
        CheckpointError: it cannot be loaded.
    """
    session_of = ENGINES[engine]
    try:
        if contents is None:
            contents = {file.name: file.read_bytes() for file in files_of(graph)}
        return session_of(graph, contents, rows)
    except Exception as error:
        shown = f"{graph.parent.name}/{graph.name}"
        # It may name files; clients see the other message.
        log.warning("%s cannot be loaded: %s", shown, str(error).partition("\n")[0])
        raise CheckpointError(f"{shown} cannot be loaded: {type(error).__name__}") from error


def files_of(graph: Path) -> list[Path]:
    """Return a graph and the files beside it that may hold its weights."""
    return [graph, *graph.parent.glob("*" + WEIGHTS_SUFFIX)]
