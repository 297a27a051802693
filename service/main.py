"""The app for ASGI servers: ``uvicorn --factory service.main:create``."""

from fastapi import FastAPI

from service.app import create_app
from service.settings import Settings


def create() -> FastAPI:
    """Build the app from the environment."""
    return create_app(Settings())
