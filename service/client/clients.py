"""A typed client of the service, to be used with ``with`` or ``async with``.

::

    with Client("http://127.0.0.1:8000") as client:
        reply = client.predict(PredictRequest(image=picture, votes=20))

Both clients wait and ask again when the service is overloaded, draining or out of reach, and wait
as long as its ``Retry-After`` says. A prediction may be asked for twice: it changes nothing.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing
from types import TracebackType
from typing import Any, Self

import httpx

from service.client.exchange import Exchange, Retry, checked
from service.client.received import events_of, events_of_async
from service.wire.replies import CheckpointList, PredictResponse, ServedCheckpoint, VotesEvent
from service.wire.requests import PredictRequest


class BaseClient:
    """What both clients share.

    Args:
        retry: how often to ask again.
        api_key: sent as a bearer token, if the service asks for one.
        headers: further ones, sent with every request.
    """

    def __init__(
        self, retry: Retry, api_key: str | None, headers: Mapping[str, str] | None
    ) -> None:
        self._retry = retry
        self._headers = dict(headers or {})
        if api_key is not None:
            self._headers["Authorization"] = f"Bearer {api_key}"

    def _posted(self, asked: PredictRequest) -> dict[str, Any]:
        content = asked.model_dump_json(exclude_unset=True)
        return {"content": content, "headers": {"Content-Type": "application/json"}}


class Client(BaseClient):
    """Speaks with the service and waits for its answers.

    Args:
        base_url: of the service.
        api_key: if it asks for one.
        headers: further ones, sent with every request.
        timeout_s: for one attempt.
        retry: how often to ask again.
        pause: waits; to be replaced where time is not to pass.
    """

    def __init__(
        self,
        base_url: str,
        *,
        api_key: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = 60.0,
        retry: Retry = Retry(),
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(retry, api_key, headers)
        self._pause = pause
        self._http = httpx.Client(base_url=base_url, headers=self._headers, timeout=timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def predict(self, asked: PredictRequest) -> PredictResponse:
        """Return the answer to a prediction.

        Raises:
            ServiceError: it was refused, or the service cannot be reached.
        """
        response = self.send("POST", "/predict", **self._posted(asked))
        return PredictResponse.model_validate_json(response.content)

    def stream(self, asked: PredictRequest) -> Iterator[VotesEvent | PredictResponse]:
        """Yield the votes of a prediction as they are counted, then its answer.

        Raises:
            ServiceError: it was refused, or broke off.
        """
        response = self.send("POST", "/predict/stream", is_streamed=True, **self._posted(asked))
        for name, data in events_of(response):
            yield votes_or_answer(name, data)

    def checkpoints(self) -> CheckpointList:
        """Return the checkpoints that serve."""
        return CheckpointList.model_validate_json(self.send("GET", "/checkpoints").content)

    def card(self, name: str) -> ServedCheckpoint:
        """Return the card of a checkpoint."""
        return ServedCheckpoint.model_validate_json(
            self.send("GET", f"/checkpoints/{name}").content
        )

    def send(
        self, method: str, path: str, is_streamed: bool = False, **sent: Any
    ) -> httpx.Response:
        """Send a request, again if that may help, and return the reply if it is a success.

        Args:
            method: of HTTP.
            path: on the service.
            is_streamed: whether the body is left to be read.
            sent: content and headers, as httpx takes them.

        Raises:
            ServiceError: it was refused, or the service cannot be reached.
        """
        exchange = Exchange(self._retry)
        while True:
            try:
                request = self._http.build_request(method, path, **sent)
                response = self._http.send(request, stream=is_streamed)
            except httpx.TransportError as error:
                wait_s = exchange.wait_s(error)
            else:
                wait_s = exchange.wait_s(response)
                if wait_s is None:
                    if not response.is_success:
                        response.read()
                    return checked(response)
                response.close()
            self._pause(wait_s or 0)


class AsyncClient(BaseClient):
    """The same for asynchronous code.

    Args:
        base_url: of the service.
        api_key: if it asks for one.
        headers: further ones, sent with every request.
        timeout_s: for one attempt.
        retry: how often to ask again.
        pause: waits; to be replaced where time is not to pass.
        transport: how to reach the service; by default over the network.
    """

    def __init__(
        self,
        base_url: str,
        *,
        api_key: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = 60.0,
        retry: Retry = Retry(),
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        super().__init__(retry, api_key, headers)
        self._pause = pause
        self._http = httpx.AsyncClient(
            base_url=base_url, headers=self._headers, timeout=timeout_s, transport=transport
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def predict(self, asked: PredictRequest) -> PredictResponse:
        """Return the answer to a prediction; see :meth:`Client.predict`."""
        response = await self.send("POST", "/predict", **self._posted(asked))
        return PredictResponse.model_validate_json(response.content)

    async def stream(self, asked: PredictRequest) -> AsyncIterator[VotesEvent | PredictResponse]:
        """Yield votes, then the answer; see :meth:`Client.stream`."""
        sent = self._posted(asked)
        response = await self.send("POST", "/predict/stream", is_streamed=True, **sent)
        async with aclosing(events_of_async(response)) as events:
            async for name, data in events:
                yield votes_or_answer(name, data)

    async def checkpoints(self) -> CheckpointList:
        """Return the checkpoints that serve."""
        response = await self.send("GET", "/checkpoints")
        return CheckpointList.model_validate_json(response.content)

    async def card(self, name: str) -> ServedCheckpoint:
        """Return the card of a checkpoint."""
        response = await self.send("GET", f"/checkpoints/{name}")
        return ServedCheckpoint.model_validate_json(response.content)

    async def send(
        self, method: str, path: str, is_streamed: bool = False, **sent: Any
    ) -> httpx.Response:
        """Send a request; see :meth:`Client.send`."""
        exchange = Exchange(self._retry)
        while True:
            try:
                request = self._http.build_request(method, path, **sent)
                response = await self._http.send(request, stream=is_streamed)
            except httpx.TransportError as error:
                wait_s = exchange.wait_s(error)
            else:
                wait_s = exchange.wait_s(response)
                if wait_s is None:
                    if not response.is_success:
                        await response.aread()
                    return checked(response)
                await response.aclose()
            await self._pause(wait_s or 0)


def votes_or_answer(name: str, data: str) -> VotesEvent | PredictResponse:
    """Return what an event of a prediction holds."""
    body = PredictResponse if name == "result" else VotesEvent
    return body.model_validate_json(data)
