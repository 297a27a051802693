"""From the body of ``POST /attack`` to a job that can be done, or an error."""

from dataclasses import dataclass
from importlib.util import find_spec

from pydantic import ValidationError

from noisevote.models.checkpoint import Checkpoint, CheckpointStore
from noisevote.models.devices.presets import DeviceStore
from noisevote.models.engines.arithmetic import REFERENCE
from noisevote.models.errors import LimitError, MissingExtraError
from noisevote.models.robustness.assessment import steps_of
from noisevote.models.robustness.attacks import CHOICES, planned
from noisevote.models.robustness.ball import Samples
from noisevote.models.robustness.plan import AttackName, AttackOptions, Plan
from noisevote.models.robustness.run import Parties
from noisevote.models.robustness.targeting import check_targets
from noisevote.service.configuration.settings import Settings
from noisevote.service.jobs.chosen import NEEDS_TORCH, Chosen, chosen_from
from noisevote.service.jobs.job import JobContent
from noisevote.service.jobs.plans import AskedNoise, check_plan, plan_of, usual_attacks
from noisevote.service.jobs.run import about_of
from noisevote.service.jobs.samples import samples_of
from noisevote.service.prediction.device import VOTES_A_CHIP, asked_device
from noisevote.service.voting.batcher import GIGA
from noisevote.service.wire.attack import AttackRequest
from noisevote.service.wire.errors import input_error_from
from noisevote.service.wire.parsing import check_names, object_in

INTERFACE = "over HTTP, POST /predict, priority low"


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
    check_installed()
    target = asked.target or settings.default_checkpoint
    chosen = chosen_from(store, target, asked.surrogate, asked.undefended)
    options = asked.model_dump(include=set(AttackOptions.model_fields))
    if "attacks" not in asked.model_fields_set:
        options["attacks"] = usual_attacks(chosen)
    check_installed(options["attacks"])
    card = chosen.target.card
    device = asked_device(asked, DeviceStore(*settings.devices), settings)
    noise = AskedNoise(asked.noise, asked.sigma, asked.snr_db, asked.repeats, device)
    plan = plan_of(card, noise, options, asked.label_source)
    check_plan(plan, chosen)
    check_votes(plan, chosen, settings)
    samples, source = samples_of(asked, chosen.target, settings)
    check_targets(plan, samples, len(card.labels))
    parties = Parties(
        own=plan.white_box and chosen.own is not None,
        undefended=chosen.undefended is not None,
        may_freeze=settings.allow_client_seed,
        surrogate=chosen.attacker is not None,
    )
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
    about = about_of(chosen, samples, source, interface_of(chosen.target, plan), plan)
    return Submission(JobContent(plan=plan, about=about), samples, steps, size)


def interface_of(target: Checkpoint, plan: Plan) -> str:
    """Return how a target is asked, and what computes its votes if it is not the reference."""
    if plan.device is not None or target.arithmetic == REFERENCE:
        return INTERFACE
    return f"{INTERFACE}, votes in {target.arithmetic} where it suits them"


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


def check_votes(plan: Plan, chosen: Chosen, settings: Settings) -> None:
    """Refuse more votes than ``/predict`` casts."""
    asking = max(planned(plan), key=lambda attack: attack.times_votes)
    times = max(1, asking.times_votes)
    most = {"votes": plan.votes * times, "vote_numbers": max(plan.vote_numbers, default=1)}
    asked = (chosen.target, chosen.undefended)
    macs = max(each.card.macs for each in asked if each is not None)
    chips = 0 if plan.device is None else plan.device.chips
    if chips > settings.max_chips:
        raise LimitError(f"chips is {chips}; allowed are 1 to {settings.max_chips}", "chips")
    most_at_once = int(settings.max_request_gmacs * GIGA / macs) - VOTES_A_CHIP * chips
    allowed = min(settings.max_votes, most_at_once)
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
