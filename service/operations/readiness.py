"""Whether the service can answer requests, for whoever spreads them."""

from fastapi import FastAPI

from service.prediction.predictor import Predictor


def why_not_ready(app: FastAPI) -> str | None:
    """Return why requests should not be sent here; None if they should."""
    reason: str | None = app.state.not_ready
    if reason is not None:
        return reason
    predictor: Predictor = app.state.predictor
    return None if predictor.backend.computes else "no thread is left that computes votes"
