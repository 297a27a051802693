"""The report as one page: no script, nothing beside it, readable without the pictures.

``page.html.j2`` has its markup and escapes every text, ``models.report_page`` its style;
``models.charts`` draws its charts.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from math import log10
from pathlib import Path

from jinja2 import Template
from markupsafe import Markup

from noisevote.models.charts import Curve, Point, line_chart, row_chart
from noisevote.models.devices.setting import FRESH
from noisevote.models.noise import NoiseKind, sigma_text
from noisevote.models.report_page import POLICY, STYLE
from noisevote.models.report_templates import environment_in
from noisevote.models.robustness.attacks import BY_NAME
from noisevote.models.robustness.counted import Paired, Share
from noisevote.models.robustness.plan import Plan
from noisevote.models.robustness.report import (
    AboutDevice,
    AttackRow,
    Report,
    Score,
    SweepPoint,
)
from noisevote.models.robustness.scores import as_percent
from noisevote.models.robustness.sweeps import SWEEPS, Sweep


def html_report(report: Report) -> str:
    """Return the whole page."""
    return template().render(
        report=report,
        policy=POLICY,
        style=Markup(STYLE),
        snr_db=snr_db(report.plan),
        noise_text=noise_text(report.plan, report.about.device),
        sweeps={sweep.name: sweep for sweep in SWEEPS},
        attacks_chart=attacks_chart,
        sweep_chart=sweep_chart,
        sweep_title=sweep_title,
    )


ALL = "all black-box attacks"


@cache
def template() -> Template:
    """Return the template, which is compiled once; a report is written after each step."""
    environment = environment_in(Path(__file__).parent, ["jinja2.ext.do"])
    environment.filters |= {
        "count": "{:,}".format,
        "label": lambda attack: BY_NAME[attack].label,
        "mean": mean_text,
        "number": "{:g}".format,
        "paired": paired_text,
        "percent": percent,
        "share": as_percent,
    }
    return environment.get_template("page.html.j2")


def snr_db(plan: Plan) -> float | None:
    """Return the signal-to-noise ratio of multiplicative noise that is the same everywhere."""
    if plan.sigma is None or isinstance(plan.sigma, dict) or plan.repeats:
        return None
    if plan.kind is not NoiseKind.MULTIPLICATIVE:
        return None
    return -20 * log10(plan.sigma)


def noise_text(plan: Plan, device: AboutDevice | None = None) -> str:
    """Return the strength of the target's noise, or the device that it is on."""
    reads = ", ".join(f"{point} {reads}" for point, reads in plan.repeats.items())
    averaged = f"; reads that are averaged: {reads}" if reads else ""
    if device is not None:
        return device_text(device) + averaged
    where = "" if isinstance(plan.sigma, dict) else " at every noise point"
    return f"{plan.kind}, sigma {sigma_text(plan.sigma or 0.0)}{where}{averaged}"


def device_text(device: AboutDevice) -> str:
    """Return a device, its chips and their condition."""
    chips = ", ".join(map(str, device.chips))
    if device.chips == FRESH:
        chips = "other chips in each request"
    elif device.chips:
        chips = f"chip {chips}" if len(device.chips) == 1 else f"chips {chips}"
    else:
        chips = "no frozen errors"
    age = "" if device.age_s is None else f", age {listed(device.age_s)} s"
    warm = "" if device.temperature_c is None else f", {listed(device.temperature_c)} degrees C"
    return f"device {listed(device.name)}, digest {listed(device.digest)}, {chips}{age}{warm}"


def listed(of_points: str | float | Mapping[str, str | float]) -> str:
    """Return what holds at all noise points, or at each."""
    if isinstance(of_points, float):
        return f"{of_points:g}"
    if isinstance(of_points, str):
        return of_points
    return ", ".join(f"{point} {listed(of)}" for point, of in of_points.items())


def percent(share: float) -> str:
    """Return a share in per cent."""
    return f"{100 * share:.1f} %"


def paired_text(paired: Paired) -> str:
    """Return a paired comparison in figures."""
    return (
        f"{100 * paired.gain:+.1f} ({paired.noisy_only} : {paired.noiseless_only}), "
        f"p = {paired.p_value:.2g}"
    )


def mean_text(mean: float, interval: tuple[float, float]) -> str:
    """Return a mean of shares in per cent with its interval."""
    return f"{percent(mean)} [{100 * interval[0]:.1f}, {100 * interval[1]:.1f}]"


def attacks_chart(report: Report) -> Markup:
    """Return what each attack does, of the worst restart where there are several.

    It is the robust accuracy, or the share that is led to the target class if one is wanted.
    """
    rows = report.attacks
    most = max((row.samples for row in rows), default=0)
    names = [row_name(row, most) for row in rows]
    noiseless = [shown_share(row.worst_noiseless or row.noiseless) for row in rows]
    noisy = [shown_share(row.worst_noisy or row.noisy) for row in rows]
    clean, worst, targeted = report.clean, report.worst_case, report.targeted
    if clean is not None and not report.plan.is_targeted:
        names, noiseless = ["no attack", *names], [clean.noiseless, *noiseless]
        noisy = [clean.voted, *noisy]
    if worst is not None:
        names, noiseless = [*names, ALL], [*noiseless, worst.noiseless]
        noisy = [*noisy, worst.noisy]
    if targeted is not None:
        names, noiseless = ["no attack", *names], [None, *noiseless]
        noisy = [targeted.reached_without_attack, *noisy]
    if targeted is not None and targeted.worst_case is not None:
        names, noiseless = [*names, ALL], [*noiseless, targeted.worst_case.reached_noiseless]
        noisy = [*noisy, targeted.worst_case.reached_noisy]
    what = "Target class reached" if report.plan.is_targeted else "Robust accuracy"
    title = f"{what} by attack; the tables below have the figures"
    curves = [curve_of("without noise", noiseless), curve_of("with noise and votes", noisy)]
    return Markup(row_chart("attacks", title, names, curves))


def row_name(row: AttackRow, most: int) -> str:
    """Return the name of a row of the chart, with its samples where other rows have more."""
    return row.attack if row.samples == most else f"{row.attack}, of {row.samples}"


def shown_share(score: Score | None) -> Share | None:
    """Return the share of a score that is drawn, if there is one."""
    if score is None or score.target_reached is None:
        return None if score is None else score.robust_accuracy
    return score.target_reached.one_reply


def curve_of(name: str, shares: Sequence[Share | None]) -> Curve:
    """Return the shares of a condition, row by row; a row may have none."""
    points = [
        Point(row, share.share, *share.interval)
        for row, share in enumerate(shares)
        if share is not None
    ]
    return Curve(name, points)


def sweep_title(sweep: Sweep, points: Sequence[SweepPoint]) -> str:
    """Return the title of a sweep, which says what its shares are."""
    if all(point.reached is None for point in points):
        return sweep.title
    return sweep.title.replace("Robust accuracy", "Target class reached")


def sweep_chart(sweep: Sweep, points: Sequence[SweepPoint]) -> Markup:
    """Return the curves of a sweep."""
    ascending = sorted(points, key=lambda point: point.at)
    curves = [
        Curve(
            name,
            [
                Point(point.at, share.share, *share.interval)
                for point in ascending
                if point.curve == name
                for share in [point.reached or point.accuracy]
            ],
        )
        for name in dict.fromkeys(point.curve for point in points)
    ]
    title = f"{sweep_title(sweep, points)}; the table below has the figures"
    return Markup(line_chart(sweep.name, title, sweep.x_name, curves))
