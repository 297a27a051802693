"""Accuracy of a running service on labelled inputs, with intervals."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from noisevote.models.errors import InputError
from noisevote.models.statistics import clopper_pearson
from noisevote.service.client.clients import AsyncClient
from noisevote.service.client.exchange import ServiceError
from noisevote.service.client.labelled import Labelled
from noisevote.service.wire.parsing import validated
from noisevote.service.wire.replies import Prediction

ALPHA = 0.05
"""Of the intervals of shares."""

REFUSED = "invalid_picture"
"""Code of the service's error for a picture on which it finds nothing to answer."""


@dataclass(frozen=True, slots=True)
class Share:
    """A share of a number of inputs.

    Attributes:
        count: inputs that it counts.
        of: all of them.
        interval: Clopper-Pearson, at 95 %; null without inputs.
    """

    count: int
    of: int
    interval: tuple[float, float] | None

    @classmethod
    def counted(cls, count: int, of: int) -> "Share":
        """Return a share and its interval."""
        return cls(count, of, clopper_pearson(count, of, ALPHA) if of else None)


@dataclass(frozen=True, slots=True)
class Report:
    """What an evaluation found.

    Attributes:
        checkpoint: name of the checkpoint that voted.
        fingerprint: fingerprint of everything that decides its votes.
        options: as they were asked for.
        accuracy: inputs whose mode is their label.
        abstained: inputs whose top two classes may be equally likely; null where that is not told.
        accuracy_if_sure: inputs whose mode is their label among those that did not abstain.
        by_label: accuracy among the inputs of each label.
        votes_cast: mean per input.
        agreement: mean share of the mode.
        wrong: name, label and answer of each input that was answered wrongly.
        refused: name of each picture in which the service found nothing to answer, and why; all
            other figures are of the rest.
    """

    checkpoint: str
    fingerprint: str
    options: dict[str, Any]
    accuracy: Share
    abstained: Share | None
    accuracy_if_sure: Share | None
    by_label: dict[str, Share]
    votes_cast: float
    agreement: float
    wrong: list[tuple[str, str, str]]
    refused: list[tuple[str, str]]

    def as_json(self) -> dict[str, Any]:
        """Return the report as plain values."""
        return asdict(self)


async def evaluate(
    client: AsyncClient,
    inputs: Sequence[Labelled],
    options: Mapping[str, Any],
    concurrency: int,
    on_answer: Callable[[], None],
) -> Report:
    """Ask a service for every input and compare its answers with the labels.

    Args:
        client: client of the service.
        inputs: labelled inputs, at least one.
        options: fields of each prediction. The seed of the input at position i is ``seed + i``, so
            that no two inputs meet the same noise.
        concurrency: requests in flight.
        on_answer: called after each.

    Raises:
        ServiceError: the service refused an input for another reason than what is on it, or cannot
            be reached.
        InputError: a label is none of the checkpoint's, or all pictures were refused.
    """
    card = await card_for(client, options.get("checkpoint"))
    unknown = {item.label for item in inputs} - set(card.labels)
    if unknown:
        raise InputError(
            f"{', '.join(sorted(unknown)[:5])} is no label of checkpoint {card.name}; it has "
            f"{', '.join(card.labels)}"
        )
    free = asyncio.Semaphore(concurrency)
    fingerprints: set[str] = set()

    async def answer(position: int, item: Labelled) -> Prediction | str:
        own = dict(options) | item.fields
        if own.get("seed") is not None:
            own["seed"] += position
        try:
            async with free:
                with naming(item):
                    reply = await client.predict(validated(own))
        except ServiceError as error:
            if error.code != REFUSED:
                raise
            return str(error).removeprefix(f"{item.name}: ")
        finally:
            on_answer()
        fingerprints.add(reply.fingerprint)
        return reply.predictions[0]

    try:
        async with asyncio.TaskGroup() as group:
            asked = [
                group.create_task(answer(position, item)) for position, item in enumerate(inputs)
            ]
    except ExceptionGroup as several:
        raise several.exceptions[0] from None  # the first one ended the others
    found = list(zip(inputs, [task.result() for task in asked], strict=True))
    pairs = [(item, answer) for item, answer in found if isinstance(answer, Prediction)]
    refused = [(item.name, answer) for item, answer in found if isinstance(answer, str)]
    if not pairs:
        raise InputError(f"all pictures were refused, as {': '.join(refused[0])}")
    return report_on(pairs, refused, card.name, "; ".join(sorted(fingerprints)), options)


@contextmanager
def naming(item: Labelled) -> Iterator[None]:
    """Say which input it was when the input is at fault."""
    try:
        yield
    except (InputError, ServiceError) as error:
        if error.field in item.fields:
            error.args = (f"{item.name}: {error}",)
        raise


async def card_for(client: AsyncClient, name: str | None) -> Any:
    """Return the card of the checkpoint that answers."""
    if name is None:
        listed = (await client.checkpoints()).checkpoints
        name = next(summary.name for summary in listed if summary.is_default)
    return await client.card(name)


def report_on(
    pairs: Sequence[tuple[Labelled, Prediction]],
    refused: list[tuple[str, str]],
    checkpoint: str,
    fingerprint: str,
    options: Mapping[str, Any],
) -> Report:
    """Count the answers."""
    answers = [found for _, found in pairs]
    is_told = all(found.abstain is not None for found in answers)
    sure = [(item, found) for item, found in pairs if not found.abstain]
    labels = sorted({item.label for item, _ in pairs})
    return Report(
        checkpoint=checkpoint,
        fingerprint=fingerprint,
        options={name: value for name, value in options.items() if value is not None},
        accuracy=accuracy_of(pairs),
        abstained=Share.counted(len(pairs) - len(sure), len(pairs)) if is_told else None,
        accuracy_if_sure=accuracy_of(sure) if is_told else None,
        by_label={
            label: accuracy_of([pair for pair in pairs if pair[0].label == label])
            for label in labels
        },
        votes_cast=sum(found.votes_cast for found in answers) / len(answers),
        agreement=sum(found.agreement for found in answers) / len(answers),
        wrong=[
            (item.name, item.label, found.label)
            for item, found in pairs
            if item.label != found.label
        ],
        refused=refused,
    )


def accuracy_of(pairs: Sequence[tuple[Labelled, Prediction]]) -> Share:
    """Return the share of answers that are the label."""
    return Share.counted(sum(item.label == found.label for item, found in pairs), len(pairs))
