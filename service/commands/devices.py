"""The command ``noisevote devices``: which analog devices there are, and what one does."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import BaseModel
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from noisevote.models.devices.presets import SUFFIX, DeviceStore, profile_in, text_in
from noisevote.models.devices.profile import Profile
from noisevote.models.errors import InputError
from noisevote.service.commands.tables import table_console
from noisevote.service.configuration.reading import load_settings

UNITS = {"_per_k": "1/K", "_us": "uS", "_s": "s", "_c": "degrees C", "_j": "J"}
"""Units by the end of a key."""


def devices_command(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME|FILE.toml]", help="One device, key by key.")
    ] = None,
    toml: Annotated[bool, typer.Option("--toml", help="Print its file instead.")] = False,
    check: Annotated[
        Path | None, typer.Option("--check", help="A file: what is wrong, or what it does.")
    ] = None,
) -> None:
    """List the analog devices, or explain one.

    Beside those that are shipped they lie in the folders of the setting devices, a file NAME.toml
    each: NOISEVOTE_DEVICES=mine.
    """
    if check is not None:
        if name is not None or toml:
            raise InputError("--check takes a file and nothing else")
        show_checked(check, profile_in(check))
        return
    if toml and name is None:
        raise InputError("--toml needs the name of a device; noisevote devices lists them")
    store = DeviceStore(*load_settings().devices)
    if name is None:
        list_devices(store)
        return
    is_file = name.endswith(SUFFIX)
    if toml:
        typer.echo(text_in(Path(name)) if is_file else store.text(name), nl=False)
        return
    explain(profile_in(Path(name)) if is_file else store.find(name))


def list_devices(store: DeviceStore) -> None:
    """Print a table of the devices, then those that are refused."""
    table = Table("device", "effects", "ages in s", "digest", "source")
    for name in store.names():
        profile = store.find(name)
        table.add_row(
            name,
            ", ".join(profile.effects),
            ages_of(profile),
            profile.digest,
            escape(profile.source),
        )
    table_console().print(table)
    errors = Console(stderr=True)
    for name, reason in store.refused.items():
        errors.print(f"[yellow]refused:[/] {escape(f'{name}: {reason}')}", soft_wrap=True)


def show_checked(file: Path, profile: Profile) -> None:
    """Print what a file holds that is right."""
    typer.echo(f"{file} holds the device {profile.name}, digest {profile.digest}")
    typer.echo(f"effects: {', '.join(profile.effects) or 'none'}")
    if profile.depends_on_age:
        typer.echo(f"ages in s: {ages_of(profile)}")
    if (said := largest_by_default(profile)) is not None:
        typer.echo(said)
    if file.name != profile.name + SUFFIX:
        typer.echo(f"in a folder of NOISEVOTE_DEVICES its name must be {profile.name}{SUFFIX}")


def largest_by_default(profile: Profile) -> str | None:
    """Return what conductances are measured against, if they are given and that is not."""
    given = [key for key, _, _ in keys_in(profile) if key.endswith("_us")]
    if not given or "g_max_us" in profile.cell.model_fields_set:
        return None
    return (
        f"cell.g_max_us is not given, so the largest conductance is {profile.cell.g_max_us:g} uS "
        f"by default; {', '.join(given)} {'is' if len(given) == 1 else 'are'} meant against it"
    )


def explain(profile: Profile) -> None:
    """Print what a device is, then each key that it sets, with its unit and meaning."""
    shown = table_console()
    shown.print(f"[bold]{profile.name}[/], digest {profile.digest}", highlight=False)
    for text in (profile.description, f"Source: {profile.source}"):
        shown.print(escape(text), highlight=False, soft_wrap=True)
    shown.print(f"Effects: {', '.join(profile.effects) or 'none'}", highlight=False)
    if (said := largest_by_default(profile)) is not None:
        shown.print(said, highlight=False, soft_wrap=True)
    table = Table("key", Column("value", overflow="fold"), "unit", "meaning")
    for key, value, meaning in keys_in(profile):
        if key not in {"profile", "name", "source", "description"}:
            table.add_row(key, escape(value), unit_of(key), escape(meaning))
    shown.print(table)


def keys_in(part: BaseModel, prefix: str = "") -> Iterator[tuple[str, str, str]]:
    """Yield each key that a profile sets, its value and its meaning."""
    for name, field in type(part).model_fields.items():
        value = getattr(part, name)
        if name not in part.model_fields_set or value is None:
            continue
        if isinstance(value, BaseModel) and name not in CURVES:
            yield from keys_in(value, f"{prefix}{name}.")
        elif name == "aged":
            for number, table in enumerate(value):
                yield from keys_in(table, f"{prefix}{name}.{number}.")
        else:
            meaning = " ".join((field.description or "").split()).replace("``", "")
            yield prefix + name, written(value), meaning


CURVES = {"std_us", "shift_us", "nu", "nu_std", "q", "cell_std_us"}
"""Keys whose values may depend on the conductance."""


def written(value: Any) -> str:
    """Return a value as its file has it."""
    if isinstance(value, BaseModel):
        set_keys = value.model_dump(exclude_unset=True)
        return ", ".join(f"{key} = {written(of)}" for key, of in set_keys.items())
    if isinstance(value, tuple):
        has_pieces = any(isinstance(each, BaseModel) for each in value)
        return (
            "; ".join(map(written, value)) if has_pieces else f"[{', '.join(map(written, value))}]"
        )
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def unit_of(key: str) -> str:
    """Return the unit of a key."""
    return next((unit for end, unit in UNITS.items() if key.endswith(end)), "")


def ages_of(profile: Profile) -> str:
    """Return the ages for which a device is known; nothing if none matters."""
    low, high = profile.age_range_s
    return f"{low:g} to {high:g}" if profile.depends_on_age else ""
