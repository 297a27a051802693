"""A typed client of the service, and what is built on it."""

from service.client.clients import AsyncClient, Client

__all__ = ["AsyncClient", "Client"]
