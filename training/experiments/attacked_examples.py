"""Examples made on a surrogate to be shown to another network, kept as they are made."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from noisevote.models.checkpoint import Checkpoint
from noisevote.models.data.dataset import Examples, as_inputs
from noisevote.models.noise import Noise, NoiseKind
from noisevote.models.robustness.ball import Ball, Norm, Samples
from noisevote.models.robustness.pgd import Restart, TransferAttack, attack_surrogate, strongest
from noisevote.models.robustness.progress import Progress
from noisevote.models.robustness.surrogate import TorchSurrogate, surrogate_from
from noisevote.models.robustness.trials import FolderState, StepResult
from noisevote.training.experiments.bench import Bench
from noisevote.training.measure.evaluate import Caster, NumberedExamples, Votes

SEED = 0
"""Of the attack's random starts."""
IMAGES_AT_ONCE = 100
"""Images whose examples are made, and kept, together."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two networks and the attack between them.

    Attributes:
        surrogate: recipe or checkpoint of network A.
        target: recipe or checkpoint of network B.
        epsilon: largest perturbation of an element.
        step_size: step size of the attack.
        steps: steps of each restart.
        restarts: restarts from random starts.
        paper: accuracies of the paper's five rows, in per cent, of growing and unknown sigma; the
            first is 0; empty if the paper has no such pair.
    """

    surrogate: str
    target: str
    epsilon: float
    step_size: float
    steps: int
    restarts: int
    paper: tuple[float, ...]


def made_examples(
    bench: Bench,
    networks: tuple[Checkpoint, Checkpoint],
    pair: Pair,
    images: NumberedExamples,
    state: FolderState,
) -> dict[str, NumberedExamples]:
    """Return what is shown to the target, made where it is missing."""
    torch.set_num_threads(bench.threads)
    surrogate, target = surrogate_from(networks[0], bench.accelerator), networks[1]
    submitted, worst = [], []
    with bench.progress() as bar:
        task = bar.add_task("attack", total=len(images))
        for first in range(0, len(images), IMAGES_AT_ONCE):
            part = images.chosen(np.arange(first, min(first + IMAGES_AT_ONCE, len(images))))
            step = f"images {first}"
            made = state.load(step)
            if made is None:
                made = attacked(surrogate, target.card.input.limits, pair, part)
                state.save(step, made)
            submitted.append(strongest(restarts_in(made)).examples)
            worst.append(worst_of(made, target, part, submitted[-1]))
            bar.advance(task, len(part))
    return {
        "submitted": showing(images, np.concatenate(submitted)),
        "worst": showing(images, np.concatenate(worst)),
        "clean": images,
    }


def attacked(
    surrogate: TorchSurrogate, bounds: tuple[float, float], pair: Pair, part: NumberedExamples
) -> StepResult:
    """Attack some images: all restarts, ``examples`` and ``losses`` ``[restarts, n, ...]``."""
    samples = Samples(as_inputs(part.examples.inputs), part.examples.labels, part.numbers)
    attack = TransferAttack(
        Ball(Norm.LINF, pair.epsilon, *bounds), pair.step_size, pair.steps, seed=SEED
    )
    restarts = [
        attack_surrogate(surrogate, samples, attack, restart, Progress())
        for restart in range(pair.restarts)
    ]
    return StepResult(
        {},
        {
            "examples": np.stack([restart.examples for restart in restarts]),
            "losses": np.stack([restart.losses for restart in restarts]),
        },
    )


def restarts_in(made: StepResult) -> list[Restart]:
    """Return the restarts that a step kept."""
    arrays = made.arrays
    return [
        Restart(examples, losses)
        for examples, losses in zip(arrays["examples"], arrays["losses"], strict=True)
    ]


def worst_of(
    made: StepResult,
    target: Checkpoint,
    part: NumberedExamples,
    submitted: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Return for each image a restart that the target gets wrong, else what is submitted."""
    worst = submitted.copy()
    caster = Caster(target, seed=0)
    for restart in restarts_in(made):
        wrong = ~cast(caster, showing(part, restart.examples), 0.0, 1).is_correct(1)
        worst[wrong] = restart.examples[wrong]
    return worst


def showing(images: NumberedExamples, inputs: NDArray[np.float32]) -> NumberedExamples:
    """Return other inputs under the same labels and numbers."""
    return NumberedExamples(Examples(inputs, images.examples.labels), images.numbers)


def cast(caster: Caster, images: NumberedExamples, sigma: float, votes: int) -> Votes:
    """Cast votes under multiplicative noise."""
    return caster.cast(images, Noise(NoiseKind.MULTIPLICATIVE, sigma), votes)
