"""Predictions: a request is checked against its checkpoint, voted on, and answered."""

import math
import secrets
import time

from noisevote.models.card import Card
from noisevote.models.checkpoint import Checkpoint, CheckpointStore
from noisevote.models.cost import Hardware
from noisevote.models.devices.noise import DeviceNoise
from noisevote.models.devices.presets import DeviceStore
from noisevote.models.errors import InputError, LimitError
from noisevote.models.noise import MAX_SEED, Noise, VoteNoise
from noisevote.models.voting import VOTES_A_TURN, Observer, VoteRequest
from noisevote.service.configuration.settings import Settings
from noisevote.service.prediction.device import (
    device_body,
    device_hardware,
    device_of,
    name_of,
    votes_for_chips,
    votes_for_new_chips,
)
from noisevote.service.prediction.inputs import (
    check_points,
    hardware_of,
    inputs_of,
    noise_of,
    stopping_of,
)
from noisevote.service.prediction.preparation import Charge, Preparation
from noisevote.service.prediction.prepared import Prepared
from noisevote.service.prediction.replies import (
    guarantee_body,
    noise_body,
    prediction_of,
    timing_of,
)
from noisevote.service.voting.backend import VotingBackend
from noisevote.service.voting.batcher import GIGA
from noisevote.service.wire.device import DeviceBody
from noisevote.service.wire.replies import PredictResponse
from noisevote.service.wire.requests import PredictRequest
from noisevote.service.wire.shortened import shortened


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
            device_name=name_of(request.device),
            chip_votes=self._chip_votes(checkpoint, at_points),
        )

    def _chip_votes(self, checkpoint: Checkpoint, noise: VoteNoise) -> int:
        """Return how many votes the chips count for that have to be made."""
        if not isinstance(noise, DeviceNoise):
            return 0
        return votes_for_new_chips(noise, self.backend.devices.loaded(checkpoint))

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
            checkpoint,
            request,
            prepared.deadline,
            prepared.priority,
            observer,
            prepared.chip_votes,
        )
        return PredictResponse(
            checkpoint=checkpoint.name,
            noise=None if prepared.noise is None else noise_body(prepared.noise),
            device=self._device_body(prepared),
            seed=request.seed,
            fingerprint=prepared.fingerprint(answer.arithmetic),
            guarantee=guarantee_body(request.stop.promise),
            predictions=[prediction_of(result, prepared) for result in answer.results],
            timing_ms=timing_of(answer, time.monotonic() - prepared.began),
        )

    def _device_body(self, prepared: Prepared) -> DeviceBody | None:
        """Return the device of a reply, if there is one."""
        if prepared.device is None:
            return None
        runtime = self.backend.devices.loaded(prepared.checkpoint)
        held = {} if runtime is None else runtime.compensation(prepared.device)
        return device_body(prepared.device, held)

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
