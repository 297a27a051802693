"""What the commands of ``noisevote-train`` have in common: options and the console."""

import shlex
import sys
from collections.abc import Callable, Mapping
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

import typer
from pydantic import BaseModel, ValidationError
from rich.console import Console
from rich.progress import Progress

from noisevote.models.data.dataset import Labels
from noisevote.models.errors import InputError
from noisevote.training.fit.bar import Bar
from noisevote.training.recipes.wrong import what_is_wrong

console = Console(stderr=True)

DataDir = Annotated[
    Path | None, typer.Option("--data-dir", help="Folder of the data sets; NOISEVOTE_DATA_DIR.")
]
AllowUnknown = Annotated[
    bool, typer.Option("--allow-unknown-data", help="Accept files that are not the official ones.")
]
Threads = Annotated[int | None, typer.Option(min=1, help="Threads; by default all allowed cores.")]
Accelerator = Annotated[str, typer.Option(help="Where networks learn, as torch calls it.")]
Checkpoints = Annotated[Path, typer.Option(help="Folder of the checkpoints.")]

SamplesGiven = Annotated[
    str | None,
    typer.Option(
        "--samples",
        help="What to measure on: a folder with one folder of pictures a class; .csv of file,label "
        "or of features and label; .npz of inputs and labels; or a data set by name, whose test "
        "examples are taken (digits ship with scikit-learn). Default: the data of the recipe.",
    ),
]
LabelsFrom = Annotated[
    Labels,
    typer.Option(
        "--labels", help="predicted: what the network answers without noise stands for labels."
    ),
]

Model = TypeVar("Model", bound=BaseModel)


def with_options(command: Callable[..., None], model: BaseModel) -> Callable[..., None]:
    """Return a command with an option for each field of a model, in the place of ``**given``.

    What is not given arrives as None; :func:`changed` puts the rest into the model.
    """

    @wraps(command)
    def called(**values: Any) -> None:
        command(**values)

    own = [p for p in signature(command).parameters.values() if p.kind is not p.VAR_KEYWORD]
    options = [
        Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=option_of(model, name))
        for name in type(model).model_fields
    ]
    called.__signature__ = Signature([*own, *options])  # type: ignore[attr-defined]
    return called


def option_of(model: BaseModel, name: str) -> Any:
    """Return the type of an option, with its meaning and default, which are those of the field."""
    field, default = type(model).model_fields[name], getattr(model, name)
    values, more = (default, " Repeat for several.") if type(default) is tuple else ([default], "")
    texts = ", ".join(str(value) for value in values)
    about = typer.Option(
        help=f"{field.description}{more}", show_default=texts if default else False
    )
    return Annotated[option_type(field.annotation) | None, about]


def option_type(annotation: Any) -> Any:
    """Return the type in which an option is read: one value, several, or text for the model."""
    kinds = [kind for kind in get_args(annotation) if kind is not NoneType]
    if get_origin(annotation) is tuple:
        return list[option_type(kinds[0])]  # type: ignore[misc]
    if get_origin(annotation) in {Annotated, Union, UnionType}:
        return option_type(kinds[0])
    is_value = isinstance(annotation, type) and issubclass(annotation, bool | int | float | str)
    return annotation if is_value else str


def changed(model: Model, given: Mapping[str, Any]) -> Model:
    """Return a model with the values of the options that were given.

    Raises:
        InputError: one is not allowed.
    """
    values = {name: value for name, value in given.items() if value not in (None, [])}
    try:
        return type(model).model_validate(model.model_dump() | values)
    except ValidationError as error:
        raise InputError(what_is_wrong(error, values)) from error


PLACES = {"--data-dir", "--output", "--checkpoints", "--threads", "--runs", "--results"}
"""Options that only say where files lie on this machine, or how fast it is to be."""


SAMPLES = "--samples"
"""The option whose files are named without their folder, wherever they lie."""


def given_command() -> str:
    """Return the command line without what hangs on this machine."""
    left: list[str] = []
    skip = False
    for argument in sys.argv[1:]:
        option, equals, value = argument.partition("=")
        if skip:
            skip = False
        elif argument in PLACES:
            skip = True
        elif left[-1:] == [SAMPLES]:
            left.append(Path(argument).resolve().name)
        elif option == SAMPLES and equals:
            left.append(f"{option}={Path(value).resolve().name}")
        elif option not in PLACES:
            left.append(f"{option}={without_folder(value)}" if equals else without_folder(argument))
    return "noisevote-train " + shlex.join(left)


def without_folder(argument: str) -> str:
    """Return the name of a file that is named by the whole way to it; else the argument."""
    path = Path(argument)
    return path.name if path.is_absolute() and path.exists() else argument


def images_progress() -> Progress:
    """Return a bar that counts images."""
    return Bar(console)
