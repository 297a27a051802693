"""The section on robust accuracy under a surrogate's examples (Table 11)."""

from pathlib import Path

from models.statistics import holm_p_values
from training.experiments.paper import PAPER_TABLE_11
from training.measure.results import Row, Table, read_table
from training.report.markdown import commands, find, markdown_table, open_row, shown_share, stored

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

PAIRS = {
    "mnist": ("madry_cnn-adv", "mnist_cnn-adv"),
    "mnist-hardened": ("madry_cnn-adv", "mnist_cnn-adv-mult-0.4"),
    "mnist --target mnist_cnn-clean": ("madry_cnn-adv", "mnist_cnn-clean"),
    "cifar10": ("densenet40-adv", "densenet100-adv"),
}
"""Surrogate and target of each pair, by its name on the command line; one of them undefended."""

SIGNIFICANT = 0.01


def robustness_section(results: Path) -> list[str]:
    """Return Table 11: a table of each pair that has been attacked, a line for the others."""
    sections = [TEXT]
    for pair, (surrogate, target) in PAIRS.items():
        sections.append(f"### `{surrogate}` against `{target}`\n")
        if pair in PAPER_TABLE_11:
            numbers = ", ".join(f"{accuracy:.2f}" for accuracy in PAPER_TABLE_11[pair])
            sections.append(
                f"Paper, one vote: {numbers} at growing sigma, of which the first is 0 and the "
                "others are lost.\n"
            )
        table = stored(results / "table11" / f"{surrogate}-{target}.csv")
        if table is None:
            sections.append(open_row(f"noisevote-train experiment table11 {pair}", "not measured"))
        else:
            sections += [robustness_table(table), attack_line(table), commands([table])]
    return [*sections, *unattacked_section(results)]


def unattacked_section(results: Path) -> list[str]:
    """Return the accuracies of the adversarially trained networks on plain images, if any."""
    paths = sorted((results / "evaluations").glob("*-adv*.csv"))
    if not paths:
        return []
    tables = {path.stem: read_table(path) for path in paths}
    rows = [
        [
            f"`{name}`",
            row["sigma"],
            *(shown_share(find(table, sigma=row["sigma"], votes=votes)) for votes in ("1", "20")),
        ]
        for name, table in tables.items()
        for row in table.rows
        if row["votes"] == "1"
    ]
    title = "### The adversarially trained networks on all plain test images\n"
    head = ["network", "sigma", "1 vote", "20 votes"]
    return [title, markdown_table(head, rows), commands(list(tables.values()))]


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
