"""Device profiles by name: those that are shipped, and those in folders of the operator.

A profile is the file ``NAME.toml`` of the device ``NAME``. Files are read when they are asked for
and again when they have changed.
"""

import os
import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from noisevote.models.devices.profile import MAX_PROFILE_BYTES, Profile, read_profile
from noisevote.models.errors import InputError, UnknownDeviceError
from noisevote.models.files import regular_content

PRESETS = Path(__file__).parent / "presets"
"""Folder of the profiles that are shipped."""

SUFFIX = ".toml"
NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")

MOST_READ = 256
"""Files whose profiles are kept."""


VARIABLE = "NOISEVOTE_DEVICES"
"""Names folders of the operator, as the setting of the service does."""


def store_of_environment() -> "DeviceStore":
    """Return the presets and the devices in the folders that the environment names."""
    folders = os.environ.get(VARIABLE, "").split(os.pathsep)
    return DeviceStore(*(Path(folder) for folder in folders if folder))


class DeviceStore:
    """The devices that there are.

    Args:
        folders: of the operator, searched beside that of the presets; one that is not there holds
            none.
    """

    def __init__(self, *folders: Path) -> None:
        self._folders = (*folders, PRESETS)

    def names(self) -> list[str]:
        """Return the names of the devices that can be used, sorted."""
        return [name for name in self._files() if self._reason(name) is None]

    @property
    def refused(self) -> dict[str, str]:
        """Why others cannot be used, by name."""
        reasons = {name: self._reason(name) for name in self._files()}
        return {name: reason for name, reason in reasons.items() if reason is not None}

    def find(self, name: str) -> Profile:
        """Return a device's profile.

        Raises:
            UnknownDeviceError: there is none of that name, or its file is damaged.
        """
        return profile_in(self._file(name))

    def text(self, name: str) -> str:
        """Return the file of a device as it stands.

        Raises:
            UnknownDeviceError: there is none of that name, or its file is damaged.
        """
        return text_in(self._file(name))

    def _file(self, name: str) -> Path:
        files = self._files()
        if name not in files:
            known = ", ".join(self.names()) or "none"
            raise UnknownDeviceError(f"there is no device {name[:64]!r}; there are: {known}")
        reason = self._reason(name)
        if reason is not None:
            raise UnknownDeviceError(f"the device {name} cannot be used: {reason}")
        return files[name][0]

    def _files(self) -> dict[str, list[Path]]:
        files: dict[str, list[Path]] = {}
        for file in profiles_in(self._folders):
            files.setdefault(file.stem, []).append(file)
        return dict(sorted(files.items()))

    def _reason(self, name: str) -> str | None:
        """Return why a file cannot be used, or None if it can."""
        files = self._files()[name]
        if len(files) > 1:
            shown = " and ".join("presets" if f.parent == PRESETS else f.parent.name for f in files)
            return (
                f"{name}{SUFFIX} stands in several folders, {shown}; rename or remove all but one"
            )
        try:
            profile = profile_in(files[0])
        except InputError as error:
            return str(error)
        if profile.name != name:
            return f"{name}{SUFFIX} holds the device {profile.name}; file and name must agree"
        return None


def profiles_in(folders: Iterable[Path]) -> Iterable[Path]:
    """Yield the files that may be profiles, of folders that can be read."""
    for folder in folders:
        try:
            with os.scandir(folder) as entries:
                found = [entry.name for entry in entries]
        except OSError:
            continue
        for name in sorted(found):
            if name.endswith(SUFFIX) and NAME.fullmatch(name.removesuffix(SUFFIX)):
                yield folder / name


def profile_in(file: Path) -> Profile:
    """Return the profile in a file.

    Raises:
        InputError: it cannot be read, or holds none; the message says the name of the file.
    """
    try:
        stamp = file.stat()
    except OSError as error:
        raise InputError(f"{file.name} cannot be read: {error.strerror}", "device") from error
    return profile_read_at(file, stamp.st_mtime_ns, stamp.st_size, stamp.st_ino)


@lru_cache(maxsize=MOST_READ)
def profile_read_at(file: Path, *_stamp: int) -> Profile:
    """Return the profile in a file, which is read anew when its stamp is another one."""
    return read_profile(text_in(file), file.name)


def text_in(file: Path) -> str:
    """Return the text of a file, which may not be longer than a profile.

    Raises:
        InputError: it cannot be read, is too long or no UTF-8.
    """
    try:
        return regular_content(file, MAX_PROFILE_BYTES).decode()
    except OSError as error:
        raise InputError(f"{file.name} cannot be read: {error.strerror}", "device") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{file.name} is no UTF-8: {error.reason}", "device") from error
