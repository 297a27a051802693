"""Options of the commands that take networks of others, and what they are read as."""

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from noisevote.models.checkpoint import SHIPPED
from noisevote.models.errors import ImportingError
from noisevote.models.inputs.pipelines import labels_from, pipeline_from
from noisevote.models.specs import PictureSpec
from noisevote.models.statistics import clopper_pearson
from noisevote.training.importing.inputs import parsed_inputs, parsed_ranges
from noisevote.training.importing.layers import NOISE_AFTER, PRODUCTS, Rule
from noisevote.training.importing.look import Wishes
from noisevote.training.measure.plan import Plan

LEVEL = 0.05
"""Of intervals."""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
"""Of a checkpoint; requests name it, with as many letters."""

Source = Annotated[
    str,
    typer.Argument(
        metavar="MODEL.onnx|MODULE:CALLABLE",
        help="An ONNX file, or a callable that returns a torch module; it is run.",
    ),
]
GivenSamples = Annotated[
    str | None,
    typer.Option(
        "--samples",
        help="To measure on: a folder with one folder of pictures a class; .csv of file,label or "
        "of features and label; .npz of inputs and labels; or a data set by name.",
    ),
]


class NetworkOptions(Plan):
    """What a network of others does not tell itself, and which of its products get noise."""

    input: tuple[str, ...] = ()
    """[NAME=]3x224x224[:int64]: shape of one input, without the axis of inputs, where the graph
    leaves it open."""
    range: tuple[str, ...] = ()
    """[NAME=]LOW:HIGH that values may have; by default any finite number, of token ids those of the
    table."""
    output: str | None = None
    """Name of the output that votes."""
    binary: bool = False
    """One number an input decides between two classes."""
    probabilities: bool = False
    """Outputs are probabilities, not logits."""
    noise_after: str = ",".join(NOISE_AFTER)
    """Operators with weights that noise follows."""
    include: tuple[str, ...] = ()
    """Pattern of products that get noise, too."""
    exclude: tuple[str, ...] = ()
    """Pattern of products that get none."""
    activations: bool = False
    """Noise after products of two signals, too."""
    preprocessing: str | None = None
    """How a picture becomes an input: a name, imagenet, or a JSON file, such as a
    preprocessor_config.json of Hugging Face."""

    @property
    def wishes(self) -> Wishes:
        """What they say of a network.

        Raises:
            ImportingError: one cannot be read.
            InputError: the preprocessing is unknown.
        """
        return Wishes(
            shapes={name: entry.shape for name, entry in parsed_inputs(self.input).items()},
            ranges=parsed_ranges(self.range),
            output=self.output,
            is_binary=self.binary,
            is_share=self.probabilities,
            rule=self.rule,
            pipeline=pipeline_of(self.preprocessing),
        )

    @property
    def rule(self) -> Rule:
        """Which products get noise.

        Raises:
            ImportingError: noise is to follow what is no product.
        """
        after = tuple(part.strip() for part in self.noise_after.split(",") if part.strip())
        for operator in after:
            if operator not in PRODUCTS:
                raise ImportingError(
                    f"--noise-after names {operator!r}; products are {', '.join(PRODUCTS)}"
                )
        return Rule(after, self.include, self.exclude, self.activations)


def of_network(name: str, *names: str) -> Any:
    """Return the option of a field of :class:`NetworkOptions`, for a command with few of them."""
    return typer.Option(*names, help=NetworkOptions.model_fields[name].description)


def labels_of(given: str | None) -> list[str] | None:
    """Return the labels of a file, one a line, or of a list; None if none are given."""
    if given is None:
        return None
    path = Path(given)
    if path.suffix == ".json":
        return list(labels_from(path))
    try:
        text = path.read_text(encoding="utf-8") if path.is_file() else None
    except (OSError, UnicodeDecodeError) as error:
        raise ImportingError(f"--labels {given} cannot be read: {error}") from error
    if text is None and "," not in given:
        raise ImportingError(f"--labels {given} is neither a file nor a list such as cat,dog")
    lines = given.split(",") if text is None else text.splitlines()
    return [line.strip() for line in lines if line.strip()]


def check_place(name: str, checkpoints: Path) -> None:
    """Refuse the package's folder, and a name that is no plain folder.

    Raises:
        ImportingError: it is so.
    """
    if checkpoints.resolve() == SHIPPED.resolve():
        raise ImportingError("--checkpoints is the folder of the package; name one of your own")
    if not NAME.fullmatch(name):
        raise ImportingError(
            f"--name {name!r} is no name of a checkpoint: up to 200 letters, digits, ., - and _, "
            "not first a dot or _"
        )


def pipeline_of(given: str | None) -> str | PictureSpec | None:
    """Return how a picture becomes an input, if that is told."""
    return None if given is None else pipeline_from(given)


def accuracy(correct: int, count: int) -> str:
    """Return an accuracy with its interval."""
    low, high = clopper_pearson(correct, count, LEVEL)
    return f"{correct / count:.1%} [{low:.1%}, {high:.1%}]"
