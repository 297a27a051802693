"""Predictions: a request is checked against its checkpoint, voted on, and answered."""

import math
import secrets
import time
from dataclasses import asdict, dataclass

from noisevote.models.card import Card
from noisevote.models.checkpoint import Checkpoint, CheckpointStore
from noisevote.models.cost import Hardware, cost_of
from noisevote.models.errors import InputError, LimitError
from noisevote.models.noise import MAX_SEED, Noise
from noisevote.models.statistics import fewest_votes_to_be_sure
from noisevote.models.stopping import Promise
from noisevote.models.voting import VOTES_A_TURN, Observer, VoteRequest, VoteResult
from noisevote.service.configuration.settings import Settings
from noisevote.service.prediction.inputs import hardware_of, inputs_of, noise_of, stopping_of
from noisevote.service.prediction.preparation import Charge, Preparation
from noisevote.service.voting.backend import Answer, VotingBackend
from noisevote.service.voting.batcher import GIGA
from noisevote.service.voting.priority import Priority
from noisevote.service.wire.replies import (
    CostBody,
    GuaranteeBody,
    NoiseBody,
    Prediction,
    PredictResponse,
    Timing,
    told_counts,
)
from noisevote.service.wire.requests import PredictRequest, shortened


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request that has been checked and turned into arrays; what it came in is gone.

    Attributes:
        began: when it arrived, by ``time.monotonic``.
        deadline: when the votes cast so far are the answer, on the same clock.
        priority: decides whose votes come first.
        checkpoint: checkpoint that votes.
        request: inputs, and the votes that are to be cast on them.
        noise: as asked or by default.
        hardware: hardware whose cost is asked for.
    """

    began: float
    deadline: float
    priority: Priority
    checkpoint: Checkpoint
    request: VoteRequest
    noise: Noise
    hardware: Hardware | None

    @property
    def fingerprint(self) -> str:
        """Names all that decides the votes of this request and seed."""
        margin = self.request.stop.margin
        return self.checkpoint.fingerprint + ("" if margin is None else f":margin-{margin}")


class Predictor:
    """Answers requests; the same for the HTTP route and the command line.

    Args:
        settings: limits and defaults.
        store: the checkpoints.
        backend: computes the votes.
    """

    def __init__(
        self,
        settings: Settings,
        store: CheckpointStore,
        backend: VotingBackend,
    ) -> None:
        self.settings = settings
        self.store = store
        self.backend = backend
        self._preparation = Preparation()

    async def predict(self, request: PredictRequest) -> PredictResponse:
        """Vote on the inputs of a request.

        Raises:
            NoisevoteError: the request cannot be answered; see ``models.errors``.
        """
        began = time.monotonic()
        return await self.answer(await self.backend.run(lambda: self.prepare(request, began)))

    async def prepared(
        self, request: PredictRequest, work_s: float, began: float, charge: Charge
    ) -> Prepared:
        """Prepare a request in its turn.

        Args:
            request: as it was validated; its arrays are small.
            work_s: as :func:`~service.prediction.sizes.work_s_of` has it, more than it takes to
                do it at once.
            began: when it arrived, by ``time.monotonic``.
            charge: is told of the work before it is done; to refuse it, it raises.

        Raises:
            OverloadedError: too much waits to be prepared, or the client asks for too much.
            DeadlineError: its time was up.
            NoisevoteError: the request cannot be answered; see ``models.errors``.
        """
        self._preparation.check_room(work_s)  # what is refused is not charged
        took = charge(work_s)
        deadline = deadline_of(request, began)
        return await self._preparation.run(
            lambda: self.prepare(request, began), work_s, deadline, took
        )

    def prepare(self, request: PredictRequest, began: float) -> Prepared:
        """Check a request and turn it into arrays.

        Args:
            request: as it was validated.
            began: when it arrived, by ``time.monotonic``.

        Raises:
            NoisevoteError: the request cannot be answered; see ``models.errors``.
        """
        checkpoint = self.checkpoint_of(request)
        card = checkpoint.card
        self._check_limits(request, card)
        noise = noise_of(request, card)
        at_points = noise.at(card.point_names)
        stop = stopping_of(request, card, at_points)
        hardware = hardware_of(request, card)
        stop.prepare(request.votes)
        return Prepared(
            began=began,
            deadline=deadline_of(request, began),
            priority=request.priority,
            checkpoint=checkpoint,
            request=VoteRequest(
                inputs=inputs_of(request, card),
                noise=at_points,
                votes=request.votes,
                stop=stop,
                seed=secrets.randbelow(MAX_SEED + 1) if request.seed is None else request.seed,
                alpha=request.alpha,
                turn=VOTES_A_TURN if request.deadline_ms is None else 1,
            ),
            noise=noise,
            hardware=hardware,
        )

    async def answer(self, prepared: Prepared, observer: Observer | None = None) -> PredictResponse:
        """Vote on the inputs of a prepared request.

        Args:
            prepared: request as :meth:`prepare` returned it.
            observer: is told of every vote that counts, on the thread of a slot.

        Raises:
            NoisevoteError: the request cannot be answered; see ``models.errors``.
        """
        checkpoint, request = prepared.checkpoint, prepared.request
        answer = await self.backend.vote(
            checkpoint, request, prepared.deadline, prepared.priority, observer
        )
        return PredictResponse(
            checkpoint=checkpoint.name,
            noise=noise_body(prepared.noise),
            seed=request.seed,
            fingerprint=prepared.fingerprint,
            guarantee=guarantee_body(request.stop.promise),
            predictions=[prediction_of(result, prepared) for result in answer.results],
            timing_ms=timing_of(answer, time.monotonic() - prepared.began),
        )

    def close(self) -> None:
        """Drop what waits to be prepared."""
        self._preparation.close()

    def checkpoint_of(self, request: PredictRequest) -> Checkpoint:
        """Return the checkpoint that a request is for.

        Raises:
            UnknownCheckpointError: there is none of that name.
            CheckpointError: it was refused.
        """
        return self.default() if request.checkpoint is None else self.store.find(request.checkpoint)

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
                f"votes is {shortened(request.votes)}; allowed are 1 to {settings.max_votes}",
                "votes",
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


def deadline_of(request: PredictRequest, began: float) -> float:
    """Return the time by ``time.monotonic`` at which the votes cast so far are the answer."""
    return math.inf if request.deadline_ms is None else began + request.deadline_ms / 1000


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
    points, sigma = prepared.checkpoint.card.noise_points, prepared.noise.sigma
    cost = cost_of(result.votes_cast, points, prepared.hardware, prepared.noise.repeats)
    return CostBody(
        sequential_latency=cost.sequential_latency,
        pipelined_latency=cost.pipelined_latency,
        parallel_latency=cost.parallel_latency,
        energy=cost.energy,
        equal_energy_sigma={name: cost.equal_energy_sigma(of) for name, of in sigma.items()}
        if isinstance(sigma, dict)
        else cost.equal_energy_sigma(sigma),
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
    )


def timing_of(answer: Answer, total_s: float) -> Timing:
    """Return seconds as the milliseconds of a reply."""
    seconds = answer.queue_s, answer.compute_s, total_s
    queue, compute, total = (round(1000 * of_it, 3) for of_it in seconds)
    return Timing(queue=queue, compute=compute, total=total)
