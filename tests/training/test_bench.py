"""Where experiments run: what a recipe starts from or learns from is trained before it."""

from pathlib import Path

import pytest
from rich.console import Console
from rich.progress import Progress

from noisevote.models.errors import TrainingError
from noisevote.training.experiments.bench import Bench
from noisevote.training.experiments.made_up import made_up_dataset
from noisevote.training.fit.state import read_state
from noisevote.training.recipes.recipe import recipe_from_dict
from noisevote.training.recipes.table import find_recipe
from noisevote.training.recipes.vary import vary


def bench_in(folder: Path) -> Bench:
    return Bench(
        runs=folder / "runs",
        results=folder / "results",
        load=made_up_dataset,
        command="test",
        console=Console(quiet=True),
        progress=lambda: Progress(disable=True),
        is_smoke=True,
    )


def test_runs_that_a_recipe_needs_are_trained_before_it_by_their_names(tmp_path: Path) -> None:
    bench = bench_in(tmp_path)
    teacher = {"teacher": {"weights": "run:mnist_cnn-clean"}}
    bench.run(bench.recipe(vary(find_recipe("mnist_cnn-mult-0.6"), teacher)))
    names = ["mnist_cnn-clean", "mnist_cnn-mult-0.6", "mnist_cnn-mult-grid-0.6"]
    assert sorted(path.name for path in bench.runs.iterdir()) == names
    states = {name: read_state(bench.runs / name) for name in names}
    assert all(state["is_finished"] for state in states.values())
    before = recipe_from_dict(states["mnist_cnn-mult-grid-0.6"]["recipe"])
    assert before.hardening.sigma_train == 0.6
    assert states["mnist_cnn-mult-0.6"]["sources"].keys() == {
        "run:mnist_cnn-clean",
        "run:mnist_cnn-mult-grid-0.6",
    }


def test_run_of_no_known_recipe_is_named_with_what_needs_it(tmp_path: Path) -> None:
    bench = bench_in(tmp_path)
    recipe = vary(find_recipe("mnist_cnn-clean"), {"warm_start": "run:mine"})
    message = "the warm start of recipe mnist_cnn-clean, run:mine, is missing: .* --name mine"
    with pytest.raises(TrainingError, match=message):
        bench.run(bench.recipe(recipe))
