"""The command ``study``."""

from collections.abc import Sequence
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from noisevote.models.checkpoint import SHIPPED, Checkpoint, CheckpointStore
from noisevote.models.cores import allowed_cores
from noisevote.models.data.dataset import Labels
from noisevote.models.data.files import data_dir
from noisevote.models.devices.options import parse_ages, profile_named
from noisevote.models.devices.profile import Profile
from noisevote.models.errors import InputError
from noisevote.models.study.folders import study_folder
from noisevote.models.study.store import StudyStore
from noisevote.training.cli.options import (
    AllowUnknown,
    Checkpoints,
    DataDir,
    LabelsFrom,
    SamplesGiven,
    changed,
    console,
    given_command,
)
from noisevote.training.cli.passes_bar import PassesBar
from noisevote.training.measure.subject import Source
from noisevote.training.study.asked import Halves, StudyPlan, halves_of, head_of
from noisevote.training.study.budget import MOST as MOST_PASSES
from noisevote.training.study.budget import parse_budget, passes_for
from noisevote.training.study.compare import write_comparison
from noisevote.training.study.measure import Subject
from noisevote.training.study.plan import ONE_SAMPLE, Maker, extent_of
from noisevote.training.study.report import write_report
from noisevote.training.study.run import Measure, Study
from noisevote.training.study.workers import in_processes, on_ray


class Where(StrEnum):
    """Where cells are measured."""

    PROCESSES = "processes"
    RAY = "ray"


def study(
    name: Annotated[str | None, typer.Argument(metavar="CHECKPOINT", help="What to study.")] = None,
    test: Annotated[
        str | None,
        typer.Option(
            help="Samples that figures come from, as --samples, on which settings are chosen then; "
            "by default the samples are halved by digest."
        ),
    ] = None,
    device: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME|FILE.toml",
            help="Analog device instead of noise of a strength. Repeat for several studies.",
        ),
    ] = None,
    age: Annotated[
        str, typer.Option(help="Of the device, since the weights were written: 60s,1h,1d.")
    ] = "",
    budget: Annotated[
        str,
        typer.Option(
            help="Time, 20m or 2h, that is turned into passes once and kept; or passes, 500000."
        ),
    ] = "20m",
    output: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the study. Default: studies/CHECKPOINT[--DEVICE] beside the folder of "
            "the checkpoints."
        ),
    ] = None,
    processes: Annotated[
        int | None, typer.Option(min=1, help="Side by side; by default all allowed cores.")
    ] = None,
    where: Annotated[
        Where, typer.Option("--on", help="Where cells are measured: here, or on a Ray cluster.")
    ] = Where.PROCESSES,
    compare: Annotated[
        tuple[Path, Path] | None,
        typer.Option(
            metavar="A B", help="Set two studies, by their folders, side by side, and end."
        ),
    ] = None,
    samples: SamplesGiven = None,
    labels: LabelsFrom = Labels.GIVEN,
    checkpoints: Checkpoints = SHIPPED,
    data: DataDir = None,
    allow_unknown_data: AllowUnknown = False,
    **given: Any,
) -> None:
    """Answer how much noise a checkpoint can take, how many votes that needs, and what they cost.

    The report is written to the folder of the study as HTML, JSON and CSV; the same command goes on
    where it was.
    """
    if compare is not None:
        verdict, page = write_comparison(*compare, output)
        Console().print(verdict, soft_wrap=True, highlight=False, markup=False)
        console.print(f"comparison in {page}", soft_wrap=True, markup=False)
        return
    if name is None:
        raise InputError("name a checkpoint to study, or two studies with --compare")
    if output is not None and len(device or []) > 1:
        raise InputError("--output is the folder of one study; leave it out for several devices")
    plan = changed(StudyPlan(), given)
    checkpoint = CheckpointStore(checkpoints).find(name)
    source = Source(samples, labels, data_dir(data), allow_unknown_data, allowed_cores())
    halves = halves_of(checkpoint, source, test)
    workers = processes or allowed_cores()
    measure: Measure = on_ray if where is Where.RAY else partial(in_processes, processes=workers)
    profiles: list[Profile | None] = [profile_named(each) for each in device or []]
    for profile in profiles or [None]:
        kind = plan.noise if plan.noise is not checkpoint.card.noise.kind else None
        folder = output or study_folder(checkpoints, name, profile, kind, plan.temperature)
        store, ages_s = StudyStore(folder), parse_ages(age)
        run_one(store, checkpoint, plan, halves, profile, ages_s, budget, workers, measure)


def run_one(
    store: StudyStore,
    checkpoint: Checkpoint,
    plan: StudyPlan,
    halves: Halves,
    device: Profile | None,
    ages_s: Sequence[float],
    budget: str,
    processes: int,
    measure: Measure,
) -> None:
    """Run a study, or go on with it, and write its report."""
    store.recover()
    seconds, passes = parse_budget(budget)
    of_all = Subject.of(checkpoint, plan, device, halves)
    if store.exists:
        if passes not in {None, store.head.passes}:
            kept = f"the study in {store.folder} keeps its budget of {store.head.passes:,} passes"
            more = "another one makes another study (--output)"
            console.print(f"{kept}; {more}", soft_wrap=True, markup=False)
        passes = store.head.passes
    elif passes is None and seconds is not None:
        head = head_of(checkpoint, plan, halves, device, ages_s, MOST_PASSES)
        passes = passes_for(seconds, of_all, Maker(head, ONE_SAMPLE).operating, processes)
    asked = head_of(checkpoint, plan, halves, device, ages_s, passes or 0)
    extent_of(asked, checkpoint.card)  # refuses a budget without room before anything is kept
    head = store.settle(asked)
    taken = halves.spread(extent_of(head, checkpoint.card).samples)
    store.hold(taken.numbered)
    store.said(given_command())
    subject = Subject.of(checkpoint, plan, device, taken)
    try:
        with PassesBar(console) as bar:
            Study(store, checkpoint.card, subject, measure, bar.told).run()
    except (KeyboardInterrupt, SystemExit):
        kept = f"what is measured is kept in {store.folder}; the same command goes on"
        console.print(kept, soft_wrap=True, markup=False)
        raise
    for sentence in write_report(store, checkpoint.card):
        Console().print(sentence, soft_wrap=True, highlight=False, markup=False)
    console.print(f"report in {store.folder}", soft_wrap=True, markup=False)
