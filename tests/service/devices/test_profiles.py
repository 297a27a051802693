"""Profiles in requests: bad ones are refused by their key, and none breaks the service."""

import copy
import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import httpx
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from hypothesis import given, settings
from hypothesis import strategies as st

from noisevote.models.devices.presets import DeviceStore
from noisevote.models.devices.profile import MAX_PROFILE_BYTES
from noisevote.service.configuration.settings import Settings
from tests.service.on_devices import BOTH
from tests.service.support import Json, error_in, noise_image, refuse_constant, refused, serving

pytestmark = pytest.mark.anyio

EVERYTHING: Json = {
    "profile": 1, "name": "everything", "compensation": "column",
    "array": {"rows": 64, "columns": 64, "mapping": "single", "scale": "layer"},
    "cell": {"g_max_us": 25.0, "g_min_us": 1.0},
    "program": {"std_us": [{"power": [0.1, 0.5], "clip": [0.0, 1.0], "below": 0.5},
                           {"saturating": [0.2, 0.1]}], "stuck_off": 0.01, "stuck_on": 0.01},
    "drift": {"t0_s": 20.0, "nu": {"log": [-0.01, 0.02], "clip": [0.0, 0.1]}, "nu_std": 0.01},
    "relaxation": {"mean_us": 0.01, "std_us": [0.1, 0.1]},
    "flicker": {"q": 0.01, "t_read_s": 1e-6, "vote_gap_s": 1e-6},
    "read": {"unit": "adc_range", "a": 0.01, "b": 0.02, "c": 0.01, "w": 0.01,
             "cell_std_us": {"coefficients": [0.1, 0.1]}},
    "column": {"gain": 1.1, "gain_std": 0.1, "offset": 0.1, "offset_std": 0.1},
    "dac": {"bits": 6, "range": "max", "signed": False},
    "adc": {"bits": 6, "bound": 10.0, "rounding": "floor"},
    "temperature": {"gain_per_k": 0.01, "offset_per_k": 0.01, "offset_std_per_k": 0.01},
    "cost": {"tile_latency_s": 1e-9, "tile_energy_j": 1e-9},
}  # fmt: skip

STORE = DeviceStore()
BASES = [
    EVERYTHING,
    *(
        json.loads(STORE.find(name).model_dump_json(exclude_defaults=True))
        for name in STORE.names()
    ),
]
NUMBERS = [
    0, 1, 2, 24, 2**24, 2**63, 10**400, -1, 0.5, 5e-324, 1e-300, 1e-15, 1e-12, 1e-9, 1e-6, 100.0,
    1e6, 1e10, 1e12, 1e300, -1e-3, -1e6, -1e12, float("inf"), float("nan"),
]  # fmt: skip
STRANGE: list[Any] = [
    True, None, "", "x", [], {}, [[]], [1, 2], [[1, 2], [0, 3]], {"table": [[0, 1], [0, 1]]},
    {"coefficients": [1e12] * 12}, {"power": [1e12, -1e12]}, {"log": [1e12, -1e12]},
    {"saturating": [1e12, 1e-12]}, [{"coefficients": [1.0], "below": 0.5}, {"log": [1.0, 1.0]}],
]  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of everything inside of a value."""
    inside = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list)
        else ()
    )  # fmt: skip
    for key, part in inside:
        yield (*path, key)
        yield from places(part, (*path, key))


@st.composite
def mutated(draw: Callable[..., Any]) -> Json:
    """Draw a preset with up to five values changed; most often one number for another."""
    profile: Json = copy.deepcopy(draw(st.sampled_from(BASES)))
    for _ in range(draw(st.integers(1, 5))):
        path = draw(st.sampled_from([path for path in places(profile) if path != ("profile",)]))
        *way, last = path
        at: Any = profile
        for key in way:
            at = at[key]
        is_number = isinstance(at[last], int | float) and draw(st.integers(0, 9))
        kept = copy.deepcopy(draw(st.sampled_from(NUMBERS if is_number else STRANGE)))
        if draw(st.integers(0, 9)) == 0 and isinstance(at, dict):
            at[str(kept)[:50]] = at.pop(last)
        else:
            at[last] = kept
    return profile


@pytest.fixture(scope="module")
def asking(
    anyio_backend: str,  # noqa: ARG001
) -> Iterator[Callable[[Json], httpx.Response]]:
    """Return what posts a prediction from outside of any event loop."""
    chosen = Settings(slots=1, max_chip_bytes=2**24)
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(serving(chosen)) as (_, client),
    ):
        yield partial(asked, portal, client)


def asked(portal: BlockingPortal, client: httpx.AsyncClient, body: Json) -> httpx.Response:
    # json.dumps writes NaN and Infinity, which are no JSON and must be refused as such.
    return portal.call(partial(client.post, "/predict", content=json.dumps(body)))


PROFILES = mutated()
CONDITIONS = st.fixed_dictionaries(
    {},
    optional={
        "age_s": st.sampled_from([0, 1, 60, 86400, 1e10]),
        "temperature_c": st.sampled_from([-273.15, 25, 150, 1000]),
        "chip": st.sampled_from(["none", "fresh", 5]),
        "repeats": st.sampled_from([{"fc2": 1}, {"fc2": 10**6}]),
    },
)


@settings(max_examples=100)
@given(profile=PROFILES, condition=CONDITIONS)
def test_no_profile_breaks_the_service(
    profile: Json, condition: Json, asking: Callable[[Json], httpx.Response]
) -> None:
    check_answer(profile, condition, asking)


@pytest.mark.slow
@settings(max_examples=3000)
@given(profile=PROFILES, condition=CONDITIONS)
def test_none_of_many_profiles_breaks_the_service(
    profile: Json, condition: Json, asking: Callable[[Json], httpx.Response]
) -> None:
    check_answer(profile, condition, asking)


def check_answer(profile: Json, condition: Json, asking: Callable[[Json], httpx.Response]) -> None:
    """Ask for two votes on a device: they are cast, or refused with the key that is wrong."""
    body = {"inputs": [noise_image()], "device": profile, "votes": 2, "seed": 3} | condition
    response = asking(body)
    if response.status_code == 200:
        reply = json.loads(response.text, parse_constant=refuse_constant)
        assert sum(reply["predictions"][0]["vote_counts"]) == 2
        return
    status, code = (400, "not_json") if "not JSON" in response.text else (422, "invalid_input")
    error = error_in(response, status, code)
    assert status == 400 or error["field"].partition(".")[0] in {"device", *condition}


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"read": {"sigma": 1.0}}, "device.read.sigma", "is no key of a device profile"),
        ({"speed": 1.0}, "device.speed", "is no key of a device profile"),
        ({"profile": 2}, "device.profile", "Input should be 1, got 2"),
        ({"name": "Mine"}, "device.name", "should match pattern"),
        ({"name": None}, "device.name", "valid string, got None"),
        ({"cell": {"g_max_us": "25"}}, "device.cell.g_max_us", "valid number, got '25'"),
        ({"cell": {"g_min_us": 2.0}}, "device.cell", "must be below g_max_us"),
        ({"read": {"unit": "volts"}}, "device.read.unit", "'array', 'rms', 'adc_range' or 'net"),
        ({"read": {"unit": "adc_range"}}, "device", "there is no adc"),
        ({"dac": {"bits": 1}}, "device.dac", "inputs with a sign take 2 to 24"),
        ({"adc": {"bits": 25, "bound": 1.0}}, "device.adc.bits", "less than or equal to 24"),
        ({"program": {"std_us": {"table": [[0.5, 1], [0.1, 1]]}}}, "device.program.std_us.table",
         "x rising by 1e-09 or more"),
        ({"program": {"std_us": {"table": [[0.0, 1.0]] * 65}}}, "device.program.std_us.table",
         "at most 64 items"),
        ({"program": {"std_us": "much"}}, "device.program.std_us", "needed is a number, a formula"),
        ({"program": {"stuck_on": 0.6, "stuck_off": 0.6}}, "device.program", "at most 1"),
        ({"drift": {"t0_s": 0, "nu": 0.1}}, "device.drift.t0_s", "greater than or equal to 0.0000"),
        ({"description": "x" * MAX_PROFILE_BYTES}, "device", "device is longer than 64 KiB"),
    ],
)  # fmt: skip
async def test_a_bad_profile_is_refused_with_its_key_and_what_is_allowed(
    changes: Json, field: str, said: str, client: httpx.AsyncClient
) -> None:
    body = {"inputs": [noise_image()], "votes": 2}
    error = await refused(client, 422, "invalid_input", **body, device=BOTH | changes)
    assert error["field"] == field
    assert said in error["message"]
    within = await refused(
        client, 422, "invalid_input", **body, device={"fc1": BOTH | changes, "*": "digital"}
    )
    assert within["field"].startswith("device")
    assert said.removeprefix("device") in within["message"]


@pytest.mark.parametrize("inside", ['{"a":', '['])  # fmt: skip
async def test_deep_nesting_is_refused(inside: str, client: httpx.AsyncClient) -> None:
    closing = {"[": "]", '{"a":': "}"}[inside]
    for depth in (150, 100_000):
        deep = inside * depth + "1" + closing * depth
        image = json.dumps(noise_image())
        content = f'{{"inputs": [{image}], "device": {{"profile": 1, "cell": {deep}}}}}'
        response = await client.post("/predict", content=content)
        assert response.status_code in {400, 422}
        error_in(response, response.status_code, response.json()["error"]["code"])


async def test_names_of_devices_lead_out_of_no_folder(client: httpx.AsyncClient) -> None:
    for name in (
        "../presets/reram-wan",
        "/etc/passwd",
        "reram-wan.toml",
        "reram-wan\0",
        "x" * 9999,
    ):
        error = await refused(client, 404, "unknown_device", inputs=[noise_image()], device=name)
        assert error["field"] == "device"
        assert "there is no device" in error["message"]
