"""A request that has been prepared: checked against its checkpoint, its inputs arrays."""

from collections.abc import Mapping
from dataclasses import dataclass

from noisevote.models.checkpoint import Checkpoint
from noisevote.models.cost import Hardware
from noisevote.models.devices.noise import DeviceNoise
from noisevote.models.engines.arithmetic import Arithmetic
from noisevote.models.noise import Noise
from noisevote.models.voting import VoteRequest
from noisevote.service.voting.priority import Priority


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request that has been checked and turned into arrays; what it came in is gone.

    Attributes:
        began: when it arrived, by ``time.monotonic``.
        deadline: when the votes cast so far are the answer, on the same clock.
        priority: decides whose votes come first.
        checkpoint: checkpoint that votes.
        request: inputs, and the votes that are to be cast on them.
        noise: as asked or by default; None on a device.
        hardware: hardware whose cost is told.
        device_name: device of the votes as logs and metrics name it; None without one.
        chip_votes: votes that the chips count for that are not held.
    """

    began: float
    deadline: float
    priority: Priority
    checkpoint: Checkpoint
    request: VoteRequest
    noise: Noise | None
    hardware: Hardware | None
    device_name: str | None = None
    chip_votes: int = 0

    def fingerprint(self, arithmetic: Arithmetic) -> str:
        """Return what names all that decides the votes of this request and seed.

        Args:
            arithmetic: in which they were computed.
        """
        margin, device = self.request.stop.margin, self.device
        return (
            self.checkpoint.fingerprint
            + ("" if device is None else f":{device.fingerprint}")
            + ("" if margin is None else f":margin-{margin}")
            + arithmetic.mark
        )

    @property
    def repeats(self) -> Mapping[str, int]:
        """Reads that are averaged, by noise point."""
        if self.noise is not None:
            return self.noise.repeats
        return {} if self.device is None else self.device.setting.repeats

    @property
    def device(self) -> DeviceNoise | None:
        """The noise of the votes if they are cast on a device."""
        noise = self.request.noise
        return noise if isinstance(noise, DeviceNoise) else None
