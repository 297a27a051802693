"""A card is not believed: what it says is compared with itself, the graph and a few votes.

Whatever is found is a :class:`CheckpointError` of that checkpoint; the others serve on.
"""

from collections.abc import Iterable, Mapping
from math import floor, prod

import numpy as np

from noisevote.models.card import Card
from noisevote.models.device_specs import complaints_about_devices
from noisevote.models.engines import Tensor
from noisevote.models.errors import CheckpointError
from noisevote.models.inputs import strokes
from noisevote.models.inputs.pictures import PREPROCESSINGS
from noisevote.models.inputs.pipelines import complaints_about
from noisevote.models.noise import NOISE_SCHEME, NoiseKind, VoteKey
from noisevote.models.runtime import (
    INPUT_OF_ROW,
    NOISE_PREFIX,
    GraphRuntime,
    Rows,
    Runtime,
)
from noisevote.models.specs import MOST_COUNTED, InputSpec, PointSpec

MAX_TILE_NORMALS = 2**25
"""Most noise values of a forward pass: 128 MiB."""

MAX_TILE_VALUES = 2**26
"""Most values of the inputs and outputs of a forward pass: 256 MiB in single precision."""

TRIAL_S = 60.0
"""Seconds that the votes of a trial may take: a graph may have loops that never end."""

SMALLEST_WEIGHT = 2
"""Bytes of a weight in half precision."""

DEFAULT_SIGMA = 0.5
"""Of the votes that are compared, for a network that was trained without noise."""

ONNX_TYPES = {"float32": "float", "int64": "int64", "int32": "int32", "uint8": "uint8"}
"""What ONNX calls the types of inputs."""

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
    if card.noise_scheme != NOISE_SCHEME:
        yield f"unknown noise scheme {card.noise_scheme!r}; known is {NOISE_SCHEME}"


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


def check_runtime(runtime: GraphRuntime, card: Card, contents: Mapping[str, bytes]) -> None:
    """Compare what a card says with a graph, its weights, and a tile of votes; it warms up, too.

    Args:
        runtime: runtime of one of the card's graphs.
        card: card of the checkpoint.
        contents: contents of its files by name.

    Raises:
        CheckpointError: they do not agree.
    """
    check_tensors(runtime, card)
    check_macs(card, contents)
    try:
        with runtime.session.for_at_most(TRIAL_S):
            check_kind(runtime, card)
            check_batch_invariance(runtime, card)
    except TimeoutError as error:
        raise CheckpointError(
            f"a few votes of the {runtime.kind} graph take longer than {TRIAL_S:g} s"
        ) from error


def check_tensors(runtime: GraphRuntime, card: Card) -> None:
    """Compare names, types and shapes of a graph's inputs and outputs with those of the card.

    Raises:
        CheckpointError: they differ.
    """
    promised = {
        **{
            tensor.name: Tensor(ONNX_TYPES[tensor.dtype], (None, *tensor.shape))
            for tensor in card.inputs
        },
        INPUT_OF_ROW: Tensor("int64", (None,)),
        **{
            NOISE_PREFIX + point.name: Tensor("float", (None, *point.shape))
            for point in card.noise_points
        },
        card.output: Tensor("float", (None, len(card.labels))),
    }
    inputs, outputs = runtime.session.inputs, runtime.session.outputs
    for name, tensor in promised.items():
        found = (outputs if name == card.output else inputs).get(name)
        # Where a pass holds one vote, the engine may know it of the output.
        of_one = Tensor(tensor.type, (1, *tensor.shape[1:]))
        is_one = card.tile == 1 and name == card.output and found == of_one
        if found != tensor and not is_one:
            raise CheckpointError(
                f"the {runtime.kind} graph of checkpoint {card.name} has {name} as "
                f"{found or 'nothing'}; its card promises {tensor}"
            )


def check_macs(card: Card, contents: Mapping[str, bytes]) -> None:
    """Compare the multiply-accumulates of a card with the number of weights.

    Those of networks that others made may be whole numbers of a byte, and small ones lie in the
    graphs.

    Raises:
        CheckpointError: a value takes more than there are weights.
    """
    weights = len(contents[card.weights]) // SMALLEST_WEIGHT
    if card.imported is not None:
        weights = sum(map(len, contents.values()))
    for point in card.noise_points:
        if point.macs > prod(point.shape) * weights:
            raise CheckpointError(
                f"the card of checkpoint {card.name} is wrong: {point.name} has macs {point.macs}; "
                f"{prod(point.shape)} values of {weights} weights take at most "
                f"{prod(point.shape) * weights}"
            )


def check_kind(runtime: GraphRuntime, card: Card) -> None:
    """Tell factors from summands: only where 0 is a factor, all inputs come to the same.

    Raises:
        CheckpointError: the graph takes the other kind of noise, or its outputs are no numbers,
            or not one for each label.
    """
    generator = np.random.default_rng(0)
    inputs = {tensor.name: tensor.trial(generator, 2) for tensor in card.inputs}
    noise = [np.zeros((2, *point.shape), np.float32) for point in card.noise_points]
    each = [
        runtime.outputs_for(
            {name: tensor[[row]] for name, tensor in inputs.items()},
            np.zeros(1, np.int64),
            [tensor[[row]] for tensor in noise],
        )
        for row in range(2)
    ]
    outputs = np.concatenate(each)
    if outputs.shape != (2, len(card.labels)):  # what a graph declares need not be what it gives
        raise CheckpointError(
            f"checkpoint {card.name} gives outputs of the shape {list(outputs.shape)} for 2 votes; "
            f"its card promises [2, {len(card.labels)}]"
        )
    if not np.isfinite(outputs).all():
        raise CheckpointError(f"checkpoint {card.name} gives outputs that are not finite")
    is_factor = np.array_equal(outputs[0], outputs[1])
    # Of an imported network nothing is told: what an input does may pass beside the noise, and
    # probabilities may all be 0 and 1.
    is_told = card.imported is None
    if is_told and is_factor != (runtime.kind is NoiseKind.MULTIPLICATIVE):
        raise CheckpointError(
            f"the {runtime.kind} graph of checkpoint {card.name} takes the other kind of noise"
        )


def check_batch_invariance(runtime: Runtime, card: Card) -> None:
    """Compare the outputs of a tile of votes with those of the same votes cast one by one.

    It also warms the runtime up.

    Raises:
        CheckpointError: they differ in any bit, so a seed would not give the same counts again.
    """
    generator = np.random.default_rng(0)
    inputs = {tensor.name: tensor.trial(generator, card.tile) for tensor in card.inputs}
    sigma = np.full((1, len(card.noise_points)), card.noise.largest_sigma or DEFAULT_SIGMA)
    keys = [VoteKey(0, row, row) for row in range(card.tile)]
    together = runtime.outputs(
        Rows(inputs, np.arange(card.tile), sigma.repeat(card.tile, axis=0), keys)
    )
    for row, key in enumerate(keys):
        one = {name: tensor[[row]] for name, tensor in inputs.items()}
        alone = runtime.outputs(Rows(one, np.zeros(1, np.int64), sigma, [key]))
        if not np.array_equal(alone[0], together[row]):
            raise CheckpointError(
                f"checkpoint {card.name} gives other outputs in a batch of {card.tile} than alone "
                "on this machine; its votes cannot be replayed"
            )
