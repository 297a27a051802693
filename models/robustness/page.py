"""The report as one page: no script, nothing beside it, readable without the pictures.

Every text passes :func:`html.escape`; only this module, ``markup.py`` and ``figures.py`` write
markup.
"""

from collections.abc import Sequence
from html import escape
from math import log10

from models.noise import NoiseKind
from models.robustness.ball import Norm
from models.robustness.figures import Curve, Point, line_chart
from models.robustness.markup import (
    AGAINST,
    folded,
    listed,
    paired_text,
    paragraph,
    percent,
    section,
    table,
)
from models.robustness.report import Picture, Report, SweepPoint
from models.robustness.score_tables import (
    attacks_section,
    bills_section,
    clean_table,
    worst_section,
)
from models.robustness.scores import as_percent
from models.robustness.sweeps import SWEEPS

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 84rem; margin: 0 auto; padding: 1rem;
  overflow-wrap: break-word; }
table { border-collapse: collapse; margin: 1rem 0; display: block; overflow-x: auto; }
caption { text-align: left; font-weight: 600; padding: .25rem 0; }
th, td { border: 1px solid #8888; padding: .25rem .5rem; text-align: left; vertical-align: top; }
.verdict { border-left: .4rem solid #0072b2; padding: .5rem 1rem; background: #8882; }
.chart { max-width: 40rem; width: 100%; font-size: 12px; fill: currentColor; }
.grid { stroke: currentColor; opacity: .2; }
.pictures { display: flex; flex-wrap: wrap; gap: 1rem; padding: 0; list-style: none; }
.pictures figure { margin: 0; }
.triple { display: flex; gap: .25rem; }
.triple figure { width: 7rem; font-size: .75rem; line-height: 1.3; }
.pair { display: grid; gap: 0 2rem; }
@media (min-width: 60rem) { .pair { grid-template-columns: 1fr 1fr; } }
.pair section { min-width: 0; }
summary { cursor: pointer; padding: .25rem 0; }
.pictures img { width: 7rem; height: 7rem; image-rendering: pixelated; }
.passed { color: #009e73; } .failed { color: #d55e00; font-weight: 700; }
pre { overflow-x: auto; background: #8882; padding: .5rem; }
"""


def html_report(report: Report) -> str:
    """Return the whole page."""
    title = f"Robustness of {report.about.target}"
    body = [
        f"<h1>{escape(title)}</h1>",
        verdict_section(report),
        side_by_side(
            section("What was assessed", subject_table(report)),
            section("Threat model", listed(report.threat_model)),
        ),
        *([] if report.clean is None else [section("Without attack", clean_table(report.clean))]),
        attacks_section(report.clean, report.attacks, report.worst_case),
        worst_section(report),
        side_by_side(*(sweep_section(name, points) for name, points in report.sweeps.items())),
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


def subject_table(report: Report) -> str:
    """Return who attacked whom, and with what."""
    about, plan = report.about, report.plan
    decibels = ""
    if plan.kind is NoiseKind.MULTIPLICATIVE:
        decibels = f" (SNR {-20 * log10(plan.sigma):.1f} dB)"
    size = "any element" if plan.norm is Norm.LINF else "the L2 norm"
    rows = (
        ("target", f"{about.target}, {about.target_fingerprint}"),
        ("its noise", f"{plan.kind}, sigma {plan.sigma:g} at every noise point{decibels}"),
        ("its votes", f"{plan.votes} a reply; the noiseless target is the same at sigma 0"),
        ("asked", about.interface),
        ("surrogate", f"{about.surrogate}, {about.surrogate_fingerprint}"),
        ("samples", f"{len(about.samples.indices)}: {about.samples.source}"),
        ("epsilon", f"{plan.epsilon:g}, the most that {size} may change"),
        ("steps", f"{plan.steps} of {plan.step:.3g}, {plan.restarts} restarts"),
        ("judged by", f"{plan.replies} fresh replies an example, {plan.sweep_replies} in sweeps"),
        ("intervals", f"at {100 * (1 - plan.alpha):g} % confidence, in brackets"),
        ("seed", str(plan.seed)),
    )
    return table("Target, attacker and samples", ("", "setting"), rows)


def side_by_side(*sections: str) -> str:
    """Return sections in two columns, where there is room."""
    return '<div class="pair">\n' + "\n".join(sections) + "\n</div>" if sections else ""


def sweep_section(name: str, points: Sequence[SweepPoint]) -> str:
    """Return a sweep as a chart and as a table."""
    sweep = next(sweep for sweep in SWEEPS if sweep.name == name)
    title, x_name, note = sweep.title, sweep.x_name, sweep.note
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
    return section(title, paragraph(note), chart, folded("Figures", table(title, head, rows)))


def pictures_section(pictures: Sequence[Picture]) -> str:
    """Return examples to look at."""
    items = "".join(picture_item(picture) for picture in pictures)
    return section("Examples", f'<ul class="pictures">{items}</ul>' if items else "")


def picture_item(picture: Picture) -> str:
    """Return one example: the sample, the perturbation, the result."""
    label = escape(picture.label)
    images = [
        (picture.clean, f"sample: {label}"),
        (picture.perturbation, "perturbation, grey is none"),
        (picture.adversarial, f"example: answered {escape(picture.answered)}"),
    ]
    shown_images = "".join(
        f'<figure><img alt="{text}" src="data:image/png;base64,{escape(data)}">'
        f"<figcaption>{text}</figcaption></figure>"
        for data, text in images
    )
    caption = (
        f"sample {picture.index}, {picture.label}: answered {picture.answered}, "
        f"{percent(picture.flip_probability)} of replies wrong ({picture.attack})"
    )
    triple = f'<div class="triple">{shown_images}</div>'
    return f"<li><figure>{triple}<figcaption>{escape(caption)}</figcaption></figure></li>"


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
    outcomes = [check.passed for check in report.checks]
    counts = f"{outcomes.count(True)} passed, {outcomes.count(False)} failed, "
    checks = (
        f"<table><caption>What must hold if the assessment is sound</caption><thead><tr>{head}"
        f"</tr></thead><tbody>{rows}</tbody></table>"
    )
    summary = f"{counts}{outcomes.count(None)} not run"
    return section("Sanity checks", folded(summary, checks, is_open=False in outcomes))


def settings_section(report: Report) -> str:
    """Return all that decides the figures."""
    about = report.about.model_dump_json(indent=1)
    plan = report.plan.model_dump_json(indent=1)
    settings = f"<pre>{escape(plan)}</pre>\n<pre>{escape(about)}</pre>"
    return section("Settings", folded("All that decides the figures", settings))
