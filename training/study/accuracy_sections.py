"""The tables of accuracy: over noise or ages, over votes, by chip, and what stop rules save."""

from noisevote.models.charts import Curve, Point, line_chart
from noisevote.models.study.cells import Half
from noisevote.models.study.recorded import Run
from noisevote.models.study.replay import FULL
from noisevote.models.study.words import age, share
from noisevote.training.study.figures import Figures
from noisevote.training.study.section import (
    ACCURACY,
    Column,
    Row,
    Section,
    reached_row,
    rule_words,
)

FIRST_AGE_S = 1.0
"""Where an age of 0, or none, stands on the axis, which is that of logarithms."""


def age_on_axis(value: float) -> str:
    """Return an age as the axis has it."""
    return age(0.0 if value <= FIRST_AGE_S else value)


def sweep(study: Figures) -> Section:
    """Return the accuracy over the conditions, for few and for all votes."""
    plain = study.plain_by_place
    counts = sorted({votes for _, votes in plain})
    shown = sorted({1, *(votes for votes in (5, counts[-1]) if votes in counts)})
    rows: list[Row] = []
    curves: dict[int, list[Point]] = {votes: [] for votes in shown}
    if study.head.device is None:
        clean = study.found.clean
        rows.append({"condition": 0.0, "votes": 1, **reached_row(clean)})
        for curve in curves.values():
            curve.append(Point(0.0, clean.accuracy, *clean.interval))
    for (condition, votes), of in plain.items():
        if votes in shown and of.report is not None:
            rows.append({"condition": condition, "votes": votes, **reached_row(of.report)})
            low, high = of.report.interval
            place = max(condition or 0.0, 0.0 if study.head.device is None else FIRST_AGE_S)
            curves[votes].append(Point(place, of.report.accuracy, low, high))
    for limit in study.found.ceilings:
        if limit.report is not None and (study.head.device or limit.votes > counts[-1]):
            which = "any, no read noise" if study.head.device else f"{limit.votes} together"
            rows.append(
                {
                    "condition": limit.condition,
                    "votes": which,
                    **reached_row(limit.report),
                }
            )
    drawn = [
        Curve(f"{votes} vote{'s' if votes > 1 else ''}", points)
        for votes, points in curves.items()
        if len(points) > 1
    ]
    name = "sigma" if study.head.device is None else "age of the device"
    return Section(
        "sweep",
        f"Accuracy over {'the noise' if study.head.device is None else 'chips and ages'}",
        "The mode of the votes, on the half of the samples that nothing was chosen on. The "
        "interval is over samples"
        + (" and chips like these." if study.head.device else " like these.")
        + " The last rows are about the most that votes can reach.",
        [
            Column("condition", study.condition_name, study.condition_text),
            Column("votes", "votes"),
            ACCURACY,
            *study.run_columns,
        ],
        rows,
        line_chart(
            "sweep",
            f"Accuracy over {name}; the table has the figures",
            name,
            drawn,
            is_close=True,
            x_text="{:g}".format if study.head.device is None else age_on_axis,
        )
        if drawn
        else "",
    )


def votes(study: Figures) -> Section:
    """Return the accuracy over the votes at the operating point."""
    rows, curve = [], []
    for (condition, votes), of in study.plain_by_place.items():
        if condition == study.found.operating and of.report is not None:
            rows.append({"votes": votes, **reached_row(of.report)} | study.cost_row(of))
            curve.append(Point(votes, of.report.accuracy, *of.report.interval))
    curves = [Curve("mode of the votes", curve)]
    ceiling = study.found.ceiling(study.found.operating)
    if ceiling is not None and ceiling.report is not None and len(curve) > 1:
        level = ceiling.report.accuracy
        ends = [Point(of.x, level, level, level) for of in (curve[0], curve[-1])]
        curves.append(Curve("ceiling", ends))
    chart = (
        line_chart("votes", "Accuracy over votes; the table has the figures", "votes", curves,
                   is_close=True)
        if len(curve) > 1
        else ""
    )  # fmt: skip
    return Section(
        "votes",
        f"Accuracy over votes at {study.place}",
        "All votes cast, no layer read more than once.",
        [Column("votes", "votes"), ACCURACY, *study.run_columns, *study.cost_columns],
        rows,
        chart,
    )


def chips(study: Figures) -> Section:
    """Return the accuracy of each chip with one vote and with all."""
    recorded = study.results.settings[study.found.operating, ()]
    most = recorded.votes_of(Half.REPORT)
    one, every = (recorded.replayed(Half.REPORT, count, FULL) for count in (1, most))
    rows = []
    if one is not None and every is not None:
        rows = [
            {
                "chip": chip,
                "seed": seed,
                "one": float(one.right[chip, seed].mean()),
                "all": float(every.right[chip, seed].mean()),
            }
            for chip, seed in sorted(every.right, key=in_chips)
        ]
    return Section(
        "chips",
        f"Chip by chip at {study.place}",
        f"Each chip has frozen errors of its own; all {most} votes against one. More "
        "seeds of one chip show what the read noise alone does.",
        [
            Column("chip", "chip"),
            Column("seed", "seed of the noise"),
            Column("one", "one vote", share),
            Column("all", f"{most} votes", share),
        ],
        rows,
    )


def in_chips(run: Run) -> tuple[int, int]:
    """Return where a run stands in the table of chips: chip by chip, seed by seed."""
    chip, seed = run
    return -1 if chip is None else chip, seed


def rules(study: Figures) -> Section:
    """Return what stop rules save at the operating point."""
    most = study.found.reference.votes
    rows = []
    for of in study.found.at(study.found.operating):
        option = of.option
        if option.votes == most and not option.repeats and option.chips == 1 and of.report:
            rows.append(
                {
                    "stop": rule_words(option),
                    **reached_row(of.report),
                    "mean_votes": of.choice.mean_votes,
                    "p99_votes": of.choice.p99_votes,
                    **study.cost_row(of),
                }
            )
    return Section(
        "rules",
        f"What stop rules save of {most} votes",
        "Replayed on the recorded votes, in their order; votes cast and costs are those on the "
        "half that is chosen on. Votes that may stop early follow each other; all others go "
        "through the layers as through a pipeline.",
        [
            Column("stop", "stop"),
            ACCURACY,
            Column("mean_votes", "votes cast, mean", "{:.2f}".format),
            Column("p99_votes", "99 % of answers"),
            *study.cost_columns,
        ],
        rows,
    )
