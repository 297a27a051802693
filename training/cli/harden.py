"""The command ``harden``: a torch module of the user's own learns to stand noise."""

import dataclasses
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import torch
import typer
from rich.table import Table

from noisevote.models.checkpoint import Checkpoint
from noisevote.models.data.dataset import Examples
from noisevote.models.data.files import data_dir
from noisevote.models.data.samples import Samples, read_samples
from noisevote.models.devices.options import parse_ages, profile_named
from noisevote.models.errors import InputError, TrainingError
from noisevote.models.inputs.pictures import PREPROCESSINGS
from noisevote.models.noise import Noise
from noisevote.models.specs import InputSpec
from noisevote.training.cli.importing import MEASURED, VOTES, accuracies_of
from noisevote.training.cli.network_options import (
    check_place,
    labels_of,
    of_network,
    pipeline_of,
)
from noisevote.training.cli.options import AllowUnknown, DataDir, console, given_command
from noisevote.training.cli.train import NOT_FINISHED
from noisevote.training.devices.fit import IMAGES, measured_on, told_fit
from noisevote.training.importing.harden import (
    HardenPlan,
    brought_by,
    check_order,
    harden,
    names_of_classes,
    parts_of,
    recipe_for,
)
from noisevote.training.importing.hardened import (
    look_at_module,
    names_of_layers,
    sigma_of_calls,
)
from noisevote.training.importing.inputs import parsed_inputs, parsed_ranges
from noisevote.training.importing.look import Wishes
from noisevote.training.importing.take import ImportPlan, check_free, take_in
from noisevote.training.measure.evaluate import Caster, inputs_of, numbered
from noisevote.training.measure.on_devices import OnDevicePlan, measured_on_device
from noisevote.training.recipes.recipe import Schedule


def harden_command(
    source: Annotated[
        str,
        typer.Argument(metavar="MODULE:CALLABLE", help="Returns a torch module; it is run."),
    ],
    samples: Annotated[
        str,
        typer.Option(
            help="To learn from: a folder with one folder of pictures a class; .csv "
            "of file,label or of features and label; .npz of inputs and labels; or "
            "a data set by name."
        ),
    ],
    name: Annotated[str, typer.Option(help="Name of the checkpoint and the run.")],
    checkpoints: Annotated[Path, typer.Option(help="Your folder of checkpoints.")],
    weights: Annotated[
        Path | None, typer.Option(help="Weights to start from: .safetensors, or of torch.")
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            help="mult-SIGMA, add-SIGMA, or add-rms-SIGMA in units of each layer's signal. "
            "Default: mult-1.0, or what --device does."
        ),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(metavar="NAME|FILE.toml", help="Analog device on whose chips it learns."),
    ] = None,
    ages: Annotated[
        str | None,
        typer.Option(
            help="20s,30d: between which the ages of the chips are drawn. Default: the smallest "
            "for which the device is known."
        ),
    ] = None,
    weight_clip: Annotated[
        float | None,
        typer.Option(help="Clip weights at so many standard deviations of their column."),
    ] = None,
    noise_points: Annotated[
        list[str] | None,
        typer.Option(
            help="Pattern of the layers that get noise. Default: all linear layers and "
            "convolutions. Repeat it for several."
        ),
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(
            help="File of one label a line, or a,b,c, in the order of the "
            "outputs. Default: those of the samples, sorted."
        ),
    ] = None,
    shape: Annotated[
        str | None,
        typer.Option(
            "--input", help="3x224x224: shape of one input, where the samples do not tell it."
        ),
    ] = None,
    ranges: Annotated[list[str] | None, of_network("range", "--range")] = None,
    preprocessing: Annotated[str | None, of_network("preprocessing")] = None,
    epochs: Annotated[int, typer.Option(min=1)] = 30,
    learning_rate: Annotated[float, typer.Option(min=0)] = 3e-3,
    batch_size: Annotated[int, typer.Option(min=1)] = 64,
    seed: Annotated[int, typer.Option(min=0)] = 1,
    minutes: Annotated[
        float,
        typer.Option(min=0, help="Stop after so long, with exit code 3; the same command goes on."),
    ] = float("inf"),
    runs: Annotated[Path, typer.Option(help="Folder of the runs.")] = Path("runs"),
    data: DataDir = None,
    allow_unknown_data: AllowUnknown = False,
    threads: Annotated[int, typer.Option(min=1)] = 1,
    replace: Annotated[
        bool, typer.Option("--replace", help="Overwrite a checkpoint of that name.")
    ] = False,
) -> None:
    """Harden a torch module of your own, and make a checkpoint of it.

    About a fifth of the samples is held back, equal ones together; on it accuracy is told before
    and after.
    """
    check_place(name, checkpoints)
    check_free(checkpoints / name, replace)
    torch.set_num_threads(threads)
    read = read_samples(samples, data_dir(data), allow_unknown_data, to_learn=True)
    spec = spec_of(read, shape, ranges, preprocessing)
    schedule = Schedule(epochs, batch_size=batch_size, learning_rate=learning_rate)
    plan = HardenPlan(
        source, weights, recipe, noise_points or (), name, schedule, seed, device,
        ages_between(ages), weight_clip,
    )  # fmt: skip
    network = brought_by(plan, spec.shape)
    classes = names_of_classes(labels_of(labels), read, network.classes)
    parts = learned, held_back = parts_of(read, spec, classes, name)
    if labels is None:
        check_order(network, learned, classes, is_trained=weights is not None)
    chosen = recipe_for(plan, network, learned, read.text, len(held_back))
    hardened = harden(chosen, parts, runs / name, console, minutes)
    if hardened is None:
        console.print("stopped; go on with the same command")
        raise typer.Exit(NOT_FINISHED)
    wishes = Wishes(
        ranges={None: spec.range} if spec.range else {},
        rule=names_of_layers(hardened),
        pipeline=pipeline_of(preprocessing),
    )
    looks = [
        look_at_module(each.network, source, spec.shape, wishes, held_back.inputs)
        for each in (network, hardened)
    ]
    place = ImportPlan(
        checkpoints / name, classes, chosen.hardening.kind, None, given_command(), True, replace,
        sigma_of_calls(chosen.hardening.sigma_train, looks[1]),
    )  # fmt: skip
    with TemporaryDirectory() as beside:
        aside = dataclasses.replace(place, folder=Path(beside) / name)
        first = take_in(looks[0], aside).checkpoint
        second = take_in(looks[1], place).checkpoint
        some = numbered(held_back).spread(IMAGES)[0].examples
        about = measured_on(f"held back of {read.text}", len(some))
        for each in (first, second):
            line = told_fit(each, inputs_of(some, each.card), about, given_command())
        # Read anew: their cards now tell of arrays, if devices can be put on them.
        pair = {"as given": Checkpoint(first.folder), "hardened": Checkpoint(second.folder)}
        if device is None:
            show_gain(pair, held_back)
        elif all(each.card.devices for each in pair.values()):
            show_gain_on_device(pair, held_back, device, plan.age_s)
    console.print(line, soft_wrap=True)
    console.print(f"hardened; the checkpoint lies in {place.folder}", soft_wrap=True)


def ages_between(given: str | None) -> tuple[float, float] | None:
    """Return the smallest and the largest age of an option, in seconds.

    Raises:
        InputError: these are not two ages.
    """
    if given is None:
        return None
    ages = parse_ages(given)
    if len(ages) != 2:
        raise InputError(f"--ages {given!r} names no two ages; write 20s,30d", "age_s")
    return ages[0], ages[1]


def spec_of(
    samples: Samples, shape: str | None, ranges: list[str] | None, preprocessing: str | None
) -> InputSpec:
    """Return what one input is: as an option tells, or as the samples or pictures have it.

    Raises:
        TrainingError: nothing tells its shape.
    """
    found = next(iter(samples.content.arrays.values()), None)
    asked = parsed_inputs([shape] if shape else []).get(None)
    limits = parsed_ranges(ranges or []).get(None)
    pipeline = pipeline_of(preprocessing)
    if isinstance(pipeline, str):
        row = PREPROCESSINGS[pipeline]
        return InputSpec(shape=row.shape, range=row.range, preprocessing=pipeline)
    if pipeline is not None:
        return InputSpec(shape=pipeline.shape, range=limits, picture=pipeline)
    inner = asked.shape if asked else () if found is None else found.shape[1:]
    if not inner:
        raise TrainingError(
            f"{samples.source} holds pictures: say with --preprocessing how they become inputs"
        )
    return InputSpec(shape=inner, range=limits)


def show_gain(checkpoints: dict[str, Checkpoint], examples: Examples) -> None:
    """Print the accuracy of a network before and after it was hardened, under the same noise."""
    of = next(iter(checkpoints.values())).card.noise
    noise = Noise(of.kind, of.default)
    table = Table("", *MEASURED)
    for title, checkpoint in checkpoints.items():
        table.add_row(title, *accuracies_of(checkpoint, examples, noise))
    console.print(table)
    console.print(f"{len(examples)} samples held back, {noise.text}, 95 % intervals")


def show_gain_on_device(
    checkpoints: dict[str, Checkpoint],
    examples: Examples,
    device: str,
    ages_s: tuple[float, float] | None,
) -> None:
    """Print the accuracy of a network before and after it was hardened, on chips of the device."""
    plan = OnDevicePlan(profile_named(device), ages_s=sorted(set(ages_s or ())), votes=VOTES)
    table = Table("", "age, s", "votes", "mean over chips", "worst chip")
    for title, checkpoint in checkpoints.items():
        for found in measured_on_device(Caster(checkpoint, 0), numbered(examples), plan):
            if found.votes in {1, VOTES}:
                age = "-" if found.age_s is None else f"{found.age_s:g}"
                shares = f"{found.mean:.1%}", f"{found.worst:.1%}"
                table.add_row(title, age, str(found.votes), *shares)
    console.print(table)
    console.print(f"{len(examples)} samples held back, {plan.chips} chips of {plan.profile.name}")
