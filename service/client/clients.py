"""A typed client of the service, to be used with ``with`` or ``async with``.

::

    with Client("http://127.0.0.1:8000") as client:
        reply = client.predict(PredictRequest(image=picture, votes=20))

Both clients wait and ask again when the service is overloaded, draining or out of reach, and wait
as long as its ``Retry-After`` says. A prediction may be asked for twice: it changes nothing.

Only a client that is made loads httpx, which with all that it brings along takes half the time of
importing this module.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

from noisevote.service.client.calls import (
    CHECKPOINTS,
    DEVICES,
    Heard,
    planning,
    predicting,
    showing,
    showing_device,
    streaming,
)
from noisevote.service.client.exchange import (
    Attempts,
    Call,
    EventReader,
    Retry,
    broken_off,
    checked,
)
from noisevote.service.wire.checkpoints import ServedCheckpoint
from noisevote.service.wire.devices import DeviceList, ServedDevice
from noisevote.service.wire.plan import PlanRequest, PlanResponse
from noisevote.service.wire.replies import CheckpointList, PredictResponse
from noisevote.service.wire.requests import PredictRequest

if TYPE_CHECKING:
    import httpx

Result = TypeVar("Result")


class Client:
    """Speaks with the service and waits for its answers.

    Args:
        base_url: address of the service.
        api_key: if it asks for one.
        headers: further ones, sent with every request.
        timeout_s: seconds that one attempt may take.
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
        import httpx

        self._retry = retry
        self._pause = pause
        self._unreachable = httpx.TransportError
        self._http = httpx.Client(
            base_url=base_url, headers=with_key(headers, api_key), timeout=timeout_s
        )

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
        return self.call(predicting(asked))

    def stream(self, asked: PredictRequest) -> Iterator[Heard]:
        """Yield the votes of a prediction as they are counted, then its answer.

        Raises:
            ServiceError: it was refused, or broke off.
        """
        return self.events(streaming(asked))

    def checkpoints(self) -> CheckpointList:
        """Return the checkpoints that serve."""
        return self.call(CHECKPOINTS)

    def card(self, name: str) -> ServedCheckpoint:
        """Return the card of a checkpoint."""
        return self.call(showing(name))

    def devices(self) -> DeviceList:
        """Return the analog devices that votes can be cast on."""
        return self.call(DEVICES)

    def device(self, name: str) -> ServedDevice:
        """Return an analog device: its profile, and what it does."""
        return self.call(showing_device(name))

    def plan(self, asked: PlanRequest) -> PlanResponse:
        """Return the votes that meet a demand, from the study of a checkpoint."""
        return self.call(planning(asked))

    def call(self, call: Call[Result]) -> Result:
        """Send a request, again if that may help, and return what its reply holds.

        Raises:
            ServiceError: it was refused, or the service cannot be reached.
        """
        return call.read(self._reply_to(call).content)

    def events(self, call: Call[Result]) -> Iterator[Result]:
        """Send a request and yield the events of its reply.

        Raises:
            ServiceError: it was refused, one of them is an error, or the stream broke off.
        """
        response, reader = self._reply_to(call, is_streamed=True), EventReader()
        try:
            for line in response.iter_lines():
                if (data := reader.take(line)) is not None:
                    yield call.read(data)
        except self._unreachable as error:
            raise broken_off(error) from error
        finally:
            response.close()

    def _reply_to(self, call: Call[Result], is_streamed: bool = False) -> "httpx.Response":
        """Return a successful reply; that of a stream is still to be read."""
        attempts = Attempts(self._retry)
        while True:
            try:
                request = self._http.build_request(**call.sent)
                response = self._http.send(request, stream=is_streamed)
            except self._unreachable as error:
                wait_s = attempts.wait_s(error)
            else:
                wait_s = attempts.wait_s(response)
                if wait_s is None:
                    if not response.is_success:
                        response.read()
                    return checked(response)
                response.close()
            self._pause(wait_s or 0)


class AsyncClient:
    """The same for asynchronous code.

    Args:
        base_url: address of the service.
        api_key: if it asks for one.
        headers: further ones, sent with every request.
        timeout_s: seconds that one attempt may take.
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
        transport: "httpx.AsyncBaseTransport | None" = None,
    ) -> None:
        import httpx

        self._retry = retry
        self._pause = pause
        self._unreachable = httpx.TransportError
        self._http = httpx.AsyncClient(
            base_url=base_url,
            headers=with_key(headers, api_key),
            timeout=timeout_s,
            transport=transport,
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
        return await self.call(predicting(asked))

    def stream(self, asked: PredictRequest) -> AsyncIterator[Heard]:
        """Yield votes, then the answer; see :meth:`Client.stream`."""
        return self.events(streaming(asked))

    async def checkpoints(self) -> CheckpointList:
        """Return the checkpoints that serve."""
        return await self.call(CHECKPOINTS)

    async def card(self, name: str) -> ServedCheckpoint:
        """Return the card of a checkpoint."""
        return await self.call(showing(name))

    async def devices(self) -> DeviceList:
        """Return the analog devices that votes can be cast on."""
        return await self.call(DEVICES)

    async def device(self, name: str) -> ServedDevice:
        """Return an analog device: its profile, and what it does."""
        return await self.call(showing_device(name))

    async def plan(self, asked: PlanRequest) -> PlanResponse:
        """Return the votes that meet a demand, from the study of a checkpoint."""
        return await self.call(planning(asked))

    async def call(self, call: Call[Result]) -> Result:
        """Send a request and return what its reply holds; see :meth:`Client.call`."""
        return call.read((await self._reply_to(call)).content)

    async def events(self, call: Call[Result]) -> AsyncIterator[Result]:
        """Send a request and yield the events of its reply; see :meth:`Client.events`."""
        response, reader = await self._reply_to(call, is_streamed=True), EventReader()
        try:
            async for line in response.aiter_lines():
                if (data := reader.take(line)) is not None:
                    yield call.read(data)
        except self._unreachable as error:
            raise broken_off(error) from error
        finally:
            await response.aclose()

    async def _reply_to(self, call: Call[Result], is_streamed: bool = False) -> "httpx.Response":
        """Return a successful reply; see :class:`Client`."""
        attempts = Attempts(self._retry)
        while True:
            try:
                request = self._http.build_request(**call.sent)
                response = await self._http.send(request, stream=is_streamed)
            except self._unreachable as error:
                wait_s = attempts.wait_s(error)
            else:
                wait_s = attempts.wait_s(response)
                if wait_s is None:
                    if not response.is_success:
                        await response.aread()
                    return checked(response)
                await response.aclose()
            await self._pause(wait_s or 0)


def with_key(headers: Mapping[str, str] | None, api_key: str | None) -> dict[str, str]:
    """Return the headers of every request, with the key as a bearer token if there is one."""
    key = {} if api_key is None else {"Authorization": f"Bearer {api_key}"}
    return {**(headers or {}), **key}
