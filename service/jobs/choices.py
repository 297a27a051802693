"""What can be assessed here: which networks, with which attacks, on which data sets."""

from collections.abc import Callable
from functools import partial
from math import prod

from noisevote.models.card import Card
from noisevote.models.checkpoint import Checkpoint, CheckpointStore
from noisevote.models.data.dataset import Dataset
from noisevote.models.data.datasets import DATASETS, seems_there
from noisevote.models.data.files import data_dir
from noisevote.models.errors import InputError, MissingExtraError
from noisevote.models.robustness.attacks import CHOICES
from noisevote.models.robustness.plan import DEFAULT_ATTACKS
from noisevote.service.configuration.settings import Settings
from noisevote.service.jobs.chosen import attackable, fitting, has_gradients
from noisevote.service.jobs.plans import is_picture
from noisevote.service.jobs.samples import how_to_have
from noisevote.service.jobs.submit import check_installed
from noisevote.service.wire.attack_choices import AttackChoice, AttackChoices, AttackTarget


def choices_of(settings: Settings, store: CheckpointStore) -> AttackChoices:
    """Return what can be asked for; no file of a data set is read."""
    every = [store.find(name) for name in store.names()]
    targets = [each for each in every if is_allowed(partial(attackable, each, "target"))]
    return AttackChoices(
        missing=missing(check_installed),
        targets=[target_of(each, targets, settings.default_checkpoint) for each in targets],
        attacks=[
            AttackChoice(
                name=name,
                label=attack.label,
                is_default=name in DEFAULT_ATTACKS,
                needs_surrogate=attack.needs_gradients,
                needs_pictures=attack.needs_pictures,
                missing=None if attack.check_installed is None else missing(attack.check_installed),
            )
            for name, attack in CHOICES.items()
        ],
        datasets={
            name: None
            if seems_there(name, data_dir(settings.data_dir))
            else how_to_have(name, settings)
            for name in DATASETS
        },
        max_samples=settings.max_attack_samples,
        max_votes=settings.max_votes,
        max_chips=settings.max_chips,
    )


def missing(check: Callable[[], object]) -> str | None:
    """Return what a check of the installation says is missing, None if nothing is."""
    try:
        check()
    except MissingExtraError as error:
        return str(error)
    return None


def is_allowed(check: Callable[[], object]) -> bool:
    """Return whether a check of networks lets them through."""
    try:
        check()
    except InputError:
        return False
    return True


def target_of(target: Checkpoint, others: list[Checkpoint], default: str) -> AttackTarget:
    """Return a target with what fits it."""
    card = target.card
    alike = [
        other
        for other in others
        if other is not target and is_allowed(partial(fitting, target, other))
    ]
    return AttackTarget(
        name=target.name,
        is_default=target.name == default,
        noise=card.noise.kind,
        kinds=tuple(card.graphs),
        sigma=card.noise.default if card.noise.largest_sigma > 0 else None,
        range=card.input.limits,
        labels=card.labels,
        takes_pictures=is_picture(card),
        takes_devices=card.devices is not None,
        surrogates=tuple(each.name for each in (*alike, target) if has_gradients(each)),
        peers=tuple(each.name for each in alike),
        datasets=tuple(name for name, dataset in DATASETS.items() if fits(dataset, card)),
    )


def fits(dataset: Dataset, card: Card) -> bool:
    """Return whether the examples of a data set seem to be inputs of a network, by their shape."""
    tensor = card.input
    is_reshaped = prod(dataset.shape) == prod(tensor.shape)
    is_prepared = dataset.has_pictures and tensor.picture is not None
    return len(dataset.labels) == len(card.labels) and (is_reshaped or is_prepared)
