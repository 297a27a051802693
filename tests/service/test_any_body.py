"""Bodies at random: mostly right, or of any kind; each has an answer or a refusal."""

import json
from typing import Any

import httpx
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from noisevote.models.noise import NoiseKind
from noisevote.models.stopping import StopRule
from noisevote.service.voting.priority import Priority
from noisevote.service.wire.errors import ErrorBody
from noisevote.service.wire.replies import PredictResponse
from noisevote.service.wire.requests import PredictRequest
from tests.service.support import POINTS, array, error_in, picture

pytestmark = pytest.mark.anyio

SHORT = st.text(max_size=5)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-2, 40)
    | st.floats()
    | st.floats(0, 2)
    | SHORT
)
ANYTHING = st.recursive(
    SCALARS,
    lambda part: st.lists(part, max_size=4) | st.dictionaries(SHORT, part, max_size=3),
    max_leaves=12,
)
PLAUSIBLE: dict[str, st.SearchStrategy[Any]] = {
    "checkpoint": st.sampled_from(["mnist_cnn-mult-1.0", "nosuch"]),
    "inputs": st.sampled_from([[array()], [[array(3)], array(4)], [array()[:5]], [[[]]]]),
    "image": st.sampled_from([picture(), picture()[:100], "AAAA"]),
    "noise": st.sampled_from([*NoiseKind]),
    "sigma": st.floats(0, 3) | st.dictionaries(st.sampled_from(POINTS), st.floats(0, 3)),
    "snr_db": st.floats(-70, 310),
    "repeats": st.dictionaries(st.sampled_from(POINTS), st.integers(0, 10**6)),
    "hardware": st.dictionaries(st.sampled_from(["latency", "energy"]), st.floats(-1)),
    "votes": st.integers(1, 5),
    "stop": st.sampled_from([*StopRule]),
    "alpha": st.floats(0, 1),
    "delta": st.floats(0, 1),
    "seed": st.integers(0, 2**53),
    "deadline_ms": st.floats(1e5, 1e7),
    "priority": st.sampled_from([*Priority]),
    "device": st.sampled_from(["reram-wan", "ideal-8-8", {"fc*": "pcm-joshi", "*": "digital"}]),
    "chip": st.integers(0, 2) | st.sampled_from(["fresh", "none"]),
    "chips": st.integers(1, 3),
    "age_s": st.floats(0, 2e5),
    "temperature_c": st.floats(-50, 150),
}
BODIES = st.fixed_dictionaries(
    {},
    optional={
        name: PLAUSIBLE.get(name, ANYTHING) | ANYTHING for name in [*PredictRequest.model_fields]
    }
    | {"other": ANYTHING},
)
MOSTLY_RIGHT = st.fixed_dictionaries(
    {"inputs": st.sampled_from([[array()], [[array(3)], array(4)]])},
    optional={
        name: PLAUSIBLE[name]
        for name in ("noise", "sigma", "repeats", "hardware", "votes", "stop", "alpha", "seed")
    },
)
ON_DEVICES = st.fixed_dictionaries(
    {"inputs": st.just([array()]), "device": PLAUSIBLE["device"]},
    optional={name: PLAUSIBLE[name] for name in ("chip", "chips", "age_s", "votes", "stop")},
)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(body=BODIES | MOSTLY_RIGHT | ON_DEVICES)
async def test_whatever_object_is_sent_the_reply_is_an_answer_or_a_refusal(
    client: httpx.AsyncClient, body: dict[str, Any]
) -> None:
    response = await client.post("/predict", content=json.dumps(body))
    event(f"status {response.status_code}")
    if response.status_code == 200:
        PredictResponse.model_validate_json(response.content)
    else:
        assert 400 <= response.status_code < 500
        ErrorBody.model_validate_json(response.content)
        error_in(response, response.status_code, response.json()["error"]["code"])


def test_every_field_but_strokes_is_tried_with_plausible_values() -> None:
    assert {*PLAUSIBLE, "strokes"} == {*PredictRequest.model_fields}
