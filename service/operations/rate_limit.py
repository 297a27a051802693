"""Rate limits in votes: a token bucket for each key or client address.

A request is let in when the bucket holds its votes, or is full and the request asks for more than a
full bucket: then it owes the rest, and later ones wait until that is paid.
"""

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from noisevote.service.wire.errors import RateLimitedError

MOST_BUCKETS = 10_000
"""Clients remembered; who has not asked for longest is forgotten, which gives a full bucket."""

BURST_S = 10.0
"""A full bucket by default holds what so many seconds allow."""

UNKNOWN_ADDRESS = "unknown"

IPV6_PREFIX = 64
"""Whoever has one such address has the whole network."""


@dataclass(slots=True)
class Bucket:
    """Votes that one client may still ask for.

    Attributes:
        votes: votes left at the time ``filled``; below 0 if some are owed.
        filled: when they were counted.
    """

    votes: float
    filled: float


class RateLimit:
    """Counts the votes that clients ask for; to be used on the event loop only.

    Args:
        votes_per_s: votes a second that each client may ask for in the long run.
        burst_votes: votes that a client may ask for at once after a pause.
        clock: seconds that never go back.
    """

    def __init__(
        self,
        votes_per_s: float,
        burst_votes: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rate = votes_per_s
        self._burst = burst_votes if burst_votes is not None else BURST_S * votes_per_s
        self._clock = clock
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def take(self, client: str, votes: int) -> None:
        """Count votes that a client asks for.

        Raises:
            RateLimitedError: it asked for too many; it says when to come back.
        """
        bucket = self._bucket_of(client)
        missing = min(votes, self._burst) - bucket.votes
        if missing > 0:
            seconds = missing / self._rate
            what = f"these {votes} votes can be asked for" if votes else "what is owed is paid"
            raise RateLimitedError(
                f"the limit is {self._rate:g} votes a second and {self._burst:g} at once; {what} "
                f"in {seconds:.1f} s",
                seconds,
            )
        bucket.votes -= votes

    def owe(self, client: str, votes: int) -> None:
        """Count what turned out to cost a client more; later requests wait until it is paid."""
        self._bucket_of(client).votes -= votes

    def give_back(self, client: str, votes: int) -> None:
        """Return votes that were asked for and not cast."""
        bucket = self._bucket_of(client)
        bucket.votes = min(self._burst, bucket.votes + votes)

    def _bucket_of(self, client: str) -> Bucket:
        """Return a client's bucket, filled up to now."""
        now = self._clock()
        bucket = self._buckets.get(client)
        if bucket is None:
            bucket = self._buckets[client] = Bucket(self._burst, now)
            if len(self._buckets) > MOST_BUCKETS:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(client)
        bucket.votes = min(self._burst, bucket.votes + (now - bucket.filled) * self._rate)
        bucket.filled = now
        return bucket


@lru_cache(maxsize=1024)
def known_address(address: str) -> str:
    """Return an address as it stands in the log; a proxy may pass on what is none."""
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        return UNKNOWN_ADDRESS


@lru_cache(maxsize=1024)
def network_of(address: str) -> str:
    """Return what stands for a client address: itself, or the network of an IPv6 address."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:  # the name of a socket
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, IPV6_PREFIX), strict=False))
