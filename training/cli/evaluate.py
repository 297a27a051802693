"""The command ``evaluate``: accuracy over sigma and votes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from models.card import Accuracy, Card, Evaluation
from models.checkpoint import SHIPPED, Checkpoint, CheckpointStore
from models.cores import allowed_cores
from models.data.datasets import load_dataset
from models.data.files import data_dir
from models.noise import NOISE_SCHEME, NoiseKind
from training.cli.options import (
    AllowUnknown,
    Checkpoints,
    DataDir,
    Threads,
    given_command,
    images_progress,
)
from training.export.card_file import check_writable, update_card
from training.measure.evaluate import MAX_SEED, Caster, NumberedExamples, accuracies
from training.measure.noise_setting import (
    NoiseSetting,
    parse_repeats,
    parse_sigma,
    shown_map,
    shown_sigma,
)
from training.measure.results import (
    ACCURACY_COLUMNS,
    ResultsFile,
    accuracy_in,
    accuracy_row,
    machine,
)
from training.measure.splits import Split, examples_of
from training.recipes.recipe import recipe_from_dict

DEFAULT_SIGMAS = ["0", "0.2", "0.4", "0.6", "0.8", "1"]


def evaluate(
    name: Annotated[str, typer.Argument(help="Name of a checkpoint.")],
    sigma: Annotated[
        list[str] | None,
        typer.Option(help="0.5, or by noise point conv1=0.2,fc2=1; repeat it for several."),
    ] = None,
    repeats: Annotated[
        str, typer.Option(help="Reads averaged, by noise point: fc1=4,fc2=20.")
    ] = "",
    kind: Annotated[NoiseKind | None, typer.Option(help="Default: the checkpoint's.")] = None,
    votes: Annotated[int, typer.Option(min=1)] = 20,
    seed: Annotated[int, typer.Option(min=0, max=MAX_SEED)] = 0,
    on_test_data: Annotated[
        bool, typer.Option("--test/--validation", help="Choose on validation, report on test.")
    ] = False,
    on_exact_test_data: Annotated[
        bool, typer.Option("--exact-test", help="Test images with exact pixels, of a lossy copy.")
    ] = False,
    images: Annotated[
        int | None, typer.Option(min=1, help="Only so many, spread over the split.")
    ] = None,
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
    split = Split.TEST if on_test_data else Split.VALIDATION
    split = Split.EXACT_TEST if on_exact_test_data else split
    examples = examples_of(dataset, recipe, split)
    chosen, others = examples.spread(images or len(examples))
    measurement = Measurement(
        checkpoint,
        chosen,
        [
            NoiseSetting(
                kind or checkpoint.card.noise.kind, parse_sigma(text), parse_repeats(repeats)
            )
            for text in sigma or DEFAULT_SIGMAS
        ],
        votes,
        seed,
        f"{split}, {len(chosen)} images{' spread over it' if len(others) else ''}, seed {seed}",
    )
    if card:
        check_writable(checkpoint.folder)
    file = ResultsFile(output, measurement.about, ACCURACY_COLUMNS) if output else None
    results = measurement.run(file, threads or allowed_cores())
    show(results)
    if card:
        about = file.about if file else measurement.about
        add_to_card(measurement, results, about["command"])


@dataclass(frozen=True, slots=True)
class Measurement:
    """What one ``evaluate`` measures.

    Attributes:
        checkpoint: whose accuracies.
        images: of the split.
        settings: noise, one after the other.
        votes: per image; accuracies are reported for smaller numbers, too.
        seed: of the noise.
        split: its name, images and seed.
    """

    checkpoint: Checkpoint
    images: NumberedExamples
    settings: list[NoiseSetting]
    votes: int
    seed: int
    split: str

    @property
    def about(self) -> dict[str, str]:
        """What is measured and how, for the head of a file."""
        return {
            "command": given_command(),
            "checkpoint": f"{self.checkpoint.name}, {self.checkpoint.fingerprint}",
            "trained by": self.checkpoint.card.training.command,
            "split": self.split,
            "noise": f"{self.settings[0].kind}, {NOISE_SCHEME}",
            "votes": str(self.votes),
            **machine(),
        }

    def run(self, file: ResultsFile | None, threads: int) -> list[Accuracy]:
        """Measure what the file of results lacks; return its accuracies."""
        results = [accuracy_in(row) for row in file.rows] if file else []
        done = [(entry.sigma, entry.repeats) for entry in results]
        left = [entry for entry in self.settings if (entry.sigma, entry.repeats) not in done]
        with images_progress() as progress:
            task = progress.add_task(self.checkpoint.name, total=len(left) * len(self.images))
            caster = Caster(
                self.checkpoint, self.seed, threads, lambda done: progress.advance(task, done)
            )
            for noise in left:
                votes = caster.cast(self.images, noise, self.votes)
                entries = accuracies(votes, noise, self.votes)
                results += entries
                if file:
                    file.add(accuracy_row(entry) for entry in entries)
        return results


def add_to_card(measurement: Measurement, results: list[Accuracy], command: str) -> None:
    """Write accuracies, and the command behind them, to the card of their checkpoint."""
    entry = Evaluation(
        split=measurement.split.split(",")[0],
        seed=measurement.seed,
        noise_scheme=NOISE_SCHEME,
        command=command,
        accuracies=tuple(results),
    )

    def with_entry(card: Card) -> Card:
        kept = [old for old in card.evaluations if not old.is_replaced_by(entry)]
        return card.model_copy(update={"evaluations": (*kept, entry)})

    update_card(measurement.checkpoint, with_entry)


def show(results: list[Accuracy]) -> None:
    """Print accuracies as a table, one row a noise setting."""
    columns = sorted({entry.votes for entry in results})
    table = Table("sigma", *(f"{votes} votes" for votes in columns))
    rows: dict[str, dict[int, Accuracy]] = {}
    for entry in results:
        reads = f" ({shown_map(entry.repeats)})" if entry.repeats else ""
        rows.setdefault(shown_sigma(entry.sigma) + reads, {})[entry.votes] = entry
    for setting, cells in rows.items():
        table.add_row(
            setting, *(f"{100 * cells[v].accuracy:.2f}" if v in cells else "" for v in columns)
        )
    Console().print(table)
