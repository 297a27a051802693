"""Devices by name: presets, folders of the operator, damaged files."""

import tomllib
from pathlib import Path

import pytest

from noisevote.models.devices.presets import PRESETS, DeviceStore
from noisevote.models.errors import UnknownDeviceError
from tests.models.devices.oracle import device

NAMES = [
    "brainscales-2", "ideal-8-8", "pcm-hermes-2t", "pcm-joshi", "pcm-nandakumar", "photonic-shot",
    "reram-cmo", "reram-milo", "reram-wan", "sonos-40nm",
]  # fmt: skip
DIGESTS = {
    "pcm-nandakumar": "a57e33d7c3822b29",
    "sonos-40nm": "da792d8582bec0f1",
}

MINE = 'profile = 1\nname = "mine"\n[read]\na = 0.1\n'


def test_the_presets_are_those_that_are_documented() -> None:
    store = DeviceStore()
    assert store.names() == NAMES
    assert store.refused == {}


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_says_where_its_numbers_come_from_and_what_was_verified(name: str) -> None:
    profile = DeviceStore().find(name)
    assert len(profile.source) > 20
    assert any(word in profile.description for word in ("ested against", "not run", "estimate"))
    assert profile.effects


@pytest.mark.parametrize("name", DIGESTS)
def test_the_digest_of_a_preset_does_not_change_unnoticed(name: str) -> None:
    assert DeviceStore().find(name).digest == DIGESTS[name]


def test_brainscales_steps_are_those_of_the_chip() -> None:
    profile = DeviceStore().find("brainscales-2")
    steps_a_row = 31 * 63 * 0.002
    assert profile.adc is not None
    step = 2 * profile.adc.bound / (2**profile.adc.bits - 2)
    assert step * steps_a_row == pytest.approx(1, rel=1e-6)
    assert profile.read.a / step == pytest.approx(2, rel=1e-6)


def test_a_folder_of_the_operator_adds_devices(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(MINE)
    (tmp_path / "notes.txt").write_text("none")
    (tmp_path / "Not a name.toml").write_text("none")
    store = DeviceStore(tmp_path, tmp_path / "missing")
    assert store.names() == sorted([*NAMES, "mine"])
    assert store.find("mine") == device(read={"a": 0.1}).model_copy(update={"name": "mine"})
    assert store.text("mine") == MINE
    assert store.refused == {}


def test_a_file_that_changes_is_read_anew(tmp_path: Path) -> None:
    file, store = tmp_path / "mine.toml", DeviceStore(tmp_path)
    file.write_text(MINE)
    assert store.find("mine").read.a == 0.1
    file.write_text(MINE.replace("0.1", "0.25"))
    assert store.find("mine").read.a == 0.25
    file.unlink()
    with pytest.raises(UnknownDeviceError, match="no device 'mine'; there are: brainscales-2, "):
        store.find("mine")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"profile = ", r"mine\.toml is no TOML: "),
        (b"\xff", r"mine\.toml is no UTF-8: "),
        (b"#" * 70_000, r"mine\.toml cannot be read: it has 70,000 bytes, allowed are 65,536"),
        (MINE.replace("0.1", "-1").encode(), r"mine\.toml: device\.read\.a: .* greater than or"),
        (MINE.replace("mine", "yours").encode(), r"mine\.toml holds the device yours; file and"),
        (MINE.replace("profile = 1", "profile = 2").encode(), r"device\.profile: .* 1, got 2"),
    ],
)
def test_a_damaged_file_is_refused_with_the_reason_and_the_others_serve(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    (tmp_path / "mine.toml").write_bytes(content)
    store = DeviceStore(tmp_path)
    assert store.names() == NAMES
    assert list(store.refused) == ["mine"]
    with pytest.raises(UnknownDeviceError, match=rf"device mine cannot be used: .*{reason}"):
        store.find("mine")
    with pytest.raises(UnknownDeviceError, match=reason):
        store.text("mine")


def test_a_name_that_stands_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ideal-8-8.toml").write_text(MINE.replace("mine", "ideal-8-8"))
    store = DeviceStore(tmp_path)
    with pytest.raises(UnknownDeviceError, match=rf"several folders, {tmp_path.name} and presets;"):
        store.find("ideal-8-8")
    assert "ideal-8-8" not in store.names()


@pytest.mark.parametrize("name", ["../presets/ideal-8-8", "", "x" * 1000, "ideal-8-8.toml", "/etc"])
def test_a_name_is_no_way_to_a_file(name: str) -> None:
    with pytest.raises(UnknownDeviceError, match="there is no device") as caught:
        DeviceStore().find(name)
    assert len(str(caught.value)) < 400
    assert caught.value.field == "device"


def test_the_tables_of_sonos_are_the_fits_of_cross_sim() -> None:
    content = tomllib.loads((PRESETS / "sonos-40nm.toml").read_text())
    [day_3] = [table for table in content["aged"] if table["t_s"] == 3 * 86400]
    fit = [-1.753e-2, 9.76883e-2, -9.63791e-4, 4.55551e-6, -1.22391e-8, 1.93786e-11, -1.85899e-14,
           1.07659e-17, -3.58211e-21, 5.96785e-25, -3.3041e-29]  # fmt: skip
    for x, shift in day_3["shift_us"]["table"]:
        current = 1600 * x
        expected = sum(c * current**power for power, c in enumerate(fit))
        assert shift * 100 == pytest.approx(expected, abs=1e-3)
