"""Who takes part in an assessment: the target, the attacker, and one that is known to fall."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from noisevote.models.checkpoint import Checkpoint, CheckpointStore
from noisevote.models.errors import (
    InputError,
    MissingExtraError,
    UnknownCheckpointError,
    how_to_install,
)
from noisevote.models.robustness.pgd import Surrogate
from noisevote.models.robustness.report import About

NEEDS_TORCH = f"attacks need torch; {how_to_install('attack')}"


@dataclass(frozen=True, slots=True)
class Attacker:
    """The attacker's network, whose gradients he has.

    Attributes:
        name: name of the checkpoint, or the callable that gives the network.
        fingerprint: tells its weights from others.
        points: names of its noise points.
        surrogate: loads it.
    """

    name: str
    fingerprint: str
    points: tuple[str, ...]
    surrogate: Callable[[], Surrogate]


@dataclass(frozen=True, slots=True)
class Chosen:
    """Who takes part; all take the same inputs and give the same classes.

    Attributes:
        target: target under attack.
        attacker: network of the attacker; None: all that he can do is ask.
        undefended: known to fall, or None.
    """

    target: Checkpoint
    attacker: Attacker | None
    undefended: Checkpoint | None

    @property
    def own(self) -> Attacker | None:
        """The target's own network, if its gradients are at hand and anything is climbed."""
        if self.attacker is None or not has_gradients(self.target):
            return None
        return attacker_of(self.target)


def chosen_from(
    store: CheckpointStore,
    target: str,
    surrogate: str | Attacker | None,
    undefended: str | None,
) -> Chosen:
    """Return who takes part; a wrong name is blamed on its field.

    Args:
        store: the checkpoints.
        target: name of the target.
        surrogate: name of the attacker's checkpoint, or a network of his that is none; None: he
            has no network.
        undefended: name of a checkpoint known to fall, or None.

    Raises:
        UnknownCheckpointError: one of them does not exist.
        InputError: they do not fit together, or the surrogate has no gradients.
    """

    def found(name: str, field: str) -> Checkpoint:
        try:
            return attackable(store.find(name), field)
        except UnknownCheckpointError as error:
            error.field = field
            raise

    attacked = found(target, "target")
    attacker = surrogate
    if isinstance(attacker, str):
        attacker = attacker_of(with_gradients(fitting(attacked, found(attacker, "surrogate"))))
    if undefended is None:
        return Chosen(attacked, attacker, None)
    known_to_fall = fitting(attacked, found(undefended, "undefended"), "undefended")
    return Chosen(attacked, attacker, known_to_fall)


def chosen_again(store: CheckpointStore, about: About) -> Chosen:
    """Return who takes part in an assessment that was begun; raises as :func:`chosen_from` does."""
    return chosen_from(store, about.target, about.surrogate, about.undefended)


def attackable(checkpoint: Checkpoint, field: str) -> Checkpoint:
    """Return a checkpoint if attacks can change its input little by little.

    Raises:
        InputError: it takes several inputs, or whole numbers, or has no range.
    """
    inputs = checkpoint.card.inputs
    if len(inputs) > 1 or inputs[0].is_integer:
        takes = " and ".join(f"{tensor.name} ({tensor.dtype})" for tensor in inputs)
        raise InputError(
            f"checkpoint {checkpoint.name} takes {takes}; attacks are on networks of one input of "
            "float32",
            field,
        )
    if inputs[0].range is None:
        raise InputError(
            f"checkpoint {checkpoint.name} takes any finite number, and an attacker has to stay in "
            "a range; import it again with --range",
            field,
        )
    return checkpoint


def has_gradients(checkpoint: Checkpoint) -> bool:
    """Return whether there is a network in torch behind a checkpoint."""
    return checkpoint.card.imported is None


def with_gradients(checkpoint: Checkpoint) -> Checkpoint:
    """Return a checkpoint that can be climbed.

    Raises:
        InputError: it was imported.
    """
    if not has_gradients(checkpoint):
        raise InputError(
            f"checkpoint {checkpoint.name} was imported, so its gradients are not at hand; name a "
            "network that was trained here as surrogate, or none, so that the target is only asked",
            "surrogate",
        )
    return checkpoint


def attacker_of(checkpoint: Checkpoint) -> Attacker:
    """Return a checkpoint's network as the attacker's."""
    return Attacker(
        checkpoint.name,
        checkpoint.fingerprint,
        tuple(checkpoint.card.point_names),
        partial(surrogate_of, checkpoint),
    )


def surrogate_of(checkpoint: Checkpoint) -> Surrogate:
    """Return a checkpoint's network in torch."""
    try:
        from noisevote.models.robustness.surrogate import surrogate_from
    except ImportError as error:
        raise MissingExtraError(NEEDS_TORCH) from error
    return surrogate_from(checkpoint)


def shown(value: Sequence[object] | None) -> str:
    """Return a shape, range or labels for a message."""
    return "not limited" if value is None else str(list(value))


def fitting(target: Checkpoint, other: Checkpoint, field: str = "surrogate") -> Checkpoint:
    """Return ``other`` if it takes the same inputs and gives the same classes as the target.

    Raises:
        InputError: it does not.
    """
    ours, theirs = target.card, other.card
    for name, wanted, found in (
        ("shape", ours.input.shape, theirs.input.shape),
        ("range", ours.input.range, theirs.input.range),
        ("labels", ours.labels, theirs.labels),
    ):
        if wanted != found:
            raise InputError(
                f"checkpoint {other.name} takes another input than {target.name}: its {name} is "
                f"{shown(found)}, that of the target {shown(wanted)}",
                field,
            )
    return other
