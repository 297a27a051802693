"""What a study did not measure, and why."""

from collections.abc import Iterator
from math import prod

from noisevote.models.card import Card
from noisevote.models.devices.profile import Profile
from noisevote.models.study.conclusions import Conclusions
from noisevote.models.study.results import Results
from noisevote.models.study.words import age
from noisevote.training.study.plan import FEWER_SAMPLES, extent_of

SHOWN = 5


def not_measured(results: Results, found: Conclusions, card: Card) -> Iterator[str]:
    """Yield what was not measured, and why."""
    head = results.head
    yield from left_out(results, found, card)
    for measured in results.problems[:SHOWN]:
        condition = measured.cell.condition.model_dump_json(exclude_defaults=True)
        yield f"{condition}: {measured.problem}"
    if (more := len(results.problems) - SHOWN) > 0:
        yield f"{more} more conditions whose outputs were not finite"
    if head.device is None and isinstance(card.noise.default, dict):
        yield "noise of its own strength in each layer, as requests that name no sigma get it"
    if head.device is None:
        yield (
            "joules and seconds: a device profile with costs gives them (--device); energies in "
            "passes go by multiply-accumulates, and on the tiles of a device small layers cost more"
        )
    else:
        yield from not_on_device(results, found, card)
    yield f"more than {head.votes} votes (--votes)"
    yield "other inputs: the samples are taken to be like those that the network will see"


def left_out(results: Results, found: Conclusions, card: Card) -> Iterator[str]:
    """Yield what the budget or the samples left out."""
    head = results.head
    extent = extent_of(head, card)
    if found.clean.samples < head.report_samples:
        yield (
            f"{head.report_samples - found.clean.samples:,} of {head.report_samples:,} "
            f"samples: the budget of {head.passes:,} passes has no room for them"
        )
    options = found.at(found.operating)
    fewest = min(of.samples for of in (found.clean, *(each.choice for each in options)))
    if fewest < FEWER_SAMPLES:
        small = head.tolerance * fewest < 1
        finer = ", and the tolerance is less than one of them" if small else ""
        yield (
            f"options are set against each other on as few as {fewest:,} samples, so that their "
            f"differences may be chance{finer}; more samples, or a larger budget, make another "
            "study (--output)"
        )
    taken = {condition for condition, _ in results.settings} | {0.0}
    left = [of for of in head.conditions if of not in taken]
    if left:
        shown = [f"{of:g}" if head.device is None else age(of or 0.0) for of in left]
        name = "sigma" if head.device is None else "an age of"
        yield f"{name} {', '.join(shown)}: the budget has no room for them"
    if extent.level.left_out:
        yield f"{extent.level.left_out}: the budget has no room for them"


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
        yield (
            "joules and seconds: the profile tells no costs; energies in passes go by "
            "multiply-accumulates, and on tiles small layers cost more"
        )
    else:
        yield "energy and time of what is digital"
        yield from too_many_tiles(device, card)
    if head.chips > 1 and device.differs_by_chip:
        yield "what further chips cost beside their reads, where several share the votes"
    if device.flicker is not None:
        yield (
            "the votes of a request share a part of the 1/f noise, which depends on how many "
            f"they are: fewer than {head.votes} votes are replayed from {head.votes}"
        )
    yield "calibrated: margins hold for noise of a strength alone"
    if len(head.ages_s) == 1 and head.ages_s[0] is not None:
        yield "other ages (--age)"


def too_many_tiles(device: Profile, card: Card) -> Iterator[str]:
    """Yield a remark where a network takes more tiles than a chip has."""
    arrays = {} if card.devices is None else card.devices.arrays
    needed = sum(prod(device.array.tiles(array)) for array in arrays.values())
    most = None if device.cost is None else device.cost.tiles
    if most is not None and needed > most:
        yield (
            f"a chip of {most} tiles: the network takes {needed}, so more than one, or weights "
            "that are written anew"
        )
