"""Bodies that are no JSON, too long or made to cost much; they are refused at a bounded cost.

Nothing here is timed. What a quadratic reader, or one that asks NumPy, would make of these bodies
takes hours or more memory than there is.
"""

import httpx
import pytest

from noisevote.service.wire.bodies import LINGER_BYTES
from noisevote.service.wire.parsing import MAX_BRACKETS, MAX_NAMES
from tests.service.support import MIB, error_in, refused

pytestmark = pytest.mark.anyio

LIMIT = 8 * MIB
TOO_MANY_NAMES = f"more than the allowed {MAX_NAMES} names"


NOT_JSON: dict[str, bytes] = {
    "nothing": b"",
    "text": b"inputs=1",
    "half": b'{"inputs": [',
    "two": b'{"votes": 1}{"votes": 1}',
    "single quotes": b"{'votes': 1}",
    "latin-1": b'{"checkpoint": "\xe9"}',
    "UTF-16": '{"votes": 1}'.encode("utf-16"),
    "a bare NUL": b'{"checkpoint": "\0"}',
    "a lone high surrogate": b'{"checkpoint": "\\ud800"}',
    "a lone low surrogate": b'{"checkpoint": "x\\udc00"}',
    "a surrogate as a name": b'{"\\ud83d": 1}',
    "100,000 brackets": b"[" * 100_000,
    "50,000 brackets in inputs": b'{"inputs": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    "2,000 nested objects": b'{"sigma":' * 2_000 + b"1" + b"}" * 2_000,
    "an integer of 5,000 digits": b'{"votes": ' + b"9" * 5_000 + b"}",
}


@pytest.mark.parametrize("case", NOT_JSON)
async def test_a_body_that_is_no_json_is_refused(client: httpx.AsyncClient, case: str) -> None:
    error = await refused(client, 400, "not_json", NOT_JSON[case])
    assert error["message"].startswith("the body is not JSON: ")
    assert " at line 1 column " in error["message"]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"[]", "an array"),
        (b"null", "null"),
        (b'"{}"', '"{}"'),
        (b"7", "7"),
        (b"true", "true"),
        (b"NaN", "NaN"),
    ],
)
async def test_json_that_is_no_object_is_refused(
    client: httpx.AsyncClient, content: bytes, found: str
) -> None:
    error = await refused(client, 422, "invalid_input", content)
    assert error["message"] == f"the body is {found}; it must be an object"


def filled(start: bytes, item: bytes, end: bytes) -> bytes:
    """Return a body as long as allowed that repeats ``item``."""
    count = (LIMIT - len(start) - len(end)) // len(item)
    return start + item * count + end


LONG: dict[str, tuple[bytes, str, str]] = {
    "numbers": (filled(b'{"inputs": [[', b"0.5,", b"1]]}"), "invalid_input", "has the shape"),
    "many inputs": (filled(b'{"inputs": [', b"0,", b"0]}"), "limit_exceeded", "allowed are 64"),
    "empty arrays": (
        filled(b'{"inputs": [', b"[],", b"[]]}"),
        "limit_exceeded",
        f"more than the allowed {MAX_BRACKETS} arrays and objects",
    ),
    "empty objects": (
        filled(b'{"sigma": {"x":[', b"{},", b"{}]}}"),
        "limit_exceeded",
        f"more than the allowed {MAX_BRACKETS} arrays and objects",
    ),
    "a long text among numbers": (
        b'{"inputs": [["' + b"x" * (4 * MIB) + b'"' + b",0" * (2 * MIB - 64) + b"]]}",
        "invalid_input",
        "has the shape",
    ),
    "a long text in an input": (
        b'{"inputs": [[' + b'["' + b"x" * (7 * MIB) + b'"' + b",0" * 27 + b"]]]}",
        "invalid_input",
        "items instead of 28",
    ),
    "an unknown field": (filled(b'{"', b"x", b'": 1}'), "invalid_input", "there is no field"),
    "unknown fields": (
        b"{" + b",".join(b'"%x":1' % i for i in range(500_000)) + b"}",
        "limit_exceeded",
        TOO_MANY_NAMES,
    ),
    "bad repeats": (
        b'{"repeats": {' + b",".join(b'"%x":0' % i for i in range(500_000)) + b"}}",
        "limit_exceeded",
        TOO_MANY_NAMES,
    ),
    "unknown noise points": (
        b'{"inputs": [0], "sigma": {' + b",".join(b'"%x":1' % i for i in range(500_000)) + b"}}",
        "limit_exceeded",
        TOO_MANY_NAMES,
    ),
    "a long noise point": (
        filled(b'{"inputs": [0], "sigma": {"', b"x", b'": 1}}'),
        "invalid_input",
        "is no noise point",
    ),
    "a long noise kind": (filled(b'{"noise": "', b"x", b'"}'), "invalid_input", 'got "xxx'),
    "a long sigma": (filled(b'{"sigma": "', b"x", b'"}'), "invalid_input", 'got "xxx'),
    "a long checkpoint": (filled(b'{"checkpoint": "', b"x", b'"}'), "invalid_input", "at most 200"),
    "a long picture": (filled(b'{"image": "', b"AAAA", b'"}'), "invalid_picture", "PNG or JPEG"),
    "a long bad picture": (filled(b'{"image": "', b"!", b'"}'), "invalid_picture", "base64"),
    "a long data URL": (filled(b'{"image": "', b"x", b',"}'), "invalid_picture", "base64"),
}


@pytest.mark.parametrize("case", LONG)
async def test_the_longest_bodies_allowed_are_refused_with_a_short_message(
    client: httpx.AsyncClient, case: str
) -> None:
    content, code, message = LONG[case]
    assert LIMIT // 2 < len(content) <= LIMIT
    error = await refused(client, 422, code, content)
    assert message in error["message"]


async def test_a_body_of_8_mib_is_read_and_one_byte_more_is_not(client: httpx.AsyncClient) -> None:
    start, end = b'{"votes": 0, "seed": 1', b"}"
    fits = start + b" " * (LIMIT - len(start) - len(end)) + end
    await refused(client, 422, "invalid_input", fits)
    error = await refused(client, 413, "body_too_large", fits + b" ")
    assert error["message"] == f"the body is longer than the allowed {LIMIT} bytes"


class EndlessBody:
    """Spaces without end, in pieces of 1 MiB; counts those that were taken."""

    def __init__(self) -> None:
        self.taken = 0

    def __aiter__(self) -> "EndlessBody":
        return self

    async def __anext__(self) -> bytes:
        self.taken += 1
        return b" " * MIB


async def test_a_chunked_body_is_refused_beyond_the_limit_and_read_on_only_for_a_while(
    client: httpx.AsyncClient,
) -> None:
    body = EndlessBody()
    response = await client.post("/predict", content=body)
    error_in(response, 413, "body_too_large")
    assert body.taken <= (LIMIT + LINGER_BYTES) // MIB + 2


@pytest.mark.parametrize("length", [str(LIMIT + 1), "9" * 30, "9" * 5000])
async def test_a_body_that_promises_too_much_is_refused_and_read_only_for_a_while(
    client: httpx.AsyncClient, length: str
) -> None:
    body = EndlessBody()
    headers = {"content-length": length}
    response = await client.post("/predict", content=body, headers=headers)
    error_in(response, 413, "body_too_large")
    assert body.taken <= LINGER_BYTES // MIB + 1


ALLOWED = {
    "/predict": "POST",
    "/health/live": "GET, HEAD",
    "/checkpoints": "GET",
    "/attack": "GET, POST",
    "/attack/1": "DELETE, GET",
    "/attack/choices": "GET",
}


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/predict", 405, "method_not_allowed"),
        ("HEAD", "/predict", 405, "method_not_allowed"),
        ("OPTIONS", "/predict", 405, "method_not_allowed"),
        ("PUT", "/predict", 405, "method_not_allowed"),
        ("POST", "/health/live", 405, "method_not_allowed"),
        ("POST", "/checkpoints", 405, "method_not_allowed"),
        ("OPTIONS", "/attack", 405, "method_not_allowed"),
        ("PUT", "/attack/1", 405, "method_not_allowed"),
        ("OPTIONS", "/attack/choices", 405, "method_not_allowed"),
        ("GET", "/nosuch", 404, "not_found"),
        ("POST", "/predict/", 404, "not_found"),
        ("POST", "//predict", 404, "not_found"),
        ("GET", "/checkpoints/a/b", 404, "not_found"),
        ("GET", "/checkpoints/%00", 404, "unknown_checkpoint"),
        ("GET", "/" + "x" * 60_000, 404, "not_found"),
    ],
)
async def test_wrong_paths_and_methods_get_the_one_error_shape(
    client: httpx.AsyncClient, method: str, path: str, status: int, code: str
) -> None:
    response = await client.request(method, f"http://service{path}")
    assert response.headers["x-request-id"]
    assert response.headers.get("allow", "") == (ALLOWED[path] if status == 405 else "")
    if method == "HEAD":
        assert (response.status_code, response.content) == (status, b"")
    else:
        error_in(response, status, code)


async def test_a_malformed_host_header_breaks_no_error_reply(client: httpx.AsyncClient) -> None:
    response = await client.get("/nosuch", headers={"host": "[::1"})
    error_in(response, 404, "not_found")
