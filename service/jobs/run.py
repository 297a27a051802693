"""From a plan to an assessment that can run: checkpoints, and where results are kept.

Only what runs assessments needs torch; it is loaded here, when it is needed.
"""

import hashlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from noisevote.models.checkpoint import Checkpoint, CheckpointStore
from noisevote.models.errors import (
    InputError,
    MissingExtraError,
    UnknownCheckpointError,
    how_to_install,
)
from noisevote.models.files import write_whole
from noisevote.models.noise import NoiseKind
from noisevote.models.robustness.ball import Samples
from noisevote.models.robustness.checkpoint_target import CheckpointTarget
from noisevote.models.robustness.pgd import Surrogate
from noisevote.models.robustness.plan import Plan
from noisevote.models.robustness.progress import Progress
from noisevote.models.robustness.report import About, AboutSamples, Report
from noisevote.models.robustness.run import Assessment, Subject
from noisevote.models.robustness.target import Target
from noisevote.models.robustness.trials import FolderState

REPORT_JSON = "report.json"
REPORT_HTML = "report.html"
STEPS = "steps"
STEPS_VERSION = 2
"""Of what a step keeps; steps of another version are not gone on with."""
NEEDS_TORCH = f"attacks need torch; {how_to_install('attack')}"
PROGRAMS = ("noisevote", "numpy", "onnxruntime", "torch", "adversarial-robustness-toolbox")


@dataclass(frozen=True, slots=True)
class ChosenCheckpoints:
    """The checkpoints of an assessment, which take the same inputs and give the same classes.

    Attributes:
        target: target under attack.
        surrogate: surrogate of the attacker.
        undefended: known to fall, or None.
    """

    target: Checkpoint
    surrogate: Checkpoint
    undefended: Checkpoint | None


def chosen_checkpoints(
    store: CheckpointStore, target: str, surrogate: str, undefended: str | None
) -> ChosenCheckpoints:
    """Return the checkpoints of these names; a wrong one is blamed on its field.

    Raises:
        UnknownCheckpointError: one of them does not exist.
        InputError: they do not fit together.
    """

    def found(name: str, field: str) -> Checkpoint:
        try:
            return attackable(store.find(name), field)
        except UnknownCheckpointError as error:
            error.field = field
            raise

    attacked = found(target, "target")
    attacker = fitting(attacked, found(surrogate, "surrogate"))
    if undefended is None:
        return ChosenCheckpoints(attacked, attacker, None)
    known_to_fall = fitting(attacked, found(undefended, "undefended"), "undefended")
    return ChosenCheckpoints(attacked, attacker, known_to_fall)


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


def about_of(
    checkpoints: ChosenCheckpoints, samples: Samples, source: str, interface: str
) -> About:
    """Return what the report says about itself; source and interface are words for readers."""
    target, surrogate = checkpoints.target, checkpoints.surrogate
    undefended = checkpoints.undefended
    return About(
        target=target.name,
        target_fingerprint=target.fingerprint,
        surrogate=surrogate.name,
        surrogate_fingerprint=surrogate.fingerprint,
        undefended=None if undefended is None else undefended.name,
        undefended_fingerprint=None if undefended is None else undefended.fingerprint,
        labels=target.card.labels,
        samples=AboutSamples(
            source=source,
            indices=tuple(samples.indices.tolist()),
            digest=digest_of(samples.inputs, samples.labels),
        ),
        interface=interface,
        versions={"python": sys.version.split()[0]} | versions(),
    )


def digest_of(*arrays: NDArray[np.generic]) -> str:
    """Return the SHA-256 of arrays, in hexadecimal."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def versions() -> dict[str, str]:
    """Return the versions of the installed programs that decide figures."""
    found = {}
    for name in PROGRAMS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


TargetMaker = Callable[[Checkpoint, NoiseKind, int], Target]
"""Makes the target of one step of a checkpoint, the kind of its noise, and a seed."""


def run_of(
    store: CheckpointStore,
    about: About,
    plan: Plan,
    samples: Samples,
    folder: Path,
    progress: Progress,
    asked: TargetMaker = CheckpointTarget,
) -> Assessment:
    """Return an assessment whose finished steps lie in a folder.

    Args:
        store: the checkpoints.
        about: what the report says about itself.
        plan: plan of the assessment.
        samples: samples under attack.
        folder: folder of its results.
        progress: told between batches.
        asked: how targets are asked; by default in this process.
    """
    chosen = chosen_checkpoints(store, about.target, about.surrogate, about.undefended)
    target, undefended = chosen.target, chosen.undefended
    low, high = target.card.input.limits
    identity = {
        "version": STEPS_VERSION,
        "plan": plan.model_dump(mode="json"),
        "about": about.model_dump(mode="json", exclude={"versions"}),
    }
    subject = Subject(
        target=lambda seed: asked(target, plan.kind, seed),
        surrogate=surrogate_of(chosen.surrogate),
        own=surrogate_of(target) if plan.white_box else None,
        undefended=None if undefended is None else lambda seed: asked(undefended, plan.kind, seed),
    )
    state = FolderState(folder / STEPS, identity)
    return Assessment(plan, subject, samples, low, high, len(target.card.labels), state, progress)


def write_report(report: Report, folder: Path) -> None:
    """Write a report as JSON and as a page."""
    from noisevote.models.robustness.page import (
        html_report,  # needs Jinja2, which comes with the extra
    )

    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / REPORT_JSON, report.model_dump_json(indent=1).encode())
    write_whole(folder / REPORT_HTML, html_report(report).encode())
