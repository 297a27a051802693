"""API keys: random, known to the service by their digests alone, compared in constant time."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from typing import Annotated

from pydantic import SecretStr, StringConstraints

from noisevote.models.errors import InputError

ALGORITHM = "sha256:"

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"

KeyName = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
"""Of a key, in logs and metrics."""

KeyDigest = Annotated[str, StringConstraints(pattern=rf"^{ALGORITHM}[0-9a-f]{{64}}$")]
"""Of a key. A plain hash is enough: there are too many keys of 256 random bits to try them."""

INTERNAL = "internal"
"""Name under which the service's own workers ask."""

KEY_OWNER = "key "
"""What the name of whom votes are charged to begins with if it is a key; else it is an address."""

CHARGED_TO = "X-Charged-To"
"""Header in which the service's own workers say for whom they ask; of others it is ignored."""


def new_token() -> str:
    """Return 256 random bits as text that needs no quotes anywhere."""
    return "nv-" + secrets.token_urlsafe(32)


def new_secret() -> SecretStr:
    """Return a token that does not show when it is printed."""
    return SecretStr(new_token())


def digest_of(key: str) -> str:
    """Return what the settings hold of a key."""
    return ALGORITHM + hashlib.sha256(key.encode()).hexdigest()


def check_name(name: str) -> None:
    """Refuse a name that no key can have.

    Raises:
        InputError: it is reserved, or not of the allowed characters.
    """
    if name == INTERNAL:
        raise InputError(f"the name {INTERNAL} stands for the service's own workers; take another")
    if not re.fullmatch(NAME_PATTERN, name):
        raise InputError(
            "a key's name has 1 to 64 letters, digits, dots, underscores and hyphens, of ASCII, "
            "and begins with a letter or digit"
        )


class KeyRing:
    """Knows whose key it is.

    Args:
        digests: digests of the keys, by name.
        internal_token: token of the service's own workers.
    """

    def __init__(self, digests: Mapping[str, str], internal_token: str) -> None:
        self.is_open = not digests
        self._digests = {**digests, INTERNAL: digest_of(internal_token)}

    def owner_of(self, key: str) -> str | None:
        """Return the name of a key, None if it is none of these.

        All are compared, each in constant time, so that the time tells nothing about any.
        """
        presented = digest_of(key).encode()
        owner = None
        for name, digest in self._digests.items():
            if hmac.compare_digest(presented, digest.encode()):
                owner = name
        return owner
