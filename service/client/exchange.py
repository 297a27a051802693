"""What a client sends, when it asks again, and what it makes of the answers.

All that does not wait stands here; the two clients differ only in how they wait.
"""

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from noisevote.models.errors import NoisevoteError

if TYPE_CHECKING:
    import httpx

Result = TypeVar("Result")

RETRIED = {429, 502, 503}
"""Statuses after which the same request may succeed: overload, a proxy in between, draining."""


class ServiceError(NoisevoteError):
    """The service refused a request, or could not be reached.

    Attributes:
        status: status of the reply; None if there was none.
        code: code of the error, as in ``docs/http-api.md``.
        field: the offending field of the request, if there is one.
        request_id: stands in the log of the service.
    """

    def __init__(self, message: str, status: int | None, detail: dict[str, Any]) -> None:
        super().__init__(message)
        self.status = status
        self.code: str = detail.get("code", "unreachable" if status is None else "http")
        self.field: str | None = detail.get("field")
        self.request_id: str | None = detail.get("request_id")


@dataclass(frozen=True, slots=True)
class Retry:
    """How often and how patiently a client asks again.

    Attributes:
        attempts: requests in all, the first one included.
        first_wait_s: before the second; every further wait is twice as long.
        longest_wait_s: no wait is longer.
        longest_asked_s: a service that asks for a longer wait has failed.
    """

    attempts: int = 5
    first_wait_s: float = 0.2
    longest_wait_s: float = 30.0
    longest_asked_s: float = 30.0

    def wait_s(self, attempt: int, retry_after: str | None) -> float | None:
        """Return the seconds to wait after a failed attempt, or None to give up.

        Args:
            attempt: number of the one that failed, from 1.
            retry_after: what the service said, in seconds.
        """
        if attempt >= self.attempts:
            return None
        if retry_after is not None and retry_after.isdecimal():
            asked = float(retry_after)
            return asked if asked <= self.longest_asked_s else None
        # Anything from half to all of it, so that clients that failed together come back apart.
        backoff = self.first_wait_s * float(2 ** (attempt - 1))
        return min(backoff, self.longest_wait_s) * random.uniform(0.5, 1)


@dataclass(frozen=True, slots=True)
class Call(Generic[Result]):
    """A request, and how its reply is read.

    Attributes:
        method: HTTP method.
        path: path on the service.
        read: returns what a body holds; of a stream, the data of one event.
        content: content that is sent, as JSON.
        headers: sent beside those of every request.
    """

    method: str
    path: str
    read: Callable[[bytes], Result]
    content: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def sent(self) -> dict[str, Any]:
        """The request as httpx takes it."""
        headers = dict(self.headers)
        if self.content is not None:
            headers["Content-Type"] = "application/json"
        return {
            "method": self.method,
            "url": self.path,
            "content": self.content,
            "headers": headers,
        }


class Attempts:
    """Counts how often a request was sent, and says whether to send it again."""

    def __init__(self, retry: Retry) -> None:
        self._retry = retry
        self._attempt = 0

    def wait_s(self, outcome: "httpx.Response | httpx.TransportError") -> float | None:
        """Return the seconds after which to ask again; None if the outcome stands.

        Raises:
            ServiceError: the service cannot be reached, and it was tried often enough.
        """
        self._attempt += 1
        if isinstance(outcome, Exception):
            wait_s = self._retry.wait_s(self._attempt, None)
            if wait_s is None:
                reason = str(outcome) or type(outcome).__name__
                message = f"the service cannot be reached at {outcome.request.url}: {reason}"
                raise ServiceError(message, None, {}) from outcome
            return wait_s
        if outcome.status_code not in RETRIED:
            return None
        return self._retry.wait_s(self._attempt, outcome.headers.get("retry-after"))


def checked(response: "httpx.Response") -> "httpx.Response":
    """Return a success.

    Raises:
        ServiceError: it is none; it says what the service said.
    """
    if response.is_success:
        return response
    try:
        detail = response.json()["error"]
        message = str(detail["message"])
    except (ValueError, LookupError, TypeError):
        detail, message = {}, f"the service answered {response.status_code}"
    raise ServiceError(message, response.status_code, detail)


class EventReader:
    """Reads the lines of server-sent events one by one."""

    def __init__(self) -> None:
        self._name = ""

    def take(self, line: str) -> bytes | None:
        """Return the data of the event that a line completes, if it does.

        Raises:
            ServiceError: the event is an error.
        """
        field_name, _, value = line.partition(": ")
        if field_name == "event":
            self._name = value
        if field_name != "data":
            return None
        if self._name == "error":
            detail = json.loads(value)["error"]
            raise ServiceError(detail["message"], None, detail)
        return value.encode()


def broken_off(error: Exception) -> ServiceError:
    """Return the error of a stream that ended before its answer."""
    return ServiceError(f"the stream broke off: {error or type(error).__name__}", None, {})
