"""From an order to an assessment that can run: checkpoints, samples, where results are kept.

Only what runs assessments needs torch; it is loaded here, when it is needed.
"""

import hashlib
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from models.checkpoint import Checkpoint, CheckpointStore
from models.data.dataset import as_inputs
from models.data.datasets import load_dataset
from models.data.files import data_dir
from models.errors import InputError, MissingExtraError, how_to_install
from models.files import write_whole
from models.noise import NoiseKind
from models.robustness.about import About, AboutSamples
from models.robustness.plan import Plan
from models.robustness.report import Report
from models.robustness.report_html import html_report
from models.robustness.run import Run, Subject
from models.robustness.samples import Samples, samples_for
from models.robustness.state import FolderState
from models.robustness.target import CheckpointTarget, Target
from models.robustness.transfer import Surrogate
from models.robustness.watch import Watch

REPORT_JSON = "report.json"
REPORT_HTML = "report.html"
STEPS = "steps"
STEPS_VERSION = 2
"""Of what a step keeps; steps of another version are not gone on with."""
NEEDS_TORCH = f"attacks need torch; {how_to_install('attack')}"
PROGRAMS = ("noisevote", "numpy", "onnxruntime", "torch", "adversarial-robustness-toolbox")


def surrogate_of(checkpoint: Checkpoint) -> Surrogate:
    """Return a checkpoint's network in torch.

    Raises:
        MissingExtraError: torch is not installed.
        CheckpointError: the checkpoint's weights are damaged.
    """
    try:
        from models.robustness.surrogate import surrogate_from
    except ImportError as error:
        raise MissingExtraError(NEEDS_TORCH) from error
    return surrogate_from(checkpoint)


def checked_pair(target: Checkpoint, other: Checkpoint, field: str = "surrogate") -> Checkpoint:
    """Return ``other`` if it takes the same inputs and gives the same classes as the target.

    Args:
        target: under attack.
        other: the attacker's checkpoint, or the undefended one.
        field: that named it.

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
                f"{list(found)}, that of the target {list(wanted)}",
                field,
            )
    return other


def dataset_samples(
    target: Checkpoint, dataset: str, count: int, directory: Path | None
) -> Samples:
    """Return the first test examples of a data set.

    Raises:
        DataError: the data set cannot be had.
        InputError: it does not fit the target.
    """
    examples = load_dataset(dataset, data_dir(directory)).test.first(count)
    return samples_for(target.card, as_inputs(examples.inputs), examples.labels)


def all_asked_for(samples: Samples, dataset: str, count: int) -> Samples:
    """Return the samples of a data set if there are as many as were asked for.

    Raises:
        InputError: there are fewer.
    """
    if len(samples) < count:
        raise InputError(f"the data set {dataset} has only {len(samples)} test images", "images")
    return samples


def file_samples(target: Checkpoint, path: Path) -> Samples:
    """Return the samples in an ``.npz`` file with the arrays ``inputs`` and ``labels``.

    Raises:
        InputError: it is no such file, or its arrays do not fit the target.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            inputs, labels = file["inputs"], file["labels"]
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise InputError(
            f"{path} is no .npz file with the arrays inputs and labels: {error}", "samples"
        ) from error
    if labels.dtype.kind not in "iu" or inputs.dtype.kind not in "fiu":
        raise InputError(f"{path}: inputs must be numbers and labels whole numbers", "samples")
    with np.errstate(over="ignore"):  # what is infinite then is out of range
        as_floats = inputs.astype(np.float32)
    return samples_for(target.card, as_floats, labels.astype(np.int64))


def about_of(
    target: Checkpoint,
    surrogate: Checkpoint,
    undefended: Checkpoint | None,
    samples: Samples,
    source: str,
) -> About:
    """Return what the report says about itself."""
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
        interface="in the process, by votes alone",
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
    watch: Watch,
    asked: TargetMaker = CheckpointTarget,
) -> Run:
    """Return an assessment whose finished steps lie in a folder.

    Args:
        store: the checkpoints.
        about: what the report says about itself.
        plan: of the assessment.
        samples: under attack.
        folder: of its results.
        watch: asked between batches.
        asked: how targets are asked; by default in this process.

    Raises:
        MissingExtraError: torch is not installed.
        DataError: the folder holds the steps of another assessment.
    """
    target = store.find(about.target)
    undefended = None if about.undefended is None else store.find(about.undefended)
    low, high = target.card.input.range
    identity = {
        "version": STEPS_VERSION,
        "plan": plan.model_dump(mode="json"),
        "about": about.model_dump(mode="json", exclude={"versions"}),
    }
    subject = Subject(
        target=lambda seed: asked(target, plan.kind, seed),
        surrogate=surrogate_of(checked_pair(target, store.find(about.surrogate))),
        own=surrogate_of(target) if plan.white_box else None,
        undefended=None if undefended is None else lambda seed: asked(undefended, plan.kind, seed),
    )
    state = FolderState(folder / STEPS, identity)
    return Run(plan, subject, samples, low, high, len(target.card.labels), state, watch)


def write_report(report: Report, folder: Path) -> None:
    """Write a report as JSON and as a page."""
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / REPORT_JSON, report.model_dump_json(indent=1).encode())
    write_whole(folder / REPORT_HTML, html_report(report).encode())
