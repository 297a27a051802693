"""Votes of other engines and precisions beside those of the reference, on the same noise.

Not of the papers: they are computed in one arithmetic. What is shown decides whether a service may
change its engine without measuring its networks anew.
"""

import math
from importlib.metadata import version
from pathlib import Path

import numpy as np

from noisevote.models.checkpoint import Checkpoint
from noisevote.models.devices.runtimes import DeviceRuntimes, runtime_for
from noisevote.models.engines.arithmetic import REFERENCE, Arithmetic
from noisevote.models.engines.preference import Preference, arithmetics_here
from noisevote.models.errors import MissingExtraError
from noisevote.models.noise import Noise
from noisevote.training.experiments.bench import SEEDS, Bench
from noisevote.training.experiments.experiment import Experiment, shown_each
from noisevote.training.measure.evaluate import Caster, Rule, Votes
from noisevote.training.measure.plan import Count, NotNegative, Plan
from noisevote.training.measure.results import (
    PAIR_COLUMNS,
    SHARE_COLUMNS,
    Z_95,
    Table,
    paired,
    share,
)
from noisevote.training.report.markdown import (
    commands,
    markdown_table,
    shown_difference,
    shown_share,
)

FOLDER = "engines"
EQUAL_COLUMNS = ("equal_votes", "equal_low", "equal_high", "equal_modes", "modes_low", "modes_high")
COLUMNS = ("arithmetic", "sigma", "votes", *EQUAL_COLUMNS, *SHARE_COLUMNS, *PAIR_COLUMNS)
SHOWN = ("mnist_cnn-mult-1.0", "densenet40-mult-1.0", "stroke_lstm-mult-1.0")

TEXT = f"""## Engines and precisions

The same votes, on the same noise, by other engines and in other numbers, set against `{REFERENCE}`,
by which everything else on this page is measured. "Equal votes" has an interval over the images,
"equal modes" and the accuracy exact ones; the difference of the accuracies, in points, is paired
over the images.
"""


class EnginePlan(Plan):
    """What is measured."""

    sigma: tuple[NotNegative, ...] = (0.5, 1.0)
    """Of the noise; bfloat16 serves from 0.1 on."""

    votes: Count = 20
    """On each image."""

    images: Count = 10_000
    """Of the test split, spread over it."""


def run_engines(bench: Bench, name: str, plan: EnginePlan) -> None:
    """Measure a checkpoint in all arithmetics that this machine has.

    Raises:
        MissingExtraError: it has only the reference.
    """
    checkpoint = bench.checkpoint(name)
    others = [one for one in arithmetics_here() if one != REFERENCE]
    if not others:
        raise MissingExtraError(
            str(Preference("openvino").complaint or "no other engine than the reference is here")
        )
    split = bench.reported(checkpoint)
    images, _ = bench.images(checkpoint, split).spread(plan.images)
    file = bench.file(
        f"{FOLDER}/{name}.csv",
        checkpoint,
        COLUMNS,
        split=f"{split}, {len(images)} images spread over it, seed {SEEDS[split]}",
        votes=str(plan.votes),
        engine=f"openvino {version('openvino')}",
    )
    kind = checkpoint.card.noise.kind
    for sigma in plan.sigma:
        noise = Noise(kind, sigma)
        left = [
            one
            for one in others
            if not file.having(arithmetic=str(one), sigma=sigma) and serves(checkpoint, one, noise)
        ]
        if not left:
            continue
        with bench.caster(checkpoint, split, (1 + len(left)) * len(images)) as caster:
            expected = caster.cast(images, noise, plan.votes)
            for one in left:
                other = Checkpoint(checkpoint.folder, Preference.of(one))
                own = Caster(other, caster.seed, caster.threads, caster.advance)
                found = own.cast(images, noise, plan.votes)
                file.add([row_of(one, sigma, plan.votes, found, expected)])


def serves(checkpoint: Checkpoint, arithmetic: Arithmetic, noise: Noise) -> bool:
    """Return whether an arithmetic casts votes under a noise, and not the reference in its place.

    Votes of the reference, set against themselves, would stand under another name.
    """
    other = Checkpoint(checkpoint.folder, Preference.of(arithmetic))
    at_points = noise.at(checkpoint.card.point_names)
    return runtime_for(other, at_points, DeviceRuntimes()).arithmetic == arithmetic


def row_of(
    arithmetic: Arithmetic, sigma: float, votes: int, found: Votes, expected: Votes
) -> dict[str, object]:
    """Return what is told of the votes in an arithmetic, set against those of the reference."""
    equal = (found.fell_on == expected.fell_on).mean(axis=1)
    half = Z_95 * float(equal.std(ddof=1)) / math.sqrt(len(equal))
    mean = float(equal.mean())
    last = found.fell_on.shape[1] - 1
    modes = found.answers[Rule.MODE][:, last] == expected.answers[Rule.MODE][:, last]
    of_modes = share(int(modes.sum()), len(modes))
    is_right, was_right = found.is_correct(votes), expected.is_correct(votes)
    return {
        "arithmetic": str(arithmetic),
        "sigma": sigma,
        "votes": votes,
        "equal_votes": f"{mean:.6f}",
        "equal_low": f"{mean - half:.6f}",
        "equal_high": f"{min(1.0, mean + half):.6f}",
        "equal_modes": of_modes["accuracy"],
        "modes_low": of_modes["low"],
        "modes_high": of_modes["high"],
        **share(int(np.count_nonzero(is_right)), len(is_right)),
        **paired(is_right, was_right),
    }


def engine_section(results: Path) -> list[str]:
    """Return the votes of other engines beside those of the reference."""
    return [TEXT, *shown_each(results, FOLDER, SHOWN, shown)]


def shown(_: str, table: Table) -> list[str]:
    """Return what the page shows of one checkpoint."""
    rows = [
        [
            row["arithmetic"],
            row["sigma"],
            interval(row["equal_votes"], row["equal_low"], row["equal_high"], 3),
            interval(row["equal_modes"], row["modes_low"], row["modes_high"], 2),
            shown_share(row),
            shown_difference(row),
        ]
        for row in table.rows
    ]
    head = ["arithmetic", "sigma", "equal votes, %", "equal modes, %", "accuracy, %", "difference"]
    return [markdown_table(head, rows), commands([table])]


def interval(share_text: str, low: str, high: str, digits: int) -> str:
    """Return a share and its interval in per cent."""
    shown_, low_, high_ = (f"{100 * float(text):.{digits}f}" for text in (share_text, low, high))
    return f"{shown_} [{low_}, {high_}]"


ENGINES = Experiment(
    FOLDER,
    "Votes of other engines and precisions beside those of the reference.",
    "checkpoint",
    EnginePlan(),
    EnginePlan(sigma=(0.5,), votes=3, images=40),
    run_engines,
    engine_section,
)
