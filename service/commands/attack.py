"""The command ``noisevote attack``: an assessment without a server.

The target is asked by votes alone, as over HTTP. Steps are kept in the output folder: the same
command goes on where it was interrupted.
"""

from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from models.checkpoint import SHIPPED, Checkpoint, CheckpointStore
from models.errors import InputError
from models.noise import NoiseKind
from models.robustness.assessment import assess
from models.robustness.ball import Norm
from models.robustness.plan import AttackName, Plan
from models.robustness.report import Report
from models.robustness.samples import Samples
from models.robustness.watch import Watch
from service.jobs.setup import (
    about_of,
    checked_pair,
    dataset_samples,
    file_samples,
    run_of,
    write_report,
)
from service.wire.errors import input_error_from

DEFAULTS = Plan.model_fields


def attack_command(
    target: Annotated[str, typer.Argument(help="Checkpoint under attack.")],
    surrogate: Annotated[str, typer.Option(help="The attacker's checkpoint.")],
    epsilon: Annotated[float, typer.Option(help="Largest perturbation, in units of the inputs.")],
    sigma: Annotated[float, typer.Option(help="Of the target's noise.")],
    output: Annotated[Path, typer.Option(help="Folder of report and steps.")] = Path("assessment"),
    noise: Annotated[NoiseKind | None, typer.Option(help="Default: the target's.")] = None,
    votes: Annotated[int, typer.Option(help="Of each reply.")] = 20,
    norm: Annotated[Norm, typer.Option()] = Norm.LINF,
    step_size: Annotated[float | None, typer.Option(help="Default: epsilon / 6.")] = None,
    steps: Annotated[int, typer.Option(help="Of each restart.")] = 20,
    restarts: Annotated[int, typer.Option()] = 5,
    attack: Annotated[list[AttackName] | None, typer.Option(help="Repeat for several.")] = None,
    queries: Annotated[int, typer.Option(help="Per sample, of attacks by queries.")] = 200,
    query_samples: Annotated[int, typer.Option(help="Attacked by queries.")] = 20,
    adaptive: Annotated[bool, typer.Option(help="Also attackers who know of the noise.")] = True,
    white_box: Annotated[bool, typer.Option(help="Also the target's own gradients.")] = True,
    replies: Annotated[int, typer.Option(help="That verify an example.")] = 21,
    sigmas: Annotated[str, typer.Option(help="Sweep, like 0,0.1,0.2.")] = "",
    epsilons: Annotated[str, typer.Option(help="Sweep, like 0.1,0.2,0.3.")] = "",
    vote_numbers: Annotated[str, typer.Option(help="Sweep, like 1,5,20.")] = "",
    undefended: Annotated[str | None, typer.Option(help="A checkpoint known to fall.")] = None,
    dataset: Annotated[str, typer.Option(help="Whose test images are attacked.")] = "mnist",
    images: Annotated[int, typer.Option(min=1, help="The first so many.")] = 200,
    samples: Annotated[Path | None, typer.Option(help=".npz with inputs and labels.")] = None,
    seed: Annotated[int, typer.Option()] = 0,
    checkpoints: Annotated[Path, typer.Option(envvar="NOISEVOTE_CHECKPOINTS")] = SHIPPED,
    data: Annotated[Path | None, typer.Option("--data-dir", help="NOISEVOTE_DATA_DIR.")] = None,
) -> None:
    """Assess how well noise and votes protect a checkpoint against black-box attacks."""
    store = CheckpointStore(checkpoints)
    attacked = store.find(target)
    plan = plan_from(
        {
            "kind": noise or attacked.card.noise.kind,
            "sigma": sigma,
            "votes": votes,
            "norm": norm,
            "epsilon": epsilon,
            "step_size": step_size,
            "steps": steps,
            "restarts": restarts,
            "attacks": tuple(attack) if attack else DEFAULTS["attacks"].default,
            "queries": queries,
            "query_samples": query_samples,
            "adaptive": adaptive,
            "white_box": white_box,
            "replies": replies,
            "sigmas": numbers_in(sigmas, "sigmas"),
            "epsilons": numbers_in(epsilons, "epsilons"),
            "vote_numbers": tuple(map(int, numbers_in(vote_numbers, "vote_numbers"))),
            "seed": seed,
        }
    )
    taken, source = chosen_samples(attacked, samples, dataset, images, data)
    other = checked_pair(attacked, store.find(surrogate))
    weak = None if undefended is None else checked_pair(attacked, store.find(undefended))
    about = about_of(attacked, other, weak, taken, source)
    progress = progress_bar()
    task = progress.add_task("", total=1.0)
    watch = Watch(lambda step, share: progress.update(task, description=step, completed=share))
    run = run_of(store, about, plan, taken, output, watch)
    with progress:
        report = assess(run, about, lambda partial: write_report(partial, output))
    write_report(report, output)
    show(report, output)


def chosen_samples(
    target: Checkpoint, file: Path | None, dataset: str, images: int, data: Path | None
) -> tuple[Samples, str]:
    """Return the samples and what they are, in words."""
    if file is not None:
        return file_samples(target, file), file.name
    return dataset_samples(target, dataset, images, data), f"{dataset}, first test images"


def plan_from(fields: dict[str, Any]) -> Plan:
    """Validate a plan.

    Raises:
        InputError: a value is out of range; the message says which.
    """
    try:
        return Plan.model_validate(fields)
    except ValidationError as error:
        raise input_error_from(error) from None


def numbers_in(text: str, name: str) -> tuple[float, ...]:
    """Return the numbers of a list with commas.

    Raises:
        InputError: one is no number.
    """
    try:
        return tuple(float(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise InputError(f"{name} is {text!r}; it must be numbers with commas between") from None


def progress_bar() -> Progress:
    """Return a bar with the running step and the share of all work that is done."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )


def show(report: Report, folder: Path) -> None:
    """Print the verdict and where the rest is."""
    console = Console(highlight=False, soft_wrap=True, markup=False)
    if report.verdict is not None:
        for sentence in report.verdict.sentences:
            console.print(sentence)
    console.print(f"The report is in {folder}.")
