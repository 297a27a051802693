"""From the body of ``POST /attack`` to an order that can be carried out, or an error."""

from dataclasses import dataclass
from importlib.util import find_spec
from math import prod, sqrt

from pydantic import ValidationError

from models.card import Card
from models.checkpoint import Checkpoint, CheckpointStore
from models.errors import (
    InputError,
    LimitError,
    MissingExtraError,
    UnknownCheckpointError,
)
from models.noise import NoiseKind
from models.robustness.assessment import steps_of
from models.robustness.attacks import CHOICES, planned
from models.robustness.ball import TOLERANCE, Norm, Samples
from models.robustness.plan import AttackName, AttackOptions, Plan
from models.robustness.run import Parties
from service.configuration.settings import Settings
from service.jobs.records import Order
from service.jobs.samples import samples_of
from service.jobs.setup import NEEDS_TORCH, about_of, checked_pair
from service.voting.batcher import GIGA
from service.wire.attack import AttackRequest
from service.wire.errors import input_error_from
from service.wire.parsing import check_names, object_in

INTERFACE = "over HTTP, POST /predict, priority low"
PICTURE_AXES = 3


@dataclass(frozen=True, slots=True)
class Prepared:
    """An order with all that it takes to keep it.

    Attributes:
        order: what is to be done.
        samples: under attack.
        steps: in how many steps.
        results_bytes: that the results may take up.
    """

    order: Order
    samples: Samples
    steps: int
    results_bytes: int


@dataclass(frozen=True, slots=True)
class Pair:
    """The checkpoints of an order.

    Attributes:
        target: under attack.
        surrogate: of the attacker.
        undefended: known to fall, or None.
    """

    target: Checkpoint
    surrogate: Checkpoint
    undefended: Checkpoint | None


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
        needed = CHOICES[name].needs_package
        if needed is not None and find_spec(needed.name) is None:
            raise needed.missing(name)


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


def prepared_order(asked: AttackRequest, settings: Settings, store: CheckpointStore) -> Prepared:
    """Check a request against checkpoints, data and limits.

    Raises:
        NoisevoteError: it cannot be carried out; see ``models.errors``.
    """
    check_installed(asked.attacks)
    pair = pair_of(asked, settings, store)
    plan = plan_of(asked, pair.target.card)
    check_attacks(plan, pair)
    check_sizes(plan, pair.target.card)
    check_votes(plan, pair, settings)
    samples, source = samples_of(asked, pair.target, settings)
    parties = Parties(plan.white_box, pair.undefended is not None, settings.allow_client_seed)
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
    about = about_of(pair.target, pair.surrogate, pair.undefended, samples, source)
    about = about.model_copy(update={"interface": INTERFACE})
    return Prepared(Order(plan=plan, about=about), samples, steps, size)


def pair_of(asked: AttackRequest, settings: Settings, store: CheckpointStore) -> Pair:
    """Return the checkpoints of a request.

    Raises:
        UnknownCheckpointError: one of them does not exist.
        InputError: they do not fit together.
    """
    target = found(store, asked.target or settings.default_checkpoint, "target")
    surrogate = checked_pair(target, found(store, asked.surrogate, "surrogate"))
    if asked.undefended is None:
        return Pair(target, surrogate, None)
    undefended = found(store, asked.undefended, "undefended")
    return Pair(target, surrogate, checked_pair(target, undefended, "undefended"))


def found(store: CheckpointStore, name: str, field: str) -> Checkpoint:
    """Return a checkpoint; an unknown one is blamed on the field that named it."""
    try:
        return store.find(name)
    except UnknownCheckpointError as error:
        error.field = field
        raise


def plan_of(asked: AttackRequest, card: Card) -> Plan:
    """Return the plan of a request.

    Raises:
        InputError: the noise cannot be that of the target.
    """
    options = asked.model_dump(include=set(AttackOptions.model_fields))
    kind = kind_of(asked.noise, card)
    return Plan(kind=kind, sigma=sigma_of(asked.sigma, card, kind), **options)


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
    trained = card.noise.sigma_train
    if kind is card.noise.kind and isinstance(trained, float) and trained > 0:
        return trained
    raise InputError(
        f"sigma is needed: checkpoint {card.name} was not trained for one number of {kind} noise",
        "sigma",
    )


def check_attacks(plan: Plan, pair: Pair) -> None:
    """Refuse attacks that these networks do not allow."""
    shape = pair.target.card.input.shape
    for name in plan.attacks:
        if CHOICES[name].needs_pictures and len(shape) != PICTURE_AXES:
            raise InputError(
                f"the attack {name} needs pictures; {pair.target.name} takes {list(shape)}. "
                "Leave it out of attacks",
                "attacks",
            )
    if plan.adaptive and not pair.surrogate.card.noise_points:
        raise InputError(
            f"checkpoint {pair.surrogate.name} has no noise points, over which an adaptive "
            "attacker averages; set adaptive to false",
            "adaptive",
        )


def check_sizes(plan: Plan, card: Card) -> None:
    """Refuse perturbations that are larger than any two inputs differ.

    Raises:
        InputError: there is one.
    """
    low, high = card.input.range
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


def check_votes(plan: Plan, pair: Pair, settings: Settings) -> None:
    """Refuse more votes than ``/predict`` casts."""
    most_asking = max(planned(plan), key=lambda attack: attack.times_votes)
    most = {
        "votes": plan.votes * max(1, most_asking.times_votes),
        "vote_numbers": max(plan.vote_numbers, default=1),
    }
    macs = max(each.card.macs for each in (pair.target, pair.undefended) if each is not None)
    allowed = min(settings.max_votes, int(settings.max_request_gmacs * GIGA / macs))
    for field, votes in most.items():
        if votes > allowed:
            times = most_asking.times_votes
            reason = f" ({times} times as many for {most_asking.title})" if times > 1 else ""
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
