"""What ``evaluate --device`` does."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from noisevote.models.card import Card
from noisevote.models.devices.chips import CHIP_SCHEME
from noisevote.models.devices.options import parse_ages, profile_named
from noisevote.models.measured import DeviceAccuracy, DeviceEvaluation
from noisevote.models.noise import Noise
from noisevote.training.cli.options import given_command, images_progress
from noisevote.training.export.card_file import check_writable, update_card
from noisevote.training.measure.evaluate import casting
from noisevote.training.measure.on_devices import OnDevicePlan, measured_on_device
from noisevote.training.measure.subject import Subject


def evaluate_on_device(
    subject: Subject,
    device: str,
    chips: int,
    ages: str,
    temperature_c: float | None,
    votes: int,
    seed: int,
    on_card: bool,
) -> None:
    """Measure the accuracy over chips and ages, print it, and write it to the card if asked."""
    profile = profile_named(device)
    plan = OnDevicePlan(profile, chips, parse_ages(ages), temperature_c, votes)
    if on_card:
        check_writable(subject.checkpoint.folder)
    with casting(subject.checkpoint, seed, subject.threads, images_progress(), None) as caster:
        found = list(measured_on_device(caster, subject.examples, plan))
        clean = caster.cast(subject.examples, Noise(subject.checkpoint.card.noise.kind, 0.0), 1)
    show_on_device(found, clean.correct(1) / len(subject.examples))
    if on_card:
        add_on_device(subject, seed, found)


def show_on_device(found: Sequence[DeviceAccuracy], clean: float) -> None:
    """Print accuracies over chips, below that without noise and device."""
    first = found[0]
    chips = "1 chip" if len(first.correct) == 1 else f"{len(first.correct)} chips"
    title = (
        f"accuracy in % on {first.device}, {chips}, {first.images} inputs; "
        "the interval is for the mean over all chips"
    )
    table = Table("age, s", "votes", "mean", "95 %", "worst", "best", title=title)
    table.add_row("no device", "1", f"{100 * clean:.2f}", "-", "-", "-")
    for entry in found:
        low, high = (100 * bound for bound in entry.interval or (entry.mean, entry.mean))
        table.add_row(
            "-" if entry.age_s is None else f"{entry.age_s:g}",
            str(entry.votes),
            f"{100 * entry.mean:.2f}",
            f"{low:.2f} to {high:.2f}" if entry.interval else "-",
            f"{100 * entry.worst:.2f}",
            f"{100 * entry.best:.2f}",
        )
    Console().print(table)


def add_on_device(subject: Subject, seed: int, found: Sequence[DeviceAccuracy]) -> None:
    """Write accuracies over chips to the card, in the place of those that measured the same."""
    entry = DeviceEvaluation(
        split=subject.split,
        seed=seed,
        noise_scheme=subject.checkpoint.card.noise_scheme,
        chip_scheme=CHIP_SCHEME,
        command=subject.noted(given_command()),
        accuracies=tuple(found),
    )

    def with_entry(card: Card) -> Card:
        kept = [old for old in card.on_devices if not old.is_replaced_by(entry)]
        return card.model_copy(update={"on_devices": (*kept, entry)})

    update_card(subject.checkpoint, with_entry)
