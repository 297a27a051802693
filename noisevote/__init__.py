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
    from service.client import AsyncAttacks, AsyncClient, Attacks, Client, ServiceError
    from service.wire.attack import AttackRequest
    from service.wire.requests import PredictRequest

HOMES = {
    "AsyncAttacks": "service.client",
    "AsyncClient": "service.client",
    "AttackRequest": "service.wire.attack",
    "Attacks": "service.client",
    "Client": "service.client",
    "PredictRequest": "service.wire.requests",
    "ServiceError": "service.client",
}

__all__ = [
    "AsyncAttacks",
    "AsyncClient",
    "AttackRequest",
    "Attacks",
    "Client",
    "PredictRequest",
    "ServiceError",
]


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(HOMES[name]), name)
