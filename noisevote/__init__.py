"""Neural networks served as if they ran on noisy analog hardware.

The public face: clients of a running service, and the requests that they send.

::

    from noisevote import Client, PredictRequest

    with Client("http://127.0.0.1:8000") as client:
        reply = client.predict(PredictRequest(image=picture, votes=20))

Names are loaded when they are first used, so that each command loads only what it needs. Beside
this file lie links to the three rooms of the repository, which are packages of this one: so an
installation takes no common name like ``models`` from whoever has modules of that name.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from noisevote.service.client.attacks import AsyncAttacks, Attacks
    from noisevote.service.client.clients import AsyncClient, Client
    from noisevote.service.client.exchange import Retry, ServiceError
    from noisevote.service.wire.attack import AttackRequest, JobStatus
    from noisevote.service.wire.plan import PlanRequest, PlanResponse
    from noisevote.service.wire.replies import PredictResponse, VotesEvent
    from noisevote.service.wire.requests import PredictRequest

HOMES = {
    "AsyncAttacks": "noisevote.service.client.attacks",
    "AsyncClient": "noisevote.service.client.clients",
    "AttackRequest": "noisevote.service.wire.attack",
    "Attacks": "noisevote.service.client.attacks",
    "Client": "noisevote.service.client.clients",
    "JobStatus": "noisevote.service.wire.attack",
    "PlanRequest": "noisevote.service.wire.plan",
    "PlanResponse": "noisevote.service.wire.plan",
    "PredictRequest": "noisevote.service.wire.requests",
    "PredictResponse": "noisevote.service.wire.replies",
    "Retry": "noisevote.service.client.exchange",
    "ServiceError": "noisevote.service.client.exchange",
    "VotesEvent": "noisevote.service.wire.replies",
}

__all__ = [
    "AsyncAttacks",
    "AsyncClient",
    "AttackRequest",
    "Attacks",
    "Client",
    "JobStatus",
    "PlanRequest",
    "PlanResponse",
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
