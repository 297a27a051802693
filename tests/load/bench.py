"""The benchmarks: ``make bench``, or ``python -m tests.load.bench engine devices page``.

``peers``, ``ray`` (on Ray Serve, with and without its batches), ``attack`` (an assessment, and
requests beside it), ``assessment`` and ``attack-load`` (either alone), ``schemes`` and ``against``
(another checkout, ``--other``) are run only if they are named.

Each writes its rows to ``tests/load/results``; ``page`` makes tables and figures of them.
"""

import os
import shlex
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from noisevote.models.checkpoint import SHIPPED, Checkpoint, CheckpointStore
from noisevote.models.cores import allowed_cores
from noisevote.models.draws.library import library
from noisevote.models.engines.preference import cpu_kind
from noisevote.training.measure.results import as_text, machine, write_table
from tests.load.against import against_rows
from tests.load.attack_load import duration_rows, interleaved_rows
from tests.load.engine import engine_rows
from tests.load.engines_http import engines_http_rows
from tests.load.http_load import Lengths, Row, grid_rows, scaling_rows
from tests.load.inputs import some_inputs
from tests.load.on_devices import device_rows
from tests.load.overhead import overhead_rows
from tests.load.overload import overload_rows
from tests.load.page import RESULTS, write_page
from tests.load.peers import peer_rows
from tests.load.scale_out import scale_out_rows
from tests.load.schemes import scheme_rows
from tests.load.surroundings import surroundings_rows
from tests.load.tiles import tile_rows

console = Console(stderr=True)

ENGINE_SECONDS = 6.0
DEVICES_SECONDS = 10.0
SURROUNDINGS_SECONDS = 30.0
RAY_SECONDS = 1.5
ENGINE_CHECKPOINTS = ("mnist_cnn-mult-1.0", "stroke_lstm-mult-1.0", "densenet40", "densenet100")
"""Measured if they are shipped; of a name that is a beginning, the first checkpoint."""


def run(
    what: Annotated[
        list[str] | None,
        typer.Argument(
            help="engine, tiles, devices, http, surroundings, scaling, page; and only if named: "
            "engines-http, schemes, peers, ray, attack, assessment, attack-load, against."
        ),
    ] = None,
    peer: Annotated[list[str] | None, typer.Option(help="Only these peers.")] = None,
    seconds: Annotated[float, typer.Option(help="Scales all runs; 1 is what is reported.")] = 1.0,
    images: Annotated[int, typer.Option(min=1, help="Of the assessment that is timed.")] = 200,
    other: Annotated[
        Path | None, typer.Option(help="Checkout that against compares this one with.")
    ] = None,
    results: Annotated[Path, typer.Option(help="Folder of the results.")] = RESULTS,
) -> None:
    """Measure, and write tables and figures."""
    lengths = Lengths(*(seconds * length for length in (2.0, 3.0, 4.0, 2.0)))
    cores = allowed_cores()
    benchmarks: Mapping[str, Mapping[str, Callable[[], Iterable[Row]]]] = {
        "engine": {"engine": lambda: all_rows(engine_rows, seconds * ENGINE_SECONDS)},
        "tiles": {"tiles": lambda: all_rows(tile_rows, seconds * ENGINE_SECONDS)},
        "devices": {"devices": lambda: all_rows(device_rows, seconds * DEVICES_SECONDS)},
        "http": {
            "overhead": lambda: overhead_rows(cores, lengths),
            "grid": lambda: grid_rows(cores, lengths),
            "overload": lambda: overload_rows(cores, lengths),
        },
        "engines-http": {"engines_http": lambda: engines_http_rows(lengths)},
        "against": {"against": lambda: against_rows(other, lengths)},
        "surroundings": {"surroundings": lambda: surroundings_rows(seconds * SURROUNDINGS_SECONDS)},
        "scaling": {"scaling": lambda: scaling_rows(cores, lengths)},
        "schemes": {"schemes": lambda: scheme_rows(SHIPPED, seconds * ENGINE_SECONDS)},
        "peers": {"peers": lambda: peer_rows(lengths, peer or ())},
        "ray": {"scale_out": lambda: scale_out_rows(seconds * RAY_SECONDS)},
        "attack": {
            "attack": lambda: duration_rows(cores, images),
            "attack_load": lambda: interleaved_rows(cores, images, lengths.step),
        },
        "assessment": {"attack": lambda: duration_rows(cores, images)},
        "attack-load": {"attack_load": lambda: interleaved_rows(cores, images, lengths.step)},
        "page": {},
    }
    for name in what or ["engine", "tiles", "devices", "http", "surroundings", "scaling", "page"]:
        if name not in benchmarks:
            raise typer.BadParameter(f"{name!r} is none of {', '.join(benchmarks)}")
        for table, measure in benchmarks[name].items():
            measured(table, measure(), results)
    console.print(f"wrote {write_page(results)}")


def measured(name: str, rows: Iterable[Row], results: Path) -> None:
    """Write the rows of a benchmark as they come."""
    about = {
        "command": "python -m " + shlex.join(["tests.load.bench", *without_folder(sys.argv[1:])]),
        "inputs": some_inputs(CheckpointStore(SHIPPED).find(ENGINE_CHECKPOINTS[0]).card, 1)[1],
        "cores": f"{allowed_cores()} of {cpu_name()}, {cpu_kind() or 'no kind that is known'}",
        "noise filled by": "NumPy" if library() is None else "compiled code",
        "load before": ", ".join(f"{load:.2f}" for load in os.getloadavg()),
        **machine(),
    }
    done: list[dict[str, str]] = []
    for row in rows:
        done.append({key: as_text(value) for key, value in row.items()})
        console.print(
            f"{name}: " + "  ".join(f"{key} {value}" for key, value in done[-1].items()),
            soft_wrap=True,
        )
        write_table(results / f"{name}.csv", about, list(done[0]), done)


def all_rows(
    measure: Callable[[Checkpoint, float], Iterable[Row]], seconds: float
) -> Iterable[Row]:
    """Measure every network that is shipped, for about so long each."""
    store = CheckpointStore(SHIPPED)
    for beginning in ENGINE_CHECKPOINTS:
        name = next((name for name in store.names() if name.startswith(beginning)), None)
        if name is not None:
            yield from measure(store.find(name), seconds)


def cpu_name() -> str:
    """Return the name of the processor, as Linux has it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return "unknown"
    return next((line.split(": ")[1] for line in lines if line.startswith("model name")), "unknown")


def without_folder(arguments: list[str]) -> list[str]:
    """Leave out the option that only says where the results lie on this machine."""
    if "--results" not in arguments:
        return arguments
    at = arguments.index("--results")
    return arguments[:at] + arguments[at + 2 :]


if __name__ == "__main__":
    typer.run(run)
