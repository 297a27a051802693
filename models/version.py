"""The option ``--version`` of every command."""

from importlib.metadata import version

import typer


def show_version(is_asked: bool) -> None:
    """Print the version and end the process, if that is what was asked for."""
    if is_asked:
        typer.echo(f"noisevote {version('noisevote')}")
        raise SystemExit
