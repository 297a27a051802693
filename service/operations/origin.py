"""Keeps pages of other origins from starting work on a service that has no keys.

A browser sends a page's request to any address, also to one that only its own machine reaches. It
says where the page is from (``Origin``), and under which name it reached the service (``Host``); a
page whose own name is made to lead here has both the same ("DNS rebinding").
"""

import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import Scope

from noisevote.service.wire.errors import ForeignOriginError
from noisevote.service.wire.shortened import shortened

SAFE = {"GET", "HEAD", "OPTIONS"}
"""Methods that start nothing."""

LOCAL = "localhost"


class OriginGuard:
    """Refuses requests of pages of other origins, and under names that are not allowed.

    Args:
        allowed: names of the service; if there are none, any name is one, but only for clients
            that are no browsers.
        has_keys: whether requests need a key, which pages of other origins do not have.
    """

    def __init__(self, allowed: Iterable[str], has_keys: bool) -> None:
        self._allowed = frozenset(name.lower() for name in allowed)
        self._has_keys = has_keys

    def check(self, scope: Scope, headers: Headers) -> None:
        """Look at where a request is from, and under which name it came.

        Raises:
            ForeignOriginError: it may not be run.
        """
        if scope["method"] in SAFE and not self._allowed:
            return
        host, origin = headers.get("host", ""), headers.get("origin")
        complaint = self._about_host(name_in(f"//{host}")) if self._allowed else None
        if complaint is None and origin is not None and not self._has_keys:
            complaint = self._about_page(scope["method"], host, origin)
        if complaint is not None:
            raise ForeignOriginError(complaint)

    def _about_host(self, name: str) -> str | None:
        """Return why the service may not be called so; nobody can make an address lead here."""
        if is_address(name) or name in self._allowed:
            return None
        return f"the service is not called {shortened(name)}; see the setting allowed_hosts"

    def _about_page(self, method: str, host: str, origin: str) -> str | None:
        """Return why a page may not start work.

        At which address the request came in tells nothing: a port of this machine alone may be
        published from a container with an address of its own.
        """
        if method in SAFE or name_in(origin) in self._allowed:
            return None
        if netloc_of(origin) != host.lower():
            return f"a page of {shortened(origin)} may not use the service at {shortened(host)}"
        name = name_in(f"//{host}")
        if is_address(name):
            return None
        return f"the setting allowed_hosts must name {shortened(name)} before a page may use it"


def netloc_of(url: str) -> str:
    """Return host and port of an address as they stand there."""
    return url.lower().partition("://")[2]


def name_in(url: str) -> str:
    """Return the name of the host in an address, without its port."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def is_address(name: str) -> bool:
    """Return whether a name is an address in digits, or always leads to the machine itself."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name == LOCAL
    return True
