"""What studies promise against measurements anew, and against the service.

    pytest -m slow tests/training/study/test_forecasts.py -s

It takes official data (NOISEVOTE_DATA_DIR) and some minutes.
"""

from pathlib import Path

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from noisevote.models.checkpoint import SHIPPED, Checkpoint, CheckpointStore
from noisevote.models.data.files import data_dir
from noisevote.models.devices.setting import DeviceSetting, profiles_at
from noisevote.models.noise import Noise
from noisevote.models.stopping import DELTA, StopRule
from noisevote.models.study.recorded import interval_of
from noisevote.models.study.replay import answered
from noisevote.models.study.store import StudyStore
from noisevote.models.study.weighed import Reached, Weighed
from noisevote.service.configuration.settings import Settings
from noisevote.training.measure.evaluate import Caster, NumberedExamples
from noisevote.training.measure.splits import Split
from noisevote.training.measure.subject import Source, subject_of
from tests.service.support import serving
from tests.training.support import run

NETWORKS = ("mnist_cnn-mult-1.0", "mnist_cnn-clean", "stroke_lstm-mult-1.0")
DEVICES = ("pcm-hermes-2t", "reram-wan")
IMAGES = 300
ANEW = 900
"""Base of the seeds of measurements anew; a study uses those below."""

pytestmark = pytest.mark.slow


def examples(checkpoint: Checkpoint, count: int) -> NumberedExamples:
    source = Source(None, None, data_dir(None), True, 1)
    return subject_of(checkpoint, source, Split.TEST, count).examples


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("studies")


def tell(text: str) -> None:
    """Print a figure, for those who run it with ``-s``."""
    print(text)  # noqa: T201


def study(folder: Path, name: str, device: str | None, passes: int) -> StudyStore:
    """A study of a shipped network on official data, made if it is missing."""
    place = folder / f"{name}-{device}-{passes}"
    if not place.exists():
        on = ("--device", device, "--chips", "5") if device else ()
        with pytest.MonkeyPatch.context() as patch:
            command = ("study", name, "--allow-unknown-data", "--budget", str(passes))
            assert run(patch, *command, "--output", str(place), *on) == 0
    return StudyStore(place)


def some_options(store: StudyStore, count: int) -> list[Weighed]:
    """Options at the operating point, spread from cheap to dear, calibrated ones left out."""
    found = store.conclusions
    assert found is not None
    options = [
        of for of in found.at(found.operating)
        if of.option.chips == 1 and of.option.stop is not StopRule.CALIBRATED
    ]  # fmt: skip
    options.sort(key=lambda of: of.costs.energy)
    return [options[place * len(options) // count] for place in range(count)]


def measured_anew(checkpoint: Checkpoint, store: StudyStore, of: Weighed) -> Reached:
    """The accuracy of an option on test samples, under noise of other seeds."""
    head, option = store.head, of.option
    chosen = examples(checkpoint, IMAGES)
    caster = Caster(checkpoint, ANEW)
    of_chips = []
    for chip in range(head.chips if head.device and head.device.differs_by_chip else 1):
        noise: Noise | DeviceSetting = (
            Noise(head.kind, float(option.condition or 0.0), dict(option.repeats))
            if head.device is None
            else DeviceSetting(
                profiles_at(head.device, checkpoint.card), (chip,), option.condition,
                votes=option.votes, repeats=option.repeats,
            )
        )  # fmt: skip
        fell_on = caster.cast(chosen, noise, option.votes).fell_on
        rule = option.stop.rule(option.delta or DELTA)
        modes = answered(fell_on, head.classes, option.votes, rule).modes
        of_chips.append(float((modes == chosen.examples.labels).mean()))
    mean = float(np.mean(of_chips))
    interval = interval_of(mean, len(chosen), np.array(of_chips))
    return of.choice.model_copy(update={"accuracy": mean, "interval": interval})


def overlap(one: Reached, other: Reached) -> bool:
    return one.interval[0] <= other.interval[1] and other.interval[0] <= one.interval[1]


def test_forecasts_on_validation_samples_agree_with_measurements_on_test_samples(
    studies: Path,
) -> None:
    agreed = 0
    settings = 0
    for name in NETWORKS:
        checkpoint = CheckpointStore(SHIPPED).find(name)
        for device in (None, *DEVICES):
            store = study(studies, name, device, 80_000)
            for of in some_options(store, 3):
                anew = measured_anew(checkpoint, store, of)
                settings += 1
                agreed += overlap(of.choice, anew)
                tell(
                    f"{name} {device} {of.option.votes} votes {of.option.stop} "
                    f"{dict(of.option.repeats)}: forecast {of.choice.accuracy:.3f}, anew "
                    f"{anew.accuracy:.3f}, {'overlap' if overlap(of.choice, anew) else 'apart'}"
                )
    tell(f"{agreed} of {settings} intervals overlap")
    assert settings >= 20
    assert agreed >= settings - settings // 20


@pytest.mark.anyio
@pytest.mark.parametrize("stop", ["exact", "bounded", "calibrated"])
async def test_expected_votes_of_each_stop_rule_are_those_that_the_service_casts(
    studies: Path, stop: str
) -> None:
    name = "mnist_cnn-mult-1.0"
    checkpoint = CheckpointStore(SHIPPED).find(name)
    store = study(studies, name, None, 80_000)
    found = store.conclusions
    assert found is not None
    of = max(
        (of for of in found.at(1.0) if of.option.stop == stop and not of.option.repeats),
        key=lambda of: of.option.votes,
    )
    chosen = examples(checkpoint, IMAGES)
    async with serving(Settings(slots=2)) as (_, client):
        cast = np.array([
            (await asked(client, chosen.examples.inputs[place], of)) for place in range(IMAGES)
        ])  # fmt: skip
    error = cast.std(ddof=1) / np.sqrt(len(cast))
    tell(f"{stop}: expected {of.choice.mean_votes:.2f}, cast {cast.mean():.2f} +- {error:.2f}")
    # Both are means of samples: four standard errors of their difference, about 1 in 16,000.
    assert abs(cast.mean() - of.choice.mean_votes) < 4 * np.sqrt(2) * error


async def asked(client: httpx.AsyncClient, picture: NDArray[np.uint8], of: Weighed) -> int:
    """Votes that the service casts on a picture."""
    pixels = (picture.reshape(28, 28).astype(np.float64) / 255).tolist()
    body = {"inputs": [pixels], "sigma": 1.0, "votes": of.option.votes, "stop": of.option.stop}
    body |= {} if of.option.delta is None else {"delta": of.option.delta}
    reply = await client.post("/predict", json=body)
    assert reply.status_code == 200, reply.text
    votes: int = reply.json()["predictions"][0]["votes_cast"]
    return votes
