"""What is loaded when it is first needed, once; what is refused then stays refused."""

import errno
import threading
from collections.abc import Callable, MutableMapping
from typing import Generic, TypeVar

from noisevote.models.errors import CheckpointError

NO_ROOM = {errno.EMFILE, errno.ENFILE, errno.ENOMEM}
"""Errors that say nothing of the file."""

Key = TypeVar("Key")
Value = TypeVar("Value")


class Once(Generic[Key, Value]):
    """Loads values by key; safe to use from several threads.

    Args:
        loaded: takes the values.
        refused: takes why others were refused.
    """

    def __init__(
        self, loaded: MutableMapping[Key, Value], refused: MutableMapping[Key, str]
    ) -> None:
        self.loaded = loaded
        self.refused = refused
        self._loading = threading.Lock()

    def get(self, key: Key, load: Callable[[], Value]) -> Value:
        """Return the value of a key, loaded at the first call.

        Args:
            key: of the value.
            load: loads it.

        Raises:
            CheckpointError: it was refused, now or before; not before if the system had no room
                then.
        """
        if (found := self.loaded.get(key)) is not None:
            return found
        with self._loading:
            if (reason := self.refused.get(key)) is not None:
                raise CheckpointError(reason)
            if (found := self.loaded.get(key)) is None:
                try:
                    found = self.loaded[key] = load()
                except CheckpointError as error:
                    if not is_passing(error):
                        self.refused[key] = str(error)
                    raise
            return found


def is_passing(error: CheckpointError) -> bool:
    """Return whether the system had no room, so that the checkpoint may be sound."""
    cause = error.__cause__
    return isinstance(cause, MemoryError) or (isinstance(cause, OSError) and cause.errno in NO_ROOM)
