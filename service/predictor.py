"""Predictions: a request is checked against its checkpoint, voted on, and answered."""

import secrets
import time

import numpy as np

from models.card import Card
from models.checkpoint import Checkpoint, CheckpointStore
from models.cost import Hardware, cost_of
from models.errors import InputError, LimitError
from models.noise import MAX_SEED, NoiseKind, snr_db_from_sigma
from models.voting import Observer, VoteRequest, VoteResult
from service.backend import Answer, VotingBackend
from service.inputs import asked_sigma, effective_sigma, hardware_of, inputs_of, kind_of
from service.replies import CostBody, NoiseBody, Prediction, PredictResponse, Timing
from service.schemas import PredictRequest
from service.settings import Settings

GIGA = 10**9


class Predictor:
    """Answers requests; the same for the HTTP route and the command line.

    Args:
        settings: limits and defaults.
        store: the checkpoints.
        backend: computes the votes.
    """

    def __init__(self, settings: Settings, store: CheckpointStore, backend: VotingBackend) -> None:
        self.settings = settings
        self.store = store
        self.backend = backend

    async def predict(
        self, request: PredictRequest, observer: Observer | None = None
    ) -> PredictResponse:
        """Vote on the inputs of a request.

        Args:
            request: what is asked.
            observer: is told of every vote that counts, on the event loop.

        Raises:
            NoisevoteError: the request cannot be answered; see ``models.errors``.
        """
        began = time.perf_counter()
        checkpoint = self.checkpoint_for(request)
        card = checkpoint.card
        self._check_limits(request, card)
        seed = secrets.randbelow(MAX_SEED + 1) if request.seed is None else request.seed
        kind = kind_of(request, card)
        sigma = asked_sigma(request, card)
        hardware = hardware_of(request, card)
        vote_request = VoteRequest(
            inputs=await self.backend.run(lambda: inputs_of(request, card)),
            kind=kind,
            sigma=effective_sigma(sigma, request.repeats, card),
            votes=request.votes,
            stop=request.stop,
            seed=seed,
            alpha=request.alpha,
            delta=request.delta,
        )
        answer = await self.backend.vote(checkpoint, vote_request, observer)
        return PredictResponse(
            checkpoint=checkpoint.name,
            noise=noise_body(kind, sigma, request.repeats),
            seed=seed,
            fingerprint=checkpoint.fingerprint,
            predictions=[
                prediction_of(
                    result, card, cost_body(result, card, hardware, sigma, request.repeats)
                )
                for result in answer.results
            ],
            timing_ms=timing_of(answer, time.perf_counter() - began),
        )

    def checkpoint_for(self, request: PredictRequest) -> Checkpoint:
        """Return the checkpoint that a request names, or the default."""
        asked = request.checkpoint
        return self.default() if asked is None else self.store.find(asked)

    def default(self) -> Checkpoint:
        """Return the checkpoint that answers requests that name none."""
        return self.store.find(self.settings.default_checkpoint)

    def _check_limits(self, request: PredictRequest, card: Card) -> None:
        """Refuse what the settings do not allow, before anything is computed."""
        settings = self.settings
        inputs = len(request.inputs) if request.inputs is not None else 1
        if inputs > settings.max_inputs:
            raise LimitError(
                f"inputs holds {inputs} inputs; allowed are {settings.max_inputs} a request",
                "inputs",
            )
        if request.votes > settings.max_votes:
            raise LimitError(
                f"votes is {request.votes}; allowed are 1 to {settings.max_votes}", "votes"
            )
        gmacs = inputs * request.votes * card.macs / GIGA
        if gmacs > settings.max_request_gmacs:
            votes = int(settings.max_request_gmacs * GIGA / card.macs)
            raise LimitError(
                f"{inputs} inputs with {request.votes} votes each are too many for one request; "
                f"checkpoint {card.name} allows {votes} votes in all",
                "votes",
            )
        if request.seed is not None and not settings.allow_client_seed:
            raise InputError("this service draws all seeds itself; leave out seed", "seed")


def noise_body(
    kind: NoiseKind, sigma: float | dict[str, float], repeats: dict[str, int] | None
) -> NoiseBody:
    """Return the noise of a reply."""
    snr_db = None
    if isinstance(sigma, float) and sigma > 0 and kind is NoiseKind.MULTIPLICATIVE:
        snr_db = round(snr_db_from_sigma(sigma), 4)
    return NoiseBody(kind=kind, sigma=sigma, snr_db=snr_db, repeats=repeats)


def cost_body(
    result: VoteResult,
    card: Card,
    hardware: Hardware | None,
    sigma: float | dict[str, float],
    repeats: dict[str, int] | None,
) -> CostBody | None:
    """Return what the votes of a result cost, if the request names its hardware."""
    if hardware is None:
        return None
    cost = cost_of(result.votes_cast, card.noise_points, hardware, repeats or {})
    return CostBody(
        sequential_latency=cost.sequential_latency,
        pipelined_latency=cost.pipelined_latency,
        parallel_latency=cost.parallel_latency,
        energy=cost.energy,
        equal_energy_sigma={name: cost.equal_energy_sigma(of) for name, of in sigma.items()}
        if isinstance(sigma, dict)
        else cost.equal_energy_sigma(sigma),
    )


def prediction_of(result: VoteResult, card: Card, cost: CostBody | None) -> Prediction:
    """Return a result as it stands in a reply."""
    return Prediction(
        mode=result.mode,
        label=card.labels[result.mode],
        vote_counts=list(result.vote_counts),
        votes_cast=result.votes_cast,
        stopped_by=result.stopped_by,
        agreement=result.agreement,
        interval=result.interval,
        p_value=result.p_value,
        abstain=result.abstain,
        cost=cost,
    )


def timing_of(answer: Answer, total_s: float) -> Timing:
    """Return seconds as the milliseconds of a reply."""
    queue, compute, total = np.round(
        np.array([answer.queue_s, answer.compute_s, total_s]) * 1000, 3
    ).tolist()
    return Timing(queue=queue, compute=compute, total=total)
