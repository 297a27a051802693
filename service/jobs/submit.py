"""From the body of ``POST /attack`` to a job that can be done, or an error."""

from dataclasses import dataclass
from importlib.util import find_spec
from math import prod, sqrt
from typing import Any

from pydantic import ValidationError

from noisevote.models.card import Card
from noisevote.models.checkpoint import CheckpointStore
from noisevote.models.errors import InputError, LimitError, MissingExtraError
from noisevote.models.noise import NoiseKind
from noisevote.models.robustness.assessment import steps_of
from noisevote.models.robustness.attacks import CHOICES, planned
from noisevote.models.robustness.ball import TOLERANCE, Norm, Samples
from noisevote.models.robustness.plan import AttackName, AttackOptions, Plan
from noisevote.models.robustness.run import Parties
from noisevote.service.configuration.settings import Settings
from noisevote.service.jobs.job import JobContent
from noisevote.service.jobs.run import NEEDS_TORCH, ChosenCheckpoints, about_of, chosen_checkpoints
from noisevote.service.jobs.samples import samples_of
from noisevote.service.voting.batcher import GIGA
from noisevote.service.wire.attack import AttackRequest
from noisevote.service.wire.errors import input_error_from
from noisevote.service.wire.parsing import check_names, object_in

INTERFACE = "over HTTP, POST /predict, priority low"
PICTURE_AXES = 3


@dataclass(frozen=True, slots=True)
class Submission:
    """What is to be done, with all that it takes to keep it.

    Attributes:
        content: content of the job.
        samples: samples under attack.
        steps: number of steps.
        results_bytes: bytes that the results may take up.
    """

    content: JobContent
    samples: Samples
    steps: int
    results_bytes: int


def is_installed() -> bool:
    """Return whether this installation can assess at all."""
    return find_spec("torch") is not None


def check_installed(names: tuple[AttackName, ...] = ()) -> None:
    """Refuse what this installation lacks; nothing is imported, as what serves stays small.

    Raises:
        MissingExtraError: torch is missing, or what one of the attacks needs.
    """
    if not is_installed():
        raise MissingExtraError(NEEDS_TORCH)
    for name in names:
        check = CHOICES[name].check_installed
        if check is not None:
            check()


def request_from(body: bytes | bytearray) -> AttackRequest:
    """Validate a body.

    Raises:
        NotJsonError: it is not JSON, or nested too deeply.
        InputError: a field is unknown or out of range.
    """
    check_names(object_in(body), AttackRequest)
    try:
        return AttackRequest.model_validate_json(bytes(body))
    except ValidationError as error:
        raise input_error_from(error) from None


def submission_of(asked: AttackRequest, settings: Settings, store: CheckpointStore) -> Submission:
    """Check a request against checkpoints, data and limits.

    Raises:
        NoisevoteError: it cannot be carried out; see ``models.errors``.
    """
    check_installed(asked.attacks)
    target = asked.target or settings.default_checkpoint
    checkpoints = chosen_checkpoints(store, target, asked.surrogate, asked.undefended)
    card = checkpoints.target.card
    options = asked.model_dump(include=set(AttackOptions.model_fields))
    plan = plan_of(card, asked.noise, asked.sigma, options)
    check_plan(plan, checkpoints)
    check_votes(plan, checkpoints, settings)
    samples, source = samples_of(asked, checkpoints.target, settings)
    has_undefended = checkpoints.undefended is not None
    parties = Parties(plan.white_box, has_undefended, settings.allow_client_seed)
    todo = steps_of(plan, parties, len(samples))
    check_work(sum(step.work for step in todo), settings)
    steps = len(todo)
    size = results_bytes(plan, samples, steps)
    if size > settings.max_job_bytes:
        raise LimitError(
            f"{steps} steps on {len(samples)} samples may take up {size / 2**20:.0f} MiB; allowed "
            f"are {settings.max_job_bytes / 2**20:.0f} MiB a job. Take fewer samples, restarts or "
            "points of the sweeps"
        )
    about = about_of(checkpoints, samples, source, INTERFACE)
    return Submission(JobContent(plan=plan, about=about), samples, steps, size)


def plan_of(
    card: Card, noise: NoiseKind | None, sigma: float | None, options: dict[str, Any]
) -> Plan:
    """Return the plan of an assessment.

    Args:
        card: card of the target.
        noise: noise that was asked for, or None for the target's.
        sigma: sigma that was asked for, or None for the target's sigma_train.
        options: values of the fields of ``AttackOptions``.

    Raises:
        InputError: the noise cannot be that of the target, or a value is out of range.
    """
    kind = kind_of(noise, card)
    try:
        return Plan(kind=kind, sigma=sigma_of(sigma, card, kind), **options)
    except ValidationError as error:
        raise input_error_from(error) from None


def kind_of(asked: NoiseKind | None, card: Card) -> NoiseKind:
    """Return the noise that was asked for, or that of the target.

    Raises:
        InputError: the target has no graph for it.
    """
    kind = asked or card.noise.kind
    if kind not in card.graphs:
        raise InputError(f"checkpoint {card.name} has no graph for {kind} noise", "noise")
    return kind


def sigma_of(asked: float | None, card: Card, kind: NoiseKind) -> float:
    """Return the sigma that was asked for, or the one that the target was trained for.

    Raises:
        InputError: there is neither.
    """
    if asked is not None:
        return asked
    trained = card.noise.default
    if kind is card.noise.kind and isinstance(trained, float) and trained > 0:
        return trained
    raise InputError(
        f"sigma is needed: checkpoint {card.name} was not trained for one number of {kind} noise",
        "sigma",
    )


def check_plan(plan: Plan, checkpoints: ChosenCheckpoints) -> None:
    """Refuse what these networks do not allow.

    Raises:
        InputError: an attack does not fit them, or no two of their inputs are so far apart.
    """
    check_attacks(plan, checkpoints)
    check_sizes(plan, checkpoints.target.card)


def check_attacks(plan: Plan, checkpoints: ChosenCheckpoints) -> None:
    """Refuse attacks that these networks do not allow."""
    target, surrogate = checkpoints.target, checkpoints.surrogate
    shape = target.card.input.shape
    for name in plan.attacks:
        if CHOICES[name].needs_pictures and len(shape) != PICTURE_AXES:
            raise InputError(
                f"the attack {name} needs pictures; {target.name} takes {list(shape)}. "
                "Leave it out of attacks",
                "attacks",
            )
    if plan.adaptive and not surrogate.card.noise_points:
        raise InputError(
            f"checkpoint {surrogate.name} has no noise points, over which an adaptive "
            "attacker averages; set adaptive to false",
            "adaptive",
        )


def check_sizes(plan: Plan, card: Card) -> None:
    """Refuse perturbations that are larger than any two inputs differ.

    Raises:
        InputError: there is one.
    """
    low, high = card.input.limits
    largest = high - low
    if plan.norm is Norm.L2:
        largest *= sqrt(prod(card.input.shape))
    sizes = {
        "epsilon": plan.epsilon,
        "epsilons": max(plan.epsilons, default=0.0),
        "step_size": plan.step,
    }
    for field, size in sizes.items():
        if size > largest * (1 + TOLERANCE):
            raise InputError(
                f"{field} asks for {size:g}; no two inputs of {card.name} are farther apart than "
                f"{largest:g}",
                field,
            )


def check_work(passes: float, settings: Settings) -> None:
    """Refuse an assessment that would keep the worker for ever.

    Raises:
        LimitError: it takes too many forward passes.
    """
    if passes > settings.max_job_passes:
        raise LimitError(
            f"the assessment may take {passes:.2g} forward passes; allowed are "
            f"{settings.max_job_passes:.2g} a job. Take fewer samples, restarts, steps or queries"
        )


def check_votes(plan: Plan, checkpoints: ChosenCheckpoints, settings: Settings) -> None:
    """Refuse more votes than ``/predict`` casts."""
    asking = max(planned(plan), key=lambda attack: attack.times_votes)
    times = max(1, asking.times_votes)
    most = {"votes": plan.votes * times, "vote_numbers": max(plan.vote_numbers, default=1)}
    asked = (checkpoints.target, checkpoints.undefended)
    macs = max(each.card.macs for each in asked if each is not None)
    allowed = min(settings.max_votes, int(settings.max_request_gmacs * GIGA / macs))
    reason = f" ({times} times as many for {asking.title or asking.name})" if times > 1 else ""
    for field, votes in most.items():
        if votes > allowed:
            raise LimitError(
                f"{field} asks for {votes} votes in a reply{reason}; allowed are {allowed}", field
            )


def results_bytes(plan: Plan, samples: Samples, steps: int) -> int:
    """Return what the results may take up: an example of each sample in each step, and replies.

    The check of convergence keeps two, the Square attack one more for each budget.
    """
    example = int(samples.inputs[0].nbytes)
    replies = samples.labels.itemsize * max(plan.replies, plan.sweep_replies)
    a_step = len(samples) * (example + replies + 5 * samples.labels.itemsize)
    searches = sum(len(a.conditions(plan)) for a in planned(plan) if a.has_budgets)
    budgets = len(plan.query_budgets) * min(len(samples), plan.query_samples) * example
    return (steps + 1) * a_step + searches * budgets
