"""The command ``noisevote-train``: train, evaluate and export noise-hardened networks.

Exit codes: 0 done; 1 it could not be done, the last line says why; 2 wrong usage; 130 interrupted.
"""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from models.card import Accuracy, Evaluation, Training
from models.checkpoint import SHIPPED, CheckpointStore
from models.cores import allowed_cores
from models.datasets import Dataset, as_inputs, data_dir, load_dataset
from models.errors import ExportError, NoisevoteError, TrainingError
from models.networks.registry import build_network
from models.noise import NOISE_SCHEME, NoiseKind
from training.cli_options import AllowUnknown, Checkpoints, DataDir, Threads, console
from training.cli_train import recipes, train
from training.evaluate import MAX_SEED, EvaluationPlan, evaluate
from training.export import check_parity, export_checkpoint, load_network, write_card
from training.loop import split
from training.recipes import recipe_from_dict
from training.report import write_report
from training.results_file import machine, results_so_far, write_results
from training.state import read_state
from training.variation import train_command

app = typer.Typer(
    help="Train, evaluate and export noise-hardened networks.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
PARITY_IMAGES = 1000


app.command()(recipes)
app.command()(train)


@app.command()
def export(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    name: Annotated[str | None, typer.Option(help="Name of the checkpoint.")] = None,
    checkpoints: Checkpoints = SHIPPED,
    data: DataDir = None,
    allow_unknown_data: AllowUnknown = False,
) -> None:
    """Export a run as a checkpoint, and check that ONNX Runtime gives torch's outputs."""
    state = read_state(run)
    recipe = recipe_from_dict(state["recipe"])
    if not state["is_finished"]:
        raise TrainingError(
            f"{run} has done {len(state['history'])} of {recipe.schedule.epochs} epochs; go on "
            f"with: {train_command(recipe)} --run {run}"
        )
    dataset = load_dataset(recipe.dataset, data_dir(data), allow_unknown_data)
    network = build_network(recipe.network, recipe.hardening.kind, recipe.options)
    network.load_state_dict(state["network"])
    checkpoint_name = name or recipe.name
    training = Training(
        recipe=recipe.as_dict(),
        command=train_command(recipe),
        data_digests=dataset.digests,
        data_is_official=dataset.is_official,
        data_licence=dataset.licence,
        torch_version=torch.__version__,
    )
    folder = checkpoints / checkpoint_name
    export_checkpoint(network, recipe, checkpoint_name, training, folder)
    for kind in NoiseKind:
        report_parity(checkpoints, checkpoint_name, dataset, kind)
    console.print(f"exported to {folder}")


def report_parity(checkpoints: Path, name: str, dataset: Dataset, kind: NoiseKind) -> None:
    """Compare torch and ONNX Runtime on held-back images; refuse a checkpoint that differs."""
    checkpoint = CheckpointStore(checkpoints).find(name)
    recipe = recipe_from_dict(checkpoint.card.training.recipe)
    _, validation = split(dataset.train, recipe)
    images = as_inputs(validation.inputs[:PARITY_IMAGES])
    network = load_network(checkpoint.folder, checkpoint.card)
    sigma = checkpoint.card.noise.sigma_train or 0.5
    parity = check_parity(network, checkpoint.runtime(kind), checkpoint.card, images, sigma)
    text = (
        f"{kind}: {parity.same_votes} of {parity.images} votes equal, outputs within "
        f"{parity.largest_difference:.1e}"
    )
    if not parity.holds:
        raise ExportError(f"torch and ONNX Runtime disagree: {text}")
    console.print(text)


@app.command("evaluate")
def evaluate_command(
    name: Annotated[str, typer.Argument(help="Name of a checkpoint.")],
    sigma: Annotated[
        list[float] | None, typer.Option(help="Repeat for several; default 0 to 1 by 0.2.")
    ] = None,
    kind: Annotated[NoiseKind | None, typer.Option(help="Default: the checkpoint's.")] = None,
    votes: Annotated[int, typer.Option(min=1)] = 20,
    seed: Annotated[int, typer.Option(min=0, max=MAX_SEED)] = 0,
    on_test_data: Annotated[
        bool, typer.Option("--test/--validation", help="Choose on validation, report on test.")
    ] = False,
    images: Annotated[int | None, typer.Option(min=1, help="Only the first so many.")] = None,
    output: Annotated[Path | None, typer.Option(help="CSV; goes on where it was.")] = None,
    card: Annotated[bool, typer.Option(help="Write the accuracies to the card.")] = False,
    checkpoints: Checkpoints = SHIPPED,
    data: DataDir = None,
    allow_unknown_data: AllowUnknown = False,
    threads: Threads = None,
) -> None:
    """Measure the accuracy over sigma and votes."""
    checkpoint = CheckpointStore(checkpoints).find(name)
    recipe = recipe_from_dict(checkpoint.card.training.recipe)
    dataset = load_dataset(recipe.dataset, data_dir(data), allow_unknown_data)
    examples = dataset.test if on_test_data else split(dataset.train, recipe)[1]
    examples = examples.first(images or len(examples))
    split_name = "test" if on_test_data else "validation"
    grid = tuple(sigma) if sigma else (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    noise = kind or checkpoint.card.noise.kind
    command = "noisevote-train " + shlex.join(without_paths(sys.argv[1:]))
    about = {
        "command": command,
        "checkpoint": f"{name}, {checkpoint.fingerprint}",
        "trained by": checkpoint.card.training.command,
        "split": f"{split_name}, {len(examples)} images, seed {seed}",
        "noise": f"{noise}, {NOISE_SCHEME}",
        "votes": str(votes),
        **machine(),
    }
    results = results_so_far(output, about) if output else []
    measured = {entry.sigma for entry in results}
    plan = EvaluationPlan(
        kind=noise,
        sigmas=tuple(value for value in grid if value not in measured),
        votes=votes,
        seed=seed,
        threads=threads or allowed_cores(),
    )
    with evaluation_progress() as progress:
        for entries in evaluate(checkpoint, examples, plan, progress):
            results += entries
            if output:
                write_results(output, results, about)
    show(results)
    if card:
        entry = Evaluation(
            split=split_name,
            seed=seed,
            noise_scheme=NOISE_SCHEME,
            command=command,
            accuracies=tuple(results),
        )
        kept = [old for old in checkpoint.card.evaluations if not old.is_replaced_by(entry)]
        new = checkpoint.card.model_copy(update={"evaluations": (*kept, entry)})
        write_card(new, checkpoint.folder)


@app.command("report")
def report_command() -> None:
    """Write the results page anew from the stored results."""
    console.print(f"wrote {write_report()}")


def without_paths(arguments: list[str]) -> list[str]:
    """Leave out the options that only say where files lie on this machine."""
    left = []
    skip = False
    for argument in arguments:
        if skip:
            skip = False
        elif argument in {"--data-dir", "--output", "--checkpoints", "--threads"}:
            skip = True
        else:
            left.append(argument)
    return left


def show(results: list[Accuracy]) -> None:
    """Print accuracies as a table, one row a sigma."""
    columns = sorted({entry.votes for entry in results})
    table = Table("sigma", *(f"{votes} votes" for votes in columns))
    for sigma in sorted({entry.sigma for entry in results}):
        cells = {entry.votes: entry for entry in results if entry.sigma == sigma}
        table.add_row(
            f"{sigma:g}",
            *(f"{100 * cells[v].accuracy:.2f}" if v in cells else "" for v in columns),
        )
    Console().print(table)


def evaluation_progress() -> Progress:
    """Return a bar that counts images."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
    )


def main() -> None:
    """Run the command line; errors raised on purpose become one line and exit code 1."""
    try:
        app()
    except NoisevoteError as error:
        console.print(f"[red]error:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
        sys.exit(1)
    except KeyboardInterrupt:
        console.print("interrupted; the same command goes on where it was")
        sys.exit(130)


if __name__ == "__main__":
    main()
