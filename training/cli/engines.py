"""The command ``time-engines``: cards tell which engine is fastest on this kind of processor."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from noisevote.models.card import Card
from noisevote.models.checkpoint import SHIPPED, Checkpoint, CheckpointStore
from noisevote.models.engines.preference import cpu_kind
from noisevote.models.errors import InputError
from noisevote.training.cli.options import Checkpoints
from noisevote.training.export.card_file import check_writable, update_card
from noisevote.training.measure.engine_times import relative_times

ROUNDS = 30


def time_engines(
    names: Annotated[list[str] | None, typer.Argument(help="Names of checkpoints.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All checkpoints of the folder.")] = False,
    rounds: Annotated[int, typer.Option(min=3, help="Of measurements, taken in turns.")] = ROUNDS,
    card: Annotated[bool, typer.Option(help="Write the times to the cards.")] = False,
    checkpoints: Checkpoints = SHIPPED,
) -> None:
    """Measure how long a vote takes by each engine here, for the setting engine = auto.

    CPU time on one thread, drawing included, over that of onnxruntime in float32.
    """
    if bool(names) == every:
        raise InputError("give names of checkpoints, or --all")
    kind = cpu_kind()
    if kind is None:
        raise InputError("this processor is none of the kinds that the engine auto knows")
    store = CheckpointStore(checkpoints)
    table = Table("checkpoint", "arithmetic", f"time of a vote on {kind}, of the reference's")
    for name in store.names() if every else names or []:
        checkpoint = store.find(name)
        if card:
            check_writable(checkpoint.folder)
        times = relative_times(checkpoint, rounds)
        for arithmetic, ratio in times.items():
            table.add_row(name, arithmetic, f"{ratio:.3f}")
        if card:
            note(checkpoint, kind, times)
    Console().print(table)


def note(checkpoint: Checkpoint, kind: str, times: dict[str, float]) -> None:
    """Write the times on a kind of processor to a card, beside those on others."""

    def with_times(now: Card) -> Card:
        return now.model_copy(update={"engine_times": {**(now.engine_times or {}), kind: times}})

    update_card(checkpoint, with_times)
