"""The folders of checkpoints and device profiles, as a setting or an option names them."""

import os
from collections.abc import Sequence
from pathlib import Path

from noisevote.models.checkpoint import SHIPPED

SHIPPED_NAME = "shipped"
"""Stands for the folder of the checkpoints that are shipped."""


def device_folders_from(given: object) -> tuple[Path, ...]:
    """Return the folders of device profiles that are named, each once; none if none is.

    Raises:
        ValueError: it is neither a text nor a list of texts.
    """
    return folders_from(given) if given else ()


def folders_from(given: object) -> tuple[Path, ...]:
    """Return the folders that are named, each once, that of the shipped checkpoints last.

    Args:
        given: paths with the separator of the operating system's lists between, a path, or a
            sequence of paths.

    Raises:
        ValueError: there are none, or it is something else.
    """
    if isinstance(given, str):
        given = given.split(os.pathsep)
    elif isinstance(given, Path):
        given = [given]
    if not isinstance(given, Sequence) or not all(isinstance(each, str | Path) for each in given):
        message = "it must be folders, as one text or a list of texts"
        raise ValueError(message)
    named = [SHIPPED if each == SHIPPED_NAME else Path(each) for each in given if each != ""]
    if not named:
        raise ValueError("it names no folder")
    by_place: dict[str, Path] = {}
    for folder in named:
        by_place.setdefault(os.path.realpath(folder), folder)
    shipped = by_place.pop(os.path.realpath(SHIPPED), None)
    return (*by_place.values(), *([] if shipped is None else [shipped]))
