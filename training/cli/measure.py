"""The commands ``evaluate``, ``calibrate`` and ``agreement``: what the votes of a checkpoint do."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated, Any

import typer

from noisevote.models.card import Card
from noisevote.models.checkpoint import SHIPPED, CheckpointStore
from noisevote.models.cores import allowed_cores
from noisevote.models.data.dataset import Labels
from noisevote.models.data.files import data_dir
from noisevote.models.data.fitting import doubt_about
from noisevote.models.errors import InputError
from noisevote.models.measured import Accuracy, Evaluation
from noisevote.models.noise import Noise, NoiseKind
from noisevote.models.noise_setting import (
    parse_repeats,
    parse_sigma,
)
from noisevote.training.cli.on_devices import evaluate_on_device
from noisevote.training.cli.options import (
    AllowUnknown,
    Checkpoints,
    DataDir,
    LabelsFrom,
    SamplesGiven,
    Threads,
    changed,
    console,
    given_command,
    images_progress,
)
from noisevote.training.cli.tables import show_accuracies, show_agreements, show_thresholds
from noisevote.training.export.card_file import check_writable, update_card
from noisevote.training.measure.agreement import AgreementPlan, measured_agreement, with_agreements
from noisevote.training.measure.calibrate import (
    CalibrationPlan,
    Outcome,
    calibrate,
    check_thresholds,
    with_thresholds,
)
from noisevote.training.measure.evaluate import MAX_SEED, Caster, accuracies, casting
from noisevote.training.measure.results import (
    ACCURACY_COLUMNS,
    ResultsFile,
    accuracies_in,
    accuracy_row,
    machine,
)
from noisevote.training.measure.splits import Split
from noisevote.training.measure.subject import Source, Subject, subject_of

MAX_CHIPS = 1000
"""Most chips of an evaluation."""

DEFAULT_SIGMAS = ["0", "0.2", "0.4", "0.6", "0.8", "1"]

Name = Annotated[str, typer.Argument(help="Name of a checkpoint.")]


def subject(
    name: str,
    checkpoints: Path,
    source: Source,
    split: Split | None = None,
    images: int | None = None,
) -> Subject:
    """Open a checkpoint and load what it is measured on."""
    found = subject_of(CheckpointStore(checkpoints).find(name), source, split, images)
    doubt = doubt_about(found.examples.examples.inputs, found.checkpoint.card.input)
    if source.samples is not None and doubt is not None:
        console.print(f"[yellow]warning:[/] {doubt}", soft_wrap=True)
    return found


def caster_for(
    subject: Subject, seed: int, total: int | None = None
) -> AbstractContextManager[Caster]:
    """Return a caster with a bar over ``total`` images."""
    return casting(subject.checkpoint, seed, subject.threads, images_progress(), total)


def source_of(
    samples: str | None,
    labels: Labels | None,
    data: Path | None,
    allow_unknown: bool,
    threads: int | None,
) -> Source:
    """Return where the examples of a measurement come from, by the options of its command."""
    return Source(samples, labels, data_dir(data), allow_unknown, threads or allowed_cores())


def evaluate(
    name: Name,
    sigma: Annotated[
        list[str] | None,
        typer.Option(help="0.5, or by noise point conv1=0.2,fc2=1; repeat it for several."),
    ] = None,
    repeats: Annotated[
        str, typer.Option(help="Reads averaged, by noise point: fc1=4,fc2=20.")
    ] = "",
    noise: Annotated[NoiseKind | None, typer.Option(help="Default: the checkpoint's.")] = None,
    device: Annotated[
        str | None,
        typer.Option(metavar="NAME|FILE.toml", help="Analog device instead of noise and sigma."),
    ] = None,
    chips: Annotated[int, typer.Option(min=1, max=MAX_CHIPS, help="Of the device.")] = 10,
    age: Annotated[
        str, typer.Option(help="Since the weights were written: 60s, or several: 60s,1h,1d.")
    ] = "",
    temperature: Annotated[
        float | None, typer.Option(help="Of the device, in degrees Celsius.")
    ] = None,
    votes: Annotated[int, typer.Option(min=1)] = 20,
    seed: Annotated[int, typer.Option(min=0, max=MAX_SEED)] = 0,
    on_test_data: Annotated[
        bool | None,
        typer.Option(
            "--test/--validation",
            help="Choose on validation, report on test; of samples each is a half, and without "
            "either all are taken.",
        ),
    ] = None,
    on_exact_test_data: Annotated[
        bool, typer.Option("--exact-test", help="Test images with exact pixels, of a lossy copy.")
    ] = False,
    images: Annotated[
        int | None, typer.Option(min=1, help="Only so many, spread over the split.")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="CSV; goes on where it was.")] = None,
    card: Annotated[bool, typer.Option(help="Write the accuracies to the card.")] = False,
    samples: SamplesGiven = None,
    labels: LabelsFrom = Labels.GIVEN,
    checkpoints: Checkpoints = SHIPPED,
    data: DataDir = None,
    allow_unknown_data: AllowUnknown = False,
    threads: Threads = None,
) -> None:
    """Measure the accuracy over sigma and votes, or over chips and ages of a device."""
    if device is not None:
        check_one_noise(sigma=sigma, noise=noise, repeats=repeats, output=output)
    split = {None: None, True: Split.TEST, False: Split.VALIDATION}[on_test_data]
    split = Split.EXACT_TEST if on_exact_test_data else split
    source = source_of(samples, labels, data, allow_unknown_data, threads)
    measured = subject(name, checkpoints, source, split, images)
    if device is not None:
        evaluate_on_device(measured, device, chips, age, temperature, votes, seed, card)
        return
    chosen = measured.examples
    kind = noise or measured.checkpoint.card.noise.kind
    settings = [
        Noise(kind, parse_sigma(text), parse_repeats(repeats)) for text in sigma or DEFAULT_SIGMAS
    ]
    spread = " spread over it" if measured.is_part else ""
    about = {
        "command": given_command(),
        "checkpoint": f"{name}, {measured.checkpoint.fingerprint}",
        "trained by": measured.checkpoint.card.command,
        "split": f"{measured.split}, {len(chosen)} images{spread}, seed {seed}",
        "noise": f"{kind}, {measured.checkpoint.card.noise_scheme}",
        "votes": str(votes),
        **machine(),
    }
    if card:
        check_writable(measured.checkpoint.folder)
    file = ResultsFile(output, about, ACCURACY_COLUMNS) if output else None
    results = accuracies_in(file.path, file.rows) if file else []
    done = [(entry.sigma, entry.repeats) for entry in results]
    left = [entry for entry in settings if (entry.sigma, entry.repeats) not in done]
    with caster_for(measured, seed, len(left) * len(chosen)) as caster:
        for setting in left:
            entries = accuracies(caster.cast(chosen, setting, votes), setting, votes)
            results += entries
            if file:
                file.add(accuracy_row(entry) for entry in entries)
    show_accuracies(results)
    if card:
        command = (file.about if file else about)["command"]
        add_to_card(measured, seed, command, results)


def check_one_noise(*, output: Path | None, **others: object) -> None:
    """Refuse noise of another kind beside a device, or a file for its results.

    Raises:
        InputError: one is given.
    """
    if given := [f"--{name}" for name, value in others.items() if value]:
        raise InputError(
            f"--device takes the place of {' and '.join(given)}; leave out one or the other"
        )
    if output is not None:
        raise InputError(
            "--output goes with noise of a sigma; of devices `experiment devices` writes files"
        )


def add_to_card(subject: Subject, seed: int, command: str, results: list[Accuracy]) -> None:
    """Write accuracies, and the command behind them, to the card of their checkpoint."""
    entry = Evaluation(
        split=subject.split,
        seed=seed,
        noise_scheme=subject.checkpoint.card.noise_scheme,
        command=command,
        accuracies=tuple(results),
    )

    def with_entry(card: Card) -> Card:
        kept = [old for old in card.evaluations if not old.is_replaced_by(entry)]
        return card.model_copy(update={"evaluations": (*kept, entry)})

    update_card(subject.checkpoint, with_entry)


def calibrate_checkpoint(
    name: Name,
    check_on_test_data: Annotated[
        bool, typer.Option("--test", help="Show what the card's margins do to the test images.")
    ] = False,
    samples: SamplesGiven = None,
    checkpoints: Checkpoints = SHIPPED,
    data: DataDir = None,
    allow_unknown_data: AllowUnknown = False,
    threads: Threads = None,
    **given: Any,
) -> None:
    """Choose on validation images or samples when `calibrated` stops, for the card."""
    plan = changed(CalibrationPlan(), given)
    split = Split.TEST if check_on_test_data else Split.VALIDATION
    source = source_of(samples, None, data, allow_unknown_data, threads)
    measured = subject(name, checkpoints, source, split)
    images = measured.examples
    if check_on_test_data:
        with caster_for(measured, plan.seed) as caster:
            show_thresholds(check_thresholds(caster, images), len(images))
        return
    check_writable(measured.checkpoint.folder)
    with caster_for(measured, plan.seed) as caster:
        chosen = list(calibrate(caster, images, plan, measured.noted(given_command())))
    outcomes = ((entry, Outcome(entry.changed, entry.mean_votes)) for entry in chosen)
    show_thresholds(outcomes, len(images))
    update_card(measured.checkpoint, lambda now: with_thresholds(now, chosen))


def agreement(
    name: Name,
    samples: SamplesGiven = None,
    checkpoints: Checkpoints = SHIPPED,
    data: DataDir = None,
    allow_unknown_data: AllowUnknown = False,
    threads: Threads = None,
    **given: Any,
) -> None:
    """Measure how much votes agree on validation images or samples, for the card."""
    plan = changed(AgreementPlan(), given)
    source = source_of(samples, None, data, allow_unknown_data, threads)
    measured = subject(name, checkpoints, source, images=plan.images)
    images = measured.examples
    check_writable(measured.checkpoint.folder)
    total = len(plan.sigmas(measured.checkpoint.card)) * len(images)
    with caster_for(measured, plan.seed, total) as caster:
        found = list(measured_agreement(caster, images, plan, measured.noted(given_command())))
    show_agreements(found)
    update_card(measured.checkpoint, lambda now: with_agreements(now, found))
