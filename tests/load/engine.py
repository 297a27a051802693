"""What a noisy vote costs beside a clean pass and beside the plain PyTorch loop.

Everything runs on one thread in one process, one contender after the other, round after round;
what is reported are ratios between contenders of the same round, so that a busy machine slows all
of them down alike.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from numpy.typing import NDArray

from noisevote.models.checkpoint import Checkpoint
from noisevote.models.draws.schemes import NEWEST
from noisevote.models.draws.tensors import fill_noise
from noisevote.models.engines.arithmetic import REFERENCE
from noisevote.models.engines.preference import Preference, arithmetics_here
from noisevote.models.networks.noise_points import NoisePoint, noise_from
from noisevote.models.networks.trained import load_network
from noisevote.models.noise import Noise, NoiseKind, VoteKey
from noisevote.models.runtime import Rows, rows_of, votes_of
from noisevote.models.specs import IMAGES, OUTPUTS
from noisevote.models.stopping import Bounded, Calibrated, Exact, Full
from noisevote.models.voting import Poll, VoteRequest
from noisevote.service.voting.batcher import GIGA, VoteBatcher
from noisevote.service.voting.entries import Entry, Group
from tests.load.clean_graph import clean_session
from tests.load.inputs import some_inputs

VOTES = 20
DELTA = 0.001
SIGMA = 0.5
IMAGES_A_ROUND = 16
IMAGES_IN_ALL = 320
LEAST_ROUNDS = 7
KIND = NoiseKind.MULTIPLICATIVE

COLUMNS = ("checkpoint", "measure", "value", "low", "high", "unit", "rounds")

Row = dict[str, object]


@dataclass(frozen=True, slots=True)
class Bench:
    """A checkpoint with what is raced on it.

    Attributes:
        checkpoint: whose votes.
        inputs: ``[n, *input_shape]``.
    """

    checkpoint: Checkpoint
    inputs: NDArray[np.float32]

    @property
    def points(self) -> int:
        """Number of noise points."""
        return len(self.checkpoint.card.noise_points)

    def rows(self, images: int, votes: int, seed: int = 0) -> Rows:
        """Return as many votes on each of the first images."""
        count = images * votes
        return Rows(
            inputs={self.checkpoint.card.input.name: self.inputs[:images]},
            input_of_row=np.arange(count) // votes,
            sigma=np.full((count, self.points), SIGMA),
            keys=[VoteKey(seed, row // votes, row % votes) for row in range(count)],
        )


def race(
    contenders: Mapping[str, Callable[[], object]],
    seconds: float,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Return the seconds of each contender in each round.

    Args:
        contenders: run in turn.
        seconds: to spend at least; a few rounds are run in any case.
        clock: that times them.
    """
    times: dict[str, list[float]] = {name: [] for name in contenders}
    began = time.perf_counter()
    while True:
        for name, run in contenders.items():
            run()  # its buffers are in the caches then, as when it serves
            start = clock()
            run()
            times[name].append(clock() - start)
        rounds = len(next(iter(times.values())))
        if rounds >= LEAST_ROUNDS and time.perf_counter() - began > seconds:
            return times


def ratio_row(
    name: str, measure: str, times: Mapping[str, list[float]], over: str, under: str, factor: float
) -> Row:
    """Return the median of the ratios of two contenders by round, with its quartiles."""
    ratios = factor * np.array(times[over]) / np.array(times[under])
    low, value, high = np.percentile(ratios, [25, 50, 75]).tolist()
    return row(name, measure, (value, low, high), "ratio", len(ratios))


def row(name: str, measure: str, spread: tuple[float, float, float], unit: str, rounds: int) -> Row:
    """Return a row of the table."""
    value, low, high = spread
    return dict(zip(COLUMNS, (name, measure, value, low, high, unit, rounds), strict=True))


def spread_of(values: Iterable[float]) -> tuple[float, float, float]:
    """Return median and quartiles."""
    low, value, high = np.percentile(list(values), [25, 50, 75]).tolist()
    return value, low, high


def engine_rows(checkpoint: Checkpoint, seconds: float) -> Iterator[Row]:
    """Measure one checkpoint."""
    torch.set_num_threads(1)
    inputs, source = some_inputs(checkpoint.card, IMAGES_IN_ALL)
    bench = Bench(checkpoint, inputs)
    print(f"{checkpoint.name}: on {source}")  # noqa: T201 - the progress of a script
    with TemporaryDirectory() as folder:
        yield from vote_rows(bench, Path(folder), seconds)
    yield from answer_rows(bench, 3 * seconds)


def vote_rows(bench: Bench, folder: Path, seconds: float) -> Iterator[Row]:
    """Race noisy votes, clean passes and the PyTorch loop at equal batch."""
    name, card = bench.checkpoint.name, bench.checkpoint.card
    runtime, session = bench.checkpoint.runtime(KIND), clean_session(bench.checkpoint, folder)
    images = bench.inputs[:VOTES]
    on_one, on_many = bench.rows(1, VOTES), bench.rows(VOTES, 1)
    noise = [np.empty((VOTES, *point.shape), np.float32) for point in card.noise_points]
    loop = TorchLoop(bench.checkpoint)
    others = {
        f"in {one}": bench.checkpoint.runtime(KIND, one)
        for one in arithmetics_here()
        if one != REFERENCE
    }
    if card.noise_scheme != NEWEST.id:
        newest = Checkpoint(bench.checkpoint.folder, Preference(noise_scheme=NEWEST.id))
        others[f"drawn by {NEWEST.id}"] = newest.runtime(KIND)
    times = race(
        {
            **{one: partial(other.outputs, on_one) for one, other in others.items()},
            "clean": lambda: session.run([OUTPUTS], {IMAGES: images}),
            "one image": lambda: runtime.outputs(on_one),
            "many images": lambda: runtime.outputs(on_many),
            "noise": lambda: fill_noise(KIND, on_one.sigma, on_one.keys, noise),
            "torch loop": lambda: loop.votes_on(images[0]),
        },
        seconds,
    )
    yield row(
        name,
        "clean pass, batch of 20",
        spread_of(1000 * t / VOTES for t in times["clean"]),
        "ms a pass",
        len(times["clean"]),
    )
    for over, measure in (
        ("one image", "noisy vote / clean pass, 20 votes on one image"),
        ("many images", "noisy vote / clean pass, one vote on each of 20 images"),
        ("noise", "drawing the noise / clean pass"),
    ):
        yield ratio_row(name, measure, times, over, "clean", 1.0)
    for one in others:
        measure = f"the same {one}, 20 votes on one image"
        yield ratio_row(name, measure, times, one, "clean", 1.0)
    yield ratio_row(
        name, "votes/s, PyTorch loop = 1, one request", times, "torch loop", "one image", 1.0
    )


def answer_rows(bench: Bench, seconds: float) -> Iterator[Row]:
    """Race whole answers by every stop rule against the PyTorch loop."""
    name = bench.checkpoint.name
    loop, servings = TorchLoop(bench.checkpoint), servings_of(bench)
    first = 0

    def some() -> NDArray[np.float32]:
        return bench.inputs[first : first + IMAGES_A_ROUND]

    def torch_loop() -> None:
        nonlocal first
        first = (first + IMAGES_A_ROUND) % len(bench.inputs)
        for image in some():
            loop.votes_on(image)

    def answering(serving: Serving) -> Callable[[], object]:
        return lambda: serving.answer(some())

    contenders: dict[str, Callable[[], object]] = {"torch loop": torch_loop}
    contenders |= {rule: answering(serving) for rule, serving in servings.items()}
    times = race(contenders, seconds)
    for rule, serving in servings.items():
        rounds = len(times[rule])
        yield row(
            name,
            f"answers/s, {rule}",
            spread_of(IMAGES_A_ROUND / t for t in times[rule]),
            "answers/s",
            rounds,
        )
        yield ratio_row(
            name, f"answers/s, {rule}, PyTorch loop = 1", times, "torch loop", rule, 1.0
        )
        mean = serving.votes_cast / serving.answers
        yield row(name, f"votes cast, {rule}", (mean, mean, mean), "votes", rounds)


def servings_of(bench: Bench, tile: int | None = None) -> dict[str, "Serving"]:
    """Return one way to serve for each stop rule that the checkpoint has.

    Args:
        bench: whose inputs they are asked about.
        tile: votes of a pass; by default the card's.
    """
    request = VoteRequest(
        inputs={bench.checkpoint.card.input.name: bench.inputs[:1]},
        noise=Noise(KIND, SIGMA).at(bench.checkpoint.card.point_names),
        votes=VOTES,
        stop=Full(),
        seed=0,
    )
    rules = (Full(), Exact(), Bounded(DELTA))
    servings = {str(rule.row): Serving(bench, replace(request, stop=rule), tile) for rule in rules}
    for entry in bench.checkpoint.card.thresholds:
        if (entry.kind, entry.sigma, entry.votes, entry.delta) == (KIND, SIGMA, VOTES, DELTA):
            asked = replace(request, stop=Calibrated(DELTA, entry))
            servings[str(asked.stop.row)] = Serving(bench, asked, tile)
    return servings


class Serving:
    """Answers requests as the service does, tile after tile from the batcher, on one thread."""

    def __init__(self, bench: Bench, request: VoteRequest, tile: int | None = None) -> None:
        self._bench = bench
        self._tile = tile or bench.checkpoint.card.tile
        self._request = request
        self.answers = 0
        self.votes_cast = 0

    def answer(self, images: NDArray[np.float32]) -> None:
        """Answer one request for each image, all of them waiting at the same time."""
        card, runtime = self._bench.checkpoint.card, self._bench.checkpoint.runtime(KIND)
        batcher, group = VoteBatcher(1, 1e9), Group(self._tile, card.macs / GIGA)
        polls = []
        for image in images:
            inputs = {card.input.name: image[np.newaxis]}
            request = replace(self._request, inputs=inputs, seed=self.answers)
            self.answers += 1
            polls.append(Poll(request, len(card.labels)))
            batcher.admit(Entry(polls[-1], runtime, group))
        while (tile := batcher.next_tile(0.0)) is not None:
            rows = rows_of([(entry.poll.request, keys) for entry, keys in tile.parts])
            batcher.finish(tile, votes_of(runtime.outputs(rows)).tolist(), 0.0)
        self.votes_cast += sum(poll.results()[0].votes_cast for poll in polls)


class TorchLoop:
    """The plain way: eager PyTorch, one pass after the other, library noise at every point."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._network = load_network(checkpoint.folder, checkpoint.card)
        self._classes = len(checkpoint.card.labels)

    def votes_on(self, image: NDArray[np.float32]) -> torch.Tensor:
        """Return the counts of 20 votes on an image."""
        batch = torch.from_numpy(image[np.newaxis])
        with torch.inference_mode(), noise_from(self._network, library_noise):
            votes = torch.cat([self._network(batch).argmax(1) for _ in range(VOTES)])
        return torch.bincount(votes, minlength=self._classes)


def library_noise(point: NoisePoint, signal: torch.Tensor, step: int | None) -> torch.Tensor:  # noqa: ARG001
    """Multiply a signal by noise as one writes it in PyTorch."""
    return signal * (1 + SIGMA * torch.randn_like(signal))
