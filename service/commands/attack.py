"""The command ``noisevote attack``: an assessment without a server.

The target is asked by votes alone, as over HTTP. Steps are kept in the output folder: the same
command goes on where it was interrupted.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich import progress as bars
from rich.console import Console

from noisevote.models.checkpoint import CheckpointStore
from noisevote.models.data.dataset import Labels
from noisevote.models.data.files import data_dir
from noisevote.models.data.samples import Samples, read_samples
from noisevote.models.devices.asked import AskedDevice
from noisevote.models.devices.presets import DeviceStore
from noisevote.models.errors import InputError, StorageError
from noisevote.models.files import hold
from noisevote.models.noise import NoiseKind
from noisevote.models.noise_setting import parse_repeats, parse_sigma
from noisevote.models.robustness.assessment import assess
from noisevote.models.robustness.plan import DEFAULT_ATTACKS, AttackName, AttackOptions
from noisevote.models.robustness.progress import Progress
from noisevote.models.robustness.report import Report
from noisevote.models.robustness.target_class import parse_target_class
from noisevote.models.robustness.targeting import check_targets
from noisevote.service.commands import voting
from noisevote.service.commands.module_surrogate import attacker_from_module
from noisevote.service.commands.options import with_options_of
from noisevote.service.configuration.folders import SHIPPED_NAME, folders_from
from noisevote.service.configuration.reading import about_engine, load_settings
from noisevote.service.jobs.chosen import chosen_from
from noisevote.service.jobs.plans import AskedNoise, check_plan, plan_of, usual_attacks
from noisevote.service.jobs.run import REPORT_JSON, about_of, run_of, write_report
from noisevote.service.jobs.samples import dataset_samples, fitted
from noisevote.service.jobs.submit import check_installed
from noisevote.service.prediction.device import asked_device
from noisevote.service.wire.device import DeviceFields
from noisevote.service.wire.errors import input_error_from

NONE = "none"
"""As the surrogate: the attacker has no network."""

IMAGES = 200
"""Of a data set that are attacked where no number is given."""

INTERFACE = "in the process, by votes alone"


@with_options_of(AttackOptions, leaving_out=["attacks", "target_class"])
def attack_command(
    target: Annotated[str, typer.Argument(help="Checkpoint under attack.")],
    surrogate: Annotated[
        str | None,
        typer.Option(help="The attacker's checkpoint, or none: then he can only ask the target."),
    ] = None,
    surrogate_module: Annotated[
        str | None,
        typer.Option(
            metavar="MODULE:CALLABLE",
            help="Instead: what gives a torch module of your own, for its gradients. It is called, "
            "so name none but your own.",
        ),
    ] = None,
    surrogate_weights: Annotated[
        Path | None, typer.Option(help="Weights of that module: .safetensors, or of torch.")
    ] = None,
    sigma: Annotated[
        str | None,
        typer.Option(
            help="Sigma of the target's noise, like 0.5, or by noise point like conv1=0.2,fc2=1, "
            "where points left out get none. Default: its sigma_train."
        ),
    ] = None,
    snr_db: voting.SnrDb = None,
    repeats: Annotated[
        str, typer.Option(help="Reads of the target's noise points that are averaged: fc2=20.")
    ] = "",
    noise: Annotated[
        NoiseKind | None,
        typer.Option(help="Kind of the target's noise. Default: the target's own."),
    ] = None,
    device: voting.Device = None,
    chip: voting.Chip = None,
    chips: voting.Chips = None,
    age: voting.Age = None,
    temperature: voting.Temperature = None,
    output: Annotated[Path, typer.Option(help="Folder of report and steps.")] = Path("assessment"),
    attack: Annotated[
        list[AttackName] | None,
        typer.Option(
            metavar="NAME",
            help=f"Any of {', '.join(AttackName)}. Repeat for several. "
            f"Default: {', '.join(DEFAULT_ATTACKS)}, as far as they can be tried.",
        ),
    ] = None,
    target_class: Annotated[
        str | None,
        typer.Option(
            metavar="CLASS|CLASSES|RULE",
            help=AttackOptions.model_fields["target_class"].description,
        ),
    ] = None,
    undefended: Annotated[
        str | None, typer.Option(help="A checkpoint known to fall, for a sanity check.")
    ] = None,
    dataset: Annotated[str, typer.Option(help="Whose test images are attacked.")] = "mnist",
    images: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Of a data set the first so many are attacked, by default 200; of --samples so "
            "many, spread evenly, by default all.",
        ),
    ] = None,
    samples: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER|FILE",
            help="Samples of your own, instead: a folder with a folder a class, a list, features, "
            "or .npz with the arrays inputs and labels.",
        ),
    ] = None,
    labels: Annotated[
        Labels,
        typer.Option(help="predicted: the target's answers without noise stand for labels."),
    ] = Labels.GIVEN,
    checkpoints: Annotated[
        str, typer.Option(envvar="NOISEVOTE_CHECKPOINTS", help="Folders, as in the setting.")
    ] = SHIPPED_NAME,
    data: Annotated[
        Path | None,
        typer.Option("--data-dir", help="Folder of the data sets; NOISEVOTE_DATA_DIR."),
    ] = None,
    **options: Any,
) -> None:
    """Assess how well noise and votes protect a checkpoint against black-box attacks."""
    store = checkpoints_in(checkpoints)
    if surrogate_weights is not None and surrogate_module is None:
        raise InputError("surrogate_weights are those of a surrogate_module", "surrogate_weights")
    chosen = chosen_from(store, target, named_surrogate(surrogate, surrogate_module), undefended)
    if surrogate_module is not None:
        attacker = attacker_from_module(surrogate_module, surrogate_weights, chosen.target.card)
        chosen = replace(chosen, attacker=attacker)
    attacks = tuple(attack or usual_attacks(chosen))
    asked = AskedNoise(
        noise,
        None if sigma is None else parse_sigma(sigma),
        snr_db,
        parse_repeats(repeats),
        device_from(device, chip=chip, chips=chips, age_s=age, temperature_c=temperature),
    )
    if sigma is not None and snr_db is not None:
        raise InputError("sigma and snr_db say the same thing; give one of them", "snr_db")
    options["attacks"] = attacks
    options["target_class"] = (
        None
        if target_class is None
        else parse_target_class(target_class, chosen.target.card.labels)
    )
    plan = plan_of(chosen.target.card, asked, options, labels)
    check_installed(plan.attacks)
    check_plan(plan, chosen)
    if samples is None:
        read = dataset_samples(dataset, images or IMAGES, data)
        source = f"{dataset}, first test images"
    else:
        is_in_order = isinstance(plan.target_class, tuple)  # a class for each
        read = own_samples(read_samples(samples, data_dir(data)), images, is_in_order)
        source = read.source
    taken = fitted(read, chosen.target, labels is Labels.GIVEN)
    check_targets(plan, taken, len(chosen.target.card.labels))
    about = about_of(chosen, taken, source, INTERFACE, plan)
    bar = progress_bar()
    task = bar.add_task("", total=1.0)
    told_of: set[str] = set()

    def told(step: str, share: float) -> None:
        bar.update(task, description=step, completed=share)
        if step not in told_of and not bar.console.is_terminal:  # a log has no bar
            bar.console.print(f"{share:4.0%} {step}", soft_wrap=True, highlight=False)
        told_of.add(step)

    with kept_in(output):
        run = run_of(chosen, about, plan, taken, output, Progress(told))
        with bar:
            report = assess(run, about, lambda partial: write_report(partial, output))
        write_report(report, output)
    show(report, output)


def own_samples(read: Samples, images: int | None, is_in_order: bool) -> Samples:
    """Return the samples of a file that are attacked: ``images``, or all, of all classes in turns.

    Args:
        read: what the file holds.
        images: how many; None: all.
        is_in_order: whether they have to keep their order.
    """
    some = read.spread(images or len(read))
    return some if is_in_order else some.in_turns()


def device_from(device: str | dict[str, Any] | None, **condition: Any) -> AskedDevice | None:
    """Return the device that the options name, with its profile.

    Raises:
        InputError: an option is out of range, or given without a device.
        UnknownDeviceError: there is no device of that name.
    """
    given = {"device": device} | condition
    try:
        fields = DeviceFields.model_validate(
            {name: value for name, value in given.items() if value is not None}
        )
    except ValidationError as error:
        raise input_error_from(error) from None
    settings = load_settings()
    return asked_device(fields, DeviceStore(*settings.devices), settings)


def checkpoints_in(folders: str) -> CheckpointStore:
    """Return the checkpoints in some folders, with engine and noise scheme of the settings.

    Raises:
        InputError: they are no folders, or this machine has no such engine.
    """
    chosen = load_settings()
    for complaint in about_engine(chosen):
        raise InputError(complaint)
    try:
        return CheckpointStore(*folders_from(folders), preference=chosen.preference)
    except ValueError as error:
        raise InputError(f"checkpoints is {folders!r}: {error}", "checkpoints") from error


def named_surrogate(checkpoint: str | None, module: str | None) -> str | None:
    """Return the checkpoint that is the attacker's network, if it is one.

    Raises:
        InputError: there are two networks, or it is not said that there is none.
    """
    if (checkpoint is None) == (module is None):
        raise InputError(
            "needed is one of --surrogate NAME, --surrogate none and --surrogate-module "
            "MODULE:CALLABLE",
            "surrogate",
        )
    return None if checkpoint == NONE else checkpoint


@contextmanager
def kept_in(folder: Path) -> Iterator[None]:
    """Hold the folder of an assessment, and turn errors of the file system into ours.

    Raises:
        StorageError: the folder cannot be written, the disk is full, or another process writes it.
    """
    try:
        with closing(hold(folder / REPORT_JSON)):
            yield
    except BlockingIOError as error:
        raise StorageError(
            f"another process writes into {folder}; wait until it has ended, or name another one "
            "with --output"
        ) from error
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise StorageError(f"the folder {folder} cannot be used: {reason}") from error


def progress_bar() -> bars.Progress:
    """Return a bar with the running step and the share of all work that is done."""
    return bars.Progress(
        bars.TextColumn("{task.description}"),
        bars.BarColumn(),
        bars.TaskProgressColumn(),
        bars.TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )


def show(report: Report, folder: Path) -> None:
    """Print the verdict and where the rest is."""
    console = Console(highlight=False, soft_wrap=True, markup=False)
    if report.verdict is not None:
        for sentence in report.verdict.sentences:
            console.print(sentence)
    console.print(f"The report is in {folder}.")
