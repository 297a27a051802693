"""What casts votes of a noise, or on a device: runtimes of checkpoints, loaded when asked for."""

from weakref import WeakKeyDictionary

from noisevote.models.checkpoint import Checkpoint, refusing
from noisevote.models.devices.held import Held
from noisevote.models.devices.noise import DeviceNoise, Placement
from noisevote.models.devices.runtime import DeviceRuntime, OnChip
from noisevote.models.engines.arithmetic import REFERENCE, Arithmetic, Precision
from noisevote.models.engines.rounding import hides_rounding
from noisevote.models.noise import VoteNoise
from noisevote.models.once import Once
from noisevote.models.runtime import Runtime

MOST_BYTES = 256 * 2**20
"""That chips take together, unless a setting says otherwise."""


class DeviceRuntimes:
    """The device runtimes of checkpoints, which share a bound on the memory of their chips.

    Args:
        most_bytes: that chips take together, about.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self.held: Held[tuple[str, Placement], OnChip] = Held(most_bytes)
        self._runtimes: Once[Checkpoint, DeviceRuntime] = Once(
            WeakKeyDictionary(), WeakKeyDictionary()
        )

    def loaded(self, checkpoint: Checkpoint) -> DeviceRuntime | None:
        """Return the runtime of a checkpoint if it is loaded; never waits."""
        return self._runtimes.loaded.get(checkpoint)

    def of(self, checkpoint: Checkpoint) -> DeviceRuntime:
        """Return the runtime of a checkpoint, loaded at the first call.

        Raises:
            CheckpointError: it has no graphs for devices, or they are not those of its card. What
                was refused once stays refused, unless the system had no room at that time.
        """

        def load() -> DeviceRuntime:
            with refusing(checkpoint.name):
                return DeviceRuntime(checkpoint, self.held)

        return self._runtimes.get(checkpoint, load)


def loaded_for(
    checkpoint: Checkpoint, noise: VoteNoise, devices: DeviceRuntimes, margin: int | None = None
) -> Runtime | None:
    """Return what :func:`runtime_for` returns if it is loaded; never waits."""
    if isinstance(noise, DeviceNoise):
        return devices.loaded(checkpoint)
    return checkpoint.loaded(noise.kind, arithmetic_for(checkpoint, noise, margin))


def runtime_for(
    checkpoint: Checkpoint, noise: VoteNoise, devices: DeviceRuntimes, margin: int | None = None
) -> Runtime:
    """Return what casts votes of a noise, or on a device, loaded at the first call.

    Args:
        checkpoint: that votes.
        noise: that the votes meet.
        devices: has those on devices.
        margin: measured one by which they stop; it holds for the arithmetic it was measured in.

    Raises:
        CheckpointError: its files are not those of the card.
        MissingExtraError: this machine does not have the engine that is preferred.
    """
    if isinstance(noise, DeviceNoise):
        return devices.of(checkpoint)
    return checkpoint.runtime(noise.kind, arithmetic_for(checkpoint, noise, margin))


def arithmetic_for(checkpoint: Checkpoint, noise: VoteNoise, margin: int | None) -> Arithmetic:
    """Return the arithmetic of votes: the one preferred where it suits them, else the reference."""
    preferred = checkpoint.preferred
    if margin is not None:
        return REFERENCE
    if preferred.precision is Precision.BFLOAT16 and not hides_rounding(noise, checkpoint.card):
        return REFERENCE
    return preferred
