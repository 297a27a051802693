"""What drawing by the scheme of new checkpoints costs beside the one before, alone and in a vote.

Networks whose noise is dear beside their products, as those of others are, are made and imported
here. All of it in CPU time of the process, on one thread.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from noisevote.models.checkpoint import Checkpoint
from noisevote.models.draws import icdf16, lanes
from noisevote.models.draws.library import library
from noisevote.models.draws.numbers import Numbers
from noisevote.models.draws.schemes import FIRST, NEWEST, NoiseScheme
from noisevote.models.draws.tables import short_table
from noisevote.models.engines.arithmetic import REFERENCE, Arithmetic
from noisevote.models.engines.preference import Preference, arithmetics_here
from noisevote.models.noise import NORMAL, VoteKey, noise_table
from noisevote.models.runtime import Rows
from noisevote.training.importing.callables import exported
from tests.load.engine import KIND, SIGMA, Row, race, ratio_row
from tests.training.importing import large_networks

NETWORKS = {
    "mobilenet_v3_small": (3, 224, 224),
    "vit_tiny": (3, 224, 224),
    "vit_narrow": (3, 160, 160),
    "bert_mini": (128,),
    "bert_narrow": (16,),
}
"""Of ``tests.training.importing.large_networks``: shapes of inputs, pixels or tokens."""

SHIPPED_NETWORKS = ("mnist_cnn-mult-1.0", "densenet40-mult-1.0", "stroke_lstm-mult-1.0")
DRAWN = 1_000_000
"""Values of the race of drawing alone."""

BEFORE = "before"


def scheme_rows(folder: Path, seconds: float) -> Iterator[Row]:
    """Measure drawing alone, then votes on each network.

    Args:
        folder: of the shipped checkpoints.
        seconds: to spend on each, about.
    """
    yield from drawing_rows(seconds)
    for name in SHIPPED_NETWORKS:
        yield from vote_rows(folder / name, seconds)
    with TemporaryDirectory() as made:
        for name in NETWORKS:
            yield from vote_rows(imported(name, Path(made)), seconds)


def drawing_rows(seconds: float) -> Iterator[Row]:
    """Race the compiled variants that this processor has."""
    built = library()
    widest = 0 if built is None else built.noisevote_lanes_width()
    keys, table_of = (
        np.array([[0, 0, vote] for vote in range(20)], np.uint64),
        np.zeros((20, 1), int),
    )
    computed = [*lanes.computed_tables(KIND, np.array([SIGMA]))]
    for number, looked_up in (
        ("float32", noise_table(KIND, SIGMA)),
        ("bfloat16", short_table(noise_table, KIND, SIGMA, NORMAL)),
    ):
        noise: list[Numbers] = [np.empty((20, DRAWN // 20), looked_up.dtype)]
        contenders: dict[str, Callable[[], object]] = {
            BEFORE: partial(icdf16.FILL, keys, [looked_up], table_of, noise)
        }
        for width in (512, 256):
            fill = lanes.variant_of(width)
            if fill is not None and width <= widest:
                contenders[f"{width} bits"] = partial(fill, keys, computed, table_of, noise)
        times = race(contenders, seconds, clock=time.process_time)
        for name in [*contenders][1:]:
            measure = f"drawing {number} in registers of {name} / before"
            yield ratio_row("-", measure, times, name, BEFORE, 1.0)


def vote_rows(folder: Path, seconds: float) -> Iterator[Row]:
    """Race votes by both schemes in the reference, and in the last other arithmetic there is."""
    contenders: dict[str, Callable[[], object]] = {}
    for arithmetic in arithmetics_here():
        for scheme in (FIRST, NEWEST):
            checkpoint = Checkpoint(folder, Preference(noise_scheme=scheme.id))
            runtime = checkpoint.runtime(KIND, arithmetic)
            if runtime.arithmetic == arithmetic:
                name = name_of(arithmetic, scheme)
                contenders[name] = partial(runtime.outputs, some_rows(checkpoint))
    times = race(contenders, seconds, clock=time.process_time)
    before = name_of(REFERENCE, FIRST)
    for arithmetic in arithmetics_here():
        new = name_of(arithmetic, NEWEST)
        if new in times:
            measure = f"noisy vote in {arithmetic}, new draws / before"
            yield ratio_row(folder.name, measure, times, new, name_of(arithmetic, FIRST), 1.0)
            if arithmetic != REFERENCE:
                measure = f"noisy vote in {arithmetic}, new draws / in {REFERENCE}, before"
                yield ratio_row(folder.name, measure, times, new, before, 1.0)


def name_of(arithmetic: Arithmetic, scheme: NoiseScheme) -> str:
    """Return the name of a contender."""
    return f"{arithmetic}, {scheme.id}"


def some_rows(checkpoint: Checkpoint) -> Rows:
    """Return a tile of votes on one input at random."""
    card, random = checkpoint.card, np.random.default_rng(0)
    count = card.tile
    inputs = {}
    for tensor in card.inputs:
        low, high = tensor.limits
        drawn = random.uniform(low, high, (1, *tensor.shape))
        inputs[tensor.name] = drawn.astype(tensor.dtype)
    return Rows(
        inputs=inputs,
        input_of_row=np.zeros(count, np.int64),
        sigma=np.full((count, len(card.noise_points)), SIGMA),
        keys=[VoteKey(0, 0, vote) for vote in range(count)],
    )


def imported(name: str, folder: Path) -> Path:
    """Return the folder of a network with random weights, taken in as a user would."""
    shape = NETWORKS[name]
    is_text = len(shape) == 1
    inputs = torch.zeros(2, *shape, dtype=torch.int64 if is_text else torch.float32)
    limits = f"0:{large_networks.WORDS - 1}" if is_text else "0:1"
    module = getattr(large_networks, name)()
    file = folder / f"{name}.onnx"
    file.write_bytes(exported(module, (inputs,), ["inputs"], dynamo=False))
    place = ["--name", name, "--checkpoints", str(folder), "--range", limits, "--allow-quiet"]
    command = [sys.executable, "-m", "noisevote.training", "import", str(file), *place]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return folder / name
