"""Graphs are not believed: each is compared with the card and with a few votes before it serves."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from math import prod

import numpy as np
from numpy.typing import NDArray

from noisevote.models.card import Card
from noisevote.models.engines.arithmetic import REFERENCE, Precision
from noisevote.models.engines.session import INPUT_OF_ROW, NOISE_PREFIX, Session, Tensor
from noisevote.models.errors import CheckpointError
from noisevote.models.noise import NoiseKind, VoteKey
from noisevote.models.runtime import GraphRuntime, Rows, Runtime

TRIAL_S = 60.0
"""Seconds that the votes of a trial may take: a graph may have loops that never end."""

SMALLEST_WEIGHT = 2
"""Bytes of a weight in half precision."""

DEFAULT_SIGMA = 0.5
"""Of the votes that are compared, for a network that was trained without noise."""

MOST_TRIAL_ROWS = 512
MOST_TRIAL_MACS = 2 * 10**9
"""Of the votes of another engine that are compared: a second at most, of what is shipped."""

MOST_ROUNDING = {Precision.FLOAT32: 0.01, Precision.BFLOAT16: 0.1}
"""By which outputs may differ from the reference's, over the largest; five times what is seen."""

ONNX_TYPES = {"float32": "float", "int64": "int64", "int32": "int32", "uint8": "uint8"}
"""What ONNX calls the types of inputs."""


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
    check_promised(runtime.session, card, inputs_of(card), runtime.kind)


def inputs_of(card: Card) -> dict[str, Tensor]:
    """Return the inputs that a plain graph of a checkpoint has, by name."""
    return {
        **{
            tensor.name: Tensor(ONNX_TYPES[tensor.dtype], (None, *tensor.shape))
            for tensor in card.inputs
        },
        INPUT_OF_ROW: Tensor("int64", (None,)),
        **{
            NOISE_PREFIX + point.name: Tensor("float", (None, *point.shape))
            for point in card.noise_points
        },
    }


def check_promised(session: Session, card: Card, inputs: Mapping[str, Tensor], shown: str) -> None:
    """Compare a graph with the inputs that it is to have, and the outputs of a card.

    Args:
        session: of the graph.
        card: card of the checkpoint.
        inputs: by name.
        shown: which graph it is, in messages.

    Raises:
        CheckpointError: they differ.
    """
    promised = {**inputs, card.output: Tensor("float", (None, len(card.labels)))}
    for name, tensor in promised.items():
        found = (session.outputs if name == card.output else session.inputs).get(name)
        # Where a pass holds one vote, the engine may know it of the output.
        of_one = Tensor(tensor.type, (1, *tensor.shape[1:]))
        is_one = card.tile == 1 and name == card.output and found == of_one
        if found != tensor and not is_one:
            raise CheckpointError(
                f"the {shown} graph of checkpoint {card.name} has {name} as "
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
    outputs = two_votes(runtime, card)
    check_values(outputs, card)
    is_factor = np.array_equal(outputs[0], outputs[1])
    # Of an imported network nothing is told: what an input does may pass beside the noise, and
    # probabilities may all be 0 and 1.
    is_told = card.imported is None
    if is_told and is_factor != (runtime.kind is NoiseKind.MULTIPLICATIVE):
        raise CheckpointError(
            f"the {runtime.kind} graph of checkpoint {card.name} takes the other kind of noise"
        )


def two_votes(runtime: GraphRuntime, card: Card) -> NDArray[np.float32]:
    """Return the outputs of two votes on different inputs, cast one by one with noise of 0."""
    generator = np.random.default_rng(0)
    inputs = {tensor.name: tensor.trial(generator, 2) for tensor in card.inputs}
    noise = [np.zeros((1, *point.shape), np.float32) for point in card.noise_points]
    each = [
        runtime.outputs_for(
            {name: tensor[[row]] for name, tensor in inputs.items()}, np.zeros(1, np.int64), noise
        )
        for row in range(2)
    ]
    return np.concatenate([np.atleast_2d(outputs) for outputs in each])


def check_values(outputs: NDArray[np.float32], card: Card) -> None:
    """Compare the outputs of 2 votes with what a card promises.

    What a graph declares need not be what it gives.

    Raises:
        CheckpointError: they are no numbers, or not one for each label.
    """
    if outputs.shape != (2, len(card.labels)):
        raise CheckpointError(
            f"checkpoint {card.name} gives outputs of the shape {list(outputs.shape)} for 2 votes; "
            f"its card promises [2, {len(card.labels)}]"
        )
    if not np.isfinite(outputs).all():
        raise CheckpointError(f"checkpoint {card.name} gives outputs that are not finite")


def check_batch_invariance(runtime: Runtime, card: Card) -> None:
    """Compare the outputs of a tile of votes with those of the same votes cast one by one.

    The votes are on as many inputs; in the end they are cast in batches of 1, 2, 3 and so on, too,
    and all on one input. It also warms the runtime up.

    Raises:
        CheckpointError: they differ in any bit, so a seed would not give the same counts again.
    """
    for trial in range(trials_of(runtime, card)):
        rows = trial_of(card, trial)
        together = runtime.outputs(rows)
        alone = outputs_in(runtime, rows, [1] * card.tile)
        if not np.array_equal(together, alone):
            raise dependent(card)
    growing = outputs_in(runtime, rows, range(1, card.tile + 1))
    on_first = replace(rows, input_of_row=np.zeros(card.tile, np.int64)).chosen(range(card.tile))
    each = outputs_in(runtime, on_first, [1] * card.tile)
    if not (np.array_equal(growing, alone) and np.array_equal(runtime.outputs(on_first), each)):
        raise dependent(card)


def outputs_in(runtime: Runtime, rows: Rows, sizes: Iterable[int]) -> NDArray[np.float32]:
    """Return the outputs of rows that are passed in batches of some sizes, until all are."""
    first, found = 0, []
    for size in sizes:
        part = range(first, min(first + size, len(rows.keys)))
        if part:
            found.append(runtime.outputs(rows.chosen(part)))
        first += size
    return np.concatenate(found)


def dependent(card: Card) -> CheckpointError:
    """Return the error of votes that depend on the batch."""
    return CheckpointError(
        f"checkpoint {card.name} gives other outputs in a batch of {card.tile} than alone, or than "
        "in smaller ones, on this machine; its votes cannot be replayed"
    )


def trials_of(runtime: Runtime, card: Card) -> int:
    """Return the tiles that tell whether votes depend on their batch.

    Of an engine whose kernels hang on the size of a batch, rounding to few bits hides that in most
    votes: of a layer of 5 values and 3 classes in bfloat16, in 95 of 96. By cost and never by time,
    so that a service that starts again decides the same.
    """
    if runtime.arithmetic == REFERENCE:
        return 1
    rows = min(MOST_TRIAL_ROWS, MOST_TRIAL_MACS // max(1, card.macs))
    return max(1, rows // card.tile)


def check_agreement(runtime: Runtime, reference: Runtime, card: Card) -> None:
    """Compare the outputs of a tile of votes with those of the reference on the same noise.

    Those of votes that are not finite by the reference may be anything: of a network in half
    precision, another engine may have the wider range.

    Raises:
        CheckpointError: they differ by more than rounding.
    """
    rows = trial_of(card)
    expected, found = reference.outputs(rows), runtime.outputs(rows)
    is_finite = np.isfinite(expected)
    largest = float(np.abs(expected[is_finite]).max(initial=0))
    moved = np.abs(found[is_finite] - expected[is_finite]).max(initial=0)
    if not moved <= MOST_ROUNDING[runtime.arithmetic.precision] * largest:
        raise CheckpointError(
            f"checkpoint {card.name} gives other outputs in {runtime.arithmetic} than in "
            f"{reference.arithmetic}: they differ by {moved:.2g}, and the largest is {largest:.2g}"
        )


def trial_of(card: Card, trial: int = 0) -> Rows:
    """Return a tile of votes, each on an input of its own, others in each trial."""
    generator = np.random.default_rng(trial)
    inputs = {tensor.name: tensor.trial(generator, card.tile) for tensor in card.inputs}
    sigma = card.noise.largest_sigma or DEFAULT_SIGMA
    return Rows(
        inputs=inputs,
        input_of_row=np.arange(card.tile),
        sigma=np.full((card.tile, len(card.noise_points)), sigma),
        keys=[VoteKey(trial, row, row) for row in range(card.tile)],
    )
