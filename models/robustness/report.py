"""The report of an assessment, as data."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from models.robustness.plan import Plan
from models.robustness.target import Bill

Family = Literal["transfer", "query", "control", "upper bound"]
"""What an attack counts as."""

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""What the page of a report may load."""


class Part(BaseModel):
    """Base of the report and its parts: immutable, no unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class AboutSamples(Part):
    """What was attacked.

    Attributes:
        source: in words.
        indices: in that source.
        digest: SHA-256 of inputs and labels.
    """

    source: str
    indices: tuple[int, ...]
    digest: str


class About(Part):
    """What a report says about itself.

    Attributes:
        target: name of the checkpoint under attack.
        target_fingerprint: of its weights, graphs and noise scheme.
        surrogate: name of the attacker's checkpoint.
        surrogate_fingerprint: of its weights and graphs.
        undefended: name of the network that is known to fall, or None.
        undefended_fingerprint: of its weights and graphs, or None.
        labels: names of the classes.
        samples: that were attacked.
        interface: how the target was asked.
        versions: of programs.
    """

    target: str
    target_fingerprint: str
    surrogate: str
    surrogate_fingerprint: str
    undefended: str | None
    undefended_fingerprint: str | None = None
    labels: tuple[str, ...]
    samples: AboutSamples
    interface: str
    versions: dict[str, str]


class Share(Part):
    """A counted share with its exact (Clopper-Pearson) interval.

    Attributes:
        count: samples that count.
        of: samples in all.
        share: ``count / of``; 0 of 0 is 0.
        interval: at confidence 1 - alpha of the plan.
    """

    count: int
    of: int
    share: float
    interval: tuple[float, float]


class Score(Part):
    """How the target did on the examples of one attack.

    Attributes:
        robust_accuracy: samples answered right in one fresh reply, as the service gives it.
        mean_robust_accuracy: share of right replies over all samples and replies.
        attack_success_rate: of the stably right samples, those with most fresh replies wrong.
        one_check_success_rate: of these, those that the attacker saw wrong, perhaps by luck.
        flip_probability: mean share of wrong replies over the stably right samples.
        flip_interval: of it, rather too wide than too narrow.
        abstained: samples on which one fresh reply abstains.
        wrong_and_sure: samples on which it is wrong and does not abstain.
        largest_perturbation: in the plan's norm.
        in_ball: whether all examples keep to ball and input range.
        attack: what the attack asked of the target.
        verification: what the replies took.
        queries: median number of queries per sample.
        queries_of_successes: the same over the stably right samples that most fresh replies get
            wrong; None if there are none.
    """

    robust_accuracy: Share
    mean_robust_accuracy: float
    attack_success_rate: Share
    one_check_success_rate: Share
    flip_probability: float
    flip_interval: tuple[float, float]
    abstained: Share
    wrong_and_sure: Share
    largest_perturbation: float
    in_ball: bool
    attack: Bill
    verification: Bill
    queries: float
    queries_of_successes: float | None


class Paired(Part):
    """The noisy target against the noiseless one, sample by sample.

    Attributes:
        noisy_only: samples that only the noisy target answered right.
        noiseless_only: samples that only the noiseless target answered right.
        samples: in all.
        gain: difference of the robust accuracies, noisy less noiseless.
        p_value: of the exact McNemar test, two-sided.
    """

    noisy_only: int
    noiseless_only: int
    samples: int
    gain: float
    p_value: float


class AttackRow(Part):
    """One attack on the target with and without noise.

    Attributes:
        attack: its name.
        family: ``transfer``, ``query``, ``control`` or ``upper bound``.
        is_adaptive: whether the attacker knows of the noise.
        samples: attacked, the first of all.
        votes_per_query: that the attack asks for; 0 if it asks nothing.
        noiseless: the submitted examples on the target without noise; an adaptive attack has none
            and is compared with the plain one.
        noisy: the submitted examples on the target as assessed.
        worst_noiseless: for each sample the restart that does worst on the target, found by one
            query each; None if the attack has no restarts.
        worst_noisy: the same on the noisy target.
        paired: noisy against noiseless, submitted examples.
        worst_paired: noisy against noiseless, worst restarts.
    """

    attack: str
    family: Family
    is_adaptive: bool
    samples: int
    votes_per_query: int
    noiseless: Score | None = None
    noisy: Score | None = None
    worst_noiseless: Score | None = None
    worst_noisy: Score | None = None
    paired: Paired | None = None
    worst_paired: Paired | None = None


class CleanAccuracy(Part):
    """The same samples without any attack.

    Attributes:
        noiseless: right without noise.
        one_vote: right in one noisy pass.
        voted: right in one reply of N votes.
        mean_voted: share of right replies over all samples and replies.
        stably_right: samples that count for success: enough of their replies are right.
        benign_flip_probability: of stably right samples on further fresh replies, mean.
        benign_flip_interval: of it, rather too wide than too narrow.
        benign_fooled: of them, those with most of these replies wrong.
        abstained: samples on which one fresh reply abstains.
        paired: voted against noiseless.
        bill: of all these replies.
    """

    noiseless: Share
    one_vote: Share
    voted: Share
    mean_voted: float
    stably_right: Share
    benign_flip_probability: float
    benign_flip_interval: tuple[float, float]
    benign_fooled: Share
    abstained: Share
    paired: Paired
    bill: Bill


class WorstCase(Part):
    """The worst over all black-box attacks, sample by sample (never the lowest of the means).

    For the noisy target the worst attack of a sample is chosen by all replies but the first, and
    judged by the first.

    Attributes:
        attacks: that were taken together.
        noiseless: robust accuracy without noise.
        noisy: robust accuracy with noise.
        paired: one against the other.
    """

    attacks: tuple[str, ...]
    noiseless: Share
    noisy: Share
    paired: Paired


class SweepPoint(Part):
    """One point of a sweep.

    Attributes:
        at: sigma, epsilon, number of votes or of queries.
        curve: ``clean``, or the name of an attack and, where both are shown, its target.
        accuracy: right in one fresh reply.
        mean_accuracy: over all replies.
        paired: against the same attack on the noiseless target; None where that is meaningless.
    """

    at: float
    curve: str
    accuracy: Share
    mean_accuracy: float
    paired: Paired | None = None


class Check(Part):
    """One sanity check.

    Attributes:
        name: of the check.
        question: what must hold if the assessment is sound.
        passed: whether it does; None if it could not be run.
        detail: figures, or why it was not run.
    """

    name: str
    question: str
    passed: bool | None
    detail: str


class Verdict(Part):
    """Whether the noise really helps.

    Attributes:
        answer: in one word, for programs.
        sentences: in plain words.
    """

    answer: Literal["helps", "helps against the unaware", "no evidence", "harms", "no verdict"]
    sentences: tuple[str, ...]


class Picture(Part):
    """An example to look at.

    Attributes:
        index: of the sample.
        label: its class.
        answered: what most replies said of the example.
        attack: that made it.
        flip_probability: share of wrong replies.
        clean: the sample, base64 PNG.
        adversarial: the example, base64 PNG.
        perturbation: their difference, grey where there is none, base64 PNG.
    """

    index: int
    label: str
    answered: str
    attack: str
    flip_probability: float
    clean: str
    adversarial: str
    perturbation: str


class Report(Part):
    """An assessment, whole or as far as it has come.

    Attributes:
        report_version: of this format.
        is_complete: whether all steps are done.
        steps_done: how many are.
        steps: in all.
        about: networks, samples, programs.
        plan: everything else that decides the figures.
        threat_model: in words.
        clean: accuracies without attack.
        attacks: one row each.
        worst_case: over all black-box attacks.
        sweeps: by name.
        checks: sanity checks.
        verdict: whether the noise helps; None before the end.
        pictures: examples to look at.
    """

    report_version: Literal[1] = 1
    is_complete: bool
    steps_done: int
    steps: int
    about: About
    plan: Plan
    threat_model: tuple[str, ...]
    clean: CleanAccuracy | None = None
    attacks: tuple[AttackRow, ...] = ()
    worst_case: WorstCase | None = None
    sweeps: dict[str, tuple[SweepPoint, ...]] = Field(default_factory=dict)
    checks: tuple[Check, ...] = ()
    verdict: Verdict | None = None
    pictures: tuple[Picture, ...] = ()
