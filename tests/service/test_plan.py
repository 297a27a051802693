"""``POST /plan``, the reports of studies, and ``noisevote plan``: answers without a pass."""

import json
import shutil
from collections.abc import AsyncIterator
from itertools import product
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from noisevote.models.data.datasets import load_dataset
from noisevote.models.errors import InputError
from noisevote.models.study.cells import Half
from noisevote.models.study.seeds import places_of, request_seed, seed_of
from noisevote.models.study.store import StudyStore
from noisevote.service.cli import app as command
from noisevote.service.commands.plan import parse_quantity
from noisevote.service.configuration.settings import Settings
from noisevote.service.wire.plan import PlanResponse
from tests.service.support import error_in, serving
from tests.training.study.support import NAME, arguments, classifier
from tests.training.support import run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of checkpoints, with a study beside it."""
    place = tmp_path_factory.mktemp("planned")
    theirs = classifier(place)
    with pytest.MonkeyPatch.context() as patch:
        more = ("--budget", "20000", "--processes", "1", "--at", "0.5")
        assert run(patch, *arguments(theirs, place / "studies" / "one", *more)) == 0
    return place


@pytest.fixture(scope="module")
async def planner(folder: Path, anyio_backend: str) -> AsyncIterator[httpx.AsyncClient]:  # noqa: ARG001
    settings = Settings(checkpoints=folder / "checkpoints", default_checkpoint=NAME, slots=1)
    async with serving(settings) as (_, client):
        yield client


@pytest.mark.anyio
async def test_a_plan_names_a_request_its_forecast_and_its_costs(
    planner: httpx.AsyncClient,
) -> None:
    reply = await planner.post("/plan", json={"accuracy": 0.7})
    assert reply.status_code == 200, reply.text
    found = PlanResponse.model_validate_json(reply.content)
    assert found.forecast.accuracy >= 0.7
    low, high = found.forecast.interval
    assert low < found.forecast.accuracy < high
    assert found.energy_unit == "passes"
    assert found.latency_s is None
    assert found.ceiling is not None
    assert [of.energy for of in found.front] == sorted(of.energy for of in found.front)
    assert found.study.fingerprint.startswith("sfc64")


@pytest.mark.anyio
async def test_the_planned_request_answers_as_the_study_recorded(
    planner: httpx.AsyncClient, folder: Path
) -> None:
    found = PlanResponse.model_validate_json(
        (await planner.post("/plan", json={"accuracy": 0.75})).content
    )
    store = StudyStore(folder / "studies" / "one")
    test = load_dataset("digits", Path("nowhere")).test
    numbers, labels = store.numbers(Half.CHOICE), store.labels(Half.CHOICE)
    right, cast = [], []
    places = places_of(found.forecast.samples, len(numbers)).tolist()
    for seed, place in product(range(len(found.forecast.runs)), places):
        number = int(numbers[place])
        body = found.request | {
            "inputs": [test.inputs[number].tolist()],
            "seed": request_seed(seed_of(0, Half.CHOICE, seed), number),
        }
        (answer,) = (await planner.post("/predict", json=body)).json()["predictions"]
        right.append(answer["mode"] == labels[place])
        cast.append(answer["votes_cast"])
    assert sum(right) / len(right) == pytest.approx(found.forecast.accuracy)
    assert sum(cast) / len(cast) == pytest.approx(found.forecast.mean_votes)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("body", "field", "said"),
    [
        ({}, None, "exactly one of accuracy, energy, latency_s is needed; got none"),
        ({"accuracy": 0.9, "energy": 1}, None, "got accuracy and energy"),
        ({"accuracy": 1.0}, "accuracy", "no option reaches that at this condition on the samples"),
        ({"accuracy": 0.9, "sigma": 0.77}, "sigma", "the study has 0.1, 0.2"),
        ({"latency_s": 1}, "latency_s", "knows no latencies"),
        ({"accuracy": 0.9, "age_s": 5}, None, "give a device, too"),
        ({"acuracy": 0.9}, "acuracy", "there is no field"),
        ({"accuracy": "high"}, "accuracy", "accuracy"),
    ],
    ids=str,
)
async def test_a_demand_that_cannot_be_met_is_refused_with_what_is_possible(
    planner: httpx.AsyncClient, body: dict[str, object], field: str | None, said: str
) -> None:
    reply = await planner.post("/plan", json=body)
    error = error_in(reply, 422, "invalid_input")
    assert said in error["message"]
    assert error.get("field") == field


@pytest.mark.anyio
async def test_without_a_study_the_error_names_the_command_that_makes_one(
    client: httpx.AsyncClient,
) -> None:
    for reply in (
        await client.post("/plan", json={"accuracy": 0.9, "device": "reram-wan"}),
        await client.get("/checkpoints/mnist_cnn-mult-1.0/report", params={"device": "reram-wan"}),
    ):
        error = error_in(reply, 404, "unknown_study")
        assert "noisevote-train study mnist_cnn-mult-1.0 --device reram-wan" in error["message"]


@pytest.mark.anyio
async def test_the_report_is_served_as_data_and_as_a_page_that_runs_nothing(
    planner: httpx.AsyncClient,
) -> None:
    report = (await planner.get(f"/checkpoints/{NAME}/report")).json()
    assert "How much noise?" in report["answers"]
    page = await planner.get(f"/checkpoints/{NAME}/report.html")
    assert page.headers["content-type"].startswith("text/html")
    assert "sandbox" in page.headers["content-security-policy"]
    assert report["answers"]["At what cost?"][:40] in page.text


@pytest.mark.anyio
async def test_a_report_is_that_of_the_noise_that_is_named(planner: httpx.AsyncClient) -> None:
    of_kind = await planner.get(f"/checkpoints/{NAME}/report?noise=multiplicative")
    assert of_kind.json()["of"]["kind"] == "multiplicative"
    missing = await planner.get(f"/checkpoints/{NAME}/report?noise=additive")
    message = error_in(missing, 404, "unknown_study")["message"]
    assert f"noisevote-train study {NAME} --noise additive --checkpoints" in message
    wrong = await planner.get(f"/checkpoints/{NAME}/report?kind=additive")
    assert error_in(wrong, 422, "invalid_input")["field"] == "query.kind"


@pytest.mark.anyio
async def test_a_card_tells_which_studies_there_are(planner: httpx.AsyncClient) -> None:
    card = (await planner.get(f"/checkpoints/{NAME}")).json()
    assert card["studies"] == [
        {
            "device": None,
            "device_digest": None,
            "temperature_c": None,
            "noise": "multiplicative",
        }
    ]


@pytest.mark.anyio
async def test_a_study_of_other_weights_is_not_taken(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "studies", tmp_path / "studies")
    classifier(tmp_path)
    card = tmp_path / "checkpoints" / NAME / "card.json"
    content = json.loads(card.read_text())
    content["noise"]["sigma_train"] = 0.5
    card.write_text(json.dumps(content))
    settings = Settings(checkpoints=tmp_path / "checkpoints", default_checkpoint=NAME, slots=1)
    async with serving(settings) as (_, client):
        reply = await client.post("/plan", json={"accuracy": 0.5})
    assert "of other weights" in error_in(reply, 404, "unknown_study")["message"]


@pytest.mark.anyio
async def test_a_damaged_study_is_no_study_and_the_rest_serves(
    folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "studies" / "bad").mkdir(parents=True)
    (tmp_path / "studies" / "bad" / "study.sqlite").write_bytes(b"\0" * 5000)
    settings = Settings(
        checkpoints=folder / "checkpoints", default_checkpoint=NAME, slots=1,
        studies=[tmp_path / "studies"],
    )  # fmt: skip
    async with serving(settings) as (_, client):
        assert (await client.post("/plan", json={"accuracy": 0.5})).status_code == 404
        assert (await client.get("/health/ready")).status_code == 200


@pytest.mark.anyio
async def test_plans_are_charged_to_the_rate_limit(folder: Path) -> None:
    settings = Settings(
        checkpoints=folder / "checkpoints", default_checkpoint=NAME, slots=1,
        rate_limit_votes_per_s=0.01, rate_limit_burst_votes=1,
    )  # fmt: skip
    async with serving(settings) as (_, client):
        codes = [(await client.post("/plan", json={"accuracy": 0.5})).status_code for _ in range(3)]
    assert codes[0] == 200
    assert codes[-1] == 429


def test_the_command_plans_the_same_without_a_server(
    monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    monkeypatch.setenv("NOISEVOTE_CHECKPOINTS", str(folder / "checkpoints"))
    runner = CliRunner()
    plain = runner.invoke(command, ["plan", NAME, "--accuracy", "0.7"])
    assert plain.exit_code == 0, plain.output
    assert "body for /predict" in plain.output
    place = ["--study", str(folder / "studies" / "one")]
    as_json = runner.invoke(command, ["plan", NAME, "--energy", "3", *place, "--json"])
    found = PlanResponse.model_validate_json(as_json.output)
    assert found.energy <= 3
    joules = runner.invoke(command, ["plan", NAME, "--energy", "60uJ", *place])
    assert isinstance(joules.exception, InputError)
    assert "the study counts passes" in str(joules.exception)


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [("5uJ", "J", 5e-6), ("5e-6", "J", 5e-6), ("1.5 mJ", "J", 1.5e-3), ("50us", "s", 5e-5),
     ("20", "J", 20.0), ("2µs", "s", 2e-6)],
)  # fmt: skip
def test_quantities_are_read_with_their_prefix(text: str, unit: str, value: float) -> None:
    assert parse_quantity(text, unit, "energy") == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "5J", "-1us", "1e400us", "us", "5 us 6"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="is no latency; write 5e-6 or 5us"):
        parse_quantity(text, "s", "latency")
