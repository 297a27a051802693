"""What a study did not measure, and why."""

from collections.abc import Iterator

import numpy as np

from noisevote.models.card import Card
from noisevote.models.study.conclusions import Conclusions
from noisevote.models.study.results import Results
from noisevote.training.study.plan import extent_of

SHOWN = 5
FEW_SAMPLES = 300
"""Below which the report warns of wide intervals."""


def not_measured(results: Results, found: Conclusions, card: Card) -> Iterator[str]:
    """Yield what was not measured, and why."""
    head = results.head
    extent = extent_of(head, card)
    if found.clean.samples < head.report_samples:
        yield (
            f"{head.report_samples - found.clean.samples:,} of {head.report_samples:,} "
            f"samples: the budget of {head.passes:,} passes has no room for them"
        )
    if found.clean.samples < FEW_SAMPLES:
        yield f"with {found.clean.samples} samples intervals are wide; give more"
    if extent.level.left_out:
        yield f"{extent.level.left_out}: the budget has no room for them"
    for measured in results.problems[:SHOWN]:
        condition = measured.cell.condition.model_dump_json(exclude_defaults=True)
        yield f"{condition}: {measured.problem}"
    if (more := len(results.problems) - SHOWN) > 0:
        yield f"{more} more conditions whose outputs were not finite"
    if head.device is None and isinstance(card.noise.default, dict):
        yield "noise of its own strength in each layer, as requests that name no sigma get it"
    if head.device is None:
        yield "joules and seconds: a device profile with costs gives them (--device)"
    else:
        yield from not_on_device(results, found, card)
    yield f"more than {head.votes} votes (--votes)"
    yield "other inputs: the samples are taken to be like those that the network will see"


def not_on_device(results: Results, found: Conclusions, card: Card) -> Iterator[str]:
    """Yield what was not measured of a device."""
    head, device = results.head, results.head.device
    if device is None:
        return
    spec = card.devices
    digital = [name for name in card.point_names if spec and name not in spec.arrays]
    if digital:
        yield f"layers that no device can be put on stay digital: {', '.join(digital)}"
    if device.cost is None or found.options[0].costs.unit != "J":
        yield "joules and seconds: the profile tells no costs"
    elif device.cost.tiles is not None and spec is not None:
        needed = sum(int(np.prod(device.array.tiles(array))) for array in spec.arrays.values())
        if needed > device.cost.tiles:
            yield (
                f"a chip of {device.cost.tiles} tiles: the network takes {needed}, so more "
                "than one, or weights that are written anew"
            )
    if device.flicker is not None:
        yield (
            "the votes of a request share a part of the 1/f noise, which depends on how many "
            f"they are: fewer than {head.votes} votes are replayed from {head.votes}"
        )
    yield "`calibrated`: margins hold for noise of a strength alone"
    if len(head.ages_s) == 1 and head.ages_s[0] is not None:
        yield "other ages (--age)"
