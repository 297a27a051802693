"""Checkpoints on disk: one folder each, with a card, a graph for each kind of noise, and weights.

The graphs hold no weights: their initialisers point into ``weights.safetensors``, so no weight is
stored twice. Nothing is unpickled.
"""

import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from noisevote.models.checkpoint_folders import only_one_of, places_in, read_card, shown_name
from noisevote.models.engines.arithmetic import REFERENCE, Arithmetic
from noisevote.models.engines.loading import load_session
from noisevote.models.engines.preference import Preference
from noisevote.models.errors import CheckpointError, UnknownCheckpointError
from noisevote.models.files import regular_content
from noisevote.models.fingerprint import fingerprint_of
from noisevote.models.graph_verification import check_agreement, check_runtime
from noisevote.models.noise import NoiseKind
from noisevote.models.once import Once
from noisevote.models.runtime import GraphRuntime
from noisevote.models.verification import check_card

log = logging.getLogger("noisevote")

WEIGHTS_FILE = "weights.safetensors"
SHIPPED = Path(__file__).parent / "checkpoints"

MAX_FILE_BYTES = 2 * 2**30
"""Of a graph or its weights: they are held in memory."""


class Checkpoint:
    """One folder; its files are verified and its runtimes loaded when first needed.

    Args:
        folder: holds ``card.json`` and the files that it names.
        preference: in which arithmetic votes are to be cast where it suits them, and by which
            scheme their noise is drawn.

    Raises:
        CheckpointError: the card is missing, damaged, of another version, or contradicts itself.
    """

    def __init__(self, folder: Path, preference: Preference = Preference()) -> None:
        self.folder = folder
        self._preference = preference
        with refusing(folder.name):
            card = read_card(folder)
            check_card(card)
        scheme = preference.noise_scheme or card.noise_scheme
        self.card = card.model_copy(update={"noise_scheme": scheme})
        self._runtimes: Once[NoiseKind, GraphRuntime] = Once({}, {})
        self._others: Once[tuple[NoiseKind, Arithmetic], GraphRuntime] = Once({}, {})

    @property
    def name(self) -> str:
        """Name of the checkpoint and its folder."""
        return self.card.name

    @property
    def loaded_kinds(self) -> list[NoiseKind]:
        """The kinds of noise whose runtimes are loaded."""
        return list(self._runtimes.loaded)

    @property
    def refusal(self) -> str | None:
        """Why a kind of noise was refused, the checkpoint's own before the other; None if none."""
        refused = self._runtimes.refused
        own = refused.get(self.card.noise.kind)
        return own or next(iter(list(refused.values())), None)  # a thread may add one

    @property
    def serves(self) -> bool:
        """Whether the noise that it was trained for has not been refused."""
        return self.card.noise.kind not in self._runtimes.refused

    @cached_property
    def fingerprint(self) -> str:
        """Names all that decides the votes of a request and seed.

        The same request gives the same votes as long as the fingerprint is the same, on the same
        CPU type and library build.
        """
        return fingerprint_of(self.card)

    @cached_property
    def preferred(self) -> Arithmetic:
        """In which arithmetic votes are to be cast where it suits them.

        Raises:
            MissingExtraError: this machine does not have it.
        """
        return self._preference.arithmetic(self.card.engine_times or {})

    @property
    def engine_refusals(self) -> dict[Arithmetic, str]:
        """Why the reference casts votes, of one kind of noise at least, in place of others."""
        refused = list(self._others.refused.items())  # a thread may add one
        refused.sort(key=lambda entry: entry[0][0] is self.card.noise.kind)  # its own wins
        return {arithmetic: reason for (_, arithmetic), reason in refused}

    @property
    def arithmetic(self) -> Arithmetic:
        """The one preferred, or the reference where that was refused for the checkpoint's noise."""
        key = self.card.noise.kind, self.preferred
        return REFERENCE if key in self._others.refused else self.preferred

    def loaded(self, kind: NoiseKind, arithmetic: Arithmetic = REFERENCE) -> GraphRuntime | None:
        """Return what :meth:`runtime` returns if it is loaded; never waits."""
        if arithmetic == REFERENCE or (kind, arithmetic) in self._others.refused:
            return self._runtimes.loaded.get(kind)
        return self._others.loaded.get((kind, arithmetic))

    def runtime(self, kind: NoiseKind, arithmetic: Arithmetic = REFERENCE) -> GraphRuntime:
        """Return the runtime for one kind of noise, loaded and checked at the first call.

        The reference loads a graph first, and ends loops and refuses weights that lie elsewhere.
        Where another engine does not load what is left, its votes depend on the batch, or it
        computes something else, the reference casts them, and the log says so once.

        Raises:
            CheckpointError: a file does not have the digest that the card promises, the runtime
                refuses the graph, it is not the one that the card describes, or its votes depend
                on the batch they are computed in. What was refused once stays refused, unless
                the system had no room at that time. Or there is no graph for this noise.
        """
        if kind not in self.card.graphs:
            raise CheckpointError(f"checkpoint {self.name} has no graph for {kind} noise")
        reference = self._runtimes.get(kind, lambda: self._load(kind, REFERENCE))
        if arithmetic == REFERENCE:
            return reference
        try:
            key = kind, arithmetic
            return self._others.get(key, lambda: self._load_beside(reference, arithmetic))
        except CheckpointError:
            return reference

    def _load(self, kind: NoiseKind, arithmetic: Arithmetic) -> GraphRuntime:
        """Verify the files, load the graph, and check that it is what the card says."""
        with refusing(self.name):
            contents = self.verified()
            graph = self.folder / self.card.graphs[kind]
            session = load_session(graph, contents, str(arithmetic), self.card.tile)
            runtime = GraphRuntime(session, self.card, kind)
            check_runtime(runtime, self.card, contents)
            return runtime

    def _load_beside(self, reference: GraphRuntime, arithmetic: Arithmetic) -> GraphRuntime:
        """Load the graph of the reference in another arithmetic, and log if that cannot be.

        Raises:
            CheckpointError: it cannot be loaded, or computes something else.
        """
        try:
            runtime = self._load(reference.kind, arithmetic)
            with refusing(self.name):
                check_agreement(runtime, reference, self.card)
        except CheckpointError as error:
            log.warning("%s casts votes in place of %s: %s", REFERENCE, arithmetic, error)
            raise
        return runtime

    def verified(self) -> dict[str, bytes]:
        """Return the content of all that plain noise needs: its graphs and the weights.

        Raises:
            CheckpointError: a file is missing or is not the one that the card describes.
        """
        return self._verified(*self.card.graphs.values(), self.card.weights)

    def verified_devices(self) -> dict[str, bytes]:
        """Return the content of all that devices need beside the weights, by file name.

        Raises:
            CheckpointError: as :meth:`verified`, or the network was not measured for devices.
        """
        if self.card.devices is None:
            raise CheckpointError(
                f"checkpoint {self.name} is not ready for devices; {self.card.to_fit} makes it so"
            )
        return self._verified(*self.card.devices.files)

    def _verified(self, *files: str) -> dict[str, bytes]:
        """Return the content of files by name, each with the digest that the card promises."""
        contents = {}
        for file in files:
            try:
                contents[file] = regular_content(self.folder / file, MAX_FILE_BYTES)
            except FileNotFoundError as error:
                raise CheckpointError(f"checkpoint {self.name} lacks its file {file}") from error
            except OSError as error:
                raise CheckpointError(
                    f"{file} of checkpoint {self.name} cannot be read: {error.strerror}"
                ) from error
            found, promised = sha256_of(contents[file]), self.card.digests.get(file)
            if found != promised:
                raise CheckpointError(
                    f"{file} of checkpoint {self.name} has the SHA-256 {found}; its card promises "
                    f"{promised}. Restore the file, or export the checkpoint again"
                )
        return contents


class CheckpointStore:
    """The checkpoints in one directory or several, by name.

    A folder whose card cannot be read, or says what cannot be, is left out, and so is a name that
    stands in two directories; the others serve.

    Args:
        directories: each holds one folder a checkpoint.
        preference: in which arithmetic votes are to be cast.
    """

    def __init__(self, *directories: Path, preference: Preference = Preference()) -> None:
        self._checkpoints: dict[str, Checkpoint] = {}
        self._refused: dict[str, str] = {}
        for name, places in places_in(directories).items():
            try:
                self._checkpoints[name] = Checkpoint(only_one_of(places, directories), preference)
            except CheckpointError as error:
                self._refused[shown_name(name)] = str(error)

    def names(self) -> list[str]:
        """Return the names of all checkpoints that serve, sorted."""
        return [name for name, checkpoint in self._checkpoints.items() if checkpoint.serves]

    @property
    def refused(self) -> dict[str, str]:
        """Why what lies in a folder does not serve, or not all of it, by name."""
        loaded = {name: kept.refusal for name, kept in self._checkpoints.items()}
        found = {name: reason for name, reason in loaded.items() if reason is not None}
        return dict(sorted((found | self._refused).items()))

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
        name = shown_name(name)
        refused = {key: text for key, text in self._refused.items() if key != name}
        self._refused = refused if reason is None else {**refused, name: reason}

    def find(self, name: str) -> Checkpoint:
        """Return the checkpoint of that name.

        Raises:
            CheckpointError: its card was refused.
            UnknownCheckpointError: there is none.
        """
        if name in self._checkpoints:
            return self._checkpoints[name]
        if name in self._refused:
            raise CheckpointError(self._refused[name])
        known = ", ".join(self._checkpoints) or "none"
        raise UnknownCheckpointError(f"there is no checkpoint {name!r}; there are: {known}")


@contextmanager
def refusing(name: str) -> Iterator[None]:
    """Make whatever goes wrong with a checkpoint its refusal; what was not foreseen is logged.

    Raises:
        CheckpointError: something went wrong.
    """
    try:
        yield
    except CheckpointError:
        raise
    except Exception as error:
        log.exception("checkpoint %s cannot be loaded", shown_name(name))
        raise CheckpointError(
            f"checkpoint {shown_name(name)} cannot be loaded: {type(error).__name__}"
        ) from error


def sha256_of(content: bytes) -> str:
    """Return a SHA-256 in hexadecimal."""
    return hashlib.sha256(content).hexdigest()
