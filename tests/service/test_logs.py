"""The log: a line a request that says how it went, and nothing of what was sent."""

import json
import logging
import os
from collections.abc import Iterator
from io import StringIO

import httpx
import pytest
from pydantic import SecretStr

from noisevote.service.configuration.keys import digest_of
from noisevote.service.configuration.settings import Settings
from noisevote.service.log.output import (
    JsonFormatter,
    LogFormat,
    LogLevel,
    TextFormatter,
    write_logs,
)
from tests.service.support import CHECKPOINT, Json, array, picture, serving

pytestmark = pytest.mark.anyio


class Lines:
    """What has been logged since it was last asked."""

    def __init__(self, stream: StringIO) -> None:
        self._stream = stream
        self.everything = ""

    def new(self) -> list[Json]:
        text = self._stream.getvalue()[len(self.everything) :]
        self.everything += text
        return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def lines() -> Iterator[Lines]:
    stream = StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    logger = logging.getLogger("noisevote")
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield Lines(stream)
    logger.removeHandler(handler)
    logger.setLevel(before)


async def test_every_request_has_a_line_that_says_how_it_went(
    client: httpx.AsyncClient, lines: Lines
) -> None:
    body = {"inputs": [array(7), array(1)], "votes": 30, "stop": "exact", "sigma": 0.1}
    reply = await client.post("/predict", json=body, headers={"X-Request-Id": "mine"})
    (line,) = lines.new()
    cast = [one["votes_cast"] for one in reply.json()["predictions"]]
    assert line.pop("duration_ms") > 0
    assert line.pop("time").endswith("+00:00")
    assert line.pop("process") == os.getpid()
    assert line == {
        "level": "info",
        "logger": "noisevote.requests",
        "message": "POST /predict 200",
        "request_id": "mine",
        "method": "POST",
        "route": "/predict",
        "status": 200,
        "client": "127.0.0.1",
        "checkpoint": CHECKPOINT,
        "engine": "onnxruntime",
        "precision": "float32",
        "votes_requested": 60,
        "votes_cast": sum(cast),
        "stopped_by": {"exact": 2},
    }


async def test_a_refusal_has_its_code_and_the_request_id_of_the_reply(
    client: httpx.AsyncClient, lines: Lines
) -> None:
    response = await client.post("/predict", json={"inputs": [array(7)], "votes": 0})
    (line,) = lines.new()
    assert line["code"] == "invalid_input"
    assert line["status"] == 422
    assert line["request_id"] == response.headers["x-request-id"]
    assert "votes_cast" not in line
    await client.get("/nosuch/thing?key=1")
    (line,) = lines.new()
    assert (line["route"], line["code"]) == ("unmatched", "not_found")


async def test_a_stream_has_its_line_when_it_has_ended(lines: Lines) -> None:
    async with serving(Settings(slots=1)) as (_, client):
        body = {"inputs": [array(7)], "votes": 5}
        await client.post("/predict/stream", json=body)
        (line,) = [line for line in lines.new() if "route" in line]
    assert (line["route"], line["votes_cast"]) == ("/predict/stream", 5)
    assert line["stopped_by"] == {"full": 1}


async def test_pictures_keys_queries_and_paths_stay_out_of_the_log(lines: Lines) -> None:
    settings = Settings(
        slots=1,
        api_keys={"alice": digest_of("hush-hush")},
        internal_token=SecretStr("hush-internal-token"),
    )
    shown = picture(7)
    async with serving(settings) as (_, client):
        for key in ("hush-hush", "hush-wrong"):
            headers = {"Authorization": f"Bearer {key}"}
            await client.post("/predict?token=hush", json={"image": shown}, headers=headers)
            await client.get("/checkpoints/hush", headers=headers)
            await client.get("/hush/hush", headers=headers)
    assert [line.get("key") for line in lines.new()] == ["alice"] * 3 + [None] * 3
    assert "hush" not in lines.everything
    assert shown[:40] not in lines.everything


async def test_probes_are_logged_only_when_they_fail(
    client: httpx.AsyncClient, lines: Lines
) -> None:
    for path in ("/health/live", "/health/ready", "/v2/health/live", "/metrics"):
        assert (await client.get(path)).status_code == 200
    assert lines.new() == []
    await client.post("/health/live")
    (line,) = lines.new()
    assert line["status"] == 405


def test_an_exception_is_one_line_of_json() -> None:
    try:
        raise ValueError("line\nbreak")  # noqa: TRY301 - it is the exception that is logged
    except ValueError:
        record = logging.makeLogRecord({"msg": "%s %d", "args": ("bad", 1), "name": "x"})
        record.exc_info = __import__("sys").exc_info()
    (line,) = JsonFormatter().format(record).splitlines()
    content = json.loads(line)
    assert content["message"] == "bad 1"
    assert content["exception"].endswith("ValueError: line\nbreak")


def test_a_line_of_text_shows_the_fields() -> None:
    record = logging.makeLogRecord({"msg": "GET / 200", "levelname": "INFO"})
    record.fields = {"status": 200, "key": "alice"}
    assert TextFormatter().format(record).endswith(" INFO GET / 200 status=200 key=alice")


@pytest.fixture
def kept_logging() -> Iterator[None]:
    names = (None, "noisevote", "uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi")
    loggers = [logging.getLogger(name) for name in names]
    before = [(one.handlers[:], one.level, one.propagate) for one in loggers]
    yield
    for one, (handlers, level, propagate) in zip(loggers, before, strict=True):
        one.handlers[:], one.propagate = handlers, propagate
        one.setLevel(level)


@pytest.mark.usefixtures("kept_logging")
def test_uvicorn_logs_as_we_do_but_not_its_requests(capsys: pytest.CaptureFixture[str]) -> None:
    write_logs(LogFormat.JSON, LogLevel.INFO)
    logging.getLogger("uvicorn.error").info("Started")
    logging.getLogger("uvicorn.access").info("GET /")
    logging.getLogger("noisevote").debug("too little")
    logging.getLogger("someone.else").info("too chatty")
    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line)["message"] == "Started"
