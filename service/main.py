"""The app for ASGI servers: ``uvicorn --factory service.main:create``."""

from fastapi import FastAPI

from service.worker_folder import share_counters_if_worker


def create() -> FastAPI:
    """Build the app from the environment and the settings file that it names."""
    share_counters_if_worker()
    # Only now: what counts asks for the folder of the workers when it is imported.
    from service.app import create_app
    from service.settings import Settings

    return create_app(Settings())
