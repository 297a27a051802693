"""The commands ``points`` and ``import``: networks that others made."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from noisevote.models.checkpoint import Checkpoint
from noisevote.models.data import fitting
from noisevote.models.data.dataset import Examples
from noisevote.models.data.files import data_dir
from noisevote.models.data.sample_inputs import examples_for, inputs_for
from noisevote.models.data.samples import Samples, read_samples
from noisevote.models.errors import (
    ImportingError,
    MissingExtraError,
    NoisevoteError,
    how_to_install,
)
from noisevote.models.noise import MAX_SIGMA, Noise, NoiseKind
from noisevote.models.specs import PictureSpec
from noisevote.training.cli.network_options import (
    GivenSamples,
    NetworkOptions,
    Source,
    accuracy,
    check_place,
    labels_of,
)
from noisevote.training.cli.options import DataDir, changed, console, given_command
from noisevote.training.devices.fit import measured_on, told_fit
from noisevote.training.importing.inputs import Asked, parsed_inputs
from noisevote.training.importing.look import Look, look_at, scores_alone
from noisevote.training.importing.order import order_of_outputs
from noisevote.training.importing.read import Graph, first_line, read_graph
from noisevote.training.importing.take import (
    ImportPlan,
    Made,
    check_free,
    labels_for,
    take_in,
)
from noisevote.training.measure.evaluate import Caster, numbered

VOTES = 20
MEASURED = ("noiseless", "one vote", f"{VOTES} votes")
"""Which accuracies are told of a checkpoint."""

MOST_SEEN = 256
"""Samples that tell how inputs are scaled; a few of them pass the network to look at it."""

MOST_ESTIMATED = 512
"""Samples on which batch norms are estimated."""

MOST_COMPARED = 1000
"""Samples on which accuracies are told."""


def points(
    source: Source, samples: GivenSamples = None, data: DataDir = None, **given: Any
) -> None:
    """Show every product of a network, and which would get noise; nothing is written."""
    options = changed(NetworkOptions(), given)
    with refusing(source):
        show(looked(source, options, given_samples(samples, data)), Console())


def import_command(
    source: Source,
    name: Annotated[str, typer.Option(help="Name of the checkpoint.")],
    checkpoints: Annotated[Path, typer.Option(help="Your folder of checkpoints.")],
    labels: Annotated[
        str | None,
        typer.Option(
            help="File of one label a line, a config.json of Hugging Face, or a,b,c. Default: "
            "0, 1, ..."
        ),
    ] = None,
    allow_quiet: Annotated[
        bool, typer.Option("--allow-quiet", help="Most of the work may go without noise.")
    ] = False,
    kind: Annotated[
        NoiseKind, typer.Option(help="Of the noise that is asked for by default.")
    ] = NoiseKind.MULTIPLICATIVE,
    sigma: Annotated[float, typer.Option(min=0, max=MAX_SIGMA, help="Of that noise.")] = 0.1,
    samples: GivenSamples = None,
    data: DataDir = None,
    batch_norm_sigma: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=MAX_SIGMA,
            help="Estimate the statistics of batch norms anew on the samples, under noise of this "
            "sigma.",
        ),
    ] = None,
    replaces: Annotated[
        bool, typer.Option("--replace", help="Overwrite a checkpoint of that name.")
    ] = False,
    **given: Any,
) -> None:
    """Make a checkpoint of a network that others trained.

    With samples that have labels its accuracy is told beside that of the network as it came.
    """
    check_place(name, checkpoints)
    check_free(checkpoints / name, replaces)
    options, read = changed(NetworkOptions(), given), given_samples(samples, data)
    plan = ImportPlan(
        checkpoints / name, labels_of(labels), kind, sigma, given_command(), allow_quiet, replaces
    )
    if batch_norm_sigma is not None and read is None:
        raise ImportingError("--batch-norm-sigma needs --samples to estimate on")
    with refusing(source):
        look = looked(source, options, read, folds=batch_norm_sigma is None)
        show(look, console)
        if read is not None and read.content.labels is not None:
            fitting.labels_for(read, labels_for(look, plan.labels), name)  # before it is written
        if batch_norm_sigma is not None and read is not None:
            few, specs = read.spread(MOST_ESTIMATED), [each.spec for each in look.taken]
            plan = replace(plan, batch_norms=(batch_norm_sigma, inputs_for(few, specs, source)))
        made = take_in(look, plan)
        tell(made)
        if read is None:
            console.print(
                f"not ready for devices: noisevote-train fit-devices {name} --checkpoints "
                f"{quote(str(checkpoints))} --samples FILE makes it so",
                soft_wrap=True,
            )
            return
        some = read.spread(MOST_COMPARED)
        if read.content.labels is not None:
            compare(look, made.checkpoint, some)
        inputs = inputs_for(some, made.checkpoint.card.inputs, name)
        about = measured_on(read.text, len(some))
        line = told_fit(made.checkpoint, inputs, about, given_command())
        console.print(line, soft_wrap=True)


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


def given_samples(samples: str | None, data: Path | None) -> Samples | None:
    """Return samples, if some are given."""
    return None if samples is None else read_samples(samples, data_dir(data))


def looked(
    source: str, options: NetworkOptions, samples: Samples | None, folds: bool = True
) -> Look:
    """Open a network and look at it; ``folds``: whether a module's batch norms may be folded."""
    wishes = options.wishes
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
        asked = parsed_inputs(options.input)
        if not asked and isinstance(wishes.pipeline, PictureSpec):
            asked = {None: Asked(wishes.pipeline.shape)}
        graph = graph_from(module_from(source), source, asked, folds)
    if samples is None:
        return look_at(graph, wishes)
    few = samples.spread(MOST_SEEN)
    return look_at(graph, wishes, lambda specs: inputs_for(few, specs, source))


def show(look: Look, console: Console) -> None:
    """Print every product of a network."""
    layers = look.batched or look.layers
    total = max(1, sum(each.macs for each in layers if each.layer.has_weights))
    table = Table(
        Column("product", overflow="fold"), "operator", "noise of\na vote",
        Column("multiply-\naccumulates", no_wrap=True),
        "share", "rms", "max", "noise",
    )  # fmt: skip
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
    is_less = any(each.layer.is_chosen_out for each in layers)
    console.print(
        f"{noisy} noise points; {look.noisy_share:.1%} of the multiply-accumulates of layers with "
        f"weights under noise{', what you excluded left out' if is_less else ''}"
    )


def tell(made: Made) -> None:
    """Print what a checkpoint has become."""
    tile, placement = made.tile, made.placement
    console.print(
        f"imported to {made.checkpoint.folder}: {len(made.checkpoint.card.noise_points)} noise "
        f"points, placement {placement.place}, noiseless outputs within "
        f"{placement.difference:.1e} of the original's, {tile.rows} votes a pass, a vote costs "
        f"{tile.seconds / tile.clean_seconds:.2f} clean passes",
        soft_wrap=True,
    )


def compare(look: Look, checkpoint: Checkpoint, samples: Samples) -> None:
    """Print the accuracy of a network as it came and of the checkpoint, on the same samples."""
    examples = examples_for(samples, checkpoint.card)
    inputs = {checkpoint.card.input.name: examples.inputs, **examples.others}
    scores = scores_alone(look.original, look.taken, look.scores, inputs)
    answers = scores.argmax(axis=1)
    right = int((answers == examples.labels).sum())
    of = checkpoint.card.noise
    noise = Noise(of.kind, of.default)
    table = Table("as it came", *MEASURED)
    table.add_row(accuracy(right, len(examples)), *accuracies_of(checkpoint, examples, noise))
    console.print(table)
    console.print(f"{len(examples)} samples, {noise.text}, 95 % intervals")
    if order := order_of_outputs(answers, examples.labels, checkpoint.card.labels):
        console.print(
            "warning: the outputs look as if their order were another one than that of the "
            f"labels; it may be --labels {escape(','.join(order))}",
            soft_wrap=True,
        )


def accuracies_of(checkpoint: Checkpoint, examples: Examples, noise: Noise) -> list[str]:
    """Return the accuracies of a checkpoint that :data:`MEASURED` names, with their intervals."""
    caster, images = Caster(checkpoint, 0), numbered(examples)
    silent = caster.cast(images, Noise(noise.kind, 0.0), 1)
    noisy = caster.cast(images, noise, VOTES)
    found = [silent.correct(1), noisy.correct(1), noisy.correct(VOTES)]
    return [accuracy(correct, len(examples)) for correct in found]
