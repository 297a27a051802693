"""The commands ``points`` and ``import``: networks that others made."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Column, Table

from noisevote.models.checkpoint import SHIPPED
from noisevote.models.errors import ImportingError, MissingExtraError, NoisevoteError, how_to_install
from noisevote.models.noise import MAX_SIGMA, NoiseKind
from noisevote.training.cli.options import console, given_command
from noisevote.training.importing.inputs import parsed_inputs, parsed_ranges
from noisevote.training.importing.layers import NOISE_AFTER, PRODUCTS, Rule
from noisevote.training.importing.look import Look, Wishes, look_at
from noisevote.training.importing.read import Graph, first_line, read_graph
from noisevote.training.importing.take import ImportPlan, Taken, take_in

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

Source = Annotated[
    str,
    typer.Argument(
        metavar="MODEL.onnx|MODULE:CALLABLE",
        help="An ONNX file, or a callable that returns a torch module; it is run.",
    ),
]
Shapes = Annotated[
    list[str] | None,
    typer.Option("--input", help="[NAME=]3x224x224[:int64]: shape of one input, without the axis "
                 "of inputs, where the graph leaves it open. Repeat it for several."),
]  # fmt: skip
Ranges = Annotated[
    list[str] | None,
    typer.Option("--range", help="[NAME=]LOW:HIGH that values may have; default: any finite "
                 "number, of token ids those of the table. Repeat it for several."),
]  # fmt: skip
Output = Annotated[str | None, typer.Option(help="Name of the output that votes.")]
Binary = Annotated[
    bool, typer.Option("--binary", help="One number an input decides between two classes.")
]
Probabilities = Annotated[
    bool, typer.Option("--probabilities", help="Outputs are probabilities, not logits.")
]
NoiseAfter = Annotated[str, typer.Option(help="Operators with weights that noise follows.")]
Include = Annotated[list[str] | None, typer.Option(help="Pattern of products that get noise, too.")]
Exclude = Annotated[list[str] | None, typer.Option(help="Pattern of products that get none.")]
Activations = Annotated[
    bool, typer.Option("--activations", help="Noise after products of two signals, too.")
]


def points(
    source: Source,
    shapes: Shapes = None,
    ranges: Ranges = None,
    output: Output = None,
    binary: Binary = False,
    probabilities: Probabilities = False,
    noise_after: NoiseAfter = ",".join(NOISE_AFTER),
    include: Include = None,
    exclude: Exclude = None,
    activations: Activations = False,
) -> None:
    """Show every product of a network, and which would get noise; nothing is written."""
    rule = rule_of(noise_after, include, exclude, activations)
    with refusing(source):
        show(looked(source, shapes, ranges, output, binary, probabilities, rule))


def import_command(
    source: Source,
    name: Annotated[str, typer.Option(help="Name of the checkpoint.")],
    checkpoints: Annotated[Path, typer.Option(help="Your folder of checkpoints.")],
    labels: Annotated[
        str | None, typer.Option(help="File of one label a line, or a,b,c. Default: 0, 1, ...")
    ] = None,
    shapes: Shapes = None,
    ranges: Ranges = None,
    output: Output = None,
    binary: Binary = False,
    probabilities: Probabilities = False,
    noise_after: NoiseAfter = ",".join(NOISE_AFTER),
    include: Include = None,
    exclude: Exclude = None,
    activations: Activations = False,
    allow_quiet: Annotated[
        bool, typer.Option("--allow-quiet", help="Most of the work may go without noise.")
    ] = False,
    kind: Annotated[
        NoiseKind, typer.Option(help="Of the noise that is asked for by default.")
    ] = NoiseKind.MULTIPLICATIVE,
    sigma: Annotated[float, typer.Option(min=0, max=MAX_SIGMA, help="Of that noise.")] = 0.1,
    replace: Annotated[
        bool, typer.Option("--replace", help="Overwrite a checkpoint of that name.")
    ] = False,
) -> None:
    """Make a checkpoint of a network that others trained."""
    rule = rule_of(noise_after, include, exclude, activations)
    check_place(name, checkpoints)
    given = labels_of(labels)
    plan = ImportPlan(checkpoints / name, given, kind, sigma, given_command(), allow_quiet, replace)
    with refusing(source):
        look = looked(source, shapes, ranges, output, binary, probabilities, rule)
        show(look)
        tell(take_in(look, plan))


@contextmanager
def refusing(source: str) -> Iterator[None]:
    """Make whatever the file of a stranger brings about a line of its own.

    Raises:
        ImportingError: something happened that was not foreseen.
    """
    try:
        yield
    except (NoisevoteError, OSError):
        raise
    except Exception as error:
        raise ImportingError(
            f"{source} cannot be taken in: {type(error).__name__}: {first_line(error)}"
        ) from error


def looked(
    source: str,
    shapes: list[str] | None,
    ranges: list[str] | None,
    output: str | None,
    binary: bool,
    probabilities: bool,
    rule: Rule,
) -> Look:
    """Open a network and look at it."""
    asked = parsed_inputs(shapes or [])
    wishes = Wishes(
        shapes={name: entry.shape for name, entry in asked.items()},
        ranges=parsed_ranges(ranges or []),
        output=output,
        is_binary=binary,
        is_share=probabilities,
        rule=rule,
    )
    if Path(source).exists() or ":" not in source:
        graph: Graph = read_graph(Path(source))
    else:
        try:
            from noisevote.models.networks.brought import module_from
            from noisevote.training.importing.callables import graph_from
        except ModuleNotFoundError as error:
            raise MissingExtraError(
                f"a callable that returns a torch module needs torch; {how_to_install('train')}"
            ) from error
        graph = graph_from(module_from(source), source, asked)
    return look_at(graph, wishes)


def rule_of(
    noise_after: str, include: list[str] | None, exclude: list[str] | None, activations: bool
) -> Rule:
    """Return which products get noise."""
    after = tuple(part.strip() for part in noise_after.split(",") if part.strip())
    for operator in after:
        if operator not in PRODUCTS:
            raise ImportingError(
                f"--noise-after names {operator!r}; products are {', '.join(PRODUCTS)}"
            )
    return Rule(after, tuple(include or ()), tuple(exclude or ()), activations)


def labels_of(given: str | None) -> list[str] | None:
    """Return the labels of a file, one a line, or of a list; None if none are given."""
    if given is None:
        return None
    path = Path(given)
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
            f"--name {name!r} is no name of a checkpoint: letters, digits, ., - and _, not first "
            "a dot or _"
        )


def show(look: Look) -> None:
    """Print every product of a network."""
    layers = look.batched or look.layers
    total = max(1, sum(each.macs for each in layers if each.layer.has_weights))
    table = Table(Column("product", overflow="fold"), "operator", "noise of a vote", "multiply-accumulates", "share",
                  "rms", "max", "noise")  # fmt: skip
    for each in layers:
        layer = each.layer
        shape = "-" if layer.quiet else "x".join(map(str, each.shape))
        table.add_row(
            escape(layer.name), layer.operator, shape, f"{each.macs:,}",
            f"{each.macs / total:.1%}" if layer.has_weights else "-",
            f"{each.rms:.3g}", f"{each.largest:.3g}",
            "yes" if layer.quiet is None else f"no: {escape(layer.quiet)}",
        )  # fmt: skip
    console.print(table)
    measured = "random inputs" if look.is_made_up else "samples"
    console.print(f"signals were measured on {len(look.trial.expected)} {measured}")
    noisy = sum(each.layer.quiet is None for each in layers)
    console.print(
        f"{noisy} noise points; {look.noisy_share:.1%} of the multiply-accumulates of layers with "
        "weights under noise"
    )


def tell(taken: Taken) -> None:
    """Print what a checkpoint has become."""
    card, tile = taken.checkpoint.card, taken.tile
    of_noise = sum(map(len, [card.noise_points]))
    console.print(
        f"imported to {taken.checkpoint.folder}: {of_noise} noise points, placement "
        f"{taken.placement.place}, noiseless outputs within {taken.placement.difference:.1e} of "
        f"the original's, {tile.rows} votes a pass, a vote costs "
        f"{tile.seconds / tile.clean_seconds:.2f} clean passes",
        soft_wrap=True,
    )
