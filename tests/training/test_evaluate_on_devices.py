"""``evaluate --device``: what it casts, tells and keeps; and the experiment of devices."""

import asyncio
import shutil
from pathlib import Path

import numpy as np
import pytest

from noisevote.models.checkpoint import SHIPPED, CheckpointStore
from noisevote.models.data.dataset import Examples
from noisevote.models.devices.presets import PRESETS, DeviceStore
from noisevote.models.devices.profile import profile_of
from noisevote.models.devices.setting import DeviceSetting, profiles_at
from noisevote.models.study.seeds import request_seed
from noisevote.service.configuration.settings import Settings
from noisevote.service.prediction.predictor import Predictor
from noisevote.service.voting.backend import VotingBackend
from noisevote.service.wire.replies import PredictResponse
from noisevote.service.wire.requests import PredictRequest
from noisevote.training.experiments.devices import devices_figure
from noisevote.training.experiments.page import RESULTS
from noisevote.training.measure.evaluate import Caster, numbered
from noisevote.training.measure.on_devices import accuracy_on_chips
from noisevote.training.measure.results import read_table
from tests.training.support import run

NAME = "mnist_cnn-mult-1.0"
VOTES = 6


def arguments(data: Path, *more: str) -> list[str]:
    place = ["--data-dir", str(data), "--allow-unknown-data", "--threads", "1"]
    return ["evaluate", NAME, "--test", "--images", "6", "--votes", "3", *place, *more]


@pytest.mark.parametrize("chips", [(2,), (0, 1, 2)], ids=["one chip", "three chips"])
def test_an_evaluation_casts_the_votes_that_the_service_casts(chips: tuple[int, ...]) -> None:
    store = CheckpointStore(SHIPPED)
    checkpoint = store.find(NAME)
    images = np.random.default_rng(1).random((3, 1, 28, 28), np.float32)
    examples = numbered(Examples(images, np.zeros(3, np.int64)))
    profile = DeviceStore().find("pcm-hermes-2t")
    setting = DeviceSetting(profiles_at(profile, checkpoint.card), chips, age_s=3600.0, votes=VOTES)
    fell_on = Caster(checkpoint, seed=4).cast(examples, setting, VOTES).fell_on
    backend = VotingBackend(1)
    predictor = Predictor(Settings(slots=1), store, backend)

    async def asked() -> list[PredictResponse]:
        return [
            await predictor.predict(
                PredictRequest(
                    checkpoint=NAME,
                    inputs=[image.tolist()],
                    device=profile.name,
                    chip=chips[0],
                    chips=len(chips),
                    age_s=3600.0,
                    votes=VOTES,
                    seed=request_seed(4, number),
                )
            )
            for number, image in enumerate(images)
        ]

    replies = asyncio.run(asked())
    backend.close()
    for votes, reply in zip(fell_on, replies, strict=True):
        assert np.bincount(votes, minlength=10).tolist() == reply.predictions[0].vote_counts


def test_each_vote_has_the_outputs_of_its_image_on_its_chip() -> None:
    """Cells deviate and reads do not, so that an image has one result on each chip."""
    checkpoint = CheckpointStore(SHIPPED).find(NAME)
    written = {"profile": 1, "name": "w", "cell": {"g_max_us": 25}, "program": {"std_us": 1.0}}
    at = profiles_at(profile_of(written), checkpoint.card)
    images = np.random.default_rng(1).random((5, 1, 28, 28), np.float32)
    examples, caster = numbered(Examples(images, np.zeros(5, np.int64))), Caster(checkpoint, seed=4)
    chips = (7, 8, 9)
    alone = [caster.outputs(examples, DeviceSetting(at, (chip,)), 1)[:, 0] for chip in chips]
    setting = DeviceSetting(at, chips)
    together = caster.outputs(examples, setting, VOTES)
    for number, votes in enumerate(together):
        order = setting.order(request_seed(4, number), 0)
        for vote, chip in enumerate(order[:VOTES]):
            np.testing.assert_array_equal(votes[vote], alone[chip][number])
    assert len(np.unique(np.concatenate(alone), axis=0)) == len(images) * len(chips)


def test_accuracies_are_those_of_the_worst_chip_the_best_and_all() -> None:
    profile = DeviceStore().find("reram-wan")
    setting = DeviceSetting({"fc": profile}, (0,), age_s=60.0)
    found = accuracy_on_chips(profile, setting, 3, [4, 2, 3], 5)
    assert (found.mean, found.worst, found.best) == pytest.approx((0.6, 0.4, 0.8))
    assert found.interval is not None
    assert found.interval[0] < found.worst
    assert found.interval[1] > found.best


def test_accuracy_over_chips_and_ages_is_told_and_kept_on_the_card(
    monkeypatch: pytest.MonkeyPatch, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(SHIPPED / NAME, tmp_path / NAME)
    given = ["--device", "reram-wan", "--chips", "2", "--age", "60s,1d"]
    kept = ["--checkpoints", str(tmp_path), "--card"]
    for _ in range(2):  # the second takes the place of the first
        assert run(monkeypatch, *arguments(data, *given, *kept)) == 0
    output = capsys.readouterr().out
    assert "reram-wan, 2 chips, 6 inputs" in output.replace("\n", " ")
    rows = [[part.strip() for part in line.split("│")[1:-1]] for line in output.splitlines()]
    without = [row for row in rows if row and row[0] == "no device"]
    assert [row[1] for row in without] == ["1", "1"]
    assert all(0 <= float(row[2]) <= 100 and row[3:] == ["-"] * 3 for row in without)
    (entry,) = CheckpointStore(tmp_path).find(NAME).card.on_devices
    assert [(of.age_s, of.votes) for of in entry.accuracies] == [
        (age_s, votes) for age_s in (60.0, 86_400.0) for votes in (1, 2, 3)
    ]
    for of in entry.accuracies:
        shares = np.array(of.correct) / of.images
        assert (of.mean, of.worst, of.best) == pytest.approx(
            (shares.mean(), shares.min(), shares.max())
        )
        assert of.interval is not None
        assert of.interval[0] <= of.mean <= of.interval[1]
    assert CheckpointStore(tmp_path).find(NAME).fingerprint == (
        CheckpointStore(SHIPPED).find(NAME).fingerprint
    )


def test_a_profile_in_a_file_is_the_device_that_it_says(
    monkeypatch: pytest.MonkeyPatch, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = str(PRESETS / "ideal-8-8.toml")
    assert run(monkeypatch, *arguments(data, "--device", file)) == 0
    assert "ideal-8-8, 1 chip," in capsys.readouterr().out.replace("\n", " ")


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (["--device", "pcm"], "there is no device 'pcm'; there are:"),
        (["--device", "reram-wan", "--sigma", "1"], "--device takes the place of --sigma; leave"),
        (
            ["--device", "reram-wan", "--noise", "additive", "--repeats", "fc1=2"],
            "--device takes the place of --noise and --repeats",
        ),
        (["--device", "reram-wan", "--output", "x.csv"], "--output goes with noise of a sigma"),
        (["--device", "reram-wan", "--age", "soon"], "'soon' is no age; write 60s"),
        (["--device", "reram-wan", "--age", "1y"], "device reram-wan is known from"),
        (["--device", "ideal-8-8", "--age", "1h"], "nothing of device ideal-8-8"),
        (["--device", "reram-wan", "--temperature", "40"], "temperature_c is 40; nothing of"),
        (["--device", "nowhere.toml"], "nowhere.toml cannot be read"),
    ],
)
def test_a_device_that_cannot_be_is_one_line_and_exit_code_1(
    monkeypatch: pytest.MonkeyPatch,
    data: Path,
    capsys: pytest.CaptureFixture[str],
    option: list[str],
    message: str,
) -> None:
    assert run(monkeypatch, *arguments(data, *option)) == 1
    error = " ".join(capsys.readouterr().err.split())
    assert message in error
    assert "Traceback" not in error


def test_the_experiment_goes_on_where_it_was(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    results, smoke = ["--results", str(tmp_path)], ["--smoke", "--threads", "1"]
    begin = ["experiment", "--runs", str(tmp_path / "runs"), *smoke, *results, "devices", NAME]
    assert run(monkeypatch, *begin, "--devices", "pcm-joshi") == 0
    file = tmp_path / "devices" / f"{NAME}.csv"
    first = read_table(file).rows
    assert run(monkeypatch, *begin, "--devices", "pcm-joshi", "--devices", "ideal-8-8") == 0
    rows = read_table(file).rows
    assert rows[: len(first)] == first
    assert {row["device"] for row in rows} == {"", "pcm-joshi", "ideal-8-8"}
    for row in rows:
        right = np.unpackbits(np.frombuffer(bytes.fromhex(row["right"]), np.uint8))
        assert right.sum() == int(row["correct"])


def test_a_figure_shows_devices_that_do_not_age_too() -> None:
    table = read_table(RESULTS / "devices" / "mnist_cnn-clean.csv")
    drawn = devices_figure(table)
    drawn.canvas.draw()
    assert len(drawn.axes) == 3
    for axes in drawn.axes:
        low, high = axes.get_xlim()
        ages = np.concatenate([np.asarray(line.get_xdata(), float) for line in axes.lines])
        assert len(ages)
        assert low <= ages.min() <= ages.max() <= high


def test_the_experiment_takes_files_and_says_which_ages_it_leaves_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "young.toml"
    file.write_text(
        'profile = 1\nname = "young"\nages_s = [60, 3600]\n[relaxation]\n'
        "mean_us = 0\nstd_us = [0.01, 0.01]\n"
    )
    begin = ["experiment", "--runs", str(tmp_path / "runs"), "--results", str(tmp_path), "--smoke"]
    ages = ["--ages-s", "1", "--ages-s", "60", "--ages-s", "86400"]
    asked = ["--threads", "1", "devices", NAME, "--devices", str(file), *ages]
    assert run(monkeypatch, *begin, *asked) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "young is left out at 1 s, 86400 s: it is known from 60 to 3600 s" in said
    rows = read_table(tmp_path / "devices" / f"{NAME}.csv").rows
    assert {(row["device"], row["age_s"]) for row in rows} == {("", ""), ("young", "60")}
