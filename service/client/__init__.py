"""A typed client of the service, and what is built on it."""

from service.client.clients import AsyncClient, Client
from service.client.exchange import Retry, ServiceError

__all__ = ["AsyncClient", "Client", "Retry", "ServiceError"]
