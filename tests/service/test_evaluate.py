"""``noisevote evaluate``: a running service on labelled inputs of the user's own."""

import csv
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from noisevote.models.data.samples import read_samples
from noisevote.models.specs import InputSpec
from noisevote.models.statistics import clopper_pearson
from noisevote.service.cli import main
from noisevote.service.client import Client
from noisevote.service.client.evaluation import labelled
from noisevote.service.wire.requests import PredictRequest
from tests.drawing import draw_digit, png_bytes
from tests.foreign import foreign
from tests.service.support import CHECKPOINT, Json, array
from tests.service.test_server import Server, started


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with started() as running:
        yield running


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of all digits; one of a 3 lies among the 5."""
    root = tmp_path_factory.mktemp("drawings")
    for digit in range(10):
        (root / str(digit)).mkdir()
        for stroke in (20, 28):
            file = root / str(digit) / f"{stroke}.png"
            file.write_bytes(png_bytes(draw_digit(digit, stroke=stroke)))
    (root / "5" / "three.png").write_bytes(png_bytes(draw_digit(3)))
    (root / "readme.txt").write_text("not a class")
    return root


def run(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    server: Server,
    *arguments: str | Path,
) -> tuple[int, str, str]:
    """Run the command as from a shell: exit code, what it printed, what it complained of."""
    url = str(server.client.base_url)
    words = ["noisevote", "evaluate", "--url", url, *map(str, arguments)]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as stop:
        main()
    out, err = capsys.readouterr()
    return int(stop.value.code or 0), out, err


def report(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    server: Server,
    *arguments: str | Path,
) -> Json:
    code, out, err = run(monkeypatch, capsys, server, *arguments, "--json")
    assert code == 0, err
    found: Json = json.loads(out)
    return found


def test_the_report_counts_what_the_service_answers(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    server: Server,
    folder: Path,
) -> None:
    found = report(monkeypatch, capsys, server, folder, "--sigma", "0.3", "--seed", "40")
    files = [file for digit in range(10) for file in sorted((folder / str(digit)).iterdir())]
    assert found["checkpoint"] == CHECKPOINT
    assert found["accuracy"]["of"] == len(files) == 21
    right = found["accuracy"]["count"]
    assert found["accuracy"]["interval"] == list(clopper_pearson(right, 21, 0.05))
    assert ["5/three.png", "5", "3"] in found["wrong"]
    assert len(found["wrong"]) == 21 - right
    assert sum(share["count"] for share in found["by_label"].values()) == right
    assert found["by_label"]["5"]["of"] == 3
    assert found["votes_cast"] == 20
    assert found["accuracy_if_sure"]["of"] + found["abstained"]["count"] == 21
    assert found["fingerprint"].startswith("sfc64")
    again = report(monkeypatch, capsys, server, folder, "--sigma", "0.3", "--seed", "40")
    assert again == found


def test_each_input_meets_noise_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    server: Server,
    tmp_path: Path,
) -> None:
    images = np.array([[array(9)]] * 6, np.float32)
    np.savez(tmp_path / "nines.npz", inputs=images, labels=np.array(["9"] * 6))
    given = (tmp_path / "nines.npz", "--seed", "5", "--votes", "7", "--sigma", "1.2")
    found = report(monkeypatch, capsys, server, *given)
    with Client(str(server.client.base_url)) as client:
        replies = [
            client.predict(
                PredictRequest(inputs=[images[0].tolist()], votes=7, sigma=1.2, seed=5 + position)
            )
            for position in range(6)
        ]
    agreements = [reply.predictions[0].agreement for reply in replies]
    assert found["agreement"] == pytest.approx(np.mean(agreements))
    assert len({tuple(reply.predictions[0].counts) for reply in replies}) > 1


def test_a_list_of_pictures_and_an_early_stop(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    server: Server,
    folder: Path,
    tmp_path: Path,
) -> None:
    with (tmp_path / "list.csv").open("w", newline="") as lines:
        rows = csv.writer(lines)
        rows.writerow(["file", "label"])
        rows.writerows([folder / str(digit) / "20.png", digit] for digit in range(10))
    arguments = ("--stop", "bounded", "--sigma", "0.2", "--votes", "50")
    found = report(monkeypatch, capsys, server, tmp_path / "list.csv", *arguments)
    assert found["accuracy"]["of"] == 10
    assert found["votes_cast"] < 50
    assert found["abstained"] is None, "the test does not hold for an early stop"
    assert found["accuracy_if_sure"] is None


def test_pictures_that_are_refused_are_named_and_the_others_counted(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    server: Server,
    tmp_path: Path,
) -> None:
    (tmp_path / "1").mkdir()
    for name, ink in (("a", 0), ("b", 255), ("c", 0)):
        (tmp_path / "1" / f"{name}.png").write_bytes(png_bytes(draw_digit(1, ink=ink)))
    found = report(monkeypatch, capsys, server, tmp_path, "--sigma", "0")
    assert (found["accuracy"]["count"], found["accuracy"]["of"]) == (2, 2)
    ((name, reason),) = found["refused"]
    assert name == "1/b.png"
    assert not reason.startswith(name)
    code, out, err = run(monkeypatch, capsys, server, tmp_path, "--sigma", "0")
    assert code == 0, err
    assert "refused 1 of 3: 1/b.png" in out


def test_the_report_for_people_has_the_same_figures(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    server: Server,
    folder: Path,
) -> None:
    code, out, err = run(monkeypatch, capsys, server, folder, "--sigma", "0", "--votes", "1")
    assert code == 0, err
    low, high = clopper_pearson(20, 21, 0.05)
    assert f"accuracy 95.24 % [{100 * low:.2f}, {100 * high:.2f}] (20 of 21)" in out


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("none", None, "neither a folder or file nor a data set; the data sets are: cifar10"),
        ("empty", "", "holds no samples; needed is a folder"),
        ("wrong.csv", "a.png\n", "needed are two columns"),
        ("gone.csv", "gone.png,3\n", "gone.png"),
        ("junk.npz", "junk", "cannot be read|needs the arrays"),
        ("text.txt", "x", "neither a folder nor a .csv nor a .npz"),
    ],
)
def test_inputs_that_cannot_be_used_are_one_line_of_complaint(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    server: Server,
    tmp_path: Path,
    name: str,
    content: str | None,
    said: str,
) -> None:
    path = tmp_path / name
    if name == "empty":
        path.mkdir()
    elif content is not None:
        path.write_text(content)
    code, out, err = run(monkeypatch, capsys, server, path)
    assert (code, out) == (1, "")
    assert len(err.strip().splitlines()) == 1
    assert re.search(said, err)


def test_a_label_or_a_picture_that_the_network_does_not_know_is_a_complaint(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    server: Server,
    tmp_path: Path,
) -> None:
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "1.png").write_bytes(png_bytes(draw_digit(1)))
    code, _, err = run(monkeypatch, capsys, server, tmp_path)
    assert code == 1
    assert "cat is no label of checkpoint" in err
    (tmp_path / "cat").rename(tmp_path / "1")
    (tmp_path / "1" / "1.png").write_bytes(b"no picture")
    code, _, err = run(monkeypatch, capsys, server, tmp_path)
    assert code == 1
    assert "1/1.png: the image is not a readable file" in err


def test_features_are_sent_in_the_shape_of_the_input_and_classes_by_number(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    server: Server,
    tmp_path: Path,
) -> None:
    with (tmp_path / "features.csv").open("w", newline="") as lines:
        rows = csv.writer(lines)
        rows.writerow([*(f"pixel {place}" for place in range(784)), "label"])
        rows.writerows([*np.ravel(array(digit)).tolist(), digit] for digit in range(10))
    found = report(monkeypatch, capsys, server, tmp_path / "features.csv", "--sigma", "0")
    assert found["accuracy"]["of"] == 10
    assert found["accuracy"]["count"] >= 9
    assert found["samples"] == read_samples(str(tmp_path / "features.csv"), tmp_path).text


def test_without_labels_answers_are_compared_with_those_without_noise(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    server: Server,
    folder: Path,
    tmp_path: Path,
) -> None:
    code, _, err = run(monkeypatch, capsys, server, folder / "5")
    assert code == 1
    assert "has no labels; with --labels predicted" in err
    (tmp_path / "blank.png").write_bytes(png_bytes(draw_digit(1, ink=255)))
    for name in ("20", "three"):
        (tmp_path / f"{name}.png").write_bytes((folder / "5" / f"{name}.png").read_bytes())
    given = (tmp_path, "--labels", "predicted", "--seed", "1", "--sigma")
    silent = report(monkeypatch, capsys, server, *given, "0")
    assert (silent["accuracy"]["count"], silent["accuracy"]["of"]) == (2, 2)
    assert sorted(silent["by_label"]) == ["3", "5"]
    assert [name for name, _ in silent["refused"]] == ["blank.png"]
    assert silent["samples"].endswith(", labels predicted without noise")
    assert report(monkeypatch, capsys, server, *given, "30")["agreement"] < 0.9


def test_a_network_of_several_inputs_is_sent_objects_and_whole_numbers_stay_whole(
    tmp_path: Path,
) -> None:
    inputs = (
        InputSpec(name="ids", dtype="int64", shape=(2,), range=(0, 99)),
        InputSpec(name="scale", shape=(1,), range=None),
    )
    card = foreign(tmp_path / "c", inputs, np.eye(3, dtype=np.float32), ("a", "b", "c")).card
    ids, scale = np.array([[7, 8], [9, 10]]), np.array([[0.5], [2.0]])
    np.savez(tmp_path / "a.npz", ids=ids, scale=scale, labels=np.array(["c", "a"]))
    first, second = labelled(read_samples(str(tmp_path / "a.npz"), tmp_path), card, True)
    assert json.dumps(first.fields) == '{"inputs": [{"ids": [7, 8], "scale": [0.5]}]}'
    assert (second.name, second.label) == ("1", "a")
