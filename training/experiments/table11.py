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
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table as Printed

from noisevote.models.errors import InputError
from noisevote.models.noise import NoiseKind
from noisevote.models.robustness.scores import paired_of
from noisevote.models.robustness.trials import FolderState
from noisevote.models.statistics import holm_p_values
from noisevote.training.experiments.attacked_examples import SEED, Pair, cast, made_examples
from noisevote.training.experiments.bench import SEEDS, Bench
from noisevote.training.experiments.evaluations import unattacked_section
from noisevote.training.experiments.experiment import Experiment
from noisevote.training.measure.evaluate import Votes
from noisevote.training.measure.plan import Count, NotNegative, Plan
from noisevote.training.measure.results import (
    SHARE_COLUMNS,
    ResultsFile,
    Row,
    Table,
    share,
)
from noisevote.training.measure.splits import Split
from noisevote.training.report.markdown import (
    commands,
    find,
    markdown_table,
    open_row,
    shown_share,
    stored,
)
from noisevote.training.report.paper import PAPER_TABLE_11

FOLDER = "table11"
COLUMNS = (
    "shown", "sigma", "answer", "mean_accuracy", "lowest", "highest", *SHARE_COLUMNS,
    "right_only_with_noise", "right_only_without", "p_value",
)  # fmt: skip
SHOWN = ("submitted", "worst", "clean")

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

ON_PAGE = {
    "mnist": PAIRS["mnist"],
    "mnist-hardened": PAIRS["mnist-hardened"],
    "mnist --target mnist_cnn-clean": replace(PAIRS["mnist"], target="mnist_cnn-clean", paper=()),
    "cifar10": PAIRS["cifar10"],
}
"""Pairs of the results page, as the command takes them; one target is undefended."""

TEXT = """## Robust accuracy under a surrogate's examples (Table 11)

Examples are made on another network, which the attacker trained, and shown to a target that runs
with multiplicative noise. "Submitted" is the restart with the highest loss on the surrogate, as in
the paper; "worst" is a restart that fools the target without noise, if one of them does. It was
chosen against that target, so that noise wins some back is no merit of it. Single votes,
which is what the paper has, are averaged over 20 runs, with the lowest and the highest run; the
mode is that of all runs. p is of the exact McNemar test against the target without noise on the
same examples, once of the first run and once of the mode, each corrected by Holm's method for being
asked at every sigma of the table: that noise helps or harms is said below 0.01 only.
"""

SIGNIFICANT = 0.01


class Table11Plan(Plan):
    """What is measured."""

    surrogate: str | None = None
    """Recipe or checkpoint in the place of the pair's surrogate."""

    target: str | None = None
    """Recipe or checkpoint in the place of the pair's target."""

    sigma: tuple[NotNegative, ...] = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
    """Of the target's noise."""

    images: Count = 1000
    """Of the test split, spread over it."""

    runs: Count = 20
    """Votes at each sigma."""

    restarts: Count | None = None
    """Of the attack, in the place of the pair's."""

    steps: Count | None = None
    """Of each restart, in the place of the pair's."""

    def pair(self, name: str) -> Pair:
        """Return the pair of that name, with what the plan puts in its place.

        Raises:
            InputError: there is none.
        """
        if name not in PAIRS:
            raise InputError(f"there is no pair {name!r}; known are: {', '.join(PAIRS)}")
        given = self.model_dump(include={"surrogate", "target", "restarts", "steps"})
        return replace(PAIRS[name], **{k: v for k, v in given.items() if v is not None})


def run_table11(bench: Bench, name: str, plan: Table11Plan) -> None:
    """Make the examples, show them under each sigma, write the accuracies and print them."""
    pair = plan.pair(name)
    file = measured(bench, pair, plan)
    printed = Printed(
        "shown", "sigma", "accuracy, %", "interval of one run, %", "p against no noise"
    )
    for line in lines_of(file.rows, pair):
        printed.add_row(*line)
    Console().print(printed)


def measured(bench: Bench, pair: Pair, plan: Table11Plan) -> ResultsFile:
    """Return the accuracies of a pair, measured where they are missing."""
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
    left = [s for s in (0.0, *plan.sigma) if not file.having(sigma=s)]
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


def robustness_section(results: Path) -> list[str]:
    """Return Table 11: a table of each pair that has been attacked, a line for the others."""
    sections = [TEXT]
    for name, pair in ON_PAGE.items():
        sections.append(f"### `{pair.surrogate}` against `{pair.target}`\n")
        if pair.paper:
            numbers = ", ".join(f"{accuracy:.2f}" for accuracy in pair.paper)
            sections.append(
                f"Paper, one vote: {numbers} at growing sigma, of which the first is 0 and the "
                "others are lost.\n"
            )
        table = stored(results / FOLDER / f"{pair.surrogate}-{pair.target}.csv")
        if table is None:
            sections.append(open_row(f"noisevote-train experiment table11 {name}", "not measured"))
        else:
            sections += [robustness_table(table), attack_line(table), commands([table])]
    return [*sections, *unattacked_section(results)]


def attack_line(table: Table) -> str:
    """Return what was attacked and how."""
    return f"Attack: {table.about['attack']}.\n"


def robustness_table(table: Table) -> str:
    """Return the accuracies by sigma."""
    head = [
        "sigma", "submitted, one vote", "p", "noise", "submitted, mode", "p", "noise",
        "worst, one vote", "worst, mode", "no attack, one vote", "no attack, mode",
    ]  # fmt: skip
    tests = {answer: verdicts(table, answer) for answer in ("one vote", "mode")}
    rows = []
    for sigma in dict.fromkeys(row["sigma"] for row in table.rows):
        cells = [sigma]
        for shown in ("submitted", "worst", "clean"):
            one = find(table, sigma=sigma, shown=shown, answer="one vote")
            mode = find(table, sigma=sigma, shown=shown, answer="mode")
            is_tested = shown == "submitted"
            cells += [shown_runs(one), *(tests["one vote"][sigma] if is_tested else ())]
            cells += [shown_share(mode), *(tests["mode"][sigma] if is_tested else ())]
        rows.append(cells)
    return markdown_table(head, rows)


def verdicts(table: Table, answer: str) -> dict[str, tuple[str, str]]:
    """Return the corrected p-value at each sigma, and what it says of the noise."""
    rows = [row for row in table.rows if (row["shown"], row["answer"]) == ("submitted", answer)]
    noisy = [row for row in rows if float(row["sigma"]) > 0]
    corrected = holm_p_values([float(row["p_value"]) for row in noisy])
    found = dict.fromkeys((row["sigma"] for row in table.rows), ("-", "-"))
    for row, p_value in zip(noisy, corrected, strict=True):
        found[row["sigma"]] = shown_test(row, p_value)
    return found


def shown_runs(row: Row | None) -> str:
    """Return the mean over the runs, with the lowest and the highest."""
    if row is None:
        return "-"
    mean, low, high = (100 * float(row[key]) for key in ("mean_accuracy", "lowest", "highest"))
    return f"{mean:.2f} ({low:.1f} to {high:.1f})"


def shown_test(row: Row, p_value: float) -> tuple[str, str]:
    """Return the p-value of a row, and what it says of the noise."""
    if p_value >= SIGNIFICANT:
        return f"{p_value:.2g}", "no difference shown"
    is_better = int(row["right_only_with_noise"]) > int(row["right_only_without"])
    return f"{p_value:.2g}", "helps" if is_better else "harms"


TABLE11 = Experiment(
    FOLDER,
    "Robust accuracy of a noisy target under a surrogate's examples (Table 11).",
    "pair",
    Table11Plan(),
    Table11Plan(sigma=(0.0, 0.5), images=16, runs=3, restarts=2, steps=2),
    run_table11,
    robustness_section,
)
