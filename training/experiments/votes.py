"""Accuracy against the number of votes, with the mean of the outputs as a baseline.

Source: Qin & Vucinic, arXiv 1811.10649, Figure 11 (mode only). The baselines average what the
passes give before or after the softmax and take the largest: a digital counter of votes is cheaper,
an average keeps what a vote throws away.
"""

from dataclasses import dataclass

from models.checkpoint import Checkpoint
from training.experiments.bench import SEEDS, Bench
from training.measure.evaluate import REPORTED_VOTES, Rule
from training.measure.noise_setting import NoiseSetting
from training.measure.results import SHARE_COLUMNS, share

COLUMNS = ("sigma", "rule", "votes", *SHARE_COLUMNS)
FOLDER = "votes"


@dataclass(frozen=True, slots=True)
class VotesPlan:
    """What is measured: ``votes`` votes on ``images`` test images spread over the split."""

    sigmas: tuple[float, ...] = (0.4, 0.6, 0.8, 1.0)
    votes: int = 50
    images: int = 2000


def run_votes(bench: Bench, checkpoint: Checkpoint, plan: VotesPlan) -> None:
    """Write the accuracy of each rule after 1, 2, 3, ... votes."""
    split = bench.reported(checkpoint)
    images, _ = bench.images(checkpoint, split).spread(plan.images)
    kind = checkpoint.card.noise.kind
    file = bench.file(
        f"{FOLDER}/{checkpoint.name}.csv",
        checkpoint,
        COLUMNS,
        noise=str(kind),
        split=f"{split}, {len(images)} images spread over it, seed {SEEDS[split]}",
        votes=str(plan.votes),
    )
    left = [sigma for sigma in plan.sigmas if not file.having(sigma=sigma)]
    with bench.caster(checkpoint, split, len(left) * len(images)) as caster:
        for sigma in left:
            cast = caster.cast(images, NoiseSetting(kind, sigma), plan.votes)
            counts = sorted({*(t for t in REPORTED_VOTES if t < plan.votes), plan.votes})
            file.add(
                {
                    "sigma": sigma,
                    "rule": rule,
                    "votes": count,
                    **share(cast.correct(count, rule), len(images)),
                }
                for rule in Rule
                for count in counts
            )
