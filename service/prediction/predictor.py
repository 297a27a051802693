"""Predictions: a request is checked against its checkpoint, voted on, and answered."""

import math
import secrets
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from noisevote.models.card import Card
from noisevote.models.checkpoint import Checkpoint, CheckpointStore
from noisevote.models.cost import Hardware, cost_of
from noisevote.models.devices.noise import DeviceNoise
from noisevote.models.devices.presets import DeviceStore
from noisevote.models.errors import InputError, LimitError
from noisevote.models.noise import MAX_SEED, Noise, VoteNoise
from noisevote.models.statistics import fewest_votes_to_be_sure
from noisevote.models.stopping import Promise
from noisevote.models.voting import VOTES_A_TURN, Observer, VoteRequest, VoteResult
from noisevote.service.configuration.settings import Settings
from noisevote.service.prediction.device import (
    device_body,
    device_hardware,
    device_of,
    votes_for_chips,
)
from noisevote.service.prediction.inputs import check_points, hardware_of, inputs_of, noise_of, stopping_of
from noisevote.service.prediction.preparation import Charge, Preparation
from noisevote.service.voting.backend import Answer, VotingBackend
from noisevote.service.voting.batcher import GIGA
from noisevote.service.voting.priority import Priority
from noisevote.service.wire.device import DeviceBody
from noisevote.service.wire.replies import (
    CostBody,
    GuaranteeBody,
    NoiseBody,
    Prediction,
    PredictResponse,
    Timing,
    told_counts,
)
from noisevote.service.wire.requests import PredictRequest
from noisevote.service.wire.shortened import shortened


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
    """

    began: float
    deadline: float
    priority: Priority
    checkpoint: Checkpoint
    request: VoteRequest
    noise: Noise | None
    hardware: Hardware | None

    @property
    def fingerprint(self) -> str:
        """Names all that decides the votes of this request and seed."""
        margin, device = self.request.stop.margin, self.device
        return (
            self.checkpoint.fingerprint
            + ("" if device is None else f":{device.fingerprint}")
            + ("" if margin is None else f":margin-{margin}")
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
        self.devices = DeviceStore(*settings.devices)
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
        seed = secrets.randbelow(MAX_SEED + 1) if request.seed is None else request.seed
        noise, at_points, hardware = self._noise_of(request, card, seed)
        stop = stopping_of(request, card, at_points)
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
                seed=seed,
                alpha=request.alpha,
                turn=VOTES_A_TURN if request.deadline_ms is None else 1,
            ),
            noise=noise,
            hardware=hardware,
        )

    def _noise_of(
        self, request: PredictRequest, card: Card, seed: int
    ) -> tuple[Noise | None, VoteNoise, Hardware | None]:
        """Return the noise as asked, at the noise points, and the hardware whose cost is told."""
        hardware = hardware_of(request, card)
        if request.device is None:
            noise = noise_of(request, card)
            return noise, noise.at(card.point_names), hardware
        check_points(request.repeats or {}, card, "repeats")
        on_device = device_of(request, card, seed, self.devices, self.settings)
        self._check_gmacs(request, card, votes_for_chips(on_device))
        of_device = device_hardware(on_device, card)
        if hardware is not None and of_device is not None:
            raise InputError(
                "the profile of the device tells its costs; leave out hardware", "hardware"
            )
        return None, on_device, hardware or of_device

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
            noise=None if prepared.noise is None else noise_body(prepared.noise),
            device=self._device_body(prepared),
            seed=request.seed,
            fingerprint=prepared.fingerprint,
            guarantee=guarantee_body(request.stop.promise),
            predictions=[prediction_of(result, prepared) for result in answer.results],
            timing_ms=timing_of(answer, time.monotonic() - prepared.began),
        )

    def _device_body(self, prepared: Prepared) -> DeviceBody | None:
        """Return the device of a reply, if there is one."""
        if prepared.device is None:
            return None
        runtime = self.backend.devices.loaded(prepared.checkpoint)
        return device_body(
            prepared.device, runtime and runtime.compensation(prepared.device)
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
        self._check_gmacs(request, card)
        if request.seed is not None and not settings.allow_client_seed:
            raise InputError("this service draws all seeds itself; leave out seed", "seed")

    def _check_gmacs(self, request: PredictRequest, card: Card, more: int = 0) -> None:
        """Refuse more votes than a request may cost, beside those that chips count for."""
        inputs = len(request.inputs) if request.inputs is not None else 1
        most = int(self.settings.max_request_gmacs * GIGA / card.macs)
        if inputs * request.votes + more > most:
            chips = f" on chips that count for {more}" if more else ""
            raise LimitError(
                f"{inputs} inputs with {request.votes} votes each{chips} are too many for one "
                f"request; checkpoint {card.name} allows {most} votes in all",
                "votes",
            )


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
