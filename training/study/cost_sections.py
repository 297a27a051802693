"""The tables of costs: what accuracy costs, layer by layer, and layers read several times."""

from functools import partial

from noisevote.models.charts import Curve, Point, line_chart
from noisevote.models.study.cells import Half
from noisevote.models.study.conclusions import pareto
from noisevote.models.study.costs import CostModel
from noisevote.models.study.weighed import Option, Weighed
from noisevote.models.study.words import energy, share
from noisevote.training.study.errors import ALL, RATIO
from noisevote.training.study.figures import Figures
from noisevote.training.study.repeats import midpoint
from noisevote.training.study.section import Column, Row, Section


def front(study: Figures) -> Section:
    """Return the options at the operating point that nothing as cheap reaches or beats."""
    options = study.found.at(study.found.operating)
    front = pareto(options)
    unit = "J" if study.unit == "J" else "passes"
    points = [Point(of.costs.energy, of.choice.accuracy, *of.choice.interval) for of in front]
    votes = [
        Point(of.costs.energy, of.choice.accuracy, *of.choice.interval)
        for (condition, _), of in study.plain_by_place.items()
        if condition == study.found.operating
    ]
    quieter = sorted(
        (
            Point(of.costs.energy, of.choice.accuracy, *of.choice.interval)
            for of in options
            if of.option.votes == 1 and is_quieter(study, of.option)
        ),
        key=lambda point: point.x,
    )
    curves = [
        Curve(name, drawn)
        for name, drawn in (
            ("best of votes, rules and reads", points),
            ("votes alone", votes),
            ("one vote, every layer read as often", quieter),
        )
        if len(drawn) > 1
    ]
    return Section(
        "front",
        "What accuracy costs",
        "Options for which no cheaper one is as accurate on the half that is chosen on, and what "
        "they reach on the other half where that was recorded. "
        + (
            "Energy is counted by whole tiles of the device."
            if study.unit == "J"
            else "Energy is counted in passes of the network, proportional to "
            "multiply-accumulates; a device with costs gives joules and seconds."
        )
        + " Reading every layer r times is what a device of r times the energy and 1/r of the "
        "noise power would do.",
        study.option_columns,
        [study.option_row(of) for of in front],
        line_chart(
            "front",
            "Accuracy over energy, on the half that is chosen on; the table has the figures",
            f"energy, {unit}",
            curves, is_close=True, x_text=partial(energy, unit=study.unit),
        )
        if curves
        else "",
    )  # fmt: skip


def is_quieter(study: Figures, option: Option) -> bool:
    """Return whether every layer is read as often."""
    reads = {option.repeats.get(name, 1) for name in study.card.point_names}
    return len(reads) == 1 and option.chips == 1


def layers(study: Figures) -> Section:
    """Return what each layer does alone, and what it costs."""
    costs = CostModel(study.head, study.card).energy_of_layers
    whole = sum(costs.values()) or 1.0
    rows = []
    for point in study.card.noise_points:
        row: Row = {
            "point": point.name,
            "energy": costs.get(point.name, 0.0) / whole,
            "error": study.results.errors.get(point.name, {}).get(RATIO),
        }
        row |= alone(study, point.name)
        rows.append(row)
    if ALL in study.results.errors:
        rows.append(
            {"point": ALL, "energy": 1.0, "alone": None, "samples": None,
             "error": study.results.errors[ALL][RATIO]}
        )  # fmt: skip
    is_noise = study.head.device is None
    return Section(
        "layers",
        "Layer by layer",
        "Error to signal: how far noise of this layer alone moves the outputs, beside how far "
        "they lie apart (root mean squares; at the operating point). "
        + (
            "Midpoint: the sigma at this point alone that costs half of what noise there can "
            "cost, with an interval from a bootstrap over the samples, rather too narrow where "
            "such noise leaves no more than chance; beyond the largest sigma that was tried it "
            "says so."
            if is_noise
            else "Alone: the accuracy of one vote when this layer alone lies on the device."
        ),
        [
            Column("point", "noise point"),
            Column("energy", "share of the energy", share),
            Column("error", "error to signal", lambda of: "-" if of is None else f"{of:.3g}"),
            Column("alone", "midpoint" if is_noise else "alone", lambda of: of or "-"),
            Column("samples", "samples", lambda of: "-" if of is None else f"{of:,}"),
        ],
        rows,
    )


def alone(study: Figures, point: str) -> Row:
    """Return what noise, or the device, does at one point alone."""
    if study.head.device is None:
        fit = midpoint(study.results, point)
        if fit is None:
            return {"alone": None, "samples": None}
        s50, (low, high) = fit.sensitivity.s50, fit.interval
        shown = [
            f"> {fit.largest:g}" if of >= fit.largest else f"{of:.3g}" for of in (s50, low, high)
        ]
        return {
            "alone": f"{shown[0]} [{shown[1]}, {shown[2]}]" if s50 < fit.largest else shown[0],
            "midpoint": rounded(s50), "midpoint_low": rounded(low), "midpoint_high": rounded(high),
            "floor": rounded(fit.sensitivity.floor), "samples": fit.samples,
        }  # fmt: skip
    cells = study.results.layers.get(point)
    if not cells:
        return {"alone": None, "samples": None}
    votes = cells[0].fell_on
    labels = study.results.labels_of(Half.CHOICE, len(votes))
    value = float((votes[:, 0] == labels).mean())
    return {"alone": share(value), "alone_accuracy": value, "samples": len(votes)}


def every_option(study: Figures) -> Section:
    """Return the options with repeats that were tried, cheap and dear."""
    options = [of for of in study.found.at(study.found.operating) if of.option.repeats]
    best: dict[tuple[tuple[str, int], ...], Weighed] = {}
    for of in options:
        if of.option.votes == 1:
            best[tuple(of.option.repeats.items())] = of
    return Section(
        "repeats",
        "Layers that are read several times",
        "One vote with each of the repeats that were tried, in the half that they are chosen "
        "on; options.csv has them with more votes.",
        study.option_columns,
        [study.option_row(of) for of in sorted(best.values(), key=lambda of: of.costs.energy)],
    )


def rounded(value: float) -> float:
    """Return a fitted value in four digits, which all processors have in common."""
    return float(f"{value:.4g}")
