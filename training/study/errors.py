"""How far each layer alone moves the outputs, beside how far these lie apart.

Noise, or the device, acts at one noise point while all others are silent. The error-to-signal ratio
is the root mean square of what that changes of the outputs, over that of the outputs without noise;
the mean over the classes is taken off both, since no answer depends on it.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from noisevote.models.devices.setting import DeviceSetting
from noisevote.models.noise import Noise
from noisevote.models.study.store import PointFigures
from noisevote.training.measure.evaluate import Caster, NumberedExamples

ALL = "all layers"
RATIO = "error_to_signal"


def errors_by_layer(
    caster: Caster,
    examples: NumberedExamples,
    alone: Mapping[str, Noise | DeviceSetting],
    votes: int,
) -> PointFigures:
    """Return the error-to-signal ratio at the outputs, by noise point.

    Args:
        caster: casts votes.
        examples: on which.
        alone: noise, or the device, at each point alone; and of all layers.
        votes: on each.

    Raises:
        DataError: the outputs are not finite.
    """
    silence = Noise(caster.checkpoint.card.noise.kind, 0.0)
    clean = centred(caster.outputs(examples, silence, 1))
    signal = root_mean_square(clean)
    found: PointFigures = {}
    for name, noise in alone.items():
        error = root_mean_square(centred(caster.outputs(examples, noise, votes)) - clean)
        found[name] = {RATIO: error / signal if signal > 0 else 0.0}
    return found


def centred(outputs: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return outputs without their mean over the classes ``[..., classes]``."""
    wide = outputs.astype(np.float64)
    return np.asarray(wide - wide.mean(axis=-1, keepdims=True))


def root_mean_square(values: NDArray[np.float64]) -> float:
    """Return the root of the mean of the squares."""
    return float(np.sqrt(np.mean(values**2)))
