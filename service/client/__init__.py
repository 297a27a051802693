"""A typed client of the service, and what is built on it."""

from noisevote.service.client.clients import AsyncClient, Client
from noisevote.service.client.exchange import Retry, ServiceError

__all__ = ["AsyncClient", "Client", "Retry", "ServiceError"]
