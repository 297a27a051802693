"""Device profiles: what is taken, what is refused and how it is said."""

import copy
import tomllib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noisevote.models.devices.cells import aged_weights
from noisevote.models.devices.chips import Chip
from noisevote.models.devices.presets import DeviceStore
from noisevote.models.devices.profile import MAX_PROFILE_BYTES, Profile, profile_of, read_profile
from noisevote.models.errors import InputError
from tests.models.devices.oracle import device

STORE = DeviceStore()
CONTENTS: list[dict[str, Any]] = [tomllib.loads(STORE.text(name)) for name in STORE.names()]
Place = tuple[Any, ...]

ODD: st.SearchStrategy[Any] = st.one_of(
    st.none(), st.booleans(), st.text(max_size=8), st.floats(), st.integers(-(10**30), 10**30),
    st.sampled_from([[], {}, [1, 2], {"log": [1, 2]}, {"table": [[1, 0], [0, 1]]}, [{"log": 1}]]),
    st.sampled_from(["pair", "max", -1.0, 0.0, 1e300, 1e12, float("nan"), "\ud800"]),
    st.recursive(st.floats(-1, 1), lambda inner: st.lists(inner, max_size=3), max_leaves=4),
)  # fmt: skip


def places_in(content: Any, place: Place = ()) -> Iterator[Place]:
    """Yield where something stands in a profile."""
    if isinstance(content, dict | list):
        for key, value in content.items() if isinstance(content, dict) else enumerate(content):
            yield (*place, key)
            yield from places_in(value, (*place, key))


def changed(content: dict[str, Any], place: Place, value: Any) -> dict[str, Any]:
    """Return a profile's content with another value at a place."""
    copied: dict[str, Any] = copy.deepcopy(content)
    inner: Any = copied
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    return copied


@st.composite
def mutated(draw: st.DrawFn) -> dict[str, Any]:
    """Contents of presets with one to three values exchanged, left out or added."""
    content: dict[str, Any] = copy.deepcopy(draw(st.sampled_from(CONTENTS)))
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.sampled_from(list(places_in(content))))
        if draw(st.booleans()):
            place = (
                (*place[:-1], draw(st.text(max_size=6))) if isinstance(place[-1], str) else place
            )
        content = changed(content, place, draw(ODD))
    return content


def taken(content: dict[str, Any]) -> Profile | InputError:
    """Return a profile, or why it is none."""
    try:
        return profile_of(content)
    except InputError as error:
        return error


@given(mutated())
def test_a_profile_is_taken_or_refused_by_name_of_a_key(content: dict[str, Any]) -> None:
    profile = taken(content)
    if isinstance(profile, InputError):
        assert str(profile).startswith("device")
        assert (profile.field or "").startswith("device")
        assert len(str(profile)) < 600
        return
    shape = (2, 3)
    draws = Chip(profile.digest, "w", 0).draws_of("fc", shape)
    with np.errstate(all="raise", under="ignore"):
        aged = aged_weights(np.full(shape, 0.5), profile, draws, profile.age_of(None), 1e-3)
    assert all(np.isfinite(part).all() for part in (aged.weights, aged.alpha, aged.variance))


WRONG: dict[str, tuple[Place, Any]] = {
    r"device\.speed is no key of a device profile": (("speed",), 3),
    r"device\.read\.number is no key of a device profile": (("read", "number"), 3),
    r"device\.array\.mapping: Input should be 'pair' or 'single', got 'triple'": (
        ("array", "mapping"), "triple",
    ),
    r"device\.cell\.g_max_us: Input should be a valid number, got '25 uS'": (
        ("cell", "g_max_us"), "25 uS",
    ),
    r"device\.cell: g_min_us is 30; it must be below g_max_us, 25": (("cell", "g_min_us"), 30.0),
    r"device\.program\.std_us: got none; needed is one of coefficients, table, log": (
        ("program", "std_us"), {},
    ),
    r"device\.program\.std_us: got log, power; needed is one of": (
        ("program", "std_us"), {"log": [1, 2], "power": [1, 2]},
    ),
    r"device\.program\.std_us: needed is a number, a formula \(coefficients, .*got '1'": (
        ("program", "std_us"), "1",
    ),
    r"device\.program\.std_us\.table: needed are one or more points \[x, value\], x rising": (
        ("program", "std_us"), {"table": [[0.5, 1], [0.2, 1]]},
    ),
    r"device\.program\.std_us\.table: Tuple should have at most 64 items": (
        ("program", "std_us"), {"table": [[i, 1] for i in range(65)]},
    ),
    r"device\.program\.std_us: pieces end below .*all but the last need a rising below": (
        ("program", "std_us"), [{"log": [1, 2]}, {"log": [1, 2]}],
    ),
    r"device\.drift\.t0_s: Input should be greater than or equal to 0.0+1, got 0": (
        ("drift", "t0_s"), 0,
    ),
    r"device\.drift\.nu\.clip: .*|device\.drift\.nu: clip is \[1\.0, 0\.0\]; allowed is \[": (
        ("drift", "nu", "clip"), [1, 0],
    ),
    r"device\.dac\.range: got 'percentile:50'; allowed is a number above 0, percentile:99\.9": (
        ("dac", "range"), "percentile:50",
    ),
    r"device\.dac\.range: Input should be greater than or equal to 0.0+1, got -1": (
        ("dac", "range"), -1,
    ),
    r"device\.dac\.bits: Input should be less than or equal to 24, got 25": (("dac", "bits"), 25),
    r"device\.adc\.bits: Input should be a valid integer, got 7\.5": (("adc", "bits"), 7.5),
    r"device\.read\.a: Input should be a finite number, got nan": (("read", "a"), float("nan")),
    r"device\.program: stuck_off and stuck_on are 0\.7 and 0\.6; together they may be at most 1": (
        ("program",), {"stuck_off": 0.7, "stuck_on": 0.6},
    ),
    r"device\.ages_s|device: ages_s are \[10\.0, 1\.0\]; allowed is \[smallest, largest\]": (
        ("ages_s",), [10, 1],
    ),
    r"device: aged holds all errors of a cell; leave out drift, relaxation and program\.std_us": (
        ("aged",), [{"t_s": 1.0}],
    ),
    r"device\.aged: t_s are \[2\.0, 1\.0\]; they must rise": (
        ("aged",), [{"t_s": 2.0}, {"t_s": 1.0}],
    ),
    r"device\.aged\.0\.t_s: Field required": (("aged",), [{}]),
    r"device\.temperature: range_c is \[50\.0, 0\.0\]; allowed is": (
        ("temperature",), {"range_c": [50, 0]},
    ),
}  # fmt: skip


@pytest.mark.parametrize("message", WRONG)
def test_what_is_wrong_is_said_with_the_key_and_what_is_allowed(message: str) -> None:
    place, value = WRONG[message]
    content = tomllib.loads(STORE.text("pcm-nandakumar"))
    with pytest.raises(InputError, match=message) as caught:
        profile_of(changed(content, place, value))
    assert caught.value.field is not None
    assert str(caught.value).startswith(caught.value.field)


def test_a_unit_of_the_converter_needs_one() -> None:
    with pytest.raises(InputError, match=r"read\.unit is adc_range, and there is no adc"):
        device(read={"unit": "adc_range", "a": 0.1})


@pytest.mark.parametrize("content", [[], "x", 3, None])
def test_what_is_no_table_is_no_profile(content: Any) -> None:
    with pytest.raises(InputError, match=r"device: .*"):
        profile_of(content)


def test_a_text_may_not_be_longer_than_a_profile() -> None:
    with pytest.raises(InputError, match="the profile is longer than 64 KiB"):
        read_profile("#" * (MAX_PROFILE_BYTES + 1))
    with pytest.raises(InputError, match="is no TOML"):
        read_profile("a = " + "[" * 20_000)


def shuffled(content: Any, order: Any) -> Any:
    """Return a content with its keys in another order."""
    if isinstance(content, list):
        return [shuffled(each, order) for each in content]
    if not isinstance(content, dict):
        return content
    keys = list(content)
    order.shuffle(keys)
    return {key: shuffled(content[key], order) for key in keys}


@given(st.sampled_from(CONTENTS), st.randoms(use_true_random=False))
def test_the_digest_does_not_depend_on_the_order_of_keys(
    content: dict[str, Any], order: Any
) -> None:
    assert profile_of(shuffled(content, order)).digest == profile_of(content).digest


@given(st.sampled_from(CONTENTS))
def test_a_profile_that_is_written_out_is_the_same_device(content: dict[str, Any]) -> None:
    profile = profile_of(content)
    for written in (profile.model_dump(mode="json"), profile.model_dump(exclude_unset=True)):
        again = profile_of(written)
        assert again == profile
        assert again.digest == profile.digest


def test_the_digest_is_of_what_decides_votes_alone() -> None:
    plain = device(read={"a": 0.1})
    same = device(read={"a": 0.1, "b": 0.0}, source="x", description="y", cost={"tiles": 3})
    assert same.digest == plain.digest
    assert profile_of({"profile": 1, "name": "other", "read": {"a": 0.1}}).digest == plain.digest
    others = [
        device(),
        device(read={"a": 0.2}),
        device(read={"b": 0.1}),
        device(column={"gain": 2}),
    ]
    assert len({plain.digest, *(other.digest for other in others)}) == 5


def test_an_age_is_within_the_profile() -> None:
    sonos = STORE.find("sonos-40nm")
    assert sonos.age_of(None) == 60.0
    assert sonos.age_of(86400.0) == 86400.0
    with pytest.raises(InputError, match="age_s is 1; sonos-40nm holds for 60 to 432000 seconds"):
        sonos.age_of(1.0)
    assert STORE.find("pcm-nandakumar").age_of(None) == 0.0


@pytest.mark.parametrize(
    ("profile", "effects"),
    [
        (device(), ()),
        (device(read={"unit": "network"}), ()),
        (device(read={"a": 0.1}), ("read",)),
        (device(column={"gain": 1.1}), ("columns",)),
        (device(column={"gain_std": 0.1}), ("columns", "frozen")),
        (device(adc={"bits": 8, "bound": 10}), ("converters",)),
        (device(program={"stuck_on": 0.1}), ("frozen",)),
        (device(drift={"t0_s": 1, "nu": 0.1}), ("frozen", "ages")),
        (device(temperature={"gain_per_k": 0.01}), ("temperature",)),
        (device(temperature={"reference_c": 20}), ()),
    ],
)
def test_effects_are_those_that_a_profile_has(profile: Profile, effects: tuple[str, ...]) -> None:
    assert profile.effects == effects
