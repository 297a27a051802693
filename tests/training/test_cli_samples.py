"""Measuring commands on samples: any checkpoint, with labels or without, halves, cards, files."""

import re
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from noisevote.models.checkpoint import SHIPPED, Checkpoint, CheckpointStore
from noisevote.models.data.dataset import as_inputs
from noisevote.models.data.datasets import load_dataset
from noisevote.models.data.sample_inputs import inputs_for
from noisevote.models.data.samples import read_samples
from noisevote.models.inputs.pictures import preprocess
from noisevote.models.noise import Noise, NoiseKind
from noisevote.models.specs import InputSpec
from noisevote.models.stopping import Full
from noisevote.models.study.seeds import request_seed
from noisevote.models.voting import VoteRequest
from noisevote.training.export.card_file import write_card
from noisevote.training.measure.evaluate import Caster
from noisevote.training.measure.results import read_table
from noisevote.training.measure.splits import Split, part_of, sample_examples
from tests.foreign import digits_classifier, foreign
from tests.models.casting import vote
from tests.training.support import run

NAME = "theirs"
NOWHERE = Path("nowhere")


@pytest.fixture
def theirs(tmp_path: Path) -> Checkpoint:
    train = load_dataset("digits", NOWHERE).train
    inputs = train.inputs.astype(np.float32)
    return digits_classifier(tmp_path / "checkpoints" / NAME, inputs, train.labels)


@pytest.fixture
def file(tmp_path: Path) -> str:
    """A hundred of the digits."""
    test = load_dataset("digits", NOWHERE).test.first(100)
    np.savez(tmp_path / "some.npz", inputs=test.inputs, labels=test.labels)
    return str(tmp_path / "some.npz")


@pytest.fixture
def plain(tmp_path: Path) -> str:
    """The same without labels."""
    np.savez(tmp_path / "plain.npz", x=load_dataset("digits", NOWHERE).test.first(100).inputs)
    return str(tmp_path / "plain.npz")


def measure(monkeypatch: pytest.MonkeyPatch, theirs: Checkpoint, *arguments: str) -> int:
    command, *more = arguments
    place = ["--checkpoints", str(theirs.folder.parent), "--threads", "1"]
    return run(monkeypatch, command, NAME, *place, *more)


def card_of(theirs: Checkpoint) -> Checkpoint:
    return CheckpointStore(theirs.folder.parent).find(NAME)


def test_accuracy_is_that_of_the_network_itself_on_the_same_samples(
    monkeypatch: pytest.MonkeyPatch, theirs: Checkpoint, tmp_path: Path
) -> None:
    csv = tmp_path / "a.csv"
    noise = ["--sigma", "0", "--votes", "1", "--output", str(csv), "--card"]
    assert measure(monkeypatch, theirs, "evaluate", "--samples", "digits", *noise) == 0
    (row,) = read_table(csv).rows
    test = load_dataset("digits", NOWHERE).test
    inputs = {"x": test.inputs.astype(np.float32)}
    silent = [np.ones((len(test), 10), np.float32)]
    runtime = theirs.runtime(NoiseKind.MULTIPLICATIVE)
    outputs = runtime.outputs_for(inputs, np.arange(len(test)), silent)
    right = int((outputs.argmax(axis=1) == test.labels).sum())
    assert (int(row["correct"]), int(row["images"])) == (right, 899)
    assert right > 750
    (entry,) = card_of(theirs).card.evaluations
    digest = read_samples("digits", NOWHERE).digest
    assert entry.split == f"samples digits, test examples (sha256 {digest[:16]})"
    assert read_table(csv).about["split"] == f"{entry.split}, 899 images, seed 0"
    assert card_of(theirs).fingerprint == theirs.fingerprint


def test_files_are_named_without_their_folder(
    monkeypatch: pytest.MonkeyPatch, theirs: Checkpoint, file: str, tmp_path: Path
) -> None:
    for number, option in enumerate((["--samples", file], [f"--samples={file}"])):
        csv = tmp_path / f"{number}.csv"
        more = ["--sigma", "0", "--output", str(csv)]
        assert measure(monkeypatch, theirs, "evaluate", *option, *more) == 0
        about = read_table(csv).about
        assert about["split"].startswith("samples some.npz (sha256 ")
        shown = " ".join(option).replace(file, "some.npz")
        assert about["command"] == f"noisevote-train evaluate {NAME} {shown} --sigma 0"


def test_halves_have_no_sample_in_common_and_say_which_they_are(
    monkeypatch: pytest.MonkeyPatch, theirs: Checkpoint, file: str
) -> None:
    halves = ["--validation", "--test"]
    more = ["--samples", file, "--sigma", "0.5", "--votes", "2", "--card"]
    for half in halves:
        assert measure(monkeypatch, theirs, "evaluate", half, *more) == 0
    found = card_of(theirs).card.evaluations
    assert [entry.split.rpartition(", ")[2] for entry in found] == [
        "validation half",
        "test half",
    ]
    samples = read_samples(file, NOWHERE)
    parts = [part_of(samples, split) for split in (Split.VALIDATION, Split.TEST)]
    assert [entry.accuracies[0].images for entry in found] == [len(part) for part in parts]
    assert sorted(parts[0].numbers + parts[1].numbers) == list(range(100))


def test_a_sample_meets_the_noise_of_its_place_in_the_file(theirs: Checkpoint, file: str) -> None:
    samples = part_of(read_samples(file, NOWHERE), Split.TEST)
    images = sample_examples(samples, theirs.card)
    noise = Noise(NoiseKind.MULTIPLICATIVE, 0.7)
    votes = Caster(theirs, seed=3).cast(images, noise, 9)
    for place in (0, len(images) - 1):
        request = VoteRequest(
            {"x": images.examples.inputs[[place]]},
            noise.at(["head"]),
            9,
            Full(),
            request_seed(3, samples.numbers[place]),
        )
        (result,) = vote(theirs.runtime(noise.kind), request, classes=10, tile=4)
        assert np.bincount(votes.fell_on[place], minlength=10).tolist() == list(result.vote_counts)


def test_without_labels_agreement_with_the_noiseless_network_is_measured(
    monkeypatch: pytest.MonkeyPatch, theirs: Checkpoint, plain: str, file: str, tmp_path: Path
) -> None:
    more = ["--sigma", "0", "--sigma", "0.5", "--votes", "1", "--labels", "predicted"]
    rows = {}
    for samples in (plain, file):
        csv = tmp_path / f"{Path(samples).stem}.csv"
        output = ["--samples", samples, "--output", str(csv)]
        assert measure(monkeypatch, theirs, "evaluate", *output, *more) == 0
        assert ", labels predicted without noise, 100 images" in read_table(csv).about["split"]
        rows[samples] = [int(row["correct"]) for row in read_table(csv).rows]
    assert rows[plain] == rows[file]
    silent, noisy = rows[plain]
    assert silent == 100
    assert 40 < noisy < 95


def test_margins_are_chosen_on_one_half_and_shown_on_the_other(
    monkeypatch: pytest.MonkeyPatch,
    theirs: Checkpoint,
    plain: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    more = ["--sigma", "0.3", "--votes", "5", "--delta", "0.3"]
    assert measure(monkeypatch, theirs, "calibrate", "--samples", plain, *more) == 0
    (threshold,) = card_of(theirs).card.thresholds
    validation, test = read_samples(plain, NOWHERE).parted()
    assert threshold.inputs == len(validation)
    assert re.fullmatch(
        rf"noisevote-train calibrate {NAME} --samples plain.npz .*  "
        r"# samples plain.npz \(sha256 \w{16}\), validation half",
        threshold.command,
    )
    capsys.readouterr()
    assert measure(monkeypatch, theirs, "calibrate", "--samples", plain, "--test") == 0
    assert f"of {len(test)}" in capsys.readouterr().out


def test_what_the_drift_monitor_expects_is_measured_on_samples(
    monkeypatch: pytest.MonkeyPatch, theirs: Checkpoint, plain: str
) -> None:
    more = ["--sigma", "0.3", "--votes", "5", "--images", "60"]
    assert measure(monkeypatch, theirs, "agreement", "--samples", plain, *more) == 0
    (entry,) = card_of(theirs).card.agreements
    assert entry.inputs == 60
    assert entry.command.endswith(f"  # {read_samples(plain, NOWHERE).text}")


def test_an_import_without_samples_and_samples_without_labels_say_what_helps(
    monkeypatch: pytest.MonkeyPatch,
    theirs: Checkpoint,
    plain: str,
    file: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for arguments, said in (
        ([], "was imported: no recipe tells its data; give --samples"),
        (["--samples", plain], "plain.npz has no labels but x; with --labels predicted"),
        (["--samples", file, "--exact-test"], "some.npz has no exact test examples; say --test or"),
        (["--samples", "no"], "no is neither a folder or file nor a data set"),
    ):
        assert measure(monkeypatch, theirs, "evaluate", *arguments) == 1
        assert said in " ".join(capsys.readouterr().err.split())


def test_experiments_are_measured_on_samples_in_a_folder_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
    theirs: Checkpoint,
    file: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    place = ["experiment", "--checkpoints", str(theirs.folder.parent), "--threads", "1"]
    results = ["--results", str(tmp_path / "results")]
    votes = ["votes", NAME, "--votes", "2", "--sigma", "0.5"]
    assert run(monkeypatch, *place, "--samples", file, *votes) == 1
    assert "name one by --results" in capsys.readouterr().err
    assert run(monkeypatch, *place, *results, "--samples", file, *votes) == 0
    assert f"results in {tmp_path / 'results' / 'votes'}" in capsys.readouterr().err
    samples = read_samples(file, NOWHERE)
    _, test = samples.parted()
    table = read_table(tmp_path / "results" / "votes" / f"{NAME}.csv")
    assert table.about["samples"] == f"{samples.text}, a half for each split"
    assert {int(row["images"]) for row in table.rows} == {len(test)}
    predicted = ["--labels", "predicted", *votes]
    assert run(monkeypatch, *place, *results, "--samples", file, *predicted) == 1
    assert "holds results of another evaluation (samples: " in capsys.readouterr().err
    assert run(monkeypatch, *place, *results, "--samples", file, "grid", "mnist_cnn-mult-1.0") == 1
    assert "grid measures recipes on their own data" in capsys.readouterr().err


def test_a_network_of_several_inputs_and_many_classes_is_measured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    inputs = (
        InputSpec(name="ids", dtype="int64", shape=(200,), range=(0, 1)),
        InputSpec(name="scale", shape=(3,), range=None),
    )
    weights = np.zeros((203, 200), np.float32)
    weights[:200] = np.eye(200)
    names = tuple(f"class {number}" for number in range(200))
    theirs = foreign(tmp_path / "checkpoints" / NAME, inputs, weights, names)
    labels = np.array([7, 199, 130])
    ids = np.eye(200, dtype=np.int64)[labels]
    np.savez(tmp_path / "a.npz", ids=ids, scale=np.ones((3, 3)), labels=labels)
    csv = tmp_path / "a.csv"
    more = ["--sigma", "0", "--sigma", "0.1", "--votes", "3", "--output", str(csv)]
    assert (
        measure(monkeypatch, theirs, "evaluate", "--samples", str(tmp_path / "a.npz"), *more) == 0
    )
    assert {row["accuracy"] for row in read_table(csv).rows} == {"1.0000"}


def test_pictures_of_a_data_set_go_the_way_of_the_card_where_that_is_another(data: Path) -> None:
    card = CheckpointStore(SHIPPED).find("mnist_cnn-clean").card
    samples = read_samples("mnist", data, allow_unknown=True)
    stored = as_inputs(load_dataset("mnist", data, allow_unknown=True).test.inputs)
    assert np.array_equal(inputs_for(samples, card.inputs, "mnist")["images"], stored)
    coloured = InputSpec(shape=(3, 32, 32), range=(0, 1), preprocessing="cifar_picture-1")
    taken = inputs_for(samples, (coloured,), "coloured")["images"]
    assert taken.shape == (len(stored), 3, 32, 32)
    file = BytesIO()
    Image.fromarray(np.round(255 * stored[5, 0]).astype(np.uint8)).save(file, "PNG")
    assert np.array_equal(taken[5], preprocess("cifar_picture-1", file.getvalue()))


def test_samples_that_are_scaled_otherwise_than_those_of_the_import_bring_a_warning(
    theirs: Checkpoint,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    test = load_dataset("digits", NOWHERE).test.first(50)
    seen = theirs.card.input.model_copy(update={"seen": (0.0, 16.0), "range": None})
    write_card(theirs.card.model_copy(update={"inputs": (seen,)}), theirs.folder)
    for name, scale, is_warned in (("same", 1.0, False), ("narrow", 1 / 16, True)):
        file = tmp_path / f"{name}.npz"
        np.savez(file, inputs=test.inputs * np.float32(scale), labels=test.labels)
        given = ["--samples", str(file), "--sigma", "0", "--votes", "1"]
        assert measure(monkeypatch, theirs, "evaluate", *given) == 0
        told = " ".join(capsys.readouterr().err.split())
        assert ("hold 0 to 1, those of the import held 0 to 16" in told) is is_warned
