"""Settings from the environment and a file: read, refused if they make no sense, listed.

The environment wins over the file, name by name. A name that is no setting is refused wherever it
stands: a limit that was misspelt is a limit that does not hold.
"""

import difflib
import os
import tomllib
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import SettingsError

from noisevote.models.checkpoint import CheckpointStore
from noisevote.models.checkpoint_folders import CARD_FILE
from noisevote.models.errors import InputError
from noisevote.service.configuration.keys import INTERNAL
from noisevote.service.configuration.settings import Settings
from noisevote.service.voting.batcher import GIGA
from noisevote.service.wire.bodies import BYTES_A_REQUEST
from noisevote.service.wire.errors import input_error_from
from noisevote.service.wire.requests import PredictRequest

PREFIX = "NOISEVOTE_"
FILE = "NOISEVOTE_SETTINGS_FILE"
"""Environment variable that names the settings file."""

OTHERS = {FILE, "NOISEVOTE_API_KEY", "NOISEVOTE_DATA_DIR"}
"""Variables with the prefix that are no settings of the service: they are of our command lines."""

SECRETS = {
    "api_keys": "it maps names to digests, sha256: and 64 hexadecimal digits, in the environment "
    "as a JSON object; noisevote new-key prints both forms. What it holds is not shown here",
    "internal_token": "it must have 16 characters or more; what it is is not shown here",
}
"""What is said of settings whose values must not stand in a log."""

SHOWN_DEFAULTS = {
    "checkpoints": "those that are shipped",
    "devices": "none",
    "studies": "beside the checkpoints",
    "slots": "cores allowed by affinity and cgroup quota",
    "attack_threads": "cores allowed by affinity and cgroup quota, at most 8",
    "api_keys": "none",
    "internal_token": "random",
    "jobs_dir": "`~/.local/share/noisevote/jobs-` and a digest of where it is installed",
}
"""Defaults that hang on the machine, or say too little by themselves."""


def load_settings(file: Path | None = None) -> Settings:
    """Read the settings.

    Args:
        file: TOML; by default the one that :data:`FILE` names, if it is set.

    Raises:
        InputError: the file cannot be read, a name is no setting, or a value is not allowed.
    """
    unknown = [name for name in os.environ if is_unknown_variable(name)]
    if unknown:
        raise unknown_name(unknown[0], [variable_of(name) for name in Settings.model_fields])
    file = file or (Path(os.environ[FILE]) if os.environ.get(FILE) else None)
    content = {} if file is None else read_file(file)
    from_file = {name: given for name, given in content.items() if not is_in_environment(name)}
    try:
        return Settings(**from_file)
    except SettingsError:  # it is no JSON, as which only the keys are read
        name = "api_keys"
        shown = variable_of(name)
        raise InputError(f"the setting {shown} is wrong: {SECRETS[name]}", name) from None
    except ValidationError as error:
        wrong = input_error_from(error)
        name = (wrong.field or "").split(".")[0]
        shown = f"{name} in {file}" if name in from_file else variable_of(name)
        said = SECRETS.get(name, str(wrong))
        raise InputError(f"the setting {shown} is wrong: {said}", name) from None


def read_file(file: Path) -> dict[str, Any]:
    """Return what a settings file holds.

    Raises:
        InputError: it cannot be read, or a name is no setting.
    """
    try:
        content = tomllib.loads(file.read_text())
    except OSError as error:
        raise InputError(f"the settings file {file} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"the settings file {file} is not TOML: {error}") from error
    for name in content:
        if name not in Settings.model_fields:
            raise unknown_name(f"{name} in {file}", Settings.model_fields)
    return content


def variable_of(name: str) -> str:
    """Return the environment variable of a setting."""
    return PREFIX + name.upper()


def is_in_environment(name: str) -> bool:
    """Return whether a setting stands in the environment; case does not matter there."""
    return any(variable.upper() == variable_of(name) for variable in os.environ)


def is_unknown_variable(name: str) -> bool:
    """Return whether an environment variable looks like a setting and is none."""
    upper = name.upper()
    is_ours = upper.startswith(PREFIX) and upper not in OTHERS
    return is_ours and upper.removeprefix(PREFIX).lower() not in Settings.model_fields


def unknown_name(name: str, known: Iterable[str]) -> InputError:
    """Return an error that says which name was probably meant."""
    near = difflib.get_close_matches(name.split(" ")[0], list(known), 1)
    hint = f"; did you mean {near[0]}?" if near else "; noisevote settings lists all"
    return InputError(f"there is no setting {name}{hint}", name)


def check_at_start(settings: Settings) -> None:
    """Refuse settings under which the service could not do what it is asked to.

    Raises:
        InputError: a folder or the default checkpoint is missing, or limits contradict each other.
    """
    complaints = (about_folder, about_limits, about_keys, about_engine)
    for complaint in chain.from_iterable(about(settings) for about in complaints):
        raise InputError(complaint)


def about_folder(settings: Settings) -> Iterable[str]:
    """Yield what is wrong with the folders of checkpoints and devices."""
    if wrong := next((folder for folder in settings.devices if not folder.is_dir()), None):
        yield f"devices is {wrong}, which is no folder"
    folders, name = settings.checkpoints, settings.default_checkpoint
    if wrong := next((folder for folder in folders if not folder.is_dir()), None):
        yield f"checkpoints is {wrong}, which is no folder"
    elif not any((folder / name / CARD_FILE).is_file() for folder in folders):
        cards = (card for folder in folders for card in folder.glob(f"*/{CARD_FILE}"))
        there_are = ", ".join(sorted({card.parent.name for card in cards}))
        shown = " and ".join(map(str, folders))
        remedy = "; name one of them by NOISEVOTE_DEFAULT_CHECKPOINT" if there_are else ""
        yield f"default_checkpoint is {name}; in {shown} there are: {there_are or 'none'}{remedy}"


def about_limits(settings: Settings) -> Iterable[str]:
    """Yield which limits contradict each other."""
    largest_held = settings.max_held_bytes - BYTES_A_REQUEST
    if settings.max_body_bytes > largest_held:
        yield (
            f"max_body_bytes is {settings.max_body_bytes}, but with max_held_bytes "
            f"{settings.max_held_bytes} no body above {max(largest_held, 0)} can be held"
        )
    votes = PredictRequest.model_fields["votes"].default
    if settings.max_votes < votes:
        yield (
            f"max_votes is {settings.max_votes}, but requests that name no number ask for {votes}"
        )
    if settings.rate_limit_burst_votes is not None and settings.rate_limit_votes_per_s is None:
        yield "rate_limit_burst_votes is set, but rate_limit_votes_per_s is not"
    store = CheckpointStore(*settings.checkpoints)
    if settings.default_checkpoint in store.names():
        gmacs = votes * store.find(settings.default_checkpoint).card.macs / GIGA
        if gmacs > settings.max_request_gmacs:
            yield (
                f"max_request_gmacs is {settings.max_request_gmacs:g}, but {votes} votes of "
                f"{settings.default_checkpoint} cost {gmacs:g}"
            )


def about_keys(settings: Settings) -> Iterable[str]:
    """Yield what is wrong with the API keys."""
    if INTERNAL in settings.api_keys:
        yield f"api_keys has a key {INTERNAL}; that name stands for the service's own workers"
    names: dict[str, str] = {}
    for name, digest in settings.api_keys.items():
        if digest in names:
            yield f"api_keys gives {names[digest]} and {name} the same key"
        names[digest] = name


def about_engine(settings: Settings) -> Iterable[str]:
    """Yield what this machine does not have of what is to run the networks."""
    if settings.preference.complaint is not None:
        yield settings.preference.complaint


def settings_table() -> str:
    """Return every setting as a row of a Markdown table, from the settings themselves."""
    rows = [
        f"| `{name}` | {meaning_of(name)} | {default_of(name)} |" for name in Settings.model_fields
    ]
    return "\n".join(["| setting | meaning | default |", "|---|---|---|", *rows])


def meaning_of(name: str) -> str:
    """Return what stands under a setting, as the table shows it."""
    meaning = Settings.model_fields[name].description or ""
    return " ".join(meaning.split()).removesuffix(".").replace("``", "`")


def default_of(name: str) -> str:
    """Return the default of a setting as the table shows it."""
    if name in SHOWN_DEFAULTS:
        return SHOWN_DEFAULTS[name]
    default = Settings.model_fields[name].default
    if default is None:
        return "not set"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`"
