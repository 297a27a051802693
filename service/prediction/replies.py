"""From results to what stands in a reply."""

from dataclasses import asdict

from noisevote.models.cost import cost_of
from noisevote.models.noise import Noise
from noisevote.models.statistics import fewest_votes_to_be_sure
from noisevote.models.stopping import Promise
from noisevote.models.voting import VoteRequest, VoteResult
from noisevote.service.prediction.prepared import Prepared
from noisevote.service.voting.backend import Answer
from noisevote.service.wire.replies import (
    CostBody,
    GuaranteeBody,
    NoiseBody,
    Prediction,
    Timing,
    told_counts,
)


def noise_body(noise: Noise) -> NoiseBody:
    """Return the noise of a reply."""
    return NoiseBody(
        kind=noise.kind,
        sigma=noise.sigma,
        snr_db=None if noise.snr_db is None else round(noise.snr_db, 4),
        repeats=noise.repeats or None,
    )


def guarantee_body(promise: Promise | None) -> GuaranteeBody | None:
    """Return what a stop rule promises as it stands in a reply."""
    return None if promise is None else GuaranteeBody.model_validate(asdict(promise))


def cost_body(result: VoteResult, prepared: Prepared) -> CostBody | None:
    """Return what the votes of a result cost, if the request names its hardware."""
    if prepared.hardware is None:
        return None
    points = prepared.checkpoint.card.noise_points
    sigma = None if prepared.noise is None else prepared.noise.sigma
    cost = cost_of(result.votes_cast, points, prepared.hardware, prepared.repeats)
    return CostBody(
        sequential_latency=cost.sequential_latency,
        pipelined_latency=cost.pipelined_latency,
        parallel_latency=cost.parallel_latency,
        energy=cost.energy,
        equal_energy_sigma={name: cost.equal_energy_sigma(of) for name, of in sigma.items()}
        if isinstance(sigma, dict)
        else sigma and cost.equal_energy_sigma(sigma),
    )


def abstains_below(result: VoteResult, request: VoteRequest) -> int | None:
    """Return how many votes are needed not to abstain, where the test holds."""
    if result.abstain is None:
        return None
    return 1 if request.noise.is_silent else fewest_votes_to_be_sure(request.alpha)


def prediction_of(result: VoteResult, prepared: Prepared) -> Prediction:
    """Return a result as it stands in a reply."""
    labels = prepared.checkpoint.card.labels
    vote_counts, top = told_counts(result.vote_counts, labels)
    return Prediction(
        mode=result.mode,
        label=labels[result.mode],
        vote_counts=vote_counts,
        top=top,
        votes_cast=result.votes_cast,
        stopped_by=result.stopped_by,
        agreement=result.agreement,
        interval=result.interval,
        p_value=result.p_value,
        abstain=result.abstain,
        abstains_below=abstains_below(result, prepared.request),
        cost=cost_body(result, prepared),
        per_chip=None if result.per_chip is None else [list(of) for of in result.per_chip],
    )


def timing_of(answer: Answer, total_s: float) -> Timing:
    """Return seconds as the milliseconds of a reply."""
    seconds = answer.queue_s, answer.compute_s, total_s
    queue, compute, total = (round(1000 * of_it, 3) for of_it in seconds)
    return Timing(queue=queue, compute=compute, total=total)
