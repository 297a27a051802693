"""The report as one page: no script, nothing beside it, readable without the pictures.

Every text passes :func:`html.escape`; only this module, ``markup.py`` and ``figures.py`` write
markup.
"""

from collections.abc import Sequence
from html import escape

from models.robustness.figures import Curve, Point, line_chart
from models.robustness.markup import (
    listed,
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
    Picture,
    Report,
    Score,
    SweepPoint,
)
from models.robustness.scores import as_percent

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 0 auto; padding: 1rem; }
table { border-collapse: collapse; margin: 1rem 0; display: block; overflow-x: auto; }
caption { text-align: left; font-weight: 600; padding: .25rem 0; }
th, td { border: 1px solid #8888; padding: .25rem .5rem; text-align: left; vertical-align: top; }
.verdict { border-left: .4rem solid #0072b2; padding: .5rem 1rem; background: #8882; }
.chart { max-width: 40rem; width: 100%; font-size: 12px; fill: currentColor; }
.grid { stroke: currentColor; opacity: .2; }
.pictures { display: flex; flex-wrap: wrap; gap: 1rem; padding: 0; list-style: none; }
.pictures img { width: 7rem; height: 7rem; image-rendering: pixelated; }
.passed { color: #009e73; } .failed { color: #d55e00; font-weight: 700; }
pre { overflow-x: auto; background: #8882; padding: .5rem; }
"""

AGAINST = "against noiseless: points (right only with : only without noise)"

SWEEPS = {
    "sigma": ("Robust accuracy over sigma", "sigma of the target's noise"),
    "votes": ("Robust accuracy over votes", "votes N of each reply"),
    "epsilon": ("Robust accuracy over epsilon", "epsilon, largest perturbation"),
    "queries": ("Robust accuracy over queries", "queries per sample"),
}
FAMILIES = {
    "transfer": "made on the surrogate",
    "query": "by queries",
    "control": "control, no attack",
    "upper bound": "not black-box: the target's own gradients",
}


def html_report(report: Report) -> str:
    """Return the whole page."""
    title = f"Robustness of {report.about.target}"
    body = [
        f"<h1>{escape(title)}</h1>",
        verdict_section(report),
        section("Threat model", listed(report.threat_model)),
        *([] if report.clean is None else [section("Without attack", clean_table(report.clean))]),
        attacks_section(report.attacks),
        worst_section(report),
        *(sweep_section(name, points) for name, points in report.sweeps.items()),
        pictures_section(report.pictures),
        checks_section(report),
        bills_section(report),
        settings_section(report),
    ]
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">',
            '<meta name="viewport" content="width=device-width">',
            f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>",
            *body,
            "</main>\n</body>\n</html>\n",
        ]
    )


def verdict_section(report: Report) -> str:
    """Return the verdict, or how far the assessment has come."""
    if report.verdict is None:
        sentences: Sequence[str] = (
            f"Not complete: {report.steps_done} of {report.steps} steps are done. The figures "
            "below may still change the verdict, which is given at the end.",
        )
    else:
        sentences = report.verdict.sentences
    texts = "".join(paragraph(sentence) for sentence in sentences)
    return f'<section class="verdict">\n<h2>Verdict</h2>\n{texts}\n</section>'


def clean_table(clean: CleanAccuracy) -> str:
    """Return the accuracies without attack."""
    rows = [
        ("noiseless", as_percent(clean.noiseless)),
        ("one noisy vote", as_percent(clean.one_vote)),
        ("voted, one reply", as_percent(clean.voted)),
        ("voted, mean over replies", percent(clean.mean_voted)),
        ("stably right", as_percent(clean.stably_right)),
        ("of these, turned by fresh noise alone", as_percent(clean.benign_fooled)),
        ("of these, wrong replies by noise alone", percent(clean.benign_flip_probability)),
        (f"voted {AGAINST}", paired_text(clean.paired)),
    ]
    return table("Accuracy on the same samples", ("", "share [interval]"), rows)


def attacks_section(rows: Sequence[AttackRow]) -> str:
    """Return what the attacks did: submitted examples, then the worst restarts."""
    if not rows:
        return ""
    parts = [
        paragraph(
            "Robust accuracy: share of all samples that one fresh reply answers right. Verified "
            "success: of the stably right samples, those with most fresh replies wrong; seen once: "
            "those that the attacker saw wrong, perhaps by luck."
        ),
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
    return section("Under attack", *parts)


def scores_table(
    caption: str, rows: Sequence[tuple[AttackRow, Score | None, Score | None, Paired | None]]
) -> str:
    """Return a table of scores."""
    if not rows:
        return ""
    head = (
        "attack", "kind", "samples", "robust accuracy, noiseless", "robust accuracy, noisy",
        AGAINST, "success, noiseless", "verified success, noisy", "seen once",
        "wrong replies", "queries a sample",
    )  # fmt: skip
    lines = [
        (
            row.attack,
            FAMILIES[row.family] + (", adaptive" if row.is_adaptive else ""),
            str(row.samples),
            shown(noiseless, "robust_accuracy"),
            shown(noisy, "robust_accuracy"),
            "" if paired is None else paired_text(paired),
            shown(noiseless, "attack_success_rate"),
            shown(noisy, "attack_success_rate"),
            shown(noisy, "one_check_success_rate"),
            "" if noisy is None else percent(noisy.flip_probability),
            "" if noisy is None else f"{noisy.queries:g}",
        )
        for row, noiseless, noisy, paired in rows
    ]
    return table(caption, head, lines)


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


def sweep_section(name: str, points: Sequence[SweepPoint]) -> str:
    """Return a sweep as a chart and as a table."""
    title, x_name = SWEEPS[name]
    names = list(dict.fromkeys(point.curve for point in points))
    curves = [
        Curve(
            curve,
            [
                Point(point.at, point.accuracy.share, *point.accuracy.interval)
                for point in sorted(points, key=lambda point: point.at)
                if point.curve == curve
            ],
        )
        for curve in names
    ]
    rows = [
        (
            f"{point.at:g}",
            point.curve,
            as_percent(point.accuracy),
            percent(point.mean_accuracy),
            "" if point.paired is None else paired_text(point.paired),
        )
        for point in points
    ]
    head = (x_name, "curve", "one fresh reply [interval]", "mean over replies", AGAINST)
    chart = line_chart(name, f"{title}; the table below has the figures", x_name, curves)
    return section(title, chart, table(title, head, rows))


def pictures_section(pictures: Sequence[Picture]) -> str:
    """Return examples to look at."""
    items = "".join(picture_item(picture) for picture in pictures)
    return section("Examples", f'<ul class="pictures">{items}</ul>' if items else "")


def picture_item(picture: Picture) -> str:
    """Return one example: the sample, the perturbation, the result."""
    label = escape(picture.label)
    images = [
        (picture.clean, f"sample {picture.index}, a {label}"),
        (picture.perturbation, "the perturbation, grey where there is none"),
        (picture.adversarial, f"the example, mostly answered {escape(picture.answered)}"),
    ]
    shown_images = "".join(
        f'<img alt="{text}" src="data:image/png;base64,{escape(data)}">' for data, text in images
    )
    caption = (
        f"sample {picture.index}, {picture.label}: answered {picture.answered}, "
        f"{percent(picture.flip_probability)} of replies wrong ({picture.attack})"
    )
    return f"<li><figure>{shown_images}<figcaption>{escape(caption)}</figcaption></figure></li>"


def checks_section(report: Report) -> str:
    """Return the sanity checks."""
    if not report.checks:
        return ""
    words = {True: ("passed", "passed"), False: ("failed", "FAILED"), None: ("", "not run")}
    rows = "".join(
        f'<tr><th scope="row">{escape(check.question)}</th>'
        f'<td class="{words[check.passed][0]}">{words[check.passed][1]}</td>'
        f"<td>{escape(check.detail)}</td></tr>"
        for check in report.checks
    )
    head = "".join(f'<th scope="col">{name}</th>' for name in ("must hold", "outcome", "figures"))
    return section(
        "Sanity checks",
        f"<table><caption>What must hold if the assessment is sound</caption><thead><tr>{head}"
        f"</tr></thead><tbody>{rows}</tbody></table>",
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
    return section("Queries", table("Asked of the target", head, rows)) if rows else ""


def settings_section(report: Report) -> str:
    """Return all that decides the figures."""
    about = report.about.model_dump_json(indent=1)
    plan = report.plan.model_dump_json(indent=1)
    return section("Settings", f"<pre>{escape(plan)}</pre>", f"<pre>{escape(about)}</pre>")
