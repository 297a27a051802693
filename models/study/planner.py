"""From a demand to the votes that meet it, by what a study recorded: no new passes."""

from collections.abc import Iterator, Sequence
from typing import Any

from noisevote.models.card import Card
from noisevote.models.devices.presets import DeviceStore
from noisevote.models.devices.profile import Profile
from noisevote.models.errors import InputError
from noisevote.models.specs import CardPart
from noisevote.models.statistics import fewest_votes_to_be_sure
from noisevote.models.stopping import DEFAULT_ALPHA, StopRule
from noisevote.models.study.conclusions import ROUNDING, Conclusions, pareto
from noisevote.models.study.head import StudyHead
from noisevote.models.study.placing import device_of_request
from noisevote.models.study.weighed import Ceiling, Option, Weighed
from noisevote.models.study.words import energy

SHOWN_CONDITIONS = 20


class Demand(CardPart):
    """What is wanted; exactly one of the three, the others are what is told."""

    accuracy: float | None = None
    """Least share of right answers: the cheapest option that reaches it is planned."""
    energy: float | None = None
    """Most energy of an answer on average, in the unit of the study: the most accurate option."""
    latency_s: float | None = None
    """Time in which 99 % of the answers are there: the most accurate option."""


class Planned(CardPart):
    """An option that meets a demand."""

    chosen: Weighed
    """The option; what it reaches on the half that it was chosen on is the forecast."""
    body: dict[str, Any]
    """Body of a request that asks so, without its input."""
    ceiling: Ceiling | None
    """About the most that votes without repeats can reach."""
    front: tuple[Weighed, ...]
    """Options that nothing as cheap reaches or beats, from cheap to dear."""
    bodies: tuple[dict[str, Any], ...]
    """Bodies of requests for these."""
    remarks: tuple[str, ...]
    """What to know before relying on it."""


def planned(
    conclusions: Conclusions,
    head: StudyHead,
    card: Card,
    demand: Demand,
    condition: float | None = None,
    is_sure: bool = False,
    known: DeviceStore | None = None,
) -> Planned:
    """Return the option that meets a demand.

    Args:
        conclusions: of a study.
        head: of it.
        card: of its checkpoint.
        demand: what is wanted.
        condition: sigma or age, one that was measured; None: that of the study's questions.
        is_sure: whether the lower end of the interval must reach the accuracy.
        known: devices that the service knows by name; see :func:`request_body`.

    Raises:
        InputError: nothing meets it, or the condition was not measured.
    """
    at = checked_condition(conclusions, head, condition)
    every = conclusions.at(at)
    ceiling = conclusions.ceiling(at)
    if demand.latency_s is not None and any(of.costs.latency_s is None for of in every):
        raise InputError(
            "the study knows no latencies: its device tells no costs; ask for accuracy or energy",
            "latency_s",
        )
    chosen = (
        most_accurate(every, demand)
        if demand.accuracy is None
        else cheapest(every, demand.accuracy, is_sure, ceiling)
    )
    front = pareto(every, by_latency=demand.latency_s is not None)
    return Planned(
        chosen=chosen,
        body=request_body(head, chosen.option, card, known),
        ceiling=ceiling,
        front=tuple(front),
        bodies=tuple(request_body(head, of.option, card, known) for of in front),
        remarks=(*remarks_on(chosen, head, demand.accuracy), *cheaper(chosen, every)),
    )


def remarks_on(of: Weighed, head: StudyHead, wanted: float | None = None) -> Iterator[str]:
    """Yield what to know before relying on an option.

    Args:
        of: the option.
        head: of the study.
        wanted: accuracy that it was chosen for.
    """
    if of.report is None:
        yield "it was not recorded on other samples, where it may reach less"
    elif wanted is not None and of.report.accuracy < wanted - ROUNDING:
        yield (
            f"on other samples it reaches {of.report.accuracy:.4f}, less than the {wanted:g} that "
            "was asked for: the best of many options looks better where it was chosen"
        )
    device, runs = head.device, (of.report or of.choice).runs
    if device is not None and device.differs_by_chip and of.option.chips == 1 and len(runs) > 1:
        yield (
            f"the request names no chip and is cast on chip 0, which reaches {runs[0]:.4f}; the "
            f"accuracy is the mean over {len(runs)} chips, from {min(runs):.4f} to {max(runs):.4f}"
        )
    fewest = fewest_votes_to_be_sure(DEFAULT_ALPHA)
    if of.option.stop is not StopRule.FULL:
        yield (
            f"answers that {of.option.stop} may stop have no interval, no p-value and no abstention"
        )
    elif of.option.votes < fewest and not head.is_silent:
        yield (
            f"answers of fewer than {fewest} votes always abstain (at the alpha of "
            f"{DEFAULT_ALPHA:g}): so few cannot show which class is the most likely. The accuracy "
            "is that of their modes"
        )


def cheaper(chosen: Weighed, options: Sequence[Weighed]) -> Iterator[str]:
    """Yield an option of at most half the energy that may be as accurate.

    Its accuracy lies in the interval of the chosen one, on the half that is chosen on.
    """
    found = [
        of
        for of in options
        if of.costs.energy <= chosen.costs.energy / 2
        and of.choice.accuracy >= chosen.choice.interval[0]
    ]
    if found:
        of = max(found, key=lambda of: of.choice.accuracy)
        yield (
            f"an option of {energy(of.costs.energy, of.costs.unit)} reaches "
            f"{of.choice.accuracy:.4f}, which lies in the interval of this one"
        )


def checked_condition(
    conclusions: Conclusions, head: StudyHead, condition: float | None
) -> float | None:
    """Return the condition that is meant.

    Raises:
        InputError: it was not measured.
    """
    at = conclusions.operating if condition is None else condition
    measured = list(dict.fromkeys(of.option.condition for of in conclusions.options))
    if at not in measured:
        what = "sigma" if head.device is None else "age_s"
        shown = ", ".join(f"{of:g}" for of in measured[:SHOWN_CONDITIONS] if of is not None)
        given = "missing" if at is None else f"{at:g}"
        raise InputError(
            f"{what} is {given}; the study has {shown or 'none'}: study that one, too", what
        )
    return at


def most_accurate(options: Sequence[Weighed], demand: Demand) -> Weighed:
    """Return the most accurate option that costs no more than is demanded.

    One that other samples confirm comes first, and of options that differ by less than one sample
    the cheapest.

    Raises:
        InputError: each costs more, or the demand bounds no cost.
    """
    field = "energy" if demand.latency_s is None else "latency_s"
    most = getattr(demand, field)
    if most is None:
        raise InputError("give one of accuracy, energy and latency_s")

    def cost(of: Weighed) -> float:
        return of.costs.energy if field == "energy" else (of.costs.latency_s or 0.0)

    found = confirmed_of([of for of in options if cost(of) <= most])
    if not found:
        unit = "s" if field == "latency_s" else options[0].costs.unit
        least = min(cost(of) for of in options)
        raise InputError(
            f"{field} is {most:g} {unit}; the cheapest option takes {least:.4g} {unit}", field
        )
    best = max(found, key=lambda of: of.choice.accuracy).choice
    as_good = best.accuracy - 1 / best.samples
    return min(
        (of for of in found if of.choice.accuracy > as_good),
        key=lambda of: (of.costs.energy, cost(of), -of.choice.accuracy),
    )


def cheapest(
    options: Sequence[Weighed], wanted: float, is_sure: bool, ceiling: Ceiling | None
) -> Weighed:
    """Return the cheapest option that reaches an accuracy.

    One that other samples confirm comes first.

    Raises:
        InputError: none reaches it; the message tells the best there is.
    """

    def held(of: Weighed) -> float:
        return of.choice.interval[0] if is_sure else of.choice.accuracy

    found = confirmed_of([of for of in options if held(of) >= wanted - ROUNDING])
    if found:
        return min(found, key=lambda of: (of.costs.energy, of.option.chips, of.option.votes))
    best = max(options, key=held)
    low, high = best.choice.interval
    other = "" if best.report is None else f" ({best.report.accuracy:.4f} on other samples)"
    beyond = (
        ""
        if ceiling is None
        else f"; votes without repeats reach about {ceiling.choice.accuracy:.4f} at most"
    )
    what = "for sure " if is_sure else ""
    raise InputError(
        f"accuracy is {wanted:g}; no option reaches that {what}at this condition on the samples "
        f"that options are chosen on: the best reaches {best.choice.accuracy:.4f} [{low:.4f}, "
        f"{high:.4f}]{other}{beyond}",
        "accuracy",
    )


def confirmed_of(options: Sequence[Weighed]) -> Sequence[Weighed]:
    """Return the options that were recorded on the other half, too; all if none was."""
    return [of for of in options if of.report is not None] or options


def request_body(
    head: StudyHead, option: Option, card: Card, known: DeviceStore | None = None
) -> dict[str, Any]:
    """Return the body of a ``/predict`` request for an option, without its input.

    Args:
        head: of the study.
        option: how to ask.
        card: of the checkpoint.
        known: devices that the service knows by name; a profile that is not among them, or another
            one there, stands in the body as a whole. None: the name is enough.
    """
    body: dict[str, Any] = {"checkpoint": head.checkpoint}
    if head.device is None:
        kind = {} if head.kind == card.noise.kind else {"noise": head.kind.value}
        body |= {**kind, "sigma": option.condition}
    else:
        told = {
            "device": device_of_request(named(head.device, known), card),
            "age_s": option.condition,
            "temperature_c": head.temperature_c,
            "chips": option.chips if option.chips > 1 else None,
        }
        body |= {name: value for name, value in told.items() if value is not None}
    if option.repeats:
        body["repeats"] = dict(option.repeats)
    body["votes"] = option.votes
    if option.stop is not StopRule.FULL:
        body["stop"] = option.stop.value
    if option.delta is not None:
        body["delta"] = option.delta
    return body


def named(device: Profile, known: DeviceStore | None) -> str | dict[str, Any]:
    """Return the name of a device, or its profile where the name does not stand for it."""
    if known is None:
        return device.name
    if device.name in known.names() and known.find(device.name).digest == device.digest:
        return device.name
    return device.model_dump(mode="json", exclude_defaults=True)
