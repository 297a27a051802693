"""The command ``noisevote evaluate``: a running service on labelled inputs of the user's own."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from noisevote.models.data.dataset import Labels
from noisevote.models.data.files import data_dir
from noisevote.models.data.samples import Samples, read_samples
from noisevote.models.stopping import StopRule
from noisevote.service.client import AsyncClient
from noisevote.service.client.evaluation import Report, Share, evaluate
from noisevote.service.commands import voting


def evaluate_command(
    samples: Annotated[
        str,
        typer.Argument(
            help="Folder with a folder of PNG or JPEG a class; .csv of file,label, files relative "
            "to it, or of features and label; .npz of inputs and labels; or a data set by name."
        ),
    ],
    url: Annotated[str, typer.Option(help="Of the service.")] = "http://127.0.0.1:8000",
    checkpoint: voting.Checkpoint = None,
    noise: voting.Noise = None,
    sigma: voting.Sigma = None,
    device: voting.Device = None,
    chip: voting.Chip = None,
    chips: voting.Chips = None,
    age: voting.Age = None,
    temperature: voting.Temperature = None,
    votes: voting.Votes = 20,
    stop: voting.Stop = StopRule.FULL,
    delta: voting.Delta = 0.001,
    alpha: voting.Alpha = 0.05,
    seed: Annotated[int | None, typer.Option(help="Of the first input; counts up.")] = None,
    concurrency: Annotated[int, typer.Option(min=1, max=256, help="Requests in flight.")] = 8,
    api_key: Annotated[
        str | None, typer.Option(envvar="NOISEVOTE_API_KEY", help="If the service has keys.")
    ] = None,
    labels: Annotated[
        Labels,
        typer.Option(help="predicted: what is answered without noise stands for labels."),
    ] = Labels.GIVEN,
    data: Annotated[
        Path | None, typer.Option("--data-dir", help="Of the data sets; NOISEVOTE_DATA_DIR.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The report as JSON.")] = False,
) -> None:
    """Accuracy of a running service on labelled inputs, with 95 % intervals."""
    read = read_samples(samples, data_dir(data))
    options = {
        "checkpoint": checkpoint,
        "noise": noise,
        "sigma": sigma,
        "device": device,
        "chip": chip,
        "chips": chips,
        "age_s": age,
        "temperature_c": temperature,
        "votes": votes,
        "stop": stop,
        "delta": delta,
        "alpha": alpha,
        "seed": seed,
    }
    given = {name: value for name, value in options.items() if value is not None}
    report = asyncio.run(run(url, api_key, read, given, concurrency, labels is Labels.GIVEN))
    if as_json:
        typer.echo(json.dumps(report.as_json()))
    else:
        show(report)


async def run(
    url: str,
    api_key: str | None,
    samples: Samples,
    options: Mapping[str, Any],
    concurrency: int,
    has_labels: bool,
) -> Report:
    """Evaluate under a progress bar."""
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("asking", total=len(samples) * (1 if has_labels else 2))
        async with AsyncClient(url, api_key=api_key) as client:
            return await evaluate(
                client, samples, options, concurrency, lambda: progress.advance(task), has_labels
            )


def show(report: Report) -> None:
    """Print a report for people."""
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"[bold]{report.checkpoint}[/], {report.fingerprint}")
    console.print(escape(report.samples))
    console.print(f"accuracy {text(report.accuracy)}")
    if report.abstained is not None and report.accuracy_if_sure is not None:
        console.print(f"abstained {text(report.abstained)}")
        console.print(f"accuracy where it did not {text(report.accuracy_if_sure)}")
    console.print(f"votes cast {report.votes_cast:.2f} an input, agreement {report.agreement:.3f}")
    if report.refused:
        names = ", ".join(name for name, _ in report.refused)
        number = len(report.refused)
        console.print(f"refused {number} of {number + report.accuracy.of}: {escape(names)}")
    table = Table("label", "accuracy")
    for label, share in report.by_label.items():
        table.add_row(label, text(share))
    console.print(table)


def text(share: Share) -> str:
    """Return a share in per cent with its interval."""
    if share.interval is None:
        return "of none"
    low, high = (100 * bound for bound in share.interval)
    percent = 100 * share.count / share.of
    return f"{percent:.2f} % \\[{low:.2f}, {high:.2f}] ({share.count} of {share.of})"
