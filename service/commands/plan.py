"""The command ``noisevote plan``: the votes that meet a demand, from a study's recorded votes."""

import json
import re
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from noisevote.models.checkpoint import CheckpointStore
from noisevote.models.devices.options import parse_age, profile_named
from noisevote.models.devices.presets import SUFFIX, DeviceStore
from noisevote.models.errors import DataError, InputError
from noisevote.models.study.folders import Studies
from noisevote.models.study.store import StudyStore
from noisevote.models.study.weighed import Ceiling, Reached
from noisevote.models.study.words import energy as energy_words
from noisevote.models.study.words import seconds
from noisevote.service.commands.tables import table_console
from noisevote.service.configuration.reading import load_settings
from noisevote.service.prediction.planning import conclusions_in, planned_from, study_for
from noisevote.service.wire.parsing import validated_as
from noisevote.service.wire.plan import PlannedOption, PlanRequest, PlanResponse

PREFIXES = {"": 1.0, "m": 1e-3, "u": 1e-6, "µ": 1e-6, "μ": 1e-6, "n": 1e-9, "p": 1e-12, "f": 1e-15}


def plan_command(
    name: Annotated[str, typer.Argument(metavar="CHECKPOINT", help="Whose study is asked.")],
    study: Annotated[
        Path | None,
        typer.Option(help="Folder of the study. Default: in the folders of the setting studies."),
    ] = None,
    device: Annotated[
        str | None, typer.Option(metavar="NAME|FILE.toml", help="Analog device of the study.")
    ] = None,
    accuracy: Annotated[
        float | None, typer.Option(help="Least share of right answers, for the least energy.")
    ] = None,
    energy: Annotated[
        str | None,
        typer.Option(help="Most energy of an answer, 5uJ, or in passes where no costs are known."),
    ] = None,
    latency: Annotated[
        str | None, typer.Option(help="Time in which 99 % of the answers are there, 50us.")
    ] = None,
    sigma: Annotated[
        float | None, typer.Option(help="Noise, one of the study's; by default its question's.")
    ] = None,
    age: Annotated[
        str | None, typer.Option(help="Age of the device, one of the study's: 1h, 1d.")
    ] = None,
    sure: Annotated[
        bool, typer.Option("--sure", help="The lower end of the interval must reach the accuracy.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The reply of POST /plan.")] = False,
) -> None:
    """Plan votes, stop rule, reads and chips for an accuracy, an energy or a latency.

    It needs a study (noisevote-train study) and makes no new passes.
    """
    chosen = load_settings()
    checkpoint = CheckpointStore(*chosen.checkpoints).find(name)
    devices = DeviceStore(*chosen.devices)
    is_file = device is not None and device.endswith(SUFFIX)
    fields = {
        "checkpoint": name,
        "device": profile_named(device).digest if device is not None and is_file else device,
        "sigma": sigma,
        "age_s": None if age is None else parse_age(age),
        "accuracy": accuracy,
        "energy": None if energy is None else parse_quantity(energy, "J", "energy"),
        "latency_s": None if latency is None else parse_quantity(latency, "s", "latency"),
        "sure": sure,
    }
    asked = validated_as(PlanRequest, {key: of for key, of in fields.items() if of is not None})
    if study is None:
        store = study_for(checkpoint, Studies(chosen.study_folders), asked)
    else:
        store = StudyStore(study)
        check_is_of(store, checkpoint.name, checkpoint.fingerprint, asked.device)
    check_unit(energy, store)
    found = planned_from(store, checkpoint, asked, devices)
    if as_json:
        typer.echo(found.model_dump_json(indent=1))
    else:
        show_plan(found)


def check_is_of(store: StudyStore, name: str, fingerprint: str, device: str | None) -> None:
    """Refuse a study of something else.

    Raises:
        DataError: it is of another checkpoint, or of other weights.
        InputError: it is of another device.
    """
    head = store.head
    if (head.checkpoint, head.fingerprint) != (name, fingerprint):
        raise DataError(
            f"the study in {store.folder} is of {head.checkpoint}, {head.fingerprint}; {name} is "
            f"{fingerprint}"
        )
    if device is not None and device not in {head.device_name, head.device_digest}:
        raise InputError(
            f"the study in {store.folder} is of {head.device_name or 'no device'}", "device"
        )


def check_unit(energy: str | None, store: StudyStore) -> None:
    """Refuse joules where a study knows none.

    Raises:
        InputError: they were given.
    """
    if energy is None or not energy.strip().endswith("J"):
        return
    if conclusions_in(store).options[0].costs.unit != "J":
        why = (
            "it is of noise of a strength; one on a device with costs knows joules"
            if store.head.device is None
            else "its device tells no costs"
        )
        raise InputError(
            f"energy is {energy}; the study counts passes, since {why}: write --energy 2.5 for two "
            "and a half passes",
            "energy",
        )


def show_plan(found: PlanResponse) -> None:
    """Print a plan, and the options beside it."""
    console = Console(markup=False)
    forecast = told(found.forecast)
    console.print(f"study: {found.study.folder}", soft_wrap=True)
    console.print(f"forecast: {forecast}, on {found.study.choice}", soft_wrap=True)
    confirmed = (
        "not recorded: the study took other options there"
        if found.confirmed is None
        else f"{told(found.confirmed)}, on {found.study.report}"
    )
    console.print(f"on other samples: {confirmed}", soft_wrap=True)
    console.print(
        f"votes: {found.forecast.mean_votes:.2f} on average, 99 % of the answers with at most "
        f"{found.forecast.p99_votes}"
    )
    late = "" if found.latency_s is None else f", {seconds(found.latency_s)} for 99 %"
    console.print(f"costs: {energy_words(found.energy, found.energy_unit)}{late}")
    if found.ceiling is not None:
        console.print(f"ceiling: {ceiling_text(found.ceiling, found.study.device)}", soft_wrap=True)
    for remark in found.remarks:
        console.print(f"note: {remark}", soft_wrap=True)
    console.print("body for /predict, without its input:")
    typer.echo(json.dumps(found.request))
    console.print("what else there is, from cheap to dear:")
    table_console().print(front_table(found))


def told(reached: Reached) -> str:
    """Return an accuracy with its interval."""
    low, high = reached.interval
    return (
        f"{100 * reached.accuracy:.2f} % [{100 * low:.2f}, {100 * high:.2f}], n = {reached.samples}"
    )


def ceiling_text(ceiling: Ceiling, device: str | None) -> str:
    """Return a ceiling in words."""
    what = f"all {ceiling.votes} votes together" if device is None else "without read noise"
    other = "" if ceiling.report is None else f"; on other samples {told(ceiling.report)}"
    return f"{told(ceiling.choice)}{other}, {what}"


def front_table(found: PlanResponse) -> Table:
    """Return a table of the options that nothing as cheap reaches or beats."""
    table = Table("energy", "latency, 99 %", "forecast", "on other samples", "votes", "request")
    for option in found.front:
        table.add_row(*front_row(option, found.energy_unit))
    return table


def front_row(option: PlannedOption, unit: str) -> list[str]:
    """Return an option as a row."""
    request = {
        key: value
        for key, value in option.request.items()
        if key in {"repeats", "votes", "stop", "delta", "chips"}
    }
    return [
        energy_words(option.energy, unit),
        seconds(option.latency_s),
        told(option.forecast),
        "-" if option.confirmed is None else told(option.confirmed),
        f"{option.forecast.mean_votes:.2f}",
        escape(json.dumps(request)),
    ]


def parse_quantity(text: str, unit: str, field: str) -> float:
    """Return a quantity in its unit: ``5uJ``, ``50us``; without a unit the bare number.

    Args:
        text: as it was given.
        unit: ``J`` or ``s``.
        field: that it is for.

    Raises:
        InputError: it is none.
    """
    found = re.fullmatch(
        rf"\s*([0-9]*\.?[0-9]+(?:e[+-]?[0-9]+)?)\s*(?:([mnpfuµμ]?){unit})?\s*", text
    )
    value = float(found[1]) * PREFIXES[found[2] or ""] if found else 0.0
    if not 0 < value < 1e30:
        raise InputError(f"{text!r} is no {field}; write 5e-6 or 5u{unit}", field)
    return value
