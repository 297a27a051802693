"""Where commands print their tables."""

from rich.console import Console

PIPED_WIDTH = 200
"""Columns of a table that no terminal shows, so that a name stays on one line."""


def table_console() -> Console:
    """Return a console for tables, on the standard output."""
    console = Console()
    if not console.is_terminal:
        console.width = PIPED_WIDTH
    return console
