"""Robust accuracy of a noisy target under examples made on a surrogate (Table 11).

Source: Qin & Vucinic, arXiv 1811.10649, section 4, Tables 10 and 11: projected gradient ascent from
random starts on network A; per image the restart with the highest loss is shown to network B, which
runs with multiplicative noise; the accuracies of 20 runs are averaged. Both networks are trained
adversarially, without noise. The noise levels of the paper's rows are lost, but for the first: 0.

Beside it stand, on the same votes: the mode of all runs; the unattacked images; the worst restart,
which the target without noise gets wrong, if there is one; and the exact McNemar test of one run
against the target without noise.

In the rows of one vote ``mean_accuracy``, ``lowest`` and ``highest`` are of all runs; the columns
``correct``, ``accuracy``, ``low`` and ``high``, and those of the McNemar test, are of the first.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from models.checkpoint import Checkpoint
from models.datasets import Examples, as_inputs
from models.noise import NoiseKind
from models.robustness.ball import Ball, Norm, Samples
from models.robustness.pgd import Restart, TransferAttack, attack_surrogate, strongest
from models.robustness.progress import Progress
from models.robustness.scores import paired_of
from models.robustness.surrogate import TorchSurrogate, surrogate_from
from models.robustness.trials import FolderState, StepResult
from training.evaluate import Caster, NumberedExamples, Votes
from training.experiments.bench import SEEDS, Bench
from training.noise_setting import NoiseSetting
from training.paper import PAPER_TABLE_11
from training.results_file import SHARE_COLUMNS, ResultsFile, Row, share
from training.splits import Split

FOLDER = "table11"
COLUMNS = (
    "shown", "sigma", "answer", "mean_accuracy", "lowest", "highest", *SHARE_COLUMNS,
    "right_only_with_noise", "right_only_without", "p_value",
)  # fmt: skip
SHOWN = ("submitted", "worst", "clean")
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
        step_size: of the attack.
        steps: of each restart.
        restarts: from random starts.
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


PAIRS = {
    "mnist": Pair(
        "madry_cnn-adv", "mnist_cnn-adv", 0.3, 0.05, 20, 20, PAPER_TABLE_11["mnist"]
    ),
    # Epsilon and step are lost from the paper's public copies; these are the usual ones.
    "cifar10": Pair(
        "densenet40-adv", "densenet100-adv", 8 / 255, 2 / 255, 7, 10,
        PAPER_TABLE_11["cifar10"],
    ),
}  # fmt: skip
PAIRS["mnist-hardened"] = replace(PAIRS["mnist"], target="mnist_cnn-adv-mult-0.4", paper=())


@dataclass(frozen=True, slots=True)
class Table11Plan:
    """What is measured: ``runs`` votes at each sigma on ``images`` images spread over the split."""

    sigmas: tuple[float, ...] = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
    images: int = 1000
    runs: int = 20


def run_table11(bench: Bench, pair: Pair, plan: Table11Plan) -> ResultsFile:
    """Make the examples, show them under each sigma, and write the accuracies."""
    surrogate = bench.found_or_trained(pair.surrogate)
    target = bench.found_or_trained(pair.target)
    images, _ = bench.images(target, Split.TEST).spread(plan.images)
    attack = (
        f"L-inf {pair.epsilon:.6g}, {pair.restarts} restarts of {pair.steps} steps of "
        f"{pair.step_size:.6g}, seed {SEED}, on {surrogate.name}, {surrogate.fingerprint}"
    )
    file = bench.file(
        f"{FOLDER}/{surrogate.name}-{target.name}.csv",
        target,
        COLUMNS,
        attack=attack,
        noise=f"{NoiseKind.MULTIPLICATIVE}, {plan.runs} runs",
        split=f"test, {len(images)} images spread over it, seed {SEEDS[Split.TEST]}",
    )
    left = [s for s in (0.0, *plan.sigmas) if not file.having(sigma=s)]
    if not left:
        return file
    # Nothing of this depends on the target: another one is shown the same examples.
    identity = {"attack": attack, "images": len(images)}
    state = FolderState(bench.runs / FOLDER / f"{surrogate.name}-{len(images)}", identity)
    networks = surrogate, target
    shown = made_examples(bench, networks, pair, images, state)
    total = len(SHOWN) * len(images) * (len(left) + 1)
    with bench.caster(target, Split.TEST, total) as caster:
        without = {name: cast(caster, shown[name], 0.0, 1) for name in SHOWN}
        for sigma in dict.fromkeys(left):
            rows = [
                row
                for name in SHOWN
                for row in rows_of(
                    name, sigma, cast(caster, shown[name], sigma, plan.runs), without[name]
                )
            ]
            file.add(rows)
    return file


def made_examples(
    bench: Bench,
    networks: tuple[Checkpoint, Checkpoint],
    pair: Pair,
    images: NumberedExamples,
    state: FolderState,
) -> dict[str, NumberedExamples]:
    """Return what is shown to the target, made where it is missing."""
    torch.set_num_threads(bench.threads)
    surrogate, target = surrogate_from(networks[0], bench.device), networks[1]
    submitted, worst = [], []
    with bench.progress() as bar:
        task = bar.add_task("attack", total=len(images))
        for first in range(0, len(images), IMAGES_AT_ONCE):
            part = images.chosen(np.arange(first, min(first + IMAGES_AT_ONCE, len(images))))
            step = f"images {first}"
            made = state.load(step)
            if made is None:
                made = attacked(surrogate, target.card.input.range, pair, part)
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
    return caster.cast(images, NoiseSetting(NoiseKind.MULTIPLICATIVE, sigma), votes)


def rows_of(shown: str, sigma: float, votes: Votes, without: Votes) -> Iterator[dict[str, object]]:
    """Yield a row for single votes, whose accuracies are averaged, and one for their mode."""
    of_run = votes.fell_on == votes.labels[:, np.newaxis]
    runs = of_run.shape[1]
    for answer, right in (("one vote", of_run), ("mode", votes.is_correct(runs)[:, np.newaxis])):
        accuracies = right.mean(axis=0)
        paired = paired_of(right[:, 0], without.is_correct(1))
        yield {
            "shown": shown,
            "sigma": sigma,
            "answer": answer,
            "mean_accuracy": f"{accuracies.mean():.5f}",
            "lowest": f"{accuracies.min():.4f}",
            "highest": f"{accuracies.max():.4f}",
            **share(int(right[:, 0].sum()), len(right)),
            "right_only_with_noise": paired.noisy_only,
            "right_only_without": paired.noiseless_only,
            "p_value": paired.p_value,
        }


def lines_of(rows: list[Row], pair: Pair) -> Iterator[tuple[str, ...]]:
    """Yield the lines of the table that is printed: ours by sigma, then the paper's."""
    for row in rows:
        if row["shown"] == "clean":
            continue
        percents = [f"{100 * float(row[name]):.2f}" for name in ("mean_accuracy", "low", "high")]
        yield (
            f"{row['shown']}, {row['answer']}",
            row["sigma"],
            percents[0],
            f"{percents[1]} to {percents[2]}",
            row["p_value"],
        )
    for number, accuracy in enumerate(pair.paper):
        yield ("paper, one vote", "0" if number == 0 else "unknown", f"{accuracy:.2f}", "", "")
