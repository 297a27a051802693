"""The folders of checkpoints and devices, as a setting or an option names them."""

import os
from collections.abc import Sequence
from pathlib import Path

from noisevote.models.checkpoint import SHIPPED

SHIPPED_NAME = "shipped"
"""Stands for the folder of the checkpoints that are shipped."""


def folders_from(given: object) -> tuple[Path, ...]:
    """Return the folders that are named, each once, that of the shipped checkpoints last.

    Args:
        given: paths with the separator of the operating system's lists between, a path, or a
            sequence of paths.

    Raises:
        ValueError: there are none, or it is something else.
    """
    named = [SHIPPED if str(each) == SHIPPED_NAME else each for each in some_folders_from(given)]
    if not named:
        raise ValueError("it names no folder")
    by_place: dict[str, Path] = {}
    for folder in named:
        by_place.setdefault(os.path.realpath(folder), folder)
    shipped = by_place.pop(os.path.realpath(SHIPPED), None)
    return (*by_place.values(), *([] if shipped is None else [shipped]))


def some_folders_from(given: object) -> tuple[Path, ...]:
    """Return the folders that are named, if there are any; see :func:`folders_from`.

    Raises:
        ValueError: it is something else.
    """
    if isinstance(given, str):
        given = given.split(os.pathsep)
    elif isinstance(given, Path):
        given = [given]
    if not isinstance(given, Sequence) or not all(isinstance(each, str | Path) for each in given):
        message = "it must be folders, as one text or a list of texts"
        raise ValueError(message)
    return tuple(Path(each) for each in given if each != "")
