"""Lets in who has an API key, if there are any; what is open without one stands in one list.

Everything else is closed, also what no route answers, so that a new route is closed until somebody
decides otherwise.
"""

from typing import Any

from starlette.datastructures import Headers
from starlette.types import Scope

from noisevote.service.configuration.keys import CHARGED_TO, INTERNAL, KeyRing
from noisevote.service.log.request_record import current_record
from noisevote.service.wire.errors import (
    V2,
    UnauthorisedError,
    responses_for,
    status_and_code,
)

OPEN_PATHS = {
    "/health/live",
    "/health/ready",
    "/v2/health/live",
    "/v2/health/ready",
    # The files of pages and reference: the same in every installation. What they show is asked for
    # with the key that their user enters; a browser cannot send one when it opens a page.
    "/",
    "/networks",
    "/status",
    "/assessments",
    "/docs",
    "/openapi.json",
}
OPEN_FOLDERS = ("/static/", "/docs/")
SCHEME = "bearer "


class KeyGuard:
    """Refuses requests without a key, and notes the name of the key of others.

    Args:
        keys: keys that are let in.
    """

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys

    def check(self, scope: Scope, headers: Headers) -> None:
        """Note whose key it is.

        Raises:
            UnauthorisedError: it needs one that is known here.
        """
        given, record = headers.get("authorization", ""), current_record()
        if given[: len(SCHEME)].lower() == SCHEME:
            record.key = self._keys.owner_of(given[len(SCHEME) :].strip())
            if record.key == INTERNAL:
                record.charged_to = headers.get(CHARGED_TO)
        if self._keys.is_open or record.key is not None or is_open(scope["path"]):
            return
        what = "the API key is not known here" if given else "this needs an API key"
        raise UnauthorisedError(f"{what}; send one as Authorization: Bearer KEY")


def is_open(path: str) -> bool:
    """Return whether a path is open to everybody; it must be written exactly as the route is."""
    return path in OPEN_PATHS or path.startswith(OPEN_FOLDERS)


def describe_keys(document: dict[str, Any]) -> dict[str, Any]:
    """Say in the OpenAPI document which operations may need a key, and return it."""
    error = UnauthorisedError
    (status, _), refusals = status_and_code(error), responses_for(error)
    refusal = {
        "description": refusals[status]["description"],
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorBody"}}},
    }
    scheme = {"type": "http", "scheme": "bearer", "description": "Only if the service has keys."}
    document["components"]["securitySchemes"] = {"api_key": scheme}
    for path, operations in document["paths"].items():
        for operation in () if is_open(path) else operations.values():
            operation["security"] = [{"api_key": []}, {}]
            if not path.startswith(V2):  # its errors have a shape of their own
                operation["responses"][str(status)] = refusal
    return document
