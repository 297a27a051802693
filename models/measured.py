"""What was measured of a checkpoint: parts of its card."""

from typing import Annotated

from pydantic import Field

from noisevote.models.noise import NoiseKind
from noisevote.models.specs import MOST_COUNTED, CardPart, Count, CountFromZero, Seed, Share, Sigma


class Accuracy(CardPart):
    """A measured accuracy."""

    kind: NoiseKind
    """Kind of the noise."""
    sigma: Sigma | dict[str, Sigma]
    """Standard deviation at every noise point, or by noise point."""
    repeats: dict[str, Count] = Field(default_factory=dict)
    """Reads averaged, by noise point; 1 where none are given."""
    votes: Count
    """Votes per image."""
    correct: CountFromZero
    """Images whose mode was the label."""
    images: Count
    """Images in all."""
    accuracy: Share
    """Share of correct images, 0 to 1."""
    interval: tuple[Share, Share]
    """Clopper-Pearson interval of the accuracy, at 95 %."""

    @property
    def measured(self) -> str:
        """What was measured: sigma, repeats and votes."""
        return f"{self.sigma} {self.repeats} {self.votes}"


class Evaluation(CardPart):
    """Accuracies and how they were measured."""

    split: str
    """``test``, ``validation``, or ``samples`` with the name and digest of their file."""
    seed: Seed
    """Seed of the votes' noise."""
    noise_scheme: str
    """Scheme that drew the noise."""
    command: str
    """Command that measured them."""
    accuracies: tuple[Accuracy, ...]
    """One entry for each sigma and number of votes."""

    def is_replaced_by(self, other: "Evaluation") -> bool:
        """Return whether ``other`` measured again what this one measured."""
        return self.accuracies == () or (
            (self.split, self.seed, self.noise_scheme, self.accuracies[0].kind)
            == (other.split, other.seed, other.noise_scheme, other.accuracies[0].kind)
            and {a.measured for a in self.accuracies} <= {a.measured for a in other.accuracies}
        )


class Threshold(CardPart):
    """The margin at which ``calibrated`` stops, and what it was chosen on."""

    kind: NoiseKind
    """Kind of the noise."""
    sigma: Sigma
    """Standard deviation at every noise point."""
    votes: Count
    """Votes on an input, N."""
    delta: Share
    """Largest chance of another mode than that of all N votes."""
    confidence: Share
    """Confidence that the chance is no larger, over the choice of the validation inputs."""
    margin: Count
    """Votes by which the mode must lead."""
    changed: CountFromZero
    """Validation inputs whose mode the margin changed."""
    inputs: Count
    """Validation inputs in all, each with N votes."""
    mean_votes: Annotated[float, Field(ge=0)]
    """Votes cast on a validation input, on average."""
    seed: Seed
    """Seed of the votes' noise."""
    noise_scheme: str
    """Scheme that drew the noise."""
    command: str
    """Command that chose the margin."""

    @property
    def text(self) -> str:
        """What it holds for, in short."""
        return f"{self.kind} sigma {self.sigma:g}, votes {self.votes}, delta {self.delta:g}"


class AgreementReference(CardPart):
    """How much votes agree on inputs that the network was not trained on."""

    kind: NoiseKind
    """Kind of the noise."""
    sigma: Sigma
    """Standard deviation at every noise point."""
    votes: Annotated[int, Field(ge=2, le=MOST_COUNTED)]
    """Votes cast on each input."""
    inputs: Annotated[int, Field(ge=2, le=MOST_COUNTED)]
    """Validation inputs that were voted on."""
    agreement_mean: Share
    """Mean over the inputs of the share of the mode."""
    agreement_sd: Share
    """Standard deviation of that share over the inputs."""
    margin_mean: Share
    """Mean over the inputs of the mode's lead over the second class, as a share of the votes."""
    margin_sd: Share
    """Standard deviation of that lead over the inputs."""
    seed: Seed
    """Seed of the votes' noise."""
    noise_scheme: str
    """Scheme that drew the noise."""
    command: str
    """Command that measured them."""


class DeviceAccuracy(CardPart):
    """A measured accuracy on chips of a device."""

    device: str
    """Name of the device."""
    digest: str
    """Digest of what of its profile decides votes."""
    age_s: Annotated[float, Field(ge=0)] | None = None
    """Seconds since the weights were written; None if nothing depends on it."""
    temperature_c: float | None = None
    """Temperature; None: that at which the profile holds."""
    votes: Count
    """Votes per input, all on one chip."""
    correct: Annotated[tuple[CountFromZero, ...], Field(min_length=1)]
    """Inputs whose mode was the label, on each chip, from chip 0 on."""
    images: Count
    """Inputs in all."""
    mean: Share
    """Mean share of correct inputs over the chips."""
    worst: Share
    """The smallest of these shares."""
    best: Share
    """The largest of these shares."""
    interval: tuple[Share, Share] | None = None
    """Student's interval at 95 % of the mean over all chips; None of one chip."""

    @property
    def measured(self) -> tuple[float | None, float | None, int]:
        """What was measured: age, temperature and votes."""
        return self.age_s, self.temperature_c, self.votes


class DeviceEvaluation(CardPart):
    """Accuracies on chips and how they were measured."""

    split: str
    """``test``, ``validation``, or ``samples`` with the name and digest of their file."""
    seed: Seed
    """Seed of the votes' noise."""
    noise_scheme: str
    """Scheme that drew the noise of the votes."""
    chip_scheme: str
    """Scheme that drew the errors of the chips."""
    command: str
    """Command that measured them."""
    accuracies: Annotated[tuple[DeviceAccuracy, ...], Field(min_length=1)]
    """One entry for each age and number of votes."""

    def is_replaced_by(self, other: "DeviceEvaluation") -> bool:
        """Return whether ``other`` measured again what this one did, or the device has changed."""
        own, their = self.accuracies[0], other.accuracies[0]
        if (self.split, self.seed, own.device) != (other.split, other.seed, their.device):
            return False
        return own.digest != their.digest or (
            {a.measured for a in self.accuracies} <= {a.measured for a in other.accuracies}
        )
