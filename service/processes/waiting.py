"""How long a connection may wait for its client, and which one makes room for others.

Uvicorn waits for ever for the head of a request and for a reply to be read.
"""

import asyncio
import math
import socket
from itertools import count
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_WITHIN_S = 10.0
"""Seconds in which the head of a request must have arrived, from the opening of the connection or
from the end of the last reply."""

WRITE_WITHIN_S = 20.0
"""Seconds for which replies may wait for a client that reads none of them."""

SLOWEST_READER = 32 * 1024
"""Bytes a second; a large reply may wait so much longer."""

UNSENT_BYTES = 16 * 1024
"""Of replies, waiting for the client to read: from then on no more is written."""

SYSTEM_BYTES = 128 * 1024
"""Of replies that the system takes over until the client reads them; by default it takes 4 MiB."""

ALL_UNSENT_BYTES = 32 * 2**20
"""Of all replies that wait for their clients to read."""

SETTLED_S = 0.1
"""For which a client must have kept the service waiting for a request before its connection may be
broken off for another one."""

LOOKS_EVERY_S = 1.0

GRACE_S = 20
"""Seconds that open requests have when the server is told to stop; then they are broken off.
Containers are given 30 before they are killed."""

STOPS_WITHIN_S = 3.0
"""Seconds for which a server that is told to stop waits for a client that lets it wait; and before
:data:`GRACE_S` is up, clients are left, so that their requests end like those of any that left."""

LINGER_S = 5.0
"""Seconds for which a client is read that has been refused: closing at once would reset the
connection, and what it was told would be lost."""


class PatientHttpProtocol(HttpToolsProtocol):
    """One connection, and what it knows of the time for which its client lets it wait.

    Attributes:
        head_within_s: as :data:`HEAD_WITHIN_S`.
        write_within_s: as :data:`WRITE_WITHIN_S`.
        looks_every_s: seconds between two looks at the clock.
    """

    head_within_s = HEAD_WITHIN_S
    write_within_s = WRITE_WITHIN_S
    looks_every_s = LOOKS_EVERY_S
    _looked_at_all = -math.inf  # one connection of the process looks at all of them
    _numbers = count()

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._number = next(self._numbers)
        self._heard = self._idle_since = self.loop.time()
        self._unsent_since: float | None = None
        self._unsent_until = 0.0
        self._running: Any = None
        self._is_over = False  # nothing that comes is parsed
        self._looking: asyncio.TimerHandle | None = None
        self._stopping_since = math.inf

    @property
    def waits_since(self) -> float | None:
        """Since when only its client can go on with this connection; None if the service can."""
        if self._unsent_since is not None:
            return self._unsent_since
        if self.cycle is None or self.cycle.response_complete or self.cycle.more_body:
            return self._heard
        return None

    @property
    def is_answered(self) -> bool:
        """Whether all that its client has asked for so far is answered, read or not."""
        return self.cycle is not None and self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to look at the clock."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(UNSENT_BYTES)
        if (line := transport.get_extra_info("socket")) is not None:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SYSTEM_BYTES)
        self._looking = self.loop.call_later(self.looks_every_s, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        if self._looking is not None:
            self._looking.cancel()
        self._is_over = True
        self._leave_running()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """End a reply, and wait for the next head unless it is there."""
        super().on_response_complete()
        self._idle_since = self.loop.time()

    def shutdown(self) -> None:
        """Hear that the server has been told to stop."""
        super().shutdown()
        self._stopping_since = self.loop.time()

    def pause_writing(self) -> None:
        """Hear that the client does not read as fast as is written."""
        super().pause_writing()
        self._note_unsent()

    def resume_writing(self) -> None:
        """Hear that the client reads."""
        super().resume_writing()
        self._unsent_since = None

    def make_room(self) -> bool:
        """Break off another connection, that whose client lets it wait longest; False if none."""
        return self._break_off(self._others()) is not None

    def _look(self) -> None:
        """Look whether a time is up."""
        now = self.loop.time()
        if now - self._looked_at_all > self.looks_every_s:
            self._look_at_all()
        self._looking = self.loop.call_later(self.looks_every_s, self._look)
        if not self.transport.get_write_buffer_size():
            self._unsent_since = None
        elif self._unsent_since is None:
            self._note_unsent()
        elif now > self._unsent_until:
            self._abort()
        if self._holds_up_stop(now):
            self._abort()
        is_idle = self.cycle is None or self.cycle.response_complete
        within_s = LINGER_S if self._is_over else self.head_within_s
        if is_idle and now - self._idle_since > within_s:
            self.transport.close()

    def _holds_up_stop(self, now: float) -> bool:
        """Return whether a server that stops has waited long enough for this client."""
        if now - self._stopping_since > GRACE_S - STOPS_WITHIN_S:
            return True
        waits_since = now if self.waits_since is None else self.waits_since
        return now - max(waits_since, self._stopping_since) > STOPS_WITHIN_S

    def _look_at_all(self) -> None:
        """Break off the connections that have waited longest if all together wait for too much."""
        PatientHttpProtocol._looked_at_all = self.loop.time()
        sizes = {other: other.transport.get_write_buffer_size() for other in self._others()}
        while sum(sizes.values()) > ALL_UNSENT_BYTES:
            slowest = self._break_off({other for other, size in sizes.items() if size})
            if slowest is None:
                return
            del sizes[slowest]

    def _note_unsent(self) -> None:
        """Begin to wait for the client to read."""
        if self._unsent_since is None:
            self._unsent_since = self.loop.time()
            size = self.transport.get_write_buffer_size()
            self._unsent_until = self._unsent_since + self.write_within_s + size / SLOWEST_READER

    def _abort(self) -> None:
        """Break the connection off."""
        self.connections.discard(self)
        self._is_over = True
        self._leave_running()
        self.transport.abort()

    def _leave_running(self) -> None:
        """Tell the request that runs that its client is gone, and run none that waits."""
        self.pipeline.clear()
        if self._running is not None and not self._running.response_complete:
            self._running.disconnected = True
            self._running.message_event.set()

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        """Run a request; with pipelining it need not be the last one that came."""
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def _others(self) -> set["PatientHttpProtocol"]:
        """Return all other connections of the process."""
        return {
            other
            for other in self.connections
            if isinstance(other, PatientHttpProtocol) and other is not self
        }

    def _break_off(self, others: set["PatientHttpProtocol"]) -> "PatientHttpProtocol | None":
        """Break off the one whose client has kept the service waiting longest, and return it."""
        before = self.loop.time() - SETTLED_S
        waiting = [
            (since, other._number, other)  # the clock of the loop may tell no less than 1 ms
            for other in others
            if (since := other.waits_since) is not None and (other.is_answered or since < before)
        ]
        if not waiting:
            return None
        *_, slowest = min(waiting)
        slowest._abort()
        return slowest
