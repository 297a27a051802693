"""What is expensive to make is made once, by whichever thread comes first."""

import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import pytest

from noisevote.models.devices.held import Held

THREADS, KEYS = 8, 400


@dataclass(frozen=True)
class Thing:
    size: int = 1


@pytest.fixture
def restless() -> Iterator[None]:
    """Threads that take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("restless")
def test_no_two_threads_make_the_same() -> None:
    held: Held[int, Thing] = Held(KEYS)
    made: list[int] = []
    together = threading.Barrier(THREADS)

    def make(key: int) -> Thing:
        made.append(key)
        return Thing()

    def ask() -> None:
        together.wait()
        for key in range(KEYS):
            held.get(key, partial(make, key))

    threads = [threading.Thread(target=ask) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == list(range(KEYS))
    assert (held.bytes, held.made, len(held)) == (KEYS, KEYS, KEYS)


def test_what_cannot_be_made_is_tried_again_by_the_next() -> None:
    held: Held[str, Thing] = Held(1)

    def fail() -> Thing:
        raise MemoryError

    for _ in range(2):
        with pytest.raises(MemoryError):
            held.get("key", fail)
    assert held.get("key", Thing) == Thing()
    assert (held.bytes, len(held)) == (1, 1)
