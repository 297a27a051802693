"""The command ``noisevote attack``: an assessment without a server.

The target is asked by votes alone, as over HTTP. Steps are kept in the output folder: the same
command goes on where it was interrupted.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from pydantic import ValidationError
from rich import progress as bars
from rich.console import Console

from models.checkpoint import SHIPPED, Checkpoint, CheckpointStore
from models.errors import InputError, StorageError
from models.files import hold
from models.noise import NoiseKind
from models.robustness.assessment import assess
from models.robustness.ball import Norm, Samples
from models.robustness.plan import AttackName, Plan
from models.robustness.progress import Progress
from models.robustness.report import Report
from service.jobs.orders import (
    Pair,
    check_attacks,
    check_installed,
    check_sizes,
    kind_of,
    sigma_of,
)
from service.jobs.setup import (
    REPORT_JSON,
    about_of,
    all_asked_for,
    checked_pair,
    dataset_samples,
    file_samples,
    run_of,
    write_report,
)
from service.wire.errors import input_error_from

DEFAULTS = Plan.model_fields

Number = TypeVar("Number", int, float)


def attack_command(
    target: Annotated[str, typer.Argument(help="Checkpoint under attack.")],
    surrogate: Annotated[str, typer.Option(help="The attacker's checkpoint.")],
    epsilon: Annotated[float, typer.Option(help="Largest perturbation, in units of the inputs.")],
    sigma: Annotated[
        float | None, typer.Option(help="Of the target's noise. Default: its sigma_train.")
    ] = None,
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
    draws: Annotated[int, typer.Option(help="Of noise, averaged per adaptive gradient.")] = 8,
    white_box: Annotated[bool, typer.Option(help="Also the target's own gradients.")] = True,
    replies: Annotated[int, typer.Option(help="That verify an example.")] = 21,
    sweep_replies: Annotated[int, typer.Option(help="The same in the sweeps.")] = 5,
    stable_share: Annotated[
        float, typer.Option(help="Of right replies, from which a sample is stably right.")
    ] = 0.9,
    sigmas: Annotated[str, typer.Option(help="Sweep, like 0,0.1,0.2.")] = "",
    epsilons: Annotated[str, typer.Option(help="Sweep, like 0.1,0.2,0.3.")] = "",
    vote_numbers: Annotated[str, typer.Option(help="Sweep, like 1,5,20.")] = "",
    budgets: Annotated[str, typer.Option(help="Sweep over queries, like 50,100.")] = "",
    alpha: Annotated[float, typer.Option(help="Of intervals and abstentions.")] = 0.05,
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
    kind = kind_of(noise, attacked.card)
    plan = plan_from(
        {
            "kind": kind,
            "sigma": sigma_of(sigma, attacked.card, kind),
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
            "draws": draws,
            "white_box": white_box,
            "replies": replies,
            "sweep_replies": sweep_replies,
            "stable_share": stable_share,
            "sigmas": numbers_in(sigmas, "sigmas", float),
            "epsilons": numbers_in(epsilons, "epsilons", float),
            "vote_numbers": numbers_in(vote_numbers, "vote_numbers", int),
            "budgets": numbers_in(budgets, "budgets", int),
            "alpha": alpha,
            "seed": seed,
        }
    )
    check_installed(plan.attacks)
    other = checked_pair(attacked, store.find(surrogate))
    weak = (
        None if undefended is None else checked_pair(attacked, store.find(undefended), "undefended")
    )
    check_attacks(plan, Pair(attacked, other, weak))
    check_sizes(plan, attacked.card)
    taken, source = chosen_samples(attacked, samples, dataset, images, data)
    about = about_of(attacked, other, weak, taken, source)
    bar = progress_bar()
    task = bar.add_task("", total=1.0)
    named: set[str] = set()

    def told(step: str, share: float) -> None:
        bar.update(task, description=step, completed=share)
        if step not in named and not bar.console.is_terminal:  # a log has no bar
            bar.console.print(f"{share:4.0%} {step}", soft_wrap=True, highlight=False)
        named.add(step)

    with kept_in(output):
        run = run_of(store, about, plan, taken, output, Progress(told))
        with bar:
            report = assess(run, about, lambda partial: write_report(partial, output))
        write_report(report, output)
    show(report, output)


@contextmanager
def kept_in(folder: Path) -> Iterator[None]:
    """Hold the folder of an assessment, and turn errors of the file system into ours.

    Raises:
        StorageError: the folder cannot be written, the disk is full, or another process writes it.
    """
    try:
        with closing(hold(folder / REPORT_JSON)):
            yield
    except BlockingIOError as error:
        raise StorageError(
            f"another process writes into {folder}; wait until it has ended, or name another one "
            "with --output"
        ) from error
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise StorageError(f"the folder {folder} cannot be used: {reason}") from error


def chosen_samples(
    target: Checkpoint, file: Path | None, dataset: str, images: int, data: Path | None
) -> tuple[Samples, str]:
    """Return the samples and what they are, in words."""
    if file is not None:
        return file_samples(target, file), file.name
    known = all_asked_for(dataset_samples(target, dataset, images, data), dataset, images)
    return known, f"{dataset}, first test images"


def plan_from(fields: dict[str, Any]) -> Plan:
    """Validate a plan.

    Raises:
        InputError: a value is out of range; the message says which.
    """
    try:
        return Plan.model_validate(fields)
    except ValidationError as error:
        raise input_error_from(error) from None


def numbers_in(text: str, name: str, kind: type[Number]) -> tuple[Number, ...]:
    """Return the numbers of a list with commas.

    Raises:
        InputError: one is no number of this kind.
    """
    try:
        return tuple(kind(part) for part in text.split(",") if part.strip())
    except ValueError:
        numbers = "whole numbers" if kind is int else "numbers"
        raise InputError(f"{name} is {text!r}; it must be {numbers} with commas between") from None


def progress_bar() -> bars.Progress:
    """Return a bar with the running step and the share of all work that is done."""
    return bars.Progress(
        bars.TextColumn("{task.description}"),
        bars.BarColumn(),
        bars.TaskProgressColumn(),
        bars.TimeElapsedColumn(),
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
