"""A network as it is looked at: what it takes and gives, its layers, what flows through them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, numpy_helper

from noisevote.models.errors import ImportingError
from noisevote.models.inputs.pictures import PREPROCESSINGS
from noisevote.models.inputs.pipelines import complaints_about
from noisevote.models.specs import InputSpec, PictureSpec
from noisevote.training.importing.inputs import Taken, inputs_as_rows, inputs_of
from noisevote.training.importing.layers import Layer, Rule, layers_in
from noisevote.training.importing.measure import Arrays, Measured, Passes, measured, rows
from noisevote.training.importing.place import (
    COARSE_TOLERANCE,
    TOLERANCE,
    TRIAL_ROWS,
    Trial,
    apart,
)
from noisevote.training.importing.read import Graph, pruned
from noisevote.training.importing.scores import Scores, scores_as_rows, scores_in

BATCHES = (3, TRIAL_ROWS)
"""Inputs of the passes by which the axis of the inputs is found."""

Given = Callable[[Sequence[InputSpec]], Arrays]
"""Returns samples as inputs of a network, by name ``[n, *shape]``."""

ENOUGH_NOISY = 0.9
"""Share of the multiply-accumulates of layers with weights that is to be under noise."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is not in the graph, or is to be otherwise.

    Attributes:
        shapes: of one input, by name, where the graph leaves it open; None is the only one.
        ranges: smallest and largest value of inputs, likewise.
        output: name of the output that votes.
        is_binary: whether one number an input decides between two classes.
        is_share: whether outputs are probabilities.
        rule: which products get noise.
        pipeline: how a picture becomes an input: the name of a preprocessing, or its steps.
    """

    shapes: Mapping[str | None, tuple[int, ...]] = field(default_factory=dict)
    ranges: Mapping[str | None, tuple[float, float]] = field(default_factory=dict)
    output: str | None = None
    is_binary: bool = False
    is_share: bool = False
    rule: Rule = field(default_factory=Rule)
    pipeline: str | PictureSpec | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """What was found.

    Attributes:
        graph: as it came.
        original: runs it.
        taken: its inputs.
        scores: the output that votes.
        model: the same, taking and giving rows.
        layers: its products, measured on one input at a time.
        batched: the same, measured on batches; None where a pass takes one input.
        trial: inputs, and what the network as it came makes of them.
        is_made_up: whether these inputs are random ones.
    """

    graph: Graph
    original: Passes
    taken: tuple[Taken, ...]
    scores: Scores
    model: ModelProto
    layers: list[Measured]
    batched: list[Measured] | None
    trial: Trial
    is_made_up: bool

    @property
    def noisy_share(self) -> float:
        """Share of the multiply-accumulates of layers with weights that is under noise.

        What the user excluded is left out.
        """
        counted = [e for e in self.layers if e.layer.has_weights and not e.layer.is_chosen_out]
        noisy = sum(each.macs for each in counted if each.layer.quiet is None)
        return noisy / max(1, sum(each.macs for each in counted))


def look_at(graph: Graph, wishes: Wishes, samples: Given | None = None) -> Look:
    """Look at a network.

    Args:
        graph: as it came.
        wishes: of its owner.
        samples: gives some inputs by name ``[n, *shape]``; without it random ones are taken.

    Raises:
        ImportingError: it is none that can be taken in, and why.
    """
    graph = without_other_outputs(graph, wishes.output)
    taken = prepared_by(inputs_of(graph.model, wishes.shapes, wishes.ranges), wishes.pipeline)
    given = None if samples is None else samples([each.spec for each in taken])
    inputs = trial_inputs(taken, given)
    original = Passes(graph.model)
    first = original.run(as_original(taken, rows(inputs, 1)))
    if wishes.output is None:
        refuse_state(taken, first)
    scores = scores_in(graph.model, first, 1, wishes.output, wishes.is_binary, wishes.is_share)
    expected = scores_alone(original, taken, scores, inputs)
    if not np.isfinite(expected).all():
        on = "random inputs; give --samples, or a --range" if given is None else "the samples"
        raise ImportingError(f"the network gives outputs that are not finite on {on}")
    if not np.array_equal(expected[:1], scores.rows(first[scores.name])):
        raise ImportingError(
            "the network gives other outputs each time, so that votes could not be replayed: "
            "export it in evaluation mode"
        )
    if not any(each.is_fixed for each in taken):
        refuse_mixing(original, taken, scores, inputs, expected)
    model = ModelProto()
    model.CopyFrom(graph.model)
    pruned(model, scores.name)
    if unused := {each.spec.name for each in taken} - {entry.name for entry in model.graph.input}:
        raise ImportingError(f"nothing that votes depends on the input {', '.join(sorted(unused))}")
    inputs_as_rows(model.graph, taken)
    scores_as_rows(model.graph, scores)
    layers = layers_in(model, wishes.rule)
    if all(layer.quiet is not None for layer in layers):
        raise ImportingError(nothing_noisy(layers))
    alone = measured(model, layers, inputs, [1])
    halves = {TensorProto.FLOAT16, TensorProto.BFLOAT16}
    is_coarse = any(each.layout.type in halves for each in alone) or any(
        node.op_type == "QuantizeLinear" for node in model.graph.node
    )
    trial = Trial(inputs, expected, COARSE_TOLERANCE if is_coarse else TOLERANCE)
    model, batched = on_batches(model, layers, trial)
    if given is not None:
        taken = tuple(each.seeing(given[each.spec.name]) for each in taken)
    return Look(graph, original, taken, scores, model, alone, batched, trial, samples is None)


def without_other_outputs(graph: Graph, output: str | None) -> Graph:
    """Return a graph of one output, as its owner says or as it came, and of the inputs it needs."""
    names = [entry.name for entry in graph.model.graph.output]
    chosen = output or names[0]
    if chosen not in names or (output is None and len(names) > 1):
        return graph
    model = ModelProto()
    model.CopyFrom(graph.model)
    pruned(model, chosen)
    return replace(graph, model=model)


def refuse_state(taken: tuple[Taken, ...], outputs: Mapping[str, Any]) -> None:
    """Refuse a network that hands a state on: an input beyond the first that comes out, too.

    Raises:
        ImportingError: it looks like one.
    """
    for each in taken[1:]:
        shape = each.as_original(np.zeros((1, *each.spec.shape))).shape
        for name, value in outputs.items():
            is_array = isinstance(value, np.ndarray) and value.dtype.kind == "f"
            if is_array and not each.spec.is_integer and value.shape == shape:
                raise ImportingError(
                    f"the output {name} has the shape of the input {each.spec.name}, as a state "
                    "that is handed on: networks with a state are not served. If it is none, name "
                    "the output that votes with --output"
                )


def prepared_by(taken: tuple[Taken, ...], pipeline: str | PictureSpec | None) -> tuple[Taken, ...]:
    """Return inputs of which the first is prepared of a picture.

    Raises:
        ImportingError: what that gives does not fit it.
    """
    if pipeline is None:
        return taken
    first, spec = taken[0], taken[0].spec
    if isinstance(pipeline, str):
        row = PREPROCESSINGS[pipeline]
        if spec.shape != row.shape:
            raise ImportingError(
                f"{pipeline} gives {list(row.shape)}; {spec.name} takes {list(spec.shape)}"
            )
        spec = spec.model_copy(update={"preprocessing": pipeline, "range": row.range})
    else:
        if complaints := complaints_about(spec, pipeline):
            raise ImportingError(f"the preprocessing does not fit: {'; '.join(complaints)}")
        spec = spec.model_copy(update={"picture": pipeline})
    return (replace(first, spec=spec), *taken[1:])


def trial_inputs(taken: tuple[Taken, ...], given: Arrays | None) -> dict[str, NDArray[Any]]:
    """Return inputs to try a network with: some samples, or random ones."""
    if given is not None:
        count = min(map(len, given.values()))
        chosen = np.arange(TRIAL_ROWS) * max(1, count // TRIAL_ROWS) % count
        return {name: array[chosen] for name, array in given.items()}
    generator = np.random.default_rng(0)
    return {each.spec.name: each.spec.trial(generator, TRIAL_ROWS) for each in taken}


def as_original(taken: tuple[Taken, ...], inputs: Arrays) -> dict[str, NDArray[Any]]:
    """Return rows as the graph that came takes them."""
    return {each.spec.name: each.as_original(inputs[each.spec.name]) for each in taken}


def scores_alone(
    original: Passes, taken: tuple[Taken, ...], scores: Scores, inputs: Arrays
) -> NDArray[np.float32]:
    """Return the scores that a network gives each input alone ``[n, classes]``."""
    count = min(map(len, inputs.values()))
    ones = ({name: array[[at]] for name, array in inputs.items()} for at in range(count))
    return np.concatenate(
        [scores.rows(original.run(as_original(taken, one))[scores.name]) for one in ones]
    )


def refuse_mixing(
    original: Passes,
    taken: tuple[Taken, ...],
    scores: Scores,
    inputs: Arrays,
    expected: NDArray[np.float32],
) -> None:
    """Refuse a network whose answer to an input depends on the others of its batch.

    Raises:
        ImportingError: it does.
    """
    try:
        together = original.run(as_original(taken, rows(inputs, BATCHES[-1])))
        found = scores.rows(together[scores.name])
    except (ImportingError, ValueError):
        return  # it takes one input a pass
    if (off := apart(found, expected[: BATCHES[-1]])) > COARSE_TOLERANCE and found.shape[0] > 1:
        raise ImportingError(
            f"the network mixes its inputs: outputs depend on their neighbours by {off:.1e}; a "
            "layer treats the axis of inputs as another one; export in evaluation mode"
        )


def on_batches(
    model: ModelProto, layers: list[Layer], trial: Trial
) -> tuple[ModelProto, list[Measured] | None]:
    """Measure layers on batches; where a pass takes one input, try to let it take more.

    Returns:
        The graph that takes batches and what was measured, or the one given and None.
    """
    for candidate in (model, freed(model)):
        try:
            (found,) = Passes(candidate).run(rows(trial.inputs, BATCHES[-1])).values()
            if apart(found, trial.expected[: BATCHES[-1]]) <= trial.tolerance:
                return candidate, measured(candidate, layers, trial.inputs, BATCHES)
        except ImportingError:
            continue
    return model, None


def freed(model: ModelProto) -> ModelProto:
    """Return a copy in which constant shapes that begin with one input hold for any number."""
    result = ModelProto()
    result.CopyFrom(model)
    constants = {tensor.name: tensor for tensor in result.graph.initializer}
    for number, node in enumerate(result.graph.node):
        if node.op_type != "Reshape" or node.input[1] not in constants:
            continue
        target = numpy_helper.to_array(constants[node.input[1]]).copy()
        if target.ndim == 1 and len(target) and target[0] == 1 and -1 not in target:
            target[0] = -1
            name = f"{node.input[1]}.freed.{number}"
            result.graph.initializer.append(numpy_helper.from_array(target, name))
            node.input[1] = name
    return result


def nothing_noisy(layers: list[Layer]) -> str:
    """Return why a network has no place for noise."""
    if not layers:
        return (
            "the network has no layer with weights (Conv, Gemm, MatMul) to put noise after; trees "
            "and operators such as LinearClassifier have none"
        )
    reasons = "; ".join(f"{layer.name} ({layer.operator}): {layer.quiet}" for layer in layers[:8])
    return f"none of the {len(layers)} products gets noise: {reasons}"
