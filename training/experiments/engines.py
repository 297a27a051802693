"""Votes of other engines and precisions beside those of the reference, on the same noise.

Not of the papers: they are computed in one arithmetic. What is shown decides whether a service may
change its engine without measuring its networks anew.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np

from noisevote.models.checkpoint import Checkpoint
from noisevote.models.devices.runtimes import DeviceRuntimes, runtime_for
from noisevote.models.engines.arithmetic import REFERENCE, Arithmetic
from noisevote.models.engines.preference import Preference, arithmetics_here
from noisevote.models.engines.rounding import LEAST_RELATIVE_SIGMA
from noisevote.models.errors import MissingExtraError
from noisevote.models.noise import Noise
from noisevote.models.statistics import clopper_pearson
from noisevote.training.experiments.bench import SEEDS, Bench
from noisevote.training.experiments.experiment import Experiment, shown_or_open
from noisevote.training.measure.evaluate import Caster, Rule, Votes
from noisevote.training.measure.plan import Count, NotNegative, Plan
from noisevote.training.measure.results import (
    CONFIDENCE_ALPHA,
    PAIR_COLUMNS,
    SHARE_COLUMNS,
    Row,
    Table,
    paired,
    share,
)
from noisevote.training.report.markdown import (
    commands,
    markdown_table,
    names_in,
    shown_difference,
    shown_share,
    stored,
)

FOLDER = "engines"
EQUAL_COLUMNS = ("equal_votes", "equal_low", "equal_high", "equal_modes", "modes_low", "modes_high")
ROUNDING_COLUMNS = ("arithmetic", "sigma", "images", "votes", "rounding", "deviation")
COLUMNS = ("arithmetic", "sigma", "votes", *EQUAL_COLUMNS, *SHARE_COLUMNS, *PAIR_COLUMNS)
SHOWN = ("mnist_cnn-mult-1.0", "densenet40-mult-1.0", "stroke_lstm-mult-1.0")

TEXT = f"""## Engines and precisions

The same votes, on the same noise, by other engines and in other numbers, set against `{REFERENCE}`,
by which everything else on this page is measured. "Equal modes" and the accuracy have exact
intervals; that of "equal votes" takes an image, whose votes are not independent, for one trial, and
is rather too wide. The difference of the accuracies, in points, is paired over the images.
"Rounding" is by how much outputs move, and "deviation" what their spread over votes becomes, both
relative to the spread that the noise gives them: below a sigma of {LEAST_RELATIVE_SIGMA} bfloat16
does not serve.
"""


class EnginePlan(Plan):
    """What is measured."""

    sigma: tuple[NotNegative, ...] = (LEAST_RELATIVE_SIGMA, 0.5, 1.0)
    """Of the noise; bfloat16 serves from the first on."""

    votes: Count = 20
    """On each image."""

    images: Count = 10_000
    """Of the test split, spread over it."""

    rounding_sigma: tuple[NotNegative, ...] = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
    """At which outputs are compared."""

    rounding_images: Count = 200
    """On which outputs are compared."""


def run_engines(bench: Bench, name: str, plan: EnginePlan) -> None:
    """Measure a checkpoint in all arithmetics that this machine has and that suit it.

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
    measure_rounding(bench, checkpoint, others, plan)
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


def measure_rounding(
    bench: Bench, checkpoint: Checkpoint, others: Sequence[Arithmetic], plan: EnginePlan
) -> None:
    """Measure what an arithmetic does to the outputs of votes, beside what the noise does.

    ``rounding`` is the root mean square of the difference from the reference on the same noise,
    over the standard deviation of the reference over votes; ``deviation`` the ratio of the standard
    deviations.
    """
    split = bench.reported(checkpoint)
    images, _ = bench.images(checkpoint, split).spread(plan.rounding_images)
    about = f"{split}, {len(images)} images spread over it, seed {SEEDS[split]}"
    path = f"{FOLDER}/{checkpoint.name}-rounding.csv"
    file = bench.file(path, checkpoint, ROUNDING_COLUMNS, split=about, votes=str(plan.votes))
    left = [
        sigma
        for sigma in plan.rounding_sigma
        if not all(file.having(arithmetic=str(one), sigma=sigma) for one in others)
    ]
    with bench.caster(checkpoint, split, len(left) * len(images)) as caster:
        for sigma in left:
            noise = Noise(checkpoint.card.noise.kind, sigma)
            expected = caster.outputs(images, noise, plan.votes).astype(np.float64)
            spread = float(expected.std(axis=1).mean())
            for one in others:
                runtime = checkpoint.runtime(noise.kind, one)
                if runtime.arithmetic != one or file.having(arithmetic=str(one), sigma=sigma):
                    continue
                own = replace(caster, runtime=runtime)
                found = own.outputs(images, noise, plan.votes).astype(np.float64)
                off = math.sqrt(float(((found - expected) ** 2).mean()))
                file.add([{
                    "arithmetic": str(one), "sigma": sigma, "images": len(images),
                    "votes": plan.votes, "rounding": f"{off / spread:.6f}",
                    "deviation": f"{float(found.std(axis=1).mean()) / spread:.6f}",
                }])  # fmt: skip
            caster.advance(len(images))


def row_of(
    arithmetic: Arithmetic, sigma: float, votes: int, found: Votes, expected: Votes
) -> dict[str, object]:
    """Return what is told of the votes in an arithmetic, set against those of the reference."""
    equal = (found.fell_on == expected.fell_on).mean(axis=1)
    # Votes on an image move together; that of as many successes is rather too wide for shares.
    low, high = clopper_pearson(float(equal.sum()), len(equal), CONFIDENCE_ALPHA)
    last = found.fell_on.shape[1] - 1
    modes = found.answers[Rule.MODE][:, last] == expected.answers[Rule.MODE][:, last]
    of_modes = share(int(modes.sum()), len(modes))
    is_right, was_right = found.is_correct(votes), expected.is_correct(votes)
    return {
        "arithmetic": str(arithmetic),
        "sigma": sigma,
        "votes": votes,
        "equal_votes": f"{equal.mean():.6f}",
        "equal_low": f"{low:.6f}",
        "equal_high": f"{high:.6f}",
        "equal_modes": of_modes["accuracy"],
        "modes_low": of_modes["low"],
        "modes_high": of_modes["high"],
        **share(int(np.count_nonzero(is_right)), len(is_right)),
        **paired(is_right, was_right),
    }


def engine_section(results: Path) -> list[str]:
    """Return the votes of other engines beside those of the reference."""
    parts = [TEXT]
    for name in names_in(results / FOLDER, SHOWN):
        parts.append(f"### `{name}`: {FOLDER}\n")
        parts += shown_or_open(results, FOLDER, name, shown)
        rounding = stored(results / FOLDER / f"{name}-rounding.csv")
        parts += [] if rounding is None else [shown_rounding(rounding)]
    return parts


def shown(table: Table) -> list[str]:
    """Return what the page shows of the votes of one checkpoint."""
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


def shown_rounding(table: Table) -> str:
    """Return what the page shows of the outputs of one checkpoint."""
    sigmas = list(dict.fromkeys(row["sigma"] for row in table.rows))
    rows = [
        [name, *(cell(row) for row in table.rows if row["arithmetic"] == name)]
        for name in dict.fromkeys(row["arithmetic"] for row in table.rows)
    ]
    head = ["rounding, % (deviation, %)", *(f"sigma {sigma}" for sigma in sigmas)]
    return markdown_table(head, rows)


def cell(row: Row) -> str:
    """Return rounding and deviation in per cent."""
    return f"{100 * float(row['rounding']):.2f} ({100 * float(row['deviation']):.2f})"


def interval(share_text: str, low: str, high: str, digits: int) -> str:
    """Return a share and its interval in per cent."""
    shown_, low_, high_ = (f"{100 * float(text):.{digits}f}" for text in (share_text, low, high))
    return f"{shown_} [{low_}, {high_}]"


ENGINES = Experiment(
    FOLDER,
    "Votes of other engines and precisions beside those of the reference.",
    "checkpoint",
    EnginePlan(),
    EnginePlan(sigma=(0.5,), votes=3, images=40, rounding_sigma=(0.1,), rounding_images=20),
    run_engines,
    engine_section,
)
