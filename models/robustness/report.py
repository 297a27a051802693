"""The report of an assessment, as data."""

from typing import Literal

from pydantic import Field

from noisevote.models.robustness.counted import Paired, Part, Share
from noisevote.models.robustness.plan import Plan
from noisevote.models.robustness.target import Bill
from noisevote.models.robustness.targeted import Targeted, TargetReached

Family = Literal["transfer", "query", "control", "upper bound"]
"""What an attack counts as."""


class AboutSamples(Part):
    """What was attacked."""

    source: str
    """Where the samples are from, in words."""
    indices: tuple[int, ...]
    """Number of each sample in that source."""
    digest: str
    """SHA-256 of inputs and labels; of inputs alone where the target gives the labels."""


class AboutDevice(Part):
    """The analog device that the target's votes were cast on."""

    name: str | dict[str, str]
    """Name of the device; a map from noise point if they differ."""
    digest: str | dict[str, str]
    """Digest of what of its profile decides votes; a map from noise point if they differ."""
    fingerprint: str
    """Names what of device and checkpoint decides votes, beside the fingerprint of the target."""
    chips: tuple[int, ...] | Literal["fresh"]
    """Numbers of the chips that cast the votes; `fresh`: others in each request; empty without
    frozen errors."""
    age_s: float | dict[str, float] | None
    """Seconds since the weights were written; a map from noise point if they differ; null if
    nothing depends on it."""
    temperature_c: float | dict[str, float] | None
    """Temperature; a map from noise point if they differ; null if nothing depends on it."""


class About(Part):
    """What a report says about itself."""

    target: str
    """Name of the checkpoint under attack."""
    target_fingerprint: str
    """Fingerprint of its weights, graphs and noise scheme."""
    surrogate: str | None
    """Name of the attacker's network; null if he has none."""
    surrogate_fingerprint: str | None
    """Fingerprint of its weights and graphs; null if there is none."""
    undefended: str | None
    """Name of the network that is known to fall; null if none was named."""
    undefended_fingerprint: str | None = None
    """Fingerprint of its weights and graphs; null if none was named."""
    labels: tuple[str, ...]
    """Names of the classes."""
    samples: AboutSamples
    """The samples that were attacked."""
    device: AboutDevice | None = None
    """Analog device of the target; null if its noise is of a kind and sigma."""
    interface: str
    """How the target was asked."""
    versions: dict[str, str]
    """Versions of the programs that decide figures."""


class Score(Part):
    """How the target did on the examples of one attack.

    Success is what the attacker wants: any wrong class, or in a targeted assessment the target
    class. Robust accuracy and wrong replies are about the label, whatever he wants: examples that
    were made for a target class show there what they do beside.
    """

    robust_accuracy: Share
    """Samples answered right in one fresh reply, as the service gives it."""
    mean_robust_accuracy: float
    """Share of right replies over all samples and replies."""
    attack_success_rate: Share
    """Of the stably right samples, those with most fresh replies wrong; in a targeted assessment,
    those with most fresh replies the target class."""
    one_check_success_rate: Share
    """Of the stably right samples, those on which the attacker saw that, perhaps by luck."""
    flip_probability: float
    """Mean share of wrong replies over the stably right samples."""
    flip_interval: tuple[float, float]
    """Interval of the flip probability, rather too wide than too narrow."""
    abstained: Share
    """Samples on which one fresh reply abstains."""
    wrong_and_sure: Share
    """Samples on which one fresh reply is wrong and does not abstain."""
    largest_perturbation: float
    """Largest perturbation, in the plan's norm."""
    in_ball: bool
    """Whether all examples keep to the ball and the input range."""
    attack: Bill
    """What the attack asked of the target."""
    verification: Bill
    """What the fresh replies took."""
    queries: float
    """Median number of queries per sample."""
    queries_of_successes: float | None
    """Median number of queries over the stably right samples on which the attack succeeds; null if
    there are none."""
    target_reached: TargetReached | None = None
    """How often the target class was the answer; null in an untargeted assessment."""


class AttackRow(Part):
    """One attack on the target with and without noise."""

    attack: str
    """Name of the attack."""
    family: Family
    """What the attack counts as; black-box attacks are ``transfer`` and ``query``."""
    is_adaptive: bool
    """Whether the attacker knows of the noise."""
    samples: int
    """Samples that were attacked, the first of all."""
    votes_per_query: int
    """Votes that the attack asks for in each query; 0 if it asks nothing."""
    noiseless: Score | None = None
    """The submitted examples on the target without noise; an adaptive attack has none and is
    compared with the plain one."""
    noisy: Score | None = None
    """The submitted examples on the target as assessed."""
    worst_noiseless: Score | None = None
    """For each sample the restart that does worst on the target, found by one query each; null if
    the attack has no restarts."""
    worst_noisy: Score | None = None
    """The same on the noisy target."""
    paired: Paired | None = None
    """Noisy against noiseless target, submitted examples."""
    worst_paired: Paired | None = None
    """Noisy against noiseless target, worst restarts."""


class CleanAccuracy(Part):
    """The same samples without any attack."""

    noiseless: Share
    """Samples answered right without noise."""
    one_vote: Share
    """Samples answered right in one noisy pass."""
    voted: Share
    """Samples answered right in one reply of N votes."""
    mean_voted: float
    """Share of right replies over all samples and replies."""
    stably_right: Share
    """Samples that count for success: enough of their replies are right."""
    benign_flip_probability: float
    """Mean share of wrong replies over the stably right samples, on further fresh replies."""
    benign_flip_interval: tuple[float, float]
    """Interval of that share, rather too wide than too narrow."""
    benign_fooled: Share
    """Of the stably right samples, those with most of these further replies wrong."""
    abstained: Share
    """Samples on which one fresh reply abstains."""
    paired: Paired
    """The voted replies against the noiseless ones."""
    bill: Bill
    """What all these replies took."""


class WorstCase(Part):
    """The worst over all black-box attacks, sample by sample (never the lowest of the means).

    For the noisy target the worst attack of a sample is chosen by all replies but the first, and
    judged by the first.
    """

    attacks: tuple[str, ...]
    """The attacks that were taken together."""
    noiseless: Share
    """Robust accuracy without noise, of the samples that any of them was tried on."""
    noisy: Share
    """Robust accuracy with noise."""
    paired: Paired
    """The noisy target against the noiseless one."""


class SweepPoint(Part):
    """One point of a sweep."""

    at: float
    """Sigma, epsilon, number of votes or of queries."""
    curve: str
    """``clean``, or the name of an attack and, where both are shown, its target."""
    accuracy: Share
    """Samples answered right in one fresh reply."""
    mean_accuracy: float
    """Share of right replies over all samples and replies."""
    paired: Paired | None = None
    """Against the same attack on the noiseless target; null where that is meaningless."""
    reached: Share | None = None
    """Samples answered with the target class in one fresh reply; null if untargeted."""
    mean_reached: float | None = None
    """Share of replies with the target class over all samples and replies; null if untargeted."""


class Check(Part):
    """One sanity check."""

    name: str
    """Name of the check."""
    question: str
    """What must hold if the assessment is sound."""
    passed: bool | None
    """Whether it holds; null if the check could not be run."""
    detail: str
    """Figures, or why the check was not run."""


class Verdict(Part):
    """Whether the noise really helps."""

    answer: Literal["helps", "helps against the unaware", "no evidence", "harms", "no verdict"]
    """The answer in a word or two, for programs."""
    sentences: tuple[str, ...]
    """The answer and its reasons in plain words."""


class Picture(Part):
    """An example to look at."""

    index: int
    """Number of the sample in its source."""
    label: str
    """Name of the sample's class."""
    answered: str
    """Class that most replies gave the example."""
    attack: str
    """Attack that made the example."""
    flip_probability: float
    """Share of wrong replies."""
    target_class: str | None = None
    """Name of the class that is wanted; null if untargeted."""
    target_probability: float | None = None
    """Share of replies with the target class; null if untargeted."""
    clean: str
    """The sample, base64 PNG."""
    adversarial: str
    """The example, base64 PNG."""
    perturbation: str
    """Their difference, grey where there is none, base64 PNG."""


class Untried(Part):
    """An attack that was not tried."""

    attack: str
    """Name of the attack."""
    reason: str
    """Why not."""


class Report(Part):
    """An assessment, whole or as far as it has come."""

    report_version: Literal[1] = 1
    """Version of this format."""
    is_complete: bool
    """Whether all steps are done."""
    steps_done: int
    """Number of steps that are done."""
    steps: int
    """Number of steps in all."""
    about: About
    """Networks, samples and programs."""
    plan: Plan
    """Everything else that decides the figures."""
    threat_model: tuple[str, ...]
    """What the attacker wants, may and knows, in words."""
    clean: CleanAccuracy | None = None
    """Accuracies without attack; null before they were measured."""
    attacks: tuple[AttackRow, ...] = ()
    """One row for each attack that has been judged."""
    untried: tuple[Untried, ...] = ()
    """The other attacks that there are, and why they were not tried."""
    worst_case: WorstCase | None = None
    """The worst over all black-box attacks; null before the end, and in a targeted assessment."""
    targeted: Targeted | None = None
    """What is wanted and how often it is reached; null if untargeted, or before it is known."""
    sweeps: dict[str, tuple[SweepPoint, ...]] = Field(default_factory=dict)
    """Points of each sweep, by its name."""
    checks: tuple[Check, ...] = ()
    """Sanity checks; empty before the end."""
    verdict: Verdict | None = None
    """Whether the noise helps; null before the end."""
    pictures: tuple[Picture, ...] = ()
    """Examples to look at."""
