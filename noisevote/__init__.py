"""Neural networks served as if they ran on noisy analog hardware.

The public face: clients of a running service, and the requests that they send.

::

    from noisevote import Client, PredictRequest

    with Client("http://127.0.0.1:8000") as client:
        reply = client.predict(PredictRequest(image=picture, votes=20))

Names are loaded when they are first used, so that each command loads only what it needs.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from service.client.attacks import AsyncAttacks, Attacks
    from service.client.clients import AsyncClient, Client
    from service.client.exchange import Retry, ServiceError
    from service.wire.attack import AttackRequest, JobStatus
    from service.wire.replies import PredictResponse, VotesEvent
    from service.wire.requests import PredictRequest

HOMES = {
    "AsyncAttacks": "service.client.attacks",
    "AsyncClient": "service.client.clients",
    "AttackRequest": "service.wire.attack",
    "Attacks": "service.client.attacks",
    "Client": "service.client.clients",
    "JobStatus": "service.wire.attack",
    "PredictRequest": "service.wire.requests",
    "PredictResponse": "service.wire.replies",
    "Retry": "service.client.exchange",
    "ServiceError": "service.client.exchange",
    "VotesEvent": "service.wire.replies",
}

__all__ = [
    "AsyncAttacks",
    "AsyncClient",
    "AttackRequest",
    "Attacks",
    "Client",
    "JobStatus",
    "PredictRequest",
    "PredictResponse",
    "Retry",
    "ServiceError",
    "VotesEvent",
]


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(HOMES[name]), name)
