"""The tables of a report: what the target did without attack, under each, and what was asked."""

from collections.abc import Sequence

from models.robustness.attacks import BY_NAME
from models.robustness.figures import Curve, Point, row_chart
from models.robustness.markup import (
    AGAINST,
    folded,
    mean_text,
    paired_text,
    paragraph,
    percent,
    section,
    shown,
    table,
)
from models.robustness.report import (
    AttackRow,
    CleanAccuracy,
    Paired,
    Report,
    Score,
    Share,
    WorstCase,
)
from models.robustness.scores import as_percent


def clean_table(clean: CleanAccuracy) -> str:
    """Return the accuracies without attack."""
    rows = [
        ("noiseless", as_percent(clean.noiseless)),
        ("one noisy vote", as_percent(clean.one_vote)),
        ("voted, one reply", as_percent(clean.voted)),
        ("voted, mean over replies", percent(clean.mean_voted)),
        ("stably right", as_percent(clean.stably_right)),
        ("of these, turned by fresh noise alone", as_percent(clean.benign_fooled)),
        (
            "of these, wrong replies by noise alone",
            mean_text(clean.benign_flip_probability, clean.benign_flip_interval),
        ),
        ("abstained, one reply", as_percent(clean.abstained)),
        (f"voted {AGAINST}", paired_text(clean.paired)),
    ]
    return table("Accuracy on the same samples", ("", "share [interval]"), rows)


def attacks_section(
    clean: CleanAccuracy | None, rows: Sequence[AttackRow], worst: WorstCase | None
) -> str:
    """Return what the attacks did: a chart, submitted examples, then the worst restarts."""
    if not rows:
        return ""
    parts = [
        attacks_chart(clean, rows, worst),
        paragraph(
            "Robust accuracy: share of all samples that one fresh reply answers right. Verified "
            "success: of the stably right samples, those with most fresh replies wrong; seen once: "
            "those that the attacker saw wrong, perhaps by luck. Wrong replies: their mean share "
            "over the stably right samples. Adaptive attacks know of the noise; on the target "
            "without noise the plain attack stands for them."
        ),
    ]
    tables = [
        scores_table(
            "Submitted examples (restarts: the one with the highest loss on the surrogate)",
            [(row, row.noiseless, row.noisy, row.paired) for row in rows],
        ),
        scores_table(
            "Worst restart on the target, chosen by one query each and judged on fresh noise",
            [
                (row, row.worst_noiseless, row.worst_noisy, row.worst_paired)
                for row in rows
                if row.worst_noisy is not None
            ],
        ),
    ]
    tables.append(abstention_table(rows))
    return section("Under attack", *parts, folded("Figures of all attacks", "\n".join(tables)))


def attacks_chart(
    clean: CleanAccuracy | None, rows: Sequence[AttackRow], worst: WorstCase | None
) -> str:
    """Return robust accuracy by attack, of the worst restart where there are several."""
    names = [row.attack for row in rows]
    noiseless = [robust(row.worst_noiseless or row.noiseless) for row in rows]
    noisy = [robust(row.worst_noisy or row.noisy) for row in rows]
    if clean is not None:
        names, noiseless = ["no attack", *names], [clean.noiseless, *noiseless]
        noisy = [clean.voted, *noisy]
    if worst is not None:
        names, noiseless = [*names, "all black-box attacks"], [*noiseless, worst.noiseless]
        noisy = [*noisy, worst.noisy]
    title = "Robust accuracy by attack; the tables below have the figures"
    curves = [curve_of("without noise", noiseless), curve_of("with noise and votes", noisy)]
    return row_chart("attacks", title, names, curves)


def robust(score: Score | None) -> Share | None:
    """Return the robust accuracy of a score, if there is one."""
    return None if score is None else score.robust_accuracy


def curve_of(name: str, shares: Sequence[Share | None]) -> Curve:
    """Return the shares of a condition, row by row; a row may have none."""
    points = [
        Point(row, share.share, *share.interval)
        for row, share in enumerate(shares)
        if share is not None
    ]
    return Curve(name, points)


def scores_table(
    caption: str, rows: Sequence[tuple[AttackRow, Score | None, Score | None, Paired | None]]
) -> str:
    """Return a table of scores."""
    if not rows:
        return ""
    head = (
        "attack", "what it is", "samples", "robust accuracy, noiseless", "robust accuracy, noisy",
        AGAINST, "success, noiseless", "verified success, noisy", "seen once",
        "wrong replies", "queries a sample", "of successes",
    )  # fmt: skip
    lines = [
        (
            row.attack,
            BY_NAME[row.attack].label,
            str(row.samples),
            shown(noiseless, "robust_accuracy"),
            shown(noisy, "robust_accuracy"),
            "" if paired is None else paired_text(paired),
            shown(noiseless, "attack_success_rate"),
            shown(noisy, "attack_success_rate"),
            shown(noisy, "one_check_success_rate"),
            "" if noisy is None else mean_text(noisy.flip_probability, noisy.flip_interval),
            "" if noisy is None else f"{noisy.queries:g}",
            number_or_nothing(noisy),
        )
        for row, noiseless, noisy, paired in rows
    ]
    return table(caption, head, lines)


def number_or_nothing(score: Score | None) -> str:
    """Return the queries of the successes, if there are any."""
    if score is None or score.queries_of_successes is None:
        return ""
    return f"{score.queries_of_successes:g}"


def abstention_table(rows: Sequence[AttackRow]) -> str:
    """Return what is left of the attacks where replies that abstain are turned away."""
    lines = [
        (row.attack, shown(row.noisy, "abstained"), shown(row.noisy, "wrong_and_sure"))
        for row in rows
        if row.noisy is not None
    ]
    return table(
        "Where replies that abstain are turned away (one fresh reply, noisy target, all samples)",
        ("attack", "abstained", "wrong and not abstained"),
        lines,
    )


def worst_section(report: Report) -> str:
    """Return the worst over all black-box attacks."""
    worst = report.worst_case
    if worst is None:
        return ""
    rows = [
        ("noiseless", as_percent(worst.noiseless)),
        ("noisy", as_percent(worst.noisy)),
        (f"noisy {AGAINST}", paired_text(worst.paired)),
    ]
    return section(
        "Worst case",
        paragraph(f"The worst for each sample of: {'; '.join(worst.attacks)}."),
        table("Robust accuracy under all black-box attacks", ("", "share [interval]"), rows),
    )


def bills_section(report: Report) -> str:
    """Return what was asked of the target, attack and verification apart."""
    rows = []
    for row in report.attacks:
        for name, score in (
            ("noiseless", row.noiseless),
            ("noisy", row.noisy),
            ("worst restart, noiseless", row.worst_noiseless),
            ("worst restart, noisy", row.worst_noisy),
        ):
            if score is not None:
                attack, verification = score.attack, score.verification
                bills = (attack.queries, attack.votes, verification.queries, verification.votes)
                rows.append((f"{row.attack}, {name}", *(f"{count:,}" for count in bills)))
    head = ("", "attack: queries", "votes", "verification: queries", "votes")
    queries = table("Asked of the target", head, rows)
    return section("Queries", folded("Figures", queries)) if rows else ""
