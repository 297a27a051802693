"""Every experiment, from its command to its raw results, on made-up data."""

import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from noisevote.models.checkpoint import SHIPPED, Checkpoint, CheckpointStore
from noisevote.models.checkpoint_folders import CARD_FILE
from noisevote.models.data.datasets import DATASETS
from noisevote.models.engines.arithmetic import REFERENCE, Precision
from noisevote.models.engines.preference import arithmetics_here
from noisevote.models.noise import Noise
from noisevote.training.experiments.ablation import ablation_section
from noisevote.training.experiments.engines import serves
from noisevote.training.experiments.made_up import TEST_IMAGES, VALIDATION_IMAGES, made_up_dataset
from noisevote.training.fit.state import read_state
from noisevote.training.measure.results import Row
from tests.models.engines.needed import need_openvino
from tests.training.support import Smoke, run

GRID = "mnist_cnn-mult-grid"
HARDENED = f"{GRID}-1.0"


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Smoke:
    """A folder in which the two networks of a small grid are trained and measured."""
    smoke = Smoke(tmp_path_factory.mktemp("smoke"))
    smoke.run("grid", GRID)
    return smoke


def shares_are_whole(rows: list[Row], images: int) -> bool:
    """Whether every share is of all images and lies in its interval."""
    return all(
        int(row["images"]) == images
        and float(row["low"]) <= float(row["accuracy"]) <= float(row["high"])
        for row in rows
    )


def test_grid_trains_exports_and_measures_both_splits(smoke: Smoke) -> None:
    store = CheckpointStore(smoke.folder / "runs" / "checkpoints")
    assert store.names() == [f"{GRID}-0", HARDENED]
    assert store.find(HARDENED).card.command == (f"noisevote-train train {GRID} --name {HARDENED}")
    table = smoke.table(f"grid/{GRID}/1.0")
    three_passes = f"{3**-0.5:.6g}"
    assert {(row["split"], row["sigma"], row["votes"]) for row in table.rows} == {
        (split, sigma, votes)
        for split in ("validation", "test")
        for sigma, counts in (("0", "123"), ("1", "123"), (three_passes, "1"))
        for votes in counts
    }
    assert shares_are_whole([row for row in table.rows if row["split"] == "test"], TEST_IMAGES)
    assert table.about["command"] == f"noisevote-train experiment --smoke grid {GRID}"
    assert str(smoke.folder) not in "".join(table.about.values())


def test_finished_experiment_is_left_as_it_is_and_an_interrupted_one_goes_on(
    smoke: Smoke, capsys: pytest.CaptureFixture[str]
) -> None:
    path = smoke.folder / "results" / "grid" / GRID / "1.0.csv"
    whole = path.read_text()
    capsys.readouterr()
    smoke.run("grid", GRID)
    assert path.read_text() == whole
    said = capsys.readouterr().err
    assert said == f"nothing left to measure; results in {path.parent}\n"
    lines = whole.splitlines(keepends=True)
    path.write_text("".join(lines[:-4]))
    smoke.run("grid", GRID)
    assert path.read_text() == whole


@pytest.fixture
def card(smoke: Smoke) -> Iterator[Path]:
    """The card of a trained network, which the test may change."""
    path = smoke.folder / "runs" / "checkpoints" / HARDENED / CARD_FILE
    whole = path.read_text()
    yield path
    path.write_text(whole)


def with_recipe(card: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the recipe on a card."""
    data = json.loads(card.read_text())
    change(data["training"]["recipe"])
    card.write_text(json.dumps(data))


def test_checkpoint_of_another_recipe_is_refused_with_what_differs(
    smoke: Smoke, card: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with_recipe(card, lambda recipe: recipe["hardening"].update(sigma_train=0.5))
    with_recipe(card, lambda recipe: recipe["schedule"].update(learning_rate=0.2))
    with pytest.raises(AssertionError):
        smoke.run("grid", GRID)
    error = capsys.readouterr().err
    assert f"checkpoints/{HARDENED} holds the checkpoint of another recipe" in error
    assert "(hardening.sigma_train: 0.5, now 1.0; schedule.learning_rate: 0.2, now 0.01)" in error
    assert "name another folder with --runs, or delete it" in error


def test_checkpoint_older_than_a_field_of_the_recipe_is_taken(smoke: Smoke, card: Path) -> None:
    with_recipe(card, lambda recipe: recipe["schedule"].pop("averaging"))
    smoke.run("grid", GRID)


def test_weights_are_the_mean_over_all_layers(smoke: Smoke) -> None:
    smoke.run("weights", GRID)
    rows = [row for row in smoke.table(f"weights/{GRID}").rows if row["sigma_train"] == "1"]
    (whole,) = [row for row in rows if row["layer"] == "all"]
    layers = [row for row in rows if row["layer"] != "all"]
    assert len(layers) == 6
    total = sum(int(row["weights"]) * float(row["mean_magnitude"]) for row in layers)
    assert int(whole["weights"]) == sum(int(row["weights"]) for row in layers)
    assert float(whole["mean_magnitude"]) == pytest.approx(total / int(whole["weights"]), rel=1e-4)


def test_learning_curves_begin_before_the_first_step(smoke: Smoke) -> None:
    smoke.run("learning", GRID)
    rows = smoke.table(f"learning/{GRID}").rows
    assert [(row["sigma_train"], row["step"]) for row in rows] == [
        (sigma, step) for sigma in "01" for step in "024"
    ]
    assert all(float(row["loss"]) > 0 for row in rows)


def test_distributions_count_every_pass_of_every_class(smoke: Smoke) -> None:
    smoke.run("distributions", f"{GRID}-0", HARDENED)
    rows = smoke.table(f"distributions/{HARDENED}").rows
    assert len(rows) == 2 * 10
    assert {sum(int(row[c]) for c in row if c.startswith("from_")) for row in rows} == {20}


def test_votes_of_the_reference_are_not_told_as_those_of_another_engine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    need_openvino()
    checkpoint = Checkpoint(SHIPPED / "mnist_cnn-clean")
    kind = checkpoint.card.noise.kind
    for one in (one for one in arithmetics_here() if one != REFERENCE):
        is_exact = one.precision is Precision.FLOAT32
        assert serves(checkpoint, one, Noise(kind, 0.5))
        assert serves(checkpoint, one, Noise(kind, 0.01)) is is_exact
        with monkeypatch.context() as patch:
            patch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
            assert not serves(checkpoint, one, Noise(kind, 0.5))


def test_votes_of_other_engines_are_set_against_those_of_the_reference(smoke: Smoke) -> None:
    need_openvino()
    smoke.run("engines", HARDENED)
    table = smoke.table(f"engines/{HARDENED}")
    others = {str(one) for one in arithmetics_here() if one != REFERENCE}
    assert {row["arithmetic"] for row in table.rows} == others
    assert shares_are_whole(table.rows, 40)
    for row in table.rows:
        assert float(row["equal_low"]) <= float(row["equal_votes"]) <= float(row["equal_high"])
        if row["arithmetic"] == "openvino-float32":
            assert (row["equal_votes"], row["equal_modes"]) == ("1.000000", "1.0000")
            assert 0.9 < float(row["equal_low"]) < 1  # 40 images that agree are no proof
            assert row["correct"] == row["reference_correct"]


def test_votes_are_counted_by_mode_and_by_means(smoke: Smoke) -> None:
    smoke.run("votes", HARDENED)
    rows = smoke.table(f"votes/{HARDENED}").rows
    assert shares_are_whole(rows, TEST_IMAGES)
    firsts = {row["correct"] for row in rows if row["votes"] == "1"}
    assert len(firsts) == 1  # of one vote, mode and means are the same class
    assert {row["rule"] for row in rows} == {"mode", "mean_output", "mean_probability"}


def test_votes_of_a_lossy_copy_are_counted_on_its_exact_pixels(smoke: Smoke) -> None:
    smoke.run("votes", "densenet40-mult-1.0", "--images", "8", "--votes", "2")
    split = smoke.table("votes/densenet40-mult-1.0").about["split"]
    assert split == "exact_test, 8 images spread over it, seed 2"


def test_quantisation_measures_absolute_and_relative_noise(smoke: Smoke) -> None:
    smoke.run("quantisation", HARDENED)
    rows = smoke.table(f"quantisation/{HARDENED}").rows
    assert [(row["view"], row["sigma"]) for row in rows] == [
        ("absolute", "0"), ("absolute", "0.1"), ("absolute", "1"),
        ("relative", "0.1"), ("relative", "1"),
    ]  # fmt: skip
    assert len(smoke.table(f"quantisation/{HARDENED}-rms").rows) == 6


def test_widths_are_trained_at_their_width(smoke: Smoke) -> None:
    smoke.run("widths", GRID)
    rows = smoke.table(f"widths/{GRID}").rows
    assert {(row["units"], row["sigma"], row["votes"]) for row in rows} == {
        ("16", sigma, votes) for sigma in "01" for votes in "13"
    }
    store = CheckpointStore(smoke.folder / "runs" / "checkpoints")
    card = store.find(f"{GRID}-fc_units-16").card
    assert {point.name: point.shape for point in card.noise_points}["fc1"] == (16,)


@pytest.mark.slow
def test_ablation_changes_one_thing_and_pairs_with_the_recipe_as_it_is(smoke: Smoke) -> None:
    smoke.run("ablation", GRID, "--change", "warm-start")
    table = smoke.table(f"ablation/{GRID}")
    assert [(row["change"], row["sigma"], row["votes"]) for row in table.rows] == [
        (change, sigma, votes)
        for change in ("none", "warm-start")
        for sigma, votes in (("0", "1"), ("1", "1"), ("1", "3"))
    ]
    as_it_is, changed = table.rows[:3], table.rows[3:]
    assert all(float(row["difference"]) == 0 for row in as_it_is)
    for row, reference in zip(changed, as_it_is, strict=True):
        assert row["reference_correct"] == reference["correct"]
        gained, lost = int(row["only_this_right"]), int(row["only_reference_right"])
        assert int(row["correct"]) - int(reference["correct"]) == gained - lost
    assert changed[0]["trained_by"] == (
        f"noisevote-train train {GRID} --name {GRID}-ablation-warm-start --epochs 2 "
        f"--set warm_start=run:{GRID}-0"
    )
    section = "\n".join(ablation_section(smoke.folder / "results"))
    assert "| warm-start | `warm_start=clean` |" in section


@pytest.mark.slow
def test_grid_of_a_densenet_trains_its_warm_start_first(smoke: Smoke) -> None:
    smoke.run("grid", "densenet40-mult-grid", "--sigma-train", "1", "--images", "8")
    state = read_state(smoke.folder / "runs" / "densenet40-clean")
    assert state["is_finished"]
    store = CheckpointStore(smoke.folder / "runs" / "checkpoints")
    assert "run:densenet40-clean" in store.find("densenet40-mult-grid-1.0").card.trained.sources


def test_device_that_is_not_there_is_named_before_anything_is_done(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "experiment", "--accelerator", "nonsense", "grid", GRID) == 1
    assert "there is no accelerator 'nonsense' here" in capsys.readouterr().err


def test_unknown_change_is_refused_with_those_that_are(
    smoke: Smoke, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(AssertionError):
        smoke.run("ablation", GRID, "--change", "magic")
    assert "change is 'magic'; it must be one of none, seed" in capsys.readouterr().err


@pytest.mark.parametrize("name", list(DATASETS))
def test_made_up_data_have_the_shape_and_labels_of_their_name(name: str) -> None:
    about = DATASETS[name]
    dataset = made_up_dataset(name)
    assert dataset.test.inputs.shape == (TEST_IMAGES, *about.shape)
    assert len(dataset.train) > VALIDATION_IMAGES
    assert set(dataset.train.labels.tolist()) == set(range(len(about.labels)))
