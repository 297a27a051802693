"""From a plan to an assessment that can run: checkpoints, and where results are kept.

Only what runs assessments needs torch; it is loaded here, when it is needed.
"""

import hashlib
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noisevote.models.checkpoint import Checkpoint
from noisevote.models.devices.noise import device_noise
from noisevote.models.devices.setting import FRESH
from noisevote.models.files import write_whole
from noisevote.models.noise import NoiseKind
from noisevote.models.robustness.ball import Samples
from noisevote.models.robustness.checkpoint_target import CheckpointTarget
from noisevote.models.robustness.plan import Plan
from noisevote.models.robustness.progress import Progress
from noisevote.models.robustness.report import About, AboutDevice, AboutSamples, Report
from noisevote.models.robustness.run import Assessment, Subject
from noisevote.models.robustness.target import Target
from noisevote.models.robustness.trials import FolderState
from noisevote.service.jobs.chosen import Chosen

REPORT_JSON = "report.json"
REPORT_HTML = "report.html"
STEPS = "steps"
STEPS_VERSION = 2
"""Of what a step keeps; steps of another version are not gone on with."""
PROGRAMS = (
    "noisevote",
    "numpy",
    "onnxruntime",
    "openvino",
    "torch",
    "adversarial-robustness-toolbox",
)


def about_of(chosen: Chosen, samples: Samples, source: str, interface: str, plan: Plan) -> About:
    """Return what the report says about itself.

    Args:
        chosen: who takes part.
        samples: samples under attack.
        source: what these are, in words.
        interface: how the target is asked, in words.
        plan: plan of the assessment.
    """
    has_no_labels = plan.has_predicted_labels
    target, attacker, undefended = chosen.target, chosen.attacker, chosen.undefended
    return About(
        target=target.name,
        target_fingerprint=target.fingerprint,
        surrogate=None if attacker is None else attacker.name,
        surrogate_fingerprint=None if attacker is None else attacker.fingerprint,
        undefended=None if undefended is None else undefended.name,
        undefended_fingerprint=None if undefended is None else undefended.fingerprint,
        labels=target.card.labels,
        samples=AboutSamples(
            source=source,
            indices=tuple(samples.indices.tolist()),
            digest=digest_of(samples.inputs, *([] if has_no_labels else [samples.labels])),
        ),
        device=device_of(plan, target),
        interface=interface,
        versions={"python": sys.version.split()[0]} | versions(),
    )


def device_of(plan: Plan, target: Checkpoint) -> AboutDevice | None:
    """Return what a report says of the device, if the target is on one."""
    if plan.device is None:
        return None
    setting = plan.device.setting(target.card, plan.votes, plan.seed, plan.repeats)
    chip, differs = plan.device.chip, setting.differs_by_chip
    return AboutDevice(
        name=setting.names,
        digest=setting.digests,
        fingerprint=device_noise(setting, target.card).fingerprint,
        chips=chip if chip == FRESH else setting.chips if differs else (),
        age_s=setting.told_age_s,
        temperature_c=setting.told_temperature_c,
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


def identity_of(plan: Plan, about: About) -> dict[str, Any]:
    """Return what decides the results of steps, as plain data."""
    return {
        "version": STEPS_VERSION,
        "plan": plan.model_dump(mode="json", exclude=unchanged(plan)),
        "about": about.model_dump(
            mode="json", exclude={"versions"} | ({"device"} if about.device is None else set())
        ),
    }


LATER_FIELDS = {"device", "labels", "repeats", "target_class"}
"""Of plans, that earlier versions did not know: what these began has the defaults."""


def unchanged(plan: Plan) -> set[str]:
    """Return the later fields of a plan that have their defaults, which do not tell it apart."""
    fields = type(plan).model_fields
    return {
        name
        for name in LATER_FIELDS
        if getattr(plan, name) == fields[name].get_default(call_default_factory=True)
    }


TargetMaker = Callable[[Checkpoint, NoiseKind, int], Target]
"""Makes the target of one step of a checkpoint, the kind of its noise, and a seed."""


def run_of(
    chosen: Chosen,
    about: About,
    plan: Plan,
    samples: Samples,
    folder: Path,
    progress: Progress,
    asked: TargetMaker = CheckpointTarget,
) -> Assessment:
    """Return an assessment whose finished steps lie in a folder.

    Args:
        chosen: who takes part.
        about: what the report says about itself.
        plan: plan of the assessment.
        samples: samples under attack.
        folder: folder of its results.
        progress: told between batches.
        asked: how targets are asked; by default in this process.
    """
    target, undefended = chosen.target, chosen.undefended
    own = chosen.own if plan.white_box else None
    low, high = target.card.input.limits
    subject = Subject(
        target=lambda seed: asked(target, kind_for(target, plan), seed),
        surrogate=None if chosen.attacker is None else chosen.attacker.surrogate(),
        own=None if own is None else own.surrogate(),
        undefended=None
        if undefended is None
        else lambda seed: asked(undefended, kind_for(undefended, plan), seed),
    )
    state = FolderState(folder / STEPS, identity_of(plan, about))
    return Assessment(plan, subject, samples, low, high, len(target.card.labels), state, progress)


def kind_for(checkpoint: Checkpoint, plan: Plan) -> NoiseKind:
    """Return the kind of noise that a checkpoint is asked with; on a device, where it has none."""
    return plan.kind or checkpoint.card.noise.kind


def write_report(report: Report, folder: Path) -> None:
    """Write a report as JSON and as a page."""
    from noisevote.models.robustness.page import (
        html_report,  # needs Jinja2, which comes with the extra
    )

    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / REPORT_JSON, report.model_dump_json(indent=1).encode())
    write_whole(folder / REPORT_HTML, html_report(report).encode())
