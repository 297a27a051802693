"""Examples to look at: samples, what became of them, and the difference, as small PNG files."""

import base64
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.robustness.query_steps import ADAPTIVE_SQUARE
from models.robustness.report import Picture
from models.robustness.run import Run
from models.robustness.scores import stably_right
from models.robustness.transfer_steps import EOT_PGD
from models.robustness.trials import Trial

SHOWN = 6
CHANNELS = {1: "L", 3: "RGB"}


def pictures_of(run: Run, labels: tuple[str, ...]) -> tuple[Picture, ...]:
    """Return the stably right samples of the strongest attack that flip most often.

    What is wrong without an attack is no example of one. There are none if the samples are no
    pictures.

    Args:
        run: the assessment.
        labels: names of the classes.
    """
    shape = run.samples.inputs.shape[1:]
    if len(shape) != 3 or shape[0] not in CHANNELS:
        return ()
    stable = np.flatnonzero(stably_right(run, noisy=True))
    attacks = (*run.plan.attacks, EOT_PGD, ADAPTIVE_SQUARE)
    names = [f"{attack}/{kind}noisy" for attack in attacks for kind in ("", "worst ")]
    strongest: tuple[float, str, Trial] | None = None
    for name in names:
        if (trial := run.find(name)) is None:
            continue
        flips = trial.flip_shares[stable[stable < len(trial.labels)]]
        if len(flips) and (strongest is None or flips.mean() > strongest[0]):
            strongest = (float(flips.mean()), name, trial)
    if strongest is None:
        return ()
    _, name, trial = strongest
    few = stable[stable < len(trial.labels)]
    order = few[np.argsort(-trial.flip_shares[few], kind="stable")][:SHOWN]
    return tuple(picture_of(run, name, trial, sample, labels) for sample in order.tolist())


def picture_of(run: Run, name: str, trial: Trial, sample: int, labels: tuple[str, ...]) -> Picture:
    """Return one example."""
    clean, adversarial = run.samples.inputs[sample], trial.examples[sample]
    span = run.high - run.low
    most_frequent = int(np.bincount(trial.modes[:, sample]).argmax())
    return Picture(
        index=int(run.samples.indices[sample]),
        label=labels[trial.labels[sample]],
        answered=labels[most_frequent],
        attack=name.split("/")[0],
        flip_probability=float(trial.flip_shares[sample]),
        clean=encoded((clean - run.low) / span),
        adversarial=encoded((adversarial - run.low) / span),
        perturbation=encoded(0.5 + (adversarial - clean) / (2 * run.ball.epsilon)),
    )


def encoded(picture: NDArray[np.float32]) -> str:
    """Return a picture ``[channels, height, width]`` of values 0 to 1 as base64 PNG."""
    levels = np.round(np.clip(picture, 0, 1) * 255).astype(np.uint8)
    pixels = levels[0] if len(levels) == 1 else levels.transpose(1, 2, 0)
    file = BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()
