"""Accuracy on devices: how much chips differ, how it ages, and what votes win back.

Each chip has frozen errors of its own, which are the same in all votes on it. The rows are, for
each device and age: each chip with one vote and with many; many votes on as many chips; no frozen
errors at all; and each chip read so often that no fresh noise is left: the ceiling, which votes
pass only where noise smooths the steps of a converter.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from noisevote.models.card import Card
from noisevote.models.devices.options import profile_named
from noisevote.models.devices.profile import Profile
from noisevote.models.devices.setting import DeviceSetting, profiles_at
from noisevote.models.noise import MAX_REPEATS, Noise
from noisevote.training.experiments.bench import SEEDS, Bench
from noisevote.training.experiments.experiment import Experiment, one_figure_each, shown_each
from noisevote.training.measure.on_devices import left_out
from noisevote.training.measure.plan import Count, Plan
from noisevote.training.measure.results import SHARE_COLUMNS, Z_95, ResultsFile, Row, Table, share
from noisevote.training.report.markdown import commands, figure, markdown_table
from noisevote.training.report.style import groups, legend_below, new_figure, series_style

COLUMNS = ("device", "digest", "age_s", "chips", "votes", *SHARE_COLUMNS, "right")
FOLDER = "devices"
SHOWN = ("mnist_cnn-clean", "stroke_lstm-clean", "densenet40-clean")
CLEAN, WITHOUT, SPREAD, CEILING = "clean", "none", "spread", "ceiling"
HOUR_S, DAY_S = 3600.0, 86_400.0

TEXT = """## On devices: chips, ages, votes

Networks on the device presets (`noisevote devices`), whose frozen errors differ from chip to chip.
Accuracy in %, mean over the chips and [worst, best chip]; the last columns are differences in
points, paired over the images, with 95 % intervals that hold for these chips. "Ceiling" is a chip
without fresh noise (every layer read a million times); no votes on that chip pass it, unless the
noise smooths the steps of a converter. "Not won back" is what many votes on one chip lack against
the same votes without frozen errors; "more chips" what as many chips as votes gain over one chip.
"""


class DevicesPlan(Plan):
    """What is measured."""

    devices: tuple[str, ...] = ("reram-cmo", "pcm-nandakumar", "brainscales-2")
    """On which: names or files (FILE.toml)."""

    ages_s: tuple[float, ...] = (60.0, HOUR_S, DAY_S)
    """Since the weights were written; one that a device is not known for is left out."""

    chips: Count = 10
    """Of each device."""

    votes: Count = 20
    """On each image."""

    images: Count = 1000
    """Of the test split, spread over it."""


@dataclass(frozen=True, slots=True)
class Cell:
    """What is measured in one go.

    Attributes:
        chips: as the row has it: number of a chip, or one of the words.
        setting: under which votes are cast.
        votes: that are cast.
        told: numbers of votes that get a row.
    """

    chips: str
    setting: DeviceSetting
    votes: int
    told: tuple[int, ...]


def run_devices(bench: Bench, name: str, plan: DevicesPlan) -> None:
    """Write the accuracy on each device, at each age, on each chip."""
    checkpoint = bench.checkpoint(name)
    split = bench.reported(checkpoint)
    images, _ = bench.images(checkpoint, split).spread(plan.images)
    file = bench.file(
        f"{FOLDER}/{checkpoint.name}.csv",
        checkpoint,
        COLUMNS,
        noise="of devices",
        split=f"{split}, {len(images)} images spread over it, seed {SEEDS[split]}",
        votes=str(plan.votes),
    )
    profiles = [profile_named(given) for given in plan.devices]
    for said in left_out(profiles, plan.ages_s):
        bench.console.print(said, soft_wrap=True)
    cells = [
        (profile, age_s, cell)
        for profile in profiles
        for age_s in (plan.ages_s if profile.depends_on_age else (0.0,))
        for cell in cells_of(plan, profile, age_s, checkpoint.card)
        if not done(file, profile, age_s, cell)
    ]
    total = (len(cells) + (not file.having(chips=CLEAN))) * len(images)
    with bench.caster(checkpoint, split, total) as caster:
        if not file.having(chips=CLEAN):
            right = caster.cast(images, Noise(checkpoint.card.noise.kind, 0.0), 1).is_correct(1)
            file.add([row_of("", "", "", CLEAN, 1, right)])
        for profile, age_s, cell in cells:
            cast = caster.cast(images, cell.setting, cell.votes)
            file.add(
                row_of(
                    profile.name, profile.digest, age_s, cell.chips, votes, cast.is_correct(votes)
                )
                for votes in cell.told
            )


def done(file: ResultsFile, profile: Profile, age_s: float, cell: Cell) -> bool:
    """Return whether a cell has been measured."""
    return bool(
        file.having(
            device=profile.name, digest=profile.digest, age_s=age_s, chips=cell.chips,
            votes=cell.told[-1],
        )
    )  # fmt: skip


def row_of(
    device: str, digest: str, age_s: float | str, chips: str, votes: int, right: NDArray[np.bool_]
) -> dict[str, object]:
    """Return a row; which images were right stands there, too, eight to a byte."""
    return {
        "device": device,
        "digest": digest,
        "age_s": age_s,
        "chips": chips,
        "votes": votes,
        **share(int(right.sum()), len(right)),
        "right": np.packbits(right).tobytes().hex(),
    }


def cells_of(plan: DevicesPlan, profile: Profile, age_s: float, card: Card) -> Iterator[Cell]:
    """Yield what is measured of a device at an age."""
    low, high = profile.age_range_s
    if profile.depends_on_age and not low <= age_s <= high:
        return
    at = profiles_at(profile, card)
    own = partial(
        DeviceSetting, at, age_s=age_s if profile.depends_on_age else None, votes=plan.votes
    )
    told = (1, plan.votes)
    for chip in range(plan.chips if profile.differs_by_chip else 1):
        yield Cell(str(chip), own(chips=(chip,)), plan.votes, told)
        often = dict.fromkeys(at, MAX_REPEATS)
        yield Cell(f"{CEILING} {chip}", own(chips=(chip,), repeats=often), 1, (1,))
    yield Cell(WITHOUT, own(chips=()), plan.votes, told)
    if profile.differs_by_chip:
        yield Cell(SPREAD, own(chips=tuple(range(plan.votes))), plan.votes, (plan.votes,))


def devices_section(results: Path) -> list[str]:
    """Return the accuracy on devices of each checkpoint."""
    return [TEXT, *shown_each(results, FOLDER, SHOWN, shown)]


def shown(name: str, table: Table) -> list[str]:
    """Return what the page shows of one checkpoint."""
    clean = next(row for row in table.rows if row["chips"] == CLEAN)
    noiseless = f"Without noise and device {100 * float(clean['accuracy']):.1f} %.\n"
    head = [
        "device", "age", "one vote", "votes on one chip", "ceiling", "votes on as many chips",
        "not won back", "more chips",
    ]  # fmt: skip
    rows = [
        shown_condition(device, float(age), rows)
        for device, of_device in groups(measured(table), "device").items()
        for age, rows in groups(of_device, "age_s").items()
    ]
    return [
        noiseless,
        markdown_table(head, rows),
        figure(f"{FOLDER}-{name}", f"Accuracy on chips, {name}"),
        commands([table]),
    ]


def measured(table: Table) -> list[Row]:
    """Return the rows of devices."""
    return [row for row in table.rows if row["device"]]


def shown_condition(device: str, age_s: float, rows: list[Row]) -> list[str]:
    """Return a line of the table: one device at one age."""
    votes = max(int(row["votes"]) for row in rows)
    one, many = (of_chips(rows, count) for count in (1, votes))
    ceiling = [row for row in rows if row["chips"].startswith(CEILING)]
    spread, without = (
        [row for row in rows if row["chips"] == word and int(row["votes"]) == votes]
        for word in (SPREAD, WITHOUT)
    )
    return [
        device,
        shown_age(age_s),
        *map(shown_chips, (one, many, ceiling)),
        f"{100 * float(spread[0]['accuracy']):.1f}" if spread else "-",
        shown_gain(without, many),
        shown_gain(spread, many),
    ]


def of_chips(rows: list[Row], votes: int) -> list[Row]:
    """Return the rows of single chips with a number of votes."""
    return [row for row in rows if row["chips"].isdigit() and int(row["votes"]) == votes]


def shown_age(age_s: float) -> str:
    """Return an age in the largest unit in which it is whole; 0 is of what does not age."""
    if not age_s:
        return "-"
    for seconds, unit in ((DAY_S, "d"), (HOUR_S, "h"), (60.0, "min")):
        if age_s >= seconds and age_s % seconds == 0:
            return f"{age_s / seconds:.0f} {unit}"
    return f"{age_s:g} s"


def shown_chips(rows: list[Row]) -> str:
    """Return mean, worst and best of some chips, in per cent."""
    if not rows:
        return "-"
    found = [100 * float(row["accuracy"]) for row in rows]
    return f"{np.mean(found):.1f} [{min(found):.1f}, {max(found):.1f}]"


def shown_gain(better: list[Row], chips: list[Row]) -> str:
    """Return what a row has more than the mean of some chips, in points, paired over images."""
    if not better or not chips:
        return "-"
    images = int(better[0]["images"])
    gain = right_of(better[0], images) - np.mean([right_of(row, images) for row in chips], axis=0)
    half = Z_95 * gain.std(ddof=1) / np.sqrt(images)
    low, middle, high = (100 * (gain.mean() + by * half) for by in (-1, 0, 1))
    return f"{middle:+.1f} [{low:+.1f}, {high:+.1f}]"


def right_of(row: Row, images: int) -> NDArray[np.float64]:
    """Return which images a row has right, as 0 and 1 ``[images]``."""
    packed = np.frombuffer(bytes.fromhex(row["right"]), np.uint8)
    return np.unpackbits(packed, count=images).astype(np.float64)


def devices_figure(table: Table) -> Figure:
    """Draw the accuracy of each chip over the age, with one vote and many, a panel a device."""
    panels = groups(measured(table), "device")
    drawn = new_figure(2.6 * len(panels) + 0.6, 3.2)
    grid = drawn.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, (device, rows) in zip(grid, panels.items(), strict=True):
        votes = max(int(row["votes"]) for row in rows)
        for index, (count, label) in enumerate(((1, "one vote"), (votes, f"{votes} votes"))):
            chips = of_chips(rows, count)
            style = series_style(index)
            axes.plot(
                [float(row["age_s"]) for row in chips],
                [100 * float(row["accuracy"]) for row in chips],
                linestyle="", marker=style.get("marker", "o"), color=style["color"],
                markersize=4, alpha=0.6, label=f"{label} on one chip",
            )  # fmt: skip
        spread = [row for row in rows if row["chips"] == SPREAD]
        axes.plot(
            [float(row["age_s"]) for row in spread],
            [100 * float(row["accuracy"]) for row in spread],
            color=series_style(2)["color"], label=f"{votes} votes on {votes} chips",
        )  # fmt: skip
        if any(float(row["age_s"]) for row in rows):
            axes.set_xscale("log")
            axes.set_xlabel("age, s")
        else:
            axes.set_xticks([])
            axes.set_xlabel("does not age")
        axes.set_title(device)
    grid[0].set_ylabel("accuracy, %")
    legend_below(drawn, grid[0], 3)
    return drawn


DEVICES = Experiment(
    FOLDER,
    "Accuracy on devices: over chips and ages, with one vote and many.",
    "checkpoint",
    DevicesPlan(),
    DevicesPlan(devices=("ideal-8-8", "pcm-joshi"), ages_s=(60.0,), chips=2, votes=3),
    run_devices,
    devices_section,
    partial(one_figure_each, experiment=FOLDER, draw=devices_figure),
)
