"""Checkpoints on disk: one folder each, with a card, a graph for each kind of noise, and weights.

The graphs hold no weights: their initialisers point into ``weights.safetensors``, so no weight is
stored twice. Nothing is unpickled.
"""

import hashlib
import threading
from functools import cached_property
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from models.card import Card
from models.errors import CheckpointError, UnknownCheckpointError
from models.noise import NOISE_SCHEME, NoiseKind, VoteKey
from models.runtime import OnnxRuntime, Rows, Runtime

CARD_FILE = "card.json"
WEIGHTS_FILE = "weights.safetensors"
SHIPPED = Path(__file__).parent / "checkpoints"


class Checkpoint:
    """One folder; its files are verified and its runtimes loaded when first needed.

    Args:
        folder: holds ``card.json`` and the files that it names.

    Raises:
        CheckpointError: the card is missing, damaged or of another version.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.card = read_card(folder)
        self._runtimes: dict[NoiseKind, OnnxRuntime] = {}
        self._refused: dict[NoiseKind, CheckpointError] = {}
        self._loading = threading.Lock()

    @property
    def name(self) -> str:
        """Name of the checkpoint and its folder."""
        return self.card.name

    @property
    def loaded_kinds(self) -> list[NoiseKind]:
        """The kinds of noise whose runtimes are loaded."""
        return list(self._runtimes)

    @cached_property
    def fingerprint(self) -> str:
        """Names all that decides the votes of a request and seed.

        That is the noise scheme, weights and graphs, the preprocessing, and the card's defaults.
        The same request gives the same votes as long as the fingerprint is the same, on the same
        CPU type and library build.
        """
        card = self.card
        digest = hashlib.sha256()
        for part in (card.input, card.noise, *card.noise_points):
            digest.update(part.model_dump_json().encode())
        for file, sha256 in sorted(self.card.digests.items()):
            digest.update(f"{file}:{sha256}\n".encode())
        return f"{NOISE_SCHEME}:{digest.hexdigest()[:16]}"

    def loaded(self, kind: NoiseKind) -> OnnxRuntime | None:
        """Return the runtime for one kind of noise if it is loaded; never waits."""
        return self._runtimes.get(kind)

    def runtime(self, kind: NoiseKind) -> OnnxRuntime:
        """Return the runtime for one kind of noise, loaded and checked at the first call.

        Raises:
            CheckpointError: a file does not have the digest that the card promises, the runtime
                refuses the graph, or its votes depend on the batch they are computed in. A
                checkpoint that was refused once stays refused.
        """
        if (loaded := self._runtimes.get(kind)) is not None:
            return loaded
        with self._loading:
            if kind in self._refused:
                raise CheckpointError(str(self._refused[kind]))
            if kind not in self._runtimes:
                try:
                    self._runtimes[kind] = self._load(kind)
                except CheckpointError as error:
                    self._refused[kind] = error
                    raise
            return self._runtimes[kind]

    def _load(self, kind: NoiseKind) -> OnnxRuntime:
        """Verify the files, load the graph, and check that a seed will give the same votes."""
        graph = self.card.graphs.get(kind)
        if graph is None:
            raise CheckpointError(f"checkpoint {self.name} has no graph for {kind} noise")
        contents = self.verified()
        shapes = {point.name: point.shape for point in self.card.noise_points}
        runtime = OnnxRuntime(self.folder / graph, kind, shapes, contents)
        check_batch_invariance(runtime, self.card)
        return runtime

    def verified(self) -> dict[str, bytes]:
        """Return the content of every file by name, each with the digest that the card promises.

        Raises:
            CheckpointError: a file is missing or is not the one that the card describes.
        """
        contents = {}
        for file in (*self.card.graphs.values(), self.card.weights):
            try:
                contents[file] = (self.folder / file).read_bytes()
            except OSError as error:
                raise CheckpointError(f"checkpoint {self.name} lacks its file {file}") from error
            found, promised = sha256_of(contents[file]), self.card.digests.get(file)
            if found != promised:
                raise CheckpointError(
                    f"{file} of checkpoint {self.name} has the SHA-256 {found}; its card promises "
                    f"{promised}. Restore the file, or export the checkpoint again"
                )
        return contents


class CheckpointStore:
    """The checkpoints in one directory, by name.

    A folder whose card cannot be read is left out, with the reason in :attr:`refused`; the others
    serve.

    Args:
        directory: holds one folder a checkpoint.
    """

    def __init__(self, directory: Path) -> None:
        self._checkpoints: dict[str, Checkpoint] = {}
        self.refused: dict[str, str] = {}
        folders = sorted(directory.iterdir()) if directory.is_dir() else []
        for folder in folders:
            if not folder.is_dir() or folder.name.startswith((".", "_")):
                continue
            try:
                self._checkpoints[folder.name] = Checkpoint(folder)
            except CheckpointError as error:
                self.refused[folder.name] = str(error)

    def names(self) -> list[str]:
        """Return the names of all checkpoints, sorted."""
        return list(self._checkpoints)

    def put(self, checkpoint: Checkpoint) -> None:
        """Serve a checkpoint from now on, in the place of one of the same name."""
        served = {**self._checkpoints, checkpoint.name: checkpoint}
        self._checkpoints = dict(sorted(served.items()))  # readers on other threads keep theirs
        self.refuse(checkpoint.name, None)

    def drop(self, name: str) -> None:
        """Serve a checkpoint no more, and forget why it was refused."""
        self._checkpoints = {key: kept for key, kept in self._checkpoints.items() if key != name}
        self.refuse(name, None)

    def refuse(self, name: str, reason: str | None) -> None:
        """Say why what lies in a folder does not serve, if there is a reason."""
        refused = {key: text for key, text in self.refused.items() if key != name}
        self.refused = (
            refused if reason is None else dict(sorted({**refused, name: reason}.items()))
        )

    def find(self, name: str) -> Checkpoint:
        """Return the checkpoint of that name.

        Raises:
            CheckpointError: its card was refused.
            UnknownCheckpointError: there is none.
        """
        if name in self._checkpoints:
            return self._checkpoints[name]
        if name in self.refused:
            raise CheckpointError(self.refused[name])
        known = ", ".join(self._checkpoints) or "none"
        raise UnknownCheckpointError(f"there is no checkpoint {name!r}; there are: {known}")


def check_batch_invariance(runtime: Runtime, card: Card) -> None:
    """Compare the outputs of a tile of votes with those of the same votes cast one by one.

    It also warms the runtime up.

    Raises:
        CheckpointError: they differ in any bit, so a seed would not give the same counts again.
    """
    low, high = card.input.range
    generator = np.random.default_rng(0)
    images = generator.uniform(low, high, (card.tile, *card.input.shape)).astype(np.float32)
    sigma = np.full((1, len(card.noise_points)), card.noise.largest_sigma or 0.5)
    keys = [VoteKey(0, row, row) for row in range(card.tile)]
    together = runtime.outputs(
        Rows(images, np.arange(card.tile), sigma.repeat(card.tile, axis=0), keys)
    )
    for row, key in enumerate(keys):
        alone = runtime.outputs(Rows(images[[row]], np.zeros(1, np.int64), sigma, [key]))
        if not np.array_equal(alone[0], together[row]):
            raise CheckpointError(
                f"checkpoint {card.name} gives other outputs in a batch of {card.tile} than alone "
                "on this machine; its votes cannot be replayed"
            )


def read_card(folder: Path) -> Card:
    """Read and validate the card in ``folder``.

    Raises:
        CheckpointError: it is missing, damaged, of another version, or of another folder.
    """
    # Messages reach clients of the service: they name the checkpoint, not the server's folders.
    shown = f"{folder.name}/{CARD_FILE}"
    try:
        card = Card.model_validate_json((folder / CARD_FILE).read_bytes())
    except OSError as error:
        raise CheckpointError(f"{shown} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = "".join(f"{part}: " for part in first["loc"])
        raise CheckpointError(f"{shown} is not a valid card: {where}{first['msg']}") from error
    if card.name != folder.name:
        raise CheckpointError(f"{shown} is the card of {card.name!r}, not of {folder.name!r}")
    return card


def sha256_of(content: bytes) -> str:
    """Return a SHA-256 in hexadecimal."""
    return hashlib.sha256(content).hexdigest()
