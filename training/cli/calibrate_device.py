"""The commands ``calibrate-device`` and ``simulate-measurements``: devices as they are measured."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table

from noisevote.models.devices.options import parse_ages, profile_named
from noisevote.models.devices.profile import read_profile
from noisevote.models.errors import InputError, MissingExtraError, how_to_install
from noisevote.models.files import write_whole
from noisevote.training.calibration.calibrate import Calibration, calibrate
from noisevote.training.calibration.intervals import Estimate
from noisevote.training.calibration.measurement_files import read_measurements
from noisevote.training.calibration.measurement_writer import check_ending, write_measurements
from noisevote.training.calibration.profile_file import check_name, profile_text
from noisevote.training.calibration.simulate import SimulationPlan, simulated
from noisevote.training.calibration.verdict import notes_on, verdict_of
from noisevote.training.cli.options import console
from noisevote.training.cli.outputs import check_writable, make_folder_of

Seed = Annotated[int, typer.Option(min=0, help="Of all that is drawn.")]
PLAN = SimulationPlan()


def calibrate_device(
    measurements: Annotated[
        Path, typer.Argument(metavar="MEASUREMENTS", help="A .csv or .npz; docs/calibration.md.")
    ],
    name: Annotated[str, typer.Option(help="Name of the device.")],
    output: Annotated[
        Path | None, typer.Option(help="Profile that is written; by default NAME.toml.")
    ] = None,
    figure: Annotated[
        Path | None, typer.Option(help="An .svg of the read noise over the signal.")
    ] = None,
    seed: Seed = 0,
) -> None:
    """Estimate a device from measurements, with intervals, checks, a verdict and a profile."""
    check_name(name)
    output = output or Path(f"{name}.toml")
    check_writable(output, "output")
    if figure is not None:
        check_figure(figure)
    found = calibrate(read_measurements(measurements), seed)
    source = f"Measured; {measurements.name}, seed {seed}."
    profile = profile_text(found, name, source)
    read_profile(profile, "what was estimated (is #array_unit right?)")
    shown = Console()
    shown.print(table_of(found))
    shown.print(table_of_facts(found))
    shown.print(verdict_of(found), highlight=False, soft_wrap=True)
    for note in notes_on(found):
        shown.print(f"* {note}", highlight=False, markup=False, soft_wrap=True)
    make_folder_of(output)
    write_whole(output, profile.encode())
    console.print(f"wrote {output}")
    if figure is not None:
        draw(found, name, figure)
        console.print(f"wrote {figure}")


def simulate_measurements(
    device: Annotated[
        str, typer.Argument(metavar="DEVICE", help="Name of a preset, or a profile's .toml.")
    ],
    output: Annotated[Path, typer.Option(help="A .csv or .npz that is written.")],
    vectors: Annotated[int, typer.Option(min=1, help="Input vectors.")] = PLAN.vectors,
    columns: Annotated[int, typer.Option(min=1, help="Columns of a chip.")] = PLAN.columns,
    repeats: Annotated[int, typer.Option(min=1, help="Reads of each.")] = PLAN.repeats,
    rows: Annotated[int, typer.Option(min=1, help="Inputs of a column.")] = PLAN.rows,
    chips: Annotated[int, typer.Option(min=1, help="Chips.")] = PLAN.chips,
    age: Annotated[
        str, typer.Option(help="Ages with commas between, such as 60s,1h,1d; none is told.")
    ] = "",
    temperature_c: Annotated[
        list[float] | None, typer.Option(help="In degrees Celsius. Repeat for several.")
    ] = None,
    seed: Seed = 0,
) -> None:
    """Write what a device of a profile would read, as calibrate-device takes it."""
    plan = SimulationPlan(
        vectors,
        columns,
        repeats,
        rows,
        chips,
        tuple(parse_ages(age)),
        tuple(temperature_c or ()),
        seed,
    )
    check_ending(output)
    check_writable(output, "output")
    measured = simulated(profile_named(device), plan)
    make_folder_of(output)
    write_measurements(measured, output)
    console.print(f"wrote {output}")


def table_of(found: Calibration) -> Table:
    """Return the estimates as a table."""
    measured = found.measured
    table = Table(
        "", Column("estimate", justify="right"), Column("95 % interval", justify="right"), "unit",
        box=None, pad_edge=False,
        title=f"{measured.vectors} vectors, {measured.columns} columns, {measured.repeats} reads "
        f"of each, {len(measured.measured)} sessions",
    )  # fmt: skip
    for what, value, unit in rows_of(found):
        table.add_row(what, f"{value.value:.4g}", f"{value.low:.4g} to {value.high:.4g}", unit)
    return table


def table_of_facts(found: Calibration) -> Table:
    """Return what was seen, without an interval, as a table."""
    table = Table("", Column("", justify="right"), box=None, pad_edge=False, show_header=False)
    for what, text in facts_of(found):
        table.add_row(what, text)
    return table


def rows_of(found: Calibration) -> Iterator[tuple[str, Estimate, str]]:
    """Yield what was estimated with an interval, and its unit."""
    array, noise = "array units", found.noise
    yield "gain, mean", found.gain, ""
    yield "gain, spread over columns", found.gain_spread, "of the mean"
    yield "offset, mean", found.offset, array
    yield "offset, spread over columns", found.offset_spread, array
    yield "frozen error of an output", noise.frozen_std, array
    if noise.weight_std is not None:
        grows = ", grows with it" if noise.grows else ""
        yield f"frozen error of a weight{grows}", noise.weight_std, "largest weight"
    both = ", 1/f included" if found.fresh_share < 1 else ""
    yield f"read noise a{both}", noise.a, array
    yield f"read noise b{both}", noise.b, "of the signal"
    yield f"read noise c{both}", noise.c, "variance / signal"
    if noise.w is not None:
        yield f"read noise w of weights ({noise.read.form}){both}", noise.w, array
    if found.drift is not None:
        yield "drift exponent", found.drift.nu, ""
        yield "drift exponent, spread over columns", found.drift.nu_spread, ""
    if found.temperature is not None:
        warm = found.temperature
        yield "gain over temperature", warm.gain_per_k, "1/K"
        yield "offset over temperature", warm.offset_per_k, f"{array}/K"
        yield "the same, spread over columns", warm.offset_spread_per_k, f"{array}/K"


def facts_of(found: Calibration) -> Iterator[tuple[str, str]]:
    """Yield what was seen, without an interval."""
    converter, order, noise = found.converter, found.order, found.noise
    between = f"{order.between_columns:.3f} (by chance: {order.between_columns_limit:.3f})"
    if (share := found.fresh_share) < 1:
        parts = {"a": noise.a, "b": noise.b} | ({"w": noise.w} if noise.w is not None else {})
        roots = [f"{key} = {part.value * share**0.5:.4g}" for key, part in parts.items()]
        values = ", ".join([*roots, f"c = {noise.c.value * share:.4g}"])
        yield "without 1/f, as in the profile", values
    if converter.step is not None:
        yield "converter's step", f"{converter.step:.6g}"
        yield "converter's levels seen", str(converter.levels)
    if (held := converter.range) is not None:
        about = "measured" if held.is_measured else "left open, since it was not reached"
        yield "converter's range", f"{about}: {held.bits} bits, bound {held.bound:.4g}"
    if any(converter.clipped):
        low, high = converter.clipped
        yield "clipped below, above", f"{100 * low:.1f} %, {100 * high:.1f} %"
    if order.lag_1 is not None:
        yield "lag-1 correlation", f"{order.lag_1:.3f} (by chance: {order.lag_1_limit:.3f})"
    for number, deviation in zip(order.averaged, order.deviation, strict=True):
        yield (
            f"deviation of means of {number} reads",
            f"{deviation:.3f} (independent: {number**-0.5:.3f})",
        )
    yield "correlation of columns", between
    yield "distance to a normal distribution", f"{found.shape.distance:.3f}"
    yield "excess kurtosis", f"{found.shape.kurtosis:.2f}"
    for chip in dict.fromkeys(found.measured.chips) if found.chips_differ_p is not None else ():
        of_chip = [name == chip for name in found.measured.chips]
        yield f"gain of chip {chip}", f"{found.fits.gain[of_chip].mean():.4g}"


def check_figure(path: Path) -> None:
    """Refuse a figure that could not be drawn, before the work.

    Raises:
        InputError: it is no ``.svg``, or cannot be written.
        MissingExtraError: matplotlib is missing.
    """
    if path.suffix.lower() != ".svg":
        raise InputError(f"--figure is {path}; needed is an .svg", "figure")
    check_writable(path, "figure")
    try:
        import noisevote.training.report.calibration_figure  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"--figure needs {error.name}; {how_to_install('train')}"
        ) from error


def draw(found: Calibration, name: str, path: Path) -> None:
    """Write the figure; matplotlib is there, as :func:`check_figure` found."""
    from noisevote.training.report.calibration_figure import ReadNoisePoints, read_noise_figure
    from noisevote.training.report.style import settings, svg_of

    measured, used = found.measured, found.kept > 0
    points = ReadNoisePoints(
        found.fits.expected[used],
        measured.measured[measured.base].var(0, ddof=1)[used],
        found.read_variance[used],
    )
    known = measured.directives.array_unit is not None
    unit = "array units" if known else measured.directives.unit or "units of the file"
    make_folder_of(path)
    with settings():
        write_whole(path, svg_of(read_noise_figure(points, name, unit)))
