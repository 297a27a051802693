"""The option ``--version`` of every command."""

from importlib.metadata import version
from typing import Annotated

import typer


def show_version(is_asked: bool) -> None:
    """Print the version and end the process, if that is what was asked for."""
    if is_asked:
        typer.echo(f"noisevote {version('noisevote')}")
        raise SystemExit


Version = Annotated[
    bool, typer.Option("--version", help="Show the version.", callback=show_version, is_eager=True)
]
