"""How the templates of reports are read; what only serves finished reports needs none of it."""

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined


def environment_in(folder: Path, extensions: Sequence[str] = ()) -> Environment:
    """Return what reads the templates in a folder; they escape every text."""
    return Environment(
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        extensions=extensions,
        loader=FileSystemLoader(folder),
    )
