"""A network that others made becomes a checkpoint folder."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from onnx import ModelProto, TensorProto

from noisevote.models.card import CARD_VERSION, MAX_CLASSES, MAX_LABEL, Card, Import, QuietLayer
from noisevote.models.checkpoint import WEIGHTS_FILE, Checkpoint, sha256_of
from noisevote.models.checkpoint_folders import CARD_FILE
from noisevote.models.draws.schemes import NEWEST
from noisevote.models.errors import ImportingError
from noisevote.models.noise import NoiseKind
from noisevote.models.specs import NoiseSpec, PointSpec
from noisevote.training.export.card_file import held_card, put_in_place, write_card
from noisevote.training.export.nodes import constant_names, graphs_of, strip_provenance
from noisevote.training.export.weights import EMBEDDED_BYTES, point_into_weights, write_weights
from noisevote.training.importing.batch_norm import Estimate, with_batch_norms
from noisevote.training.importing.begun import begun_in, remove_begun
from noisevote.training.importing.look import ENOUGH_NOISY, Look, as_original
from noisevote.training.importing.measure import Arrays, rows
from noisevote.training.importing.place import Placed, placed
from noisevote.training.importing.read import Graph
from noisevote.training.importing.tile import Tile, tile_for

FLOATS = {TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE}
SHOWN = 8
UNNAMED = {"", "graph", "main_graph", "torch_jit"}
"""Names of graphs that say nothing of the network, and who gives them: torch's exporters."""
SHOWN_LETTERS = 40
"""Of a label, in a message."""


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """What a network is to become.

    Attributes:
        folder: of the checkpoint; its name is the checkpoint's.
        labels: name of each class; None numbers them from 0.
        kind: of the noise that the checkpoint is asked for by default.
        sigma: of that noise; None: ``sigma_train``.
        command: for the card.
        allow_quiet: whether most of the work may go without noise.
        replaces: whether a checkpoint of that name may be overwritten.
        sigma_train: that the network was hardened at, one number or by noise point.
        batch_norms: sigma of the noise under which batch norms are estimated anew, and inputs;
            None leaves them as they are.
    """

    folder: Path
    labels: Sequence[str] | None
    kind: NoiseKind
    sigma: float | None
    command: str
    allow_quiet: bool = False
    replaces: bool = False
    sigma_train: float | dict[str, float] = 0.0
    batch_norms: tuple[float, Arrays] | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """A checkpoint that was made.

    Attributes:
        checkpoint: verified and loaded once.
        placement: where its inputs are repeated.
        tile: votes of a pass, and what they cost.
    """

    checkpoint: Checkpoint
    placement: Placed
    tile: Tile


def take_in(look: Look, plan: ImportPlan) -> Made:
    """Write a checkpoint, in the place of nothing or of one that may be overwritten.

    Raises:
        ImportingError: labels do not fit, too much goes without noise, there is a checkpoint of
            that name, or votes cannot be repeated.
        CheckpointError: what was written does not serve here.
    """
    labels = labels_for(look, plan.labels)
    check_quiet(look, plan)
    check_free(plan.folder, plan.replaces)
    placement = placed(look.model, look.batched, look.layers, look.trial)
    clean = as_original(look.taken, rows(look.trial.inputs, 1))
    tile = tile_for(placement, look.original, clean, look.trial.inputs)
    if plan.batch_norms is not None:
        sigma, inputs = plan.batch_norms
        placement = with_batch_norms(placement, Estimate(inputs, plan.kind, sigma, tile.rows))
    plan.folder.parent.mkdir(parents=True, exist_ok=True)
    remove_begun(plan.folder.parent)
    # Beside its place, where no store of checkpoints looks.
    with begun_in(plan.folder.parent) as beside:
        made = beside / plan.folder.name
        made.mkdir()
        graphs = write_graphs(placement, made)
        write_card(card_of(look, plan, labels, placement, tile, graphs, made), made)
        checkpoint = Checkpoint(made)
        for kind in NoiseKind:
            checkpoint.runtime(kind)
        plan.folder.mkdir(exist_ok=True)
        with held_card(plan.folder):
            put_in_place(made, plan.folder)
    return Made(Checkpoint(plan.folder), placement, tile)


def check_free(folder: Path, replaces: bool) -> None:
    """Refuse to write over a checkpoint unasked.

    Raises:
        ImportingError: there is one in ``folder``.
    """
    if (folder / CARD_FILE).exists() and not replaces:
        raise ImportingError(
            f"there is a checkpoint {folder.name} in {folder.parent}; give --replace, or another "
            "--name"
        )


def labels_for(look: Look, labels: Sequence[str] | None) -> tuple[str, ...]:
    """Return the name of each class.

    Raises:
        ImportingError: there are too many classes, more or fewer labels than these, or one cannot
            stand on a card.
    """
    classes = look.scores.classes
    if classes > MAX_CLASSES:
        raise ImportingError(
            f"the output {look.scores.name} has {classes:,} classes; allowed are {MAX_CLASSES:,}"
        )
    if labels is None:
        return tuple(map(str, range(classes)))
    if len(labels) != classes:
        raise ImportingError(
            f"there are {len(labels)} labels; the output {look.scores.name} has {classes} classes"
        )
    times = Counter(labels)
    for label in labels:
        if not label or len(label) > MAX_LABEL or times[label] > 1:
            raise ImportingError(
                f"the label {label[:SHOWN_LETTERS]!r} is empty, stands twice, or is longer than "
                f"{MAX_LABEL} letters"
            )
    return tuple(labels)


def check_quiet(look: Look, plan: ImportPlan) -> None:
    """Refuse a network of which little is under noise, unless its owner knows.

    Raises:
        ImportingError: it is one.
    """
    share = look.noisy_share
    if plan.allow_quiet:
        return
    if flows := [e.layer for e in look.layers if any(graphs_of(e.layer.node))]:
        raise ImportingError(
            f"{', '.join(layer.name for layer in flows)} multiplies inside a {flows[0].operator}, "
            "where noise cannot follow, and how often is not known; export without control flow, "
            "or say --allow-quiet"
        )
    if share >= ENOUGH_NOISY:
        return
    quiet = [e for e in look.layers if e.layer.quiet is not None and e.layer.has_weights]
    names = ", ".join(f"{each.layer.name} ({each.layer.quiet})" for each in quiet[:SHOWN])
    raise ImportingError(
        f"only {share:.1%} of the multiply-accumulates of layers with weights get noise; without "
        f"are {names}. Add operators with --noise-after or products with --include, export "
        "recurrent layers as plain products, or say --allow-quiet"
    )


def write_graphs(placement: Placed, folder: Path) -> dict[NoiseKind, str]:
    """Write the weights and a graph for each kind of noise; return their file names."""
    first = next(iter(placement.graphs.values()))
    write_weights(weights_in(first), folder / WEIGHTS_FILE)
    files = {}
    for kind, graph in placement.graphs.items():
        files[kind] = f"{kind}.onnx"
        lean = ModelProto()
        lean.CopyFrom(graph)
        strip_provenance(lean)
        point_into_weights(lean, folder / WEIGHTS_FILE)
        (folder / files[kind]).write_bytes(lean.SerializeToString(deterministic=True))
    return files


def weights_in(model: ModelProto) -> list[TensorProto]:
    """Return what is kept beside the graph: large constants, and those of its products."""
    constants = constant_names(model.graph)
    made = {output: node for node in model.graph.node for output in node.output}
    of_layers: set[str] = set()
    for node in model.graph.node:
        if node.output[0] not in constants:
            for name in node.input:
                while name in made and name in constants and made[name].input:
                    name = made[name].input[0]
                of_layers.add(name)
    return [
        tensor
        for tensor in model.graph.initializer
        if tensor.data_type != TensorProto.STRING
        and (
            tensor.ByteSize() > EMBEDDED_BYTES
            or (tensor.name in of_layers and len(tensor.dims) > 1 and tensor.data_type in FLOATS)
        )
    ]


def network_of(graph: Graph) -> str:
    """Return what a network is called: as its graph, or as what it came from."""
    name = str(graph.model.graph.name)
    return graph.source if name in UNNAMED else name


def card_of(
    look: Look,
    plan: ImportPlan,
    labels: tuple[str, ...],
    placement: Placed,
    tile: Tile,
    graphs: dict[NoiseKind, str],
    folder: Path,
) -> Card:
    """Return the card of a checkpoint whose other files lie in ``folder``."""
    by_name = {each.layer.name: each for each in look.batched or look.layers}
    quiet = (each for each in look.layers if each.layer.quiet is not None)
    first = next(iter(placement.graphs.values()))
    return Card(
        card_version=CARD_VERSION,
        name=plan.folder.name,
        network=network_of(look.graph),
        inputs=tuple(each.spec for each in look.taken),
        output=first.graph.output[0].name,
        labels=labels,
        noise_scheme=NEWEST.id,
        noise=NoiseSpec(kind=plan.kind, sigma_train=plan.sigma_train, sigma=plan.sigma),
        noise_points=tuple(
            PointSpec(
                name=name,
                shape=shape,
                macs=max(by_name[name].macs, int(np.prod(shape))),
                operator=by_name[name].layer.operator,
                rms=None if look.is_made_up else by_name[name].rms or None,
            )
            for name, shape in placement.shapes.items()
        ),
        tile=tile.rows,
        graphs=graphs,
        weights=WEIGHTS_FILE,
        digests={
            file: sha256_of((folder / file).read_bytes())
            for file in (*graphs.values(), WEIGHTS_FILE)
        },
        imported=Import(
            source=look.graph.source,
            digest=look.graph.digest,
            command=plan.command,
            producer=look.graph.producer,
            opset=look.graph.opset,
            placement=placement.place,
            largest_difference=placement.difference,
            compared=len(look.trial.expected),
            batch_norm_sigma=None if plan.batch_norms is None else plan.batch_norms[0],
            quiet=tuple(
                QuietLayer(
                    name=each.layer.name,
                    operator=each.layer.operator,
                    macs=each.macs,
                    reason=each.layer.quiet or "",
                )
                for each in quiet
            ),
        ),
    )
