"""Accuracy of a running service on labelled inputs, with intervals."""

import asyncio
import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

from noisevote.models.card import Card
from noisevote.models.data.fitting import arrays_for, labels_for
from noisevote.models.data.samples import Samples
from noisevote.models.errors import InputError
from noisevote.models.statistics import clopper_pearson
from noisevote.service.client.clients import AsyncClient
from noisevote.service.client.exchange import ServiceError
from noisevote.service.wire.parsing import validated
from noisevote.service.wire.replies import Prediction, PredictResponse

ALPHA = 0.05
"""Of the intervals of shares."""

REFUSED = "invalid_picture"
"""Code of the service's error for a picture on which it finds nothing to answer."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """One labelled input.

    Attributes:
        name: of its file, or its number.
        label: of its class; empty where that is not known.
        fields: ``image`` or ``inputs`` of a prediction.
    """

    name: str
    label: str
    fields: dict[str, Any]


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
        samples: that were asked for, with their digest.
        checkpoint: that voted.
        fingerprint: of everything that decides its votes.
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

    samples: str
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
    samples: Samples,
    options: Mapping[str, Any],
    concurrency: int,
    on_answer: Callable[[], None],
    has_labels: bool = True,
) -> Report:
    """Ask a service for every sample and compare its answers with the labels.

    Args:
        client: of the service.
        samples: at least one.
        options: fields of each prediction. The seed of the input at position i is ``seed + i``, so
            that no two inputs meet the same noise.
        concurrency: requests in flight.
        on_answer: called after each.
        has_labels: whether labels are those of the samples; else each input is asked for without
            noise first, and what is answered is its label.

    Raises:
        ServiceError: the service refused an input for another reason than what is on it, or cannot
            be reached.
        DataError: the samples have no labels, or do not fit the checkpoint.
        InputError: all pictures were refused.
    """
    card = await card_for(client, options.get("checkpoint"))
    inputs = labelled(samples, card, has_labels)
    if not has_labels:
        silent = {"checkpoint": card.name, "sigma": 0.0, "votes": 1}
        answered = await answers_to(client, inputs, silent, concurrency, on_answer)
        inputs = [
            replace(item, label="" if isinstance(reply, str) else reply.predictions[0].label)
            for item, reply in zip(inputs, answered, strict=True)
        ]
    replies = await answers_to(client, inputs, options, concurrency, on_answer)
    found = list(zip(inputs, replies, strict=True))
    told = [(item, reply) for item, reply in found if not isinstance(reply, str)]
    refused = [(item.name, reply) for item, reply in found if isinstance(reply, str)]
    if not told:
        raise InputError(f"all pictures were refused, as {': '.join(refused[0])}")
    text = samples.text if has_labels else f"{samples.text}, labels predicted without noise"
    fingerprint = "; ".join(sorted({reply.fingerprint for _, reply in told}))
    pairs = [(item, reply.predictions[0]) for item, reply in told]
    return report_on(pairs, refused, text, card.name, fingerprint, options)


async def answers_to(
    client: AsyncClient,
    inputs: Sequence[Labelled],
    options: Mapping[str, Any],
    concurrency: int,
    on_answer: Callable[[], None],
) -> list[PredictResponse | str]:
    """Return the reply to each input, or why its picture was refused; see :func:`evaluate`."""
    free = asyncio.Semaphore(concurrency)

    async def answer(position: int, item: Labelled) -> PredictResponse | str:
        own = dict(options) | item.fields
        if own.get("seed") is not None:
            own["seed"] += position
        try:
            async with free:
                with naming(item):
                    return await client.predict(validated(own))
        except ServiceError as error:
            if error.code != REFUSED:
                raise
            return str(error).removeprefix(f"{item.name}: ")
        finally:
            on_answer()

    try:
        async with asyncio.TaskGroup() as group:
            asked = [
                group.create_task(answer(position, item)) for position, item in enumerate(inputs)
            ]
    except ExceptionGroup as several:
        raise several.exceptions[0] from None  # the first one ended the others
    return [task.result() for task in asked]


def labelled(samples: Samples, card: Card, has_labels: bool) -> list[Labelled]:
    """Return samples as requests for a checkpoint; the service prepares their pictures.

    Raises:
        DataError: they have no labels, or do not fit the checkpoint.
    """
    labels = [""] * len(samples)
    if has_labels:
        labels = [card.labels[label] for label in labels_for(samples, card.labels, card.name)]
    content = samples.content
    fields: list[dict[str, Any]]
    if content.pictures:
        files = [base64.b64encode(picture.read_bytes()).decode() for picture in content.pictures]
        fields = [{"image": file} for file in files]
    else:
        arrays = arrays_for(samples, card.inputs, card.name)
        rows = [
            {name: array[place].tolist() for name, array in arrays.items()}
            for place in range(len(samples))
        ]
        is_one = len(card.inputs) == 1
        fields = [{"inputs": [row[card.input.name] if is_one else row]} for row in rows]
    return [
        Labelled(name, label, own)
        for name, label, own in zip(content.names, labels, fields, strict=True)
    ]


@contextmanager
def naming(item: Labelled) -> Iterator[None]:
    """Say which input it was when the input is at fault."""
    try:
        yield
    except (InputError, ServiceError) as error:
        if error.field in item.fields:
            error.args = (f"{item.name}: {error}",)
        raise


async def card_for(client: AsyncClient, name: str | None) -> Card:
    """Return the card of the checkpoint that answers."""
    if name is None:
        listed = (await client.checkpoints()).checkpoints
        name = next(summary.name for summary in listed if summary.is_default)
    return await client.card(name)


def report_on(
    pairs: Sequence[tuple[Labelled, Prediction]],
    refused: list[tuple[str, str]],
    samples: str,
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
        samples=samples,
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
