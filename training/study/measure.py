"""One cell is measured: the same wherever, whoever and in whatever order."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from noisevote.models.checkpoint import Checkpoint
from noisevote.models.devices.profile import Profile
from noisevote.models.devices.runtimes import DeviceRuntimes
from noisevote.models.devices.setting import DeviceSetting
from noisevote.models.errors import DataError
from noisevote.models.noise import Noise
from noisevote.models.study.cells import Cell, Condition, Half, OnChip, OnNoise
from noisevote.models.study.placing import placed
from noisevote.models.study.seeds import places_of, seed_of
from noisevote.models.study.store import NO_VOTES, Measured
from noisevote.training.measure.evaluate import Caster, NumberedExamples
from noisevote.training.study.asked import Halves, StudyPlan
from noisevote.training.study.errors import ALL, errors_by_layer


@dataclass(frozen=True, slots=True)
class Subject:
    """What every cell of a study needs; it travels to the processes that measure.

    Attributes:
        folder: of the checkpoint.
        fingerprint: of the checkpoint.
        device: that is studied; None: noise of a strength.
        temperature_c: of it.
        seed: of the study.
        examples: of each half.
    """

    folder: Path
    fingerprint: str
    device: Profile | None
    temperature_c: float | None
    seed: int
    examples: dict[Half, NumberedExamples]

    @classmethod
    def of(
        cls, checkpoint: Checkpoint, plan: StudyPlan, device: Profile | None, halves: Halves
    ) -> Self:
        """Return the subject of a study as it is asked for."""
        return cls(
            checkpoint.folder,
            checkpoint.fingerprint,
            device,
            plan.temperature,
            plan.seed,
            dict(halves.examples),
        )

    @property
    def name(self) -> tuple[Path, str, str | None, float | None, int, str]:
        """What tells it from others."""
        digest = None if self.device is None else self.device.digest
        samples = Halves(self.examples, {}).digest
        return self.folder, self.fingerprint, digest, self.temperature_c, self.seed, samples


@dataclass(slots=True)
class Measurer:
    """Measures cells one after the other.

    Attributes:
        subject: of the study.
        checkpoint: that votes.
        devices: hold chips.
    """

    subject: Subject
    checkpoint: Checkpoint = field(init=False)
    devices: DeviceRuntimes = field(default_factory=DeviceRuntimes)

    def __post_init__(self) -> None:
        """Open the checkpoint.

        Raises:
            DataError: it is not the one that is studied.
        """
        self.checkpoint = Checkpoint(self.subject.folder)
        if self.checkpoint.fingerprint != self.subject.fingerprint:
            raise DataError(
                f"{self.subject.folder} holds {self.checkpoint.fingerprint} here; studied is "
                f"{self.subject.fingerprint}"
            )

    def measured(self, cell: Cell) -> Measured:
        """Return what a cell gives; where outputs are not finite that is a problem of the cell.

        Raises:
            InputError: the device cannot be put on the network.
        """
        try:
            return self._measured(cell)
        except DataError as error:
            return Measured(cell, NO_VOTES, {}, str(error))

    def _measured(self, cell: Cell) -> Measured:
        whole = self.subject.examples[cell.half]
        examples = whole.chosen(places_of(cell.samples, len(whole)))
        seed = seed_of(self.subject.seed, cell.half, cell.seed)
        caster = Caster(self.checkpoint, seed, devices=self.devices)
        if cell.gives == "errors":
            figures = errors_by_layer(caster, examples, self.alone(cell), cell.votes)
            return Measured(cell, NO_VOTES, figures)
        noise = self.noise_of(cell.condition, cell.votes)
        return Measured(cell, caster.cast(examples, noise, cell.votes).fell_on, {})

    def alone(self, cell: Cell) -> dict[str, Noise | DeviceSetting]:
        """Return the noise of a cell at each point alone, and of all."""
        card, at = self.checkpoint.card, cell.condition.at
        found = {}
        for name in card.point_names:
            if isinstance(at, OnChip):
                if card.devices is None or name not in card.devices.arrays:
                    continue
                one: OnChip | OnNoise = at.model_copy(update={"point": name})
            else:
                one = OnNoise(kind=at.kind, sigma={name: of_point(at.sigma, name)})
            found[name] = self.noise_of(Condition(at=one), cell.votes)
        return {**found, ALL: self.noise_of(cell.condition, cell.votes)}

    def noise_of(self, condition: Condition, votes: int) -> Noise | DeviceSetting:
        """Return the noise of a condition, or its chip."""
        at, repeats = condition.at, condition.repeats
        if not isinstance(at, OnChip):
            return Noise(at.kind, at.sigma, repeats)
        device = self.subject.device
        assert device is not None  # noqa: S101 - plan.py has no chips without a device
        return DeviceSetting(
            placed(device, self.checkpoint.card, at.point),
            () if at.chip is None else (at.chip,),
            at.age_s,
            self.subject.temperature_c,
            votes,
            repeats,
            at.is_quiet,
        )


def of_point(sigma: float | dict[str, float], point: str) -> float:
    """Return the sigma at a noise point."""
    return sigma.get(point, 0.0) if isinstance(sigma, dict) else sigma
