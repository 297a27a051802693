"""What is expensive to make is held, up to a bound on memory; what was used longest ago goes."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, Protocol, TypeVar


class Sized(Protocol):
    """Something that takes memory."""

    @property
    def size(self) -> int:
        """Bytes that it holds."""


Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value", bound=Sized)


class Held(Generic[Key, Value]):
    """Holds values by key; safe to use from several threads.

    Args:
        most_bytes: that are held together. One value is held even if it is larger.
    """

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self.bytes = 0
        self.made = 0
        self._values: OrderedDict[Key, Value] = OrderedDict()
        self._making: dict[Key, threading.Lock] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._values)

    def peek(self, key: Key) -> Value | None:
        """Return the value of a key if it is held; it is not used by that."""
        with self._lock:
            return self._values.get(key)

    def get(self, key: Key, make: Callable[[], Value]) -> Value:
        """Return the value of a key, made if it is not held; no two threads make the same.

        Args:
            key: of the value.
            make: makes it.
        """
        if (held := self._held(key)) is not None:
            return held
        with self._lock:
            making = self._making.setdefault(key, threading.Lock())
        with making:
            if (held := self._held(key)) is not None:
                return held
            try:
                value = make()
                self._put(key, value)
            finally:
                with self._lock:
                    self._making.pop(key, None)
            return value

    def _held(self, key: Key) -> Value | None:
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
        return None

    def _put(self, key: Key, value: Value) -> None:
        with self._lock:
            if key not in self._values:
                self.bytes += value.size
                self.made += 1
            self._values[key] = value
            while self.bytes > self.most_bytes and len(self._values) > 1:
                _, gone = self._values.popitem(last=False)
                self.bytes -= gone.size
