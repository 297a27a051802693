"""Bodies in which everything is wrong, or that say much in few bytes."""

import json
from collections.abc import Iterator

import pytest

from noisevote.service.v2.schemas import EXAMPLE_INFER, MAX_ID
from noisevote.service.wire.parsing import MAX_NAMES
from tests.service.hostile.support import attacked, reply_to, unharmed
from tests.service.processes import Server
from tests.service.support import CHECKPOINT, Json
from tests.service.wire import json_request, request_of, status_of

INFER = f"/v2/models/{CHECKPOINT}/infer"
ITEMS = 200_000
ATTACK: Json = {"surrogate": "mnist_cnn-clean", "epsilon": 0.2}
TENSOR: Json = EXAMPLE_INFER["inputs"][0]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with attacked() as running:
        reply_to(running, json_request(INFER, EXAMPLE_INFER, "Connection: close"))
        yield running


LISTS: dict[str, tuple[str, Json]] = {
    "inputs": (INFER, {"inputs": "?"}),
    "outputs": (INFER, EXAMPLE_INFER | {"outputs": "?"}),
    "shape": (INFER, {"inputs": [TENSOR | {"shape": "?"}]}),
    **{
        name: ("/attack", ATTACK | {name: "?"})
        for name in ("labels", "attacks", "epsilons", "sigmas", "vote_numbers", "budgets")
    },
}


@pytest.mark.parametrize("case", LISTS)
def test_of_many_faults_the_first_is_told(server: Server, case: str) -> None:
    path, content = LISTS[case]
    faults = "[" + ",".join(['""'] * ITEMS) + "]"
    body = json.dumps(content).replace('"?"', faults).encode()
    with unharmed(server):
        reply = reply_to(server, request_of(path, body, "Connection: close"))
    assert status_of(reply) == (400 if path == INFER else 422)
    assert f"{case}.0".encode() in reply


MAPS: dict[str, tuple[str, str]] = {
    "fields": ("/predict", "{?}"),
    "sigma": ("/predict", '{"sigma": {?}}'),
    "latency": ("/predict", '{"hardware": {"latency": {?}}}'),
    "parameters": (INFER, '{"inputs": [], "parameters": {?}}'),
    "assessment": ("/attack", "{?}"),
}


@pytest.mark.parametrize("case", MAPS)
def test_more_names_than_any_request_needs_are_refused_unread(server: Server, case: str) -> None:
    path, content = MAPS[case]
    names = ",".join(f'"{number:x}":[]' for number in range(100_000))
    body = content.replace("?", names).encode()
    with unharmed(server):
        reply = reply_to(server, request_of(path, body, "Connection: close"))
    assert status_of(reply) == (400 if path == INFER else 422)
    assert str(MAX_NAMES).encode() in reply


def test_an_id_is_no_place_for_megabytes(server: Server) -> None:
    for length, status in ((MAX_ID, 200), (MAX_ID + 1, 400)):
        body = json.dumps(EXAMPLE_INFER | {"id": "x" * length}).encode()
        assert status_of(reply_to(server, request_of(INFER, body, "Connection: close"))) == status
