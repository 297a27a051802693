"""Options of how inputs are voted on, of every command that has them: named and told as the fields.

A default is that of the field, or left to the service.
"""

from typing import Annotated, Any

import typer

from noisevote.models.devices.options import parse_age, parse_chip, parse_device
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
Device = Annotated[
    Any,
    typer.Option(
        parser=parse_device, metavar="NAME|FILE.toml", help="Analog device instead of noise."
    ),
]
Chip = Annotated[
    Any,
    typer.Option(parser=parse_chip, metavar="NUMBER|fresh|none", help="Chip of the device."),
]
Chips = Annotated[int | None, option_for("chips")]
Age = Annotated[
    Any,
    typer.Option(
        parser=parse_age, metavar="AGE", help="Since the weights were written: 60s, 1h, 1d."
    ),
]
Temperature = Annotated[float | None, option_for("temperature_c")]
Delta = Annotated[float, option_for("delta")]
