"""Bytes over a socket, as no well-behaved client sends them."""

import json
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

WITHIN_S = 60.0
NO_LINGER = struct.pack("ii", 1, 0)


@contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=WITHIN_S) as line:
        yield line


def request_of(path: str, body: bytes = b"", *headers: str, length: int | None = None) -> bytes:
    """Return a POST request; its length may be a lie."""
    promised = len(body) if length is None else length
    head = [f"POST {path} HTTP/1.1", "Host: service", f"Content-Length: {promised}", *headers]
    return "\r\n".join([*head, "", ""]).encode() + body


def json_request(path: str, content: Any, *headers: str) -> bytes:
    return request_of(path, json.dumps(content).encode(), *headers)


def all_of(line: socket.socket) -> bytes:
    """Return what comes until the server closes the connection."""
    parts = []
    try:
        while part := line.recv(65536):
            parts.append(part)
    except ConnectionResetError:
        pass  # it had not read all that was sent
    return b"".join(parts)


def status_of(reply: bytes) -> int:
    return int(reply.split(b" ", 2)[1])


def reset(line: socket.socket) -> None:
    """Break a connection off without a goodbye."""
    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
    line.close()
