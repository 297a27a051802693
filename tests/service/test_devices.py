"""``/devices`` and ``noisevote devices``: which devices there are, and what a file of one says."""

import os
import sys
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from typer.testing import CliRunner

from noisevote.models.devices.curves import Piece
from noisevote.models.devices.presets import PRESETS, DeviceStore
from noisevote.models.devices.profile import profile_of
from noisevote.models.errors import InputError
from noisevote.service.cli import app as command
from noisevote.service.cli import main
from noisevote.service.client import AsyncClient, ServiceError
from noisevote.service.configuration.reading import check_at_start, load_settings
from noisevote.service.configuration.settings import Settings
from tests.service.support import error_in, serving

MINE = 'profile = 1\nname = "mine"\nsource = "our lab"\n\n[read]\na = 0.1\n'
DAMAGED = "profile = 1\nname = 'broken'\n[read]\nspeed = 3\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of an operator, with a device and a damaged one."""
    (tmp_path / "mine.toml").write_text(MINE)
    (tmp_path / "broken.toml").write_text(DAMAGED)
    return tmp_path


@pytest.fixture
async def theirs(folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(Settings(devices=[folder])) as (_, client):
        yield client


@pytest.mark.anyio
async def test_the_list_says_what_each_device_does(client: httpx.AsyncClient) -> None:
    reply = (await client.get("/devices")).json()
    assert reply["refused"] == {}
    assert [entry["name"] for entry in reply["devices"]] == DeviceStore().names()
    [summary] = [entry for entry in reply["devices"] if entry["name"] == "pcm-hermes-2t"]
    assert summary.pop("source").startswith("IBM HERMES project chip")
    assert summary == {
        "name": "pcm-hermes-2t",
        "digest": DeviceStore().find("pcm-hermes-2t").digest,
        "effects": ["read", "frozen", "ages"],
        "ages_s": [0.0, 1e10],
        "cost": {
            "tile_latency_s": 132.9e-9, "tile_energy_j": 13.43e-9, "tiles": 64,
            "mac_energy_j": None, "adc_energy_j": None, "dac_energy_j": None,
        },
    }  # fmt: skip


@pytest.mark.anyio
@pytest.mark.parametrize("name", DeviceStore().names())
async def test_a_device_is_served_as_data_and_as_its_file(
    client: httpx.AsyncClient, name: str
) -> None:
    body = (await client.get(f"/devices/{name}")).json()
    text = (PRESETS / f"{name}.toml").read_text()
    assert body["toml"] == text
    for content in (body["profile"], tomllib.loads(text)):
        assert profile_of(content).digest == body["digest"]
    assert body["description"] == body["profile"]["description"]


@pytest.mark.anyio
@pytest.mark.parametrize("name", ["nosuch", "pcm-joshi.toml", "%2e%2e", "%00", "x" * 500])
async def test_an_unknown_device_is_not_found(client: httpx.AsyncClient, name: str) -> None:
    error = error_in(await client.get(f"/devices/{name}"), 404, "unknown_device")
    assert error["field"] == "device"
    assert "there are: brainscales-2, ideal-8-8" in error["message"]


@pytest.mark.anyio
async def test_a_damaged_file_is_refused_by_name_and_the_others_serve(
    theirs: httpx.AsyncClient, folder: Path
) -> None:
    reply = (await theirs.get("/devices")).json()
    reason = "broken.toml: device.read.speed is no key of a device profile"
    assert reply["refused"] == {"broken": reason}
    assert "mine" in [entry["name"] for entry in reply["devices"]]
    error = error_in(await theirs.get("/devices/broken"), 404, "unknown_device")
    assert error["message"] == f"the device broken cannot be used: {reason}"
    assert str(folder) not in str(reply)
    (folder / "broken.toml").write_text(MINE.replace("mine", "broken"))
    assert (await theirs.get("/devices")).json()["refused"] == {}
    assert (await theirs.get("/devices/broken")).json()["source"] == "our lab"


@pytest.mark.anyio
async def test_clients_list_and_show_devices(app: FastAPI) -> None:
    transport = httpx.ASGITransport(app)
    async with AsyncClient("http://service", transport=transport) as client:
        listed = await client.devices()
        assert [device.name for device in listed.devices] == DeviceStore().names()
        shown = await client.device("sonos-40nm")
        assert shown.profile == DeviceStore().find("sonos-40nm")
        assert shown.profile.digest == shown.digest
        with pytest.raises(ServiceError, match="there is no device 'none'") as refusal:
            await client.device("none")
        assert (refusal.value.status, refusal.value.code) == (404, "unknown_device")


def test_folders_of_devices_are_a_setting(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().devices == ()
    monkeypatch.setenv("NOISEVOTE_DEVICES", os.pathsep.join([str(folder), str(folder / "none")]))
    settings = load_settings()
    assert settings.devices == (folder, folder / "none")
    with pytest.raises(InputError, match=r"devices is .*none, which is no folder"):
        check_at_start(settings)


def printed(*arguments: str | Path) -> str:
    result = CliRunner().invoke(command, ["devices", *map(str, arguments)])
    assert result.exit_code == 0, result.output
    return result.stdout


def refusal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str | Path
) -> str:
    """Return what the command says that must fail."""
    monkeypatch.setattr(sys, "argv", ["noisevote", "devices", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 1
    return capsys.readouterr().err


def test_the_command_lists_devices_and_what_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOISEVOTE_DEVICES", str(folder))
    result = CliRunner().invoke(command, ["devices"])
    for name in [*DeviceStore().names(), "mine"]:
        assert f" {name} " in result.stdout
    assert "our lab" in result.stdout
    assert "60 to 432000" in result.stdout
    assert "refused: broken: broken.toml: device.read.speed is no key" in result.stderr


def test_the_command_explains_a_device_key_by_key() -> None:
    output = printed("pcm-hermes-2t")
    assert "Le Gallo et al., Nat. Electron. 2023" in output
    [line] = [line for line in output.splitlines() if "cell.g_max_us" in line]
    assert [part.strip() for part in line.split("│")[1:5]] == [
        "cell.g_max_us", "20.7", "uS", "Largest conductance.",
    ]  # fmt: skip
    assert "log = [-0.0387, -0.0182], clip = [0.072, 0.13], below = 0.0945" in output
    assert "cost.tile_energy_j" in output


def test_long_curves_are_shown_to_their_end() -> None:
    table = DeviceStore().find("sonos-40nm").aged[-1].std_us
    assert isinstance(table, Piece)
    assert table.table is not None
    output = printed("sonos-40nm")
    assert "..." not in output
    assert f"{table.table[-1][1]:.10g}]]" in output


@pytest.mark.parametrize("arguments", [["--check"], []], ids=["checked", "explained"])
def test_the_largest_conductance_is_told_where_it_is_left_to_its_default(
    folder: Path, arguments: list[str]
) -> None:
    file = folder / "cells.toml"
    file.write_text('profile = 1\nname = "cells"\n[program]\nstd_us = 0.1\n')
    said = "the largest conductance is 1 uS by default; program.std_us is meant against it"
    assert said in printed(*arguments, file)
    file.write_text(file.read_text() + "[cell]\ng_max_us = 1.0\n")
    assert "by default; program" not in printed(*arguments, file)
    assert "by default; " not in printed(*arguments, folder / "mine.toml")


@pytest.mark.parametrize("name", DeviceStore().names())
def test_every_device_can_be_explained_and_printed(name: str) -> None:
    assert name in printed(name)
    assert printed(name, "--toml") == (PRESETS / f"{name}.toml").read_text()


def test_files_are_explained_printed_and_checked(folder: Path) -> None:
    file = folder / "mine.toml"
    assert "read.a" in printed(file)
    assert printed(file, "--toml") == MINE
    digest = DeviceStore(folder).find("mine").digest
    output = printed("--check", file)
    assert output == f"{file} holds the device mine, digest {digest}\neffects: read\n"
    other = folder / "other.toml"
    other.write_text(MINE)
    assert "its name must be mine.toml" in printed("--check", other)


def test_what_is_wrong_with_a_file_is_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def said(*arguments: str | Path) -> str:
        return refusal(monkeypatch, capsys, *arguments)

    wrong = "error: broken.toml: device.read.speed is no key of a device profile\n"
    assert said("--check", folder / "broken.toml") == wrong
    assert said(folder / "broken.toml") == wrong
    assert "none.toml cannot be read: No such file" in said("--check", folder / "none.toml")
    assert "there is no device 'nosuch'; there are: brainscales-2" in said("nosuch")
    assert "--toml needs the name of a device" in said("--toml")
    assert "--check takes a file and nothing else" in said("mine", "--check", folder / "mine.toml")
