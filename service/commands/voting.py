"""Options of how inputs are voted on, of every command that has them: named and told as the fields.

A default is that of the field, or left to the service.
"""

from typing import Annotated, Any

import typer

from noisevote.models.noise import NoiseKind
from noisevote.models.stopping import StopRule
from noisevote.service.wire.requests import PredictRequest


def option_for(field: str) -> Any:
    """Return the option that gives a field of a request, with the meaning of that field."""
    return typer.Option(
        help=" ".join((PredictRequest.model_fields[field].description or "").split())
    )


Checkpoint = Annotated[str | None, option_for("checkpoint")]
Noise = Annotated[NoiseKind | None, option_for("noise")]
Sigma = Annotated[float | None, typer.Option(help="Default: the checkpoint's.")]
SnrDb = Annotated[float | None, option_for("snr_db")]
Votes = Annotated[int, option_for("votes")]
Stop = Annotated[StopRule, option_for("stop")]
Alpha = Annotated[float, option_for("alpha")]
Delta = Annotated[float, option_for("delta")]
