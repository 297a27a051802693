"""A card is not believed: what it says is compared with itself.

Whatever is found is a :class:`CheckpointError` of that checkpoint; the others serve on. Graphs are
compared with the card in ``models.graph_verification``.
"""

from collections.abc import Iterable
from math import floor, prod

from noisevote.models.card import Card
from noisevote.models.device_specs import complaints_about_devices
from noisevote.models.draws.schemes import SCHEMES
from noisevote.models.errors import CheckpointError
from noisevote.models.inputs import strokes
from noisevote.models.inputs.pictures import PREPROCESSINGS
from noisevote.models.inputs.pipelines import complaints_about
from noisevote.models.specs import MOST_COUNTED, InputSpec, PointSpec

MAX_TILE_NORMALS = 2**25
"""Most noise values of a forward pass: 128 MiB."""

MAX_TILE_VALUES = 2**26
"""Most values of the inputs and outputs of a forward pass: 256 MiB in single precision."""

NUMBERS = {
    "float32": InputSpec(shape=(1,), range=None).limits,
    "int64": (-MOST_COUNTED + 1, MOST_COUNTED - 1),
    "int32": (-(2**31), 2**31 - 1),
    "uint8": (0, 255),
}
"""That a tensor may take, by type; those of 64 bits as far as JSON holds each exactly."""

PREPARED = {
    strokes.PREPROCESSING: (strokes.SHAPE, strokes.RANGE),
    **{name: (row.shape, row.range) for name, row in PREPROCESSINGS.items()},
}
"""Shape and range of what a preprocessing gives, by its name."""


def check_card(card: Card) -> None:
    """Compare what a card says with itself.

    Raises:
        CheckpointError: it contradicts itself, or names what this version does not have.
    """
    points, plain = card.noise_points, (*card.graphs.values(), card.weights)
    for complaint in (
        *about_scheme(card),
        *about_inputs(card),
        *about_preprocessing(card),
        *about_names("labels", card.labels),
        *about_names("noise_points", card.point_names),
        *about_costs(points),
        *about_tile(card),
        *complaints_about_devices(card.devices, points, plain, {*card.digests}),
    ):
        raise CheckpointError(f"the card of checkpoint {card.name} is wrong: {complaint}")
    if card.noise.kind not in card.graphs:
        raise CheckpointError(f"checkpoint {card.name} has no graph for {card.noise.kind} noise")


def about_scheme(card: Card) -> Iterable[str]:
    """Yield that the noise of the votes cannot be drawn here."""
    if card.noise_scheme not in SCHEMES:
        known = ", ".join(SCHEMES)
        yield f"unknown noise scheme {card.noise_scheme!r}; known are: {known}"


def about_inputs(card: Card) -> Iterable[str]:
    """Yield which inputs cannot be given."""
    yield from about_names("inputs", (tensor.name for tensor in card.inputs))
    for tensor in card.inputs:
        low, high = tensor.limits
        least, most = NUMBERS[tensor.dtype]
        is_wrong = not least <= low <= high <= most
        if tensor.is_integer:
            is_wrong |= tensor.range is None or (low, high) != (floor(low), floor(high))
        if is_wrong:
            yield f"the range of {tensor.name} ({tensor.dtype}) is {tensor.range}"


def about_preprocessing(card: Card) -> Iterable[str]:
    """Yield why the preprocessing cannot give what the network takes."""
    prepared = [tensor for tensor in card.inputs if tensor.preprocessing or tensor.picture]
    if prepared and len(card.inputs) > 1:
        yield f"{prepared[0].name} is prepared of pictures, and the network takes other inputs, too"
        return
    if card.input.picture is not None:
        yield from complaints_about(card.input, card.input.picture)
    name = card.input.preprocessing
    if name is None:
        return
    if name not in PREPARED:
        yield f"unknown preprocessing {name!r}; known are {', '.join(sorted(PREPARED))}"
        return
    shape, limits = PREPARED[name]
    if (card.input.shape, card.input.range) != (shape, limits):
        yield (
            f"input has the shape {list(card.input.shape)} and the range {card.input.range}; "
            f"{name} gives {list(shape)} and {list(limits)}"
        )


def about_names(field: str, names: Iterable[str]) -> Iterable[str]:
    """Yield which names stand twice, or are none."""
    seen: set[str] = set()
    for name in names:
        if not name or name in seen:
            yield f"{field} has {name!r}, which is empty or stands twice"
        seen.add(name)


def about_costs(points: Iterable[PointSpec]) -> Iterable[str]:
    """Yield which costs no layer of so many values can have.

    Each value takes a multiply-accumulate or more, and each evaluation gives a value or more.
    """
    for point in points:
        values = prod(point.shape)
        if point.macs < values or point.latency > values:
            yield (
                f"{point.name} has macs {point.macs} and latency {point.latency:g}; {values} "
                f"values take {values} or more multiply-accumulates in {values} or fewer "
                "evaluations"
            )


def about_tile(card: Card) -> Iterable[str]:
    """Yield that a forward pass would take more memory than is reasonable."""
    values = sum(prod(tensor.shape) for tensor in card.inputs) + len(card.labels)
    if card.tile * values > MAX_TILE_VALUES:
        yield (
            f"tile is {card.tile}, which takes {card.tile * values:,} values of inputs and outputs "
            f"a pass; allowed are {MAX_TILE_VALUES:,}"
        )
    normals = card.tile * sum(prod(point.shape) for point in card.noise_points)
    if normals > MAX_TILE_NORMALS:
        yield (
            f"tile is {card.tile}, which takes {normals:,} noise values a pass; allowed are "
            f"{MAX_TILE_NORMALS:,}"
        )
