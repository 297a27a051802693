"""The command ``noisevote-train``: train, evaluate and export noise-hardened networks.

Exit codes: 0 done; 1 it could not be done, the last line says why; 2 wrong usage; 130 interrupted.
"""

import sys
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.markup import escape

from models.card import Training
from models.checkpoint import SHIPPED, CheckpointStore
from models.datasets import Dataset, as_inputs, data_dir, load_dataset
from models.errors import ExportError, NoisevoteError, TrainingError
from models.networks.trained import load_network
from models.noise import NoiseKind
from training.cli_agreement import agreement
from training.cli_calibrate import calibrate_checkpoint
from training.cli_evaluate import evaluate
from training.cli_experiment import experiments
from training.cli_options import AllowUnknown, Checkpoints, DataDir, console
from training.cli_train import recipes, throughput, train
from training.export import check_parity, export_checkpoint
from training.recipes import recipe_from_dict
from training.report.page import write_report
from training.sources import network_of
from training.state import read_state
from training.validation import split
from training.variation import train_command

app = typer.Typer(
    help="Train, evaluate and export noise-hardened networks.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
PARITY_IMAGES = 1000


app.command()(recipes)
app.command()(train)
app.command()(throughput)
app.command()(evaluate)
app.command("calibrate")(calibrate_checkpoint)
app.command()(agreement)
app.add_typer(experiments, name="experiment")


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
    network = network_of(recipe)
    network.load_state_dict(state["network"])
    checkpoint_name = name or recipe.name
    training = Training(
        recipe=recipe.as_dict(),
        command=train_command(recipe),
        data_digests=dataset.digests,
        data_is_official=dataset.is_official,
        data_licence=dataset.licence,
        torch_version=torch.__version__,
        sources=state.get("sources", {}),
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
    sigma = checkpoint.card.noise.largest_sigma or 0.5
    parity = check_parity(network, checkpoint.runtime(kind), checkpoint.card, images, sigma)
    text = (
        f"{kind}: {parity.same_votes} of {parity.images} votes equal, outputs within "
        f"{parity.largest_difference:.1e}"
    )
    if not parity.holds:
        raise ExportError(f"torch and ONNX Runtime disagree: {text}")
    console.print(text)


@app.command("report")
def report_command() -> None:
    """Write the results page anew from the stored results."""
    console.print(f"wrote {write_report()}")


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
