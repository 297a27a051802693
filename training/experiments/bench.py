"""What every experiment stands on: data, networks trained and exported when missing, places."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import Progress

from noisevote.models.checkpoint import SHIPPED, Checkpoint, CheckpointStore
from noisevote.models.checkpoint_folders import CARD_FILE
from noisevote.models.data.dataset import LoadedDataset
from noisevote.models.data.samples import Samples
from noisevote.models.draws.schemes import NEWEST
from noisevote.models.errors import TrainingError, UnknownCheckpointError
from noisevote.training.experiments.made_up import made_up_dataset, shrunk
from noisevote.training.export.run import ExportPlan, export_run
from noisevote.training.fit.loop import fit
from noisevote.training.fit.sources import Sources, finished_run
from noisevote.training.measure.evaluate import Caster, NumberedExamples, casting
from noisevote.training.measure.results import SAMPLES, ResultsFile, Row, machine
from noisevote.training.measure.splits import (
    Split,
    examples_of,
    has_split,
    part_of,
    reported_split,
    sample_examples,
)
from noisevote.training.measure.subject import with_predicted_labels
from noisevote.training.recipes.recipe import Recipe, recipe_from_dict
from noisevote.training.recipes.table import find_recipe
from noisevote.training.recipes.vary import differences, train_command

SEEDS = {Split.VALIDATION: 1, Split.TEST: 0, Split.EXACT_TEST: 2}
"""Noise of the splits; what is chosen on one is never confirmed on the same noise."""

PARITY_IMAGES = 100
"""On which an exported network must give torch's outputs; fewer than when it is to be shipped."""


@dataclass(slots=True)
class Bench:
    """Where an experiment runs.

    Attributes:
        runs: folder of the training runs; their checkpoints lie in its folder ``checkpoints``.
        results: folder of the raw results.
        load: loads a data set by name.
        command: as typed, for the heads of the results.
        console: where progress is shown.
        progress: makes a bar that counts images.
        threads: number of threads of training and evaluation.
        accelerator: where networks are trained and attacked; votes are cast on the CPU.
        samples: what checkpoints are measured on; None: the data of their recipes.
        has_labels: whether the samples' labels are taken; else those of the noiseless network.
        others: folder of the checkpoints that were not trained here.
        is_smoke: whether networks and data are made up and small, to see that all runs.
    """

    runs: Path
    results: Path
    load: Callable[[str], LoadedDataset]
    command: str
    console: Console
    progress: Callable[[], Progress]
    threads: int = 1
    accelerator: str = "cpu"
    is_smoke: bool = False
    samples: Samples | None = None
    has_labels: bool = True
    others: Path = SHIPPED
    _datasets: dict[str, LoadedDataset] = field(default_factory=dict)
    _examples: dict[tuple[str, Split], NumberedExamples] = field(default_factory=dict)
    _opened: list[tuple[ResultsFile, list[Row]]] = field(default_factory=list)

    @property
    def checkpoints(self) -> Path:
        """Folder of the networks that were trained here."""
        return self.runs / "checkpoints"

    def dataset(self, name: str) -> LoadedDataset:
        """Return a data set, loaded once."""
        if name not in self._datasets:
            load = made_up_dataset if self.is_smoke else self.load
            self._datasets[name] = load(name)
        return self._datasets[name]

    def images(self, checkpoint: Checkpoint, split: Split) -> NumberedExamples:
        """Return the examples of a split of a checkpoint's data set, or of a half of the samples.

        Raises:
            CheckpointError: there are no samples, and no recipe tells the data.
            DataError: the samples do not fit the checkpoint.
        """
        if self.samples is not None:
            key = checkpoint.fingerprint, split
            if key not in self._examples:
                self._examples[key] = self._fitted(self.samples, checkpoint, split)
            return self._examples[key]
        recipe = recipe_from_dict(checkpoint.card.recipe)
        return examples_of(self.dataset(recipe.dataset), recipe, split)

    def _fitted(self, samples: Samples, checkpoint: Checkpoint, split: Split) -> NumberedExamples:
        half = part_of(samples, split)
        found = sample_examples(half, checkpoint.card, self.has_labels)
        if self.has_labels:
            return found
        return with_predicted_labels(checkpoint, found, self.threads)

    def splits(self, checkpoint: Checkpoint) -> list[Split]:
        """Return the splits that a checkpoint's data set has."""
        dataset = self.dataset(checkpoint.card.recipe["dataset"])
        return [split for split in Split if has_split(dataset, split)]

    def reported(self, checkpoint: Checkpoint) -> Split:
        """Return the split that figures are reported on; of samples the test half."""
        if self.samples is not None:
            return Split.TEST
        dataset = self.dataset(checkpoint.card.recipe["dataset"])
        return reported_split(dataset)

    def recipe(self, recipe: Recipe) -> Recipe:
        """Return the recipe that is trained: a small one where all is made up."""
        return shrunk(recipe) if self.is_smoke else recipe

    def trained(self, recipe: Recipe) -> Checkpoint:
        """Return the checkpoint of a recipe's name, trained and exported if it is missing.

        Raises:
            TrainingError: the checkpoint or the run of that name is of another recipe.
        """
        command, recipe = train_command(recipe), self.recipe(recipe)
        folder = self.checkpoints / recipe.name
        if not (folder / CARD_FILE).is_file():
            self.run(recipe)
            plan = ExportPlan(folder, command, PARITY_IMAGES)
            run = finished_run(self.runs / recipe.name)
            export_run(run, self.dataset(recipe.dataset), plan)
        checkpoint = CheckpointStore(self.checkpoints).find(recipe.name)
        check_recipe(checkpoint, recipe)
        return checkpoint

    def run(self, recipe: Recipe) -> None:
        """Train a recipe to its end, as it is; before it the runs that it needs and that lack."""
        folder = self.runs / recipe.name
        sources = Sources(self.checkpoints, self.runs, self.others)
        for needed in sources.lacking(recipe, folder):
            self.run(self.recipe(needed))
        torch.set_num_threads(self.threads)
        train = self.dataset(recipe.dataset).train
        fit(recipe, train, folder, self.console, self.accelerator, sources=sources)

    def found_or_trained(self, name: str) -> Checkpoint:
        """Return the checkpoint of that name, or train the recipe of that name.

        Raises:
            TrainingError: it is neither.
        """
        try:
            return self.checkpoint(name)
        except UnknownCheckpointError:
            return self.trained(find_recipe(name))

    def checkpoint(self, name: str) -> Checkpoint:
        """Return a checkpoint by name: one of this folder of runs, or of the others."""
        own = CheckpointStore(self.checkpoints)
        try:
            return own.find(name)
        except UnknownCheckpointError:
            return CheckpointStore(self.others).find(name)

    @contextmanager
    def caster(self, checkpoint: Checkpoint, split: Split, total: int) -> Iterator[Caster]:
        """Give a caster of votes on a split, with a bar over ``total`` images."""
        if total == 0:
            yield Caster(checkpoint, SEEDS[split], self.threads)
            return
        with casting(checkpoint, SEEDS[split], self.threads, self.progress(), total) as caster:
            yield caster

    def file(
        self, path: str, checkpoint: Checkpoint | None, columns: tuple[str, ...], **about: str
    ) -> ResultsFile:
        """Open a file of raw results, which may hold some already.

        Args:
            path: inside the folder of results.
            checkpoint: what is measured, if it is one.
            columns: columns of the file.
            about: what else must be known, and be the same when an experiment goes on.
        """
        head, scheme = {"command": self.command}, NEWEST.id
        if checkpoint is not None:
            scheme = checkpoint.card.noise_scheme
            head["checkpoint"] = f"{checkpoint.name}, {checkpoint.fingerprint}"
            head["trained by"] = checkpoint.card.command
        if self.samples is not None:
            predicted = "" if self.has_labels else ", labels predicted without noise"
            head[SAMPLES] = f"{self.samples.text}, a half for each split{predicted}"
        head |= {"noise scheme": scheme, **about, **machine()}
        opened = ResultsFile(self.results / path, head, columns)
        self._opened.append((opened, list(opened.rows)))
        return opened

    def say_where(self) -> None:
        """Say where the results are, and whether they held all there is to measure before."""
        if self._opened:
            is_old = all(file.rows == before for file, before in self._opened)
            place = os.path.commonpath([file.path for file, _ in self._opened])
            said = f"{'nothing left to measure; ' if is_old else ''}results in {place}"
            self.console.print(said, soft_wrap=True)


def check_recipe(checkpoint: Checkpoint, recipe: Recipe) -> None:
    """Refuse the checkpoint of another recipe than the one that is asked for.

    Raises:
        TrainingError: it is of another one.
    """
    # Compared as recipes, so that cards older than a field of the recipe mean its default.
    earlier = recipe_from_dict(checkpoint.card.recipe)
    if not earlier.is_like(recipe):
        raise TrainingError(
            f"{checkpoint.folder} holds the checkpoint of another recipe "
            f"({differences(earlier, recipe)}); name another folder with --runs, or delete it, "
            "and the run of that name, to train anew"
        )
