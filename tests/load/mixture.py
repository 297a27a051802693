"""A mixture of everything that clients send: the requests of ``tests.load.memory``."""

import asyncio
import base64
import json
import socket
import struct
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from io import BytesIO
from typing import Any

import numpy as np

from tests.drawing import draw_digit, png_bytes
from tests.load.client import Connections, request_bytes

CNN = "mnist_cnn-mult-1.0"
LSTM = "stroke_lstm-mult-1.0"
RULES = ("full", "exact", "bounded")
NO_LINGER = struct.pack("ii", 1, 0)
READ_BYTES = 2**16

Sender = Callable[[int], Awaitable[int]]


class Mixture:
    """One client, which sends requests of all kinds; what it sends depends on their number alone.

    Args:
        port: of the service.
        statuses: counts how many replies of each kind had each status; 0 where the client left.
    """

    def __init__(self, port: int, statuses: Counter[str]) -> None:
        self._port = port
        self._statuses = statuses
        self._kept = Connections(port)
        self._digits = [
            draw_digit(digit, size=28, stroke=2.5, ink=255, paper=0) for digit in range(10)
        ]
        self._pictures = [picture(digit, kind) for digit in range(10) for kind in ("PNG", "JPEG")]
        self._senders: list[tuple[str, Sender]] = [
            ("arrays", self._arrays),
            ("pictures", self._picture),
            ("strokes", self._strokes),
            ("stream", self._stream),
            ("V2 JSON", self._v2_json),
            ("V2 binary", self._v2_binary),
            ("errors", self._error),
            ("leave while voting", self._leave_while_voting),
            ("leave in the body", self._leave_in_the_body),
            ("reads", self._read),
        ]

    async def send(self, number: int) -> None:
        """Send one request; its number decides what it is."""
        name, sender = self._senders[number % len(self._senders)]
        status = await sender(number // len(self._senders))
        self._statuses[f"{name}: {status}"] += 1

    def close(self) -> None:
        """Close what is open."""
        self._kept.close()

    def _array(self, number: int) -> list[list[float]]:
        rows: list[list[float]] = (np.asarray(self._digits[number % 10]) / 255).tolist()
        return rows

    async def _ask(self, path: str, content: object) -> int:
        return (await self._kept.send(request_bytes(path, json.dumps(content).encode())))[0]

    async def _arrays(self, number: int) -> int:
        inputs = [self._array(number + position) for position in range(1 + number % 5)]
        options: dict[str, Any] = {"votes": 1 + number % 40, "stop": RULES[number % 3]}
        if number % 4 == 0:
            options |= {"noise": "additive", "sigma": 0.5}
        elif number % 4 == 1:
            options |= {"sigma": 0}
        return await self._ask("/predict", {"inputs": inputs, **options})

    async def _picture(self, number: int) -> int:
        image = self._pictures[number % len(self._pictures)]
        return await self._ask("/predict", {"image": image, "votes": 5})

    async def _strokes(self, number: int) -> int:
        line = [[5, 5], [20, 5 + number % 10], [12, 24]]
        return await self._ask("/predict", {"strokes": [line], "checkpoint": LSTM, "votes": 5})

    async def _stream(self, number: int) -> int:
        content = {"inputs": [self._array(number)], "votes": 30}
        reply = await self._whole(request_of_one("/predict/stream", json.dumps(content).encode()))
        return status_in(reply) if b"event: result" in reply else -1

    async def _v2_json(self, number: int) -> int:
        flat = np.asarray(self._digits[number % 10]).ravel() / 255
        content = v2_request({"data": flat.tolist()}, votes=5)
        return await self._ask(f"/v2/models/{CNN}/infer", content)

    async def _v2_binary(self, number: int) -> int:
        tensor = (np.asarray(self._digits[number % 10], np.float32) / 255).tobytes()
        head = v2_request({"parameters": {"binary_data_size": len(tensor)}}, votes=5)
        content = json.dumps(head).encode()
        request = request_bytes(f"/v2/models/{CNN}/infer", content + tensor)
        length = b"Inference-Header-Content-Length: %d\r\n\r\n" % len(content)
        return (await self._kept.send(request.replace(b"\r\n\r\n", b"\r\n" + length, 1)))[0]

    async def _error(self, number: int) -> int:
        wrong: list[tuple[str, bytes]] = [
            ("/predict", b'{"inputs": ['),
            ("/predict", json.dumps({"inputs": [[[1.0] * 27] * 28]}).encode()),
            ("/predict", json.dumps({"image": "AAAA"}).encode()),
            ("/predict", json.dumps({"inputs": [0], "checkpoint": f"no-{number}"}).encode()),
            ("/predict", json.dumps({"inputs": [[[0.0] * 28] * 28], "votes": 10**9}).encode()),
            (f"/no/such/path/{number}", b"{}"),
            ("/predict", json.dumps({"inputs": [[0] * 200_000]}).encode()),
            ("/v2/models/none/infer", b"{}"),
        ]
        path, body = wrong[number % len(wrong)]
        return (await self._kept.send(request_bytes(path, body)))[0]

    async def _leave_while_voting(self, number: int) -> int:
        """Reset the connection when votes are being cast: the first event has come."""
        content = {"inputs": [self._array(number)] * 4, "votes": 500}
        await self._left_after(request_of_one("/predict/stream", json.dumps(content).encode()), 1)
        return 0

    async def _leave_in_the_body(self, number: int) -> int:
        whole = request_of_one("/predict", json.dumps({"inputs": [self._array(number)]}).encode())
        await self._left_after(whole[: len(whole) // 2], 0)
        return 0

    async def _read(self, number: int) -> int:
        paths = ("/checkpoints", f"/checkpoints/{CNN}", "/metrics", "/openapi.json", "/", "/v2")
        head = f"GET {paths[number % len(paths)]} HTTP/1.1\r\nHost: s\r\nConnection: close\r\n\r\n"
        return status_in(await self._whole(head.encode()))

    async def _whole(self, request: bytes) -> bytes:
        """Return all that comes in answer to a request on a connection of its own."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(request)
        reply = await reader.read()
        writer.close()
        return reply

    async def _left_after(self, request: bytes, parts: int) -> None:
        """Send bytes, wait for some parts of the reply, and reset the connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(request)
        await writer.drain()
        for _ in range(parts):
            await reader.read(READ_BYTES)
        line: socket.socket = writer.get_extra_info("socket")
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        writer.transport.abort()


async def send_all(clients: Sequence[Mixture], numbers: range) -> None:
    """Send requests of these numbers, from several clients side by side."""
    left = iter(numbers)

    async def send_some(client: Mixture) -> None:
        for number in left:
            await client.send(number)

    await asyncio.gather(*(send_some(client) for client in clients))


def request_of_one(path: str, body: bytes) -> bytes:
    """Return a request after which the connection is closed."""
    return request_bytes(path, body).replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)


def v2_request(tensor: dict[str, Any], votes: int) -> dict[str, Any]:
    """Return a request of the Open Inference Protocol for one digit."""
    described = {"name": "input", "shape": [1, 1, 28, 28], "datatype": "FP32"}
    return {"inputs": [described | tensor], "parameters": {"votes": votes}}


def picture(digit: int, kind: str) -> str:
    """Return a drawn digit as base64 PNG or JPEG."""
    drawn = draw_digit(digit)
    if kind == "PNG":
        return base64.b64encode(png_bytes(drawn)).decode()
    file = BytesIO()
    drawn.save(file, kind)
    return base64.b64encode(file.getvalue()).decode()


def status_in(reply: bytes) -> int:
    """Return the status of a reply."""
    return int(reply.split(b" ", 2)[1])
