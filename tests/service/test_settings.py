"""Settings from environment and file: which holds, what is refused, what is documented."""

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from noisevote.models.checkpoint import SHIPPED
from noisevote.models.errors import InputError
from noisevote.service.cli import app as command_line
from noisevote.service.configuration import settings as settings_module
from noisevote.service.configuration.keys import digest_of
from noisevote.service.configuration.reading import (
    check_at_start,
    load_settings,
    settings_table,
)
from noisevote.service.configuration.settings import Settings, user_jobs_dir
from tests.service.support import CHECKPOINT, copy_of_checkpoint
from tests.service.test_cli import printed, run_main

DOCUMENT = Path(__file__).parents[2] / "docs" / "operations.md"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "settings.toml"
    path.write_text(
        f'max_votes = 40\nmax_inputs = 3\n\n[api_keys]\n"alice" = "{digest_of("key")}"\n'
    )
    return path


def test_the_environment_wins_over_the_file_name_by_name(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOISEVOTE_MAX_VOTES", "50")
    monkeypatch.setenv("noisevote_slots", "3")
    settings = load_settings(file)
    assert (settings.max_votes, settings.max_inputs, settings.slots) == (50, 3, 3)
    assert settings.api_keys == {"alice": digest_of("key")}
    assert settings.max_body_bytes == Settings().max_body_bytes


def test_the_environment_can_name_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOISEVOTE_SETTINGS_FILE", str(file))
    assert load_settings().max_votes == 40


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("max_vote = 3", "there is no setting max_vote in FILE; did you mean max_votes?"),
        ("xyz = 3", "there is no setting xyz in FILE; noisevote settings lists all"),
        ("[limits]\nmax_votes = 3", "there is no setting limits in FILE"),
        ("max_votes = 0", "the setting max_votes in FILE is wrong: max_votes: Input should be gr"),
        ("max_votes = ", "the settings file FILE is not TOML: "),
        ("traces_endpoint = 'here'", "the setting traces_endpoint in FILE is wrong: "),
        ("log_format = 'xml'", "the setting log_format in FILE is wrong: "),
        ("internal_token = 'hush'", "the setting internal_token in FILE is wrong: it must have 16"),
        ("[api_keys]\nbob = 'hush'", "the setting api_keys in FILE is wrong: it maps names to"),
        (f"[api_keys]\n'a b' = '{digest_of('hush')}'", "the setting api_keys in FILE is wrong: "),
    ],
)
def test_a_file_that_makes_no_sense_is_refused_and_secrets_are_not_shown(
    tmp_path: Path, content: str, message: str
) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(content)
    with pytest.raises(InputError) as refusal:
        load_settings(path)
    assert str(refusal.value).startswith(message.replace("FILE", str(path)))
    assert "hush" not in str(refusal.value)
    assert digest_of("hush") not in str(refusal.value)


def test_an_assessment_takes_no_more_than_eight_of_many_cores(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(64), raising=False)
    settings = Settings()
    assert settings.attack_threads == min(settings.slots, 8)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.toml cannot be read: No such file"):
        load_settings(tmp_path / "none.toml")


def test_an_unknown_variable_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NOISEVOTE_MAX_VOTE", "5")
    assert run_main(monkeypatch, "serve") == 1
    assert capsys.readouterr().err == (
        "error: there is no setting NOISEVOTE_MAX_VOTE; did you mean NOISEVOTE_MAX_VOTES?\n"
    )


def test_variables_of_our_other_commands_are_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOISEVOTE_DATA_DIR", "/data")
    monkeypatch.setenv("NOISEVOTE_API_KEY", "key")
    load_settings()


def test_the_checkpoints_are_folders_of_which_the_shipped_ones_come_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load_settings().checkpoints == (SHIPPED,)
    mine, others = tmp_path / "mine", tmp_path / "others"
    named = os.pathsep.join([str(mine), "shipped", str(others), "", str(mine)])
    monkeypatch.setenv("NOISEVOTE_CHECKPOINTS", named)
    assert load_settings().checkpoints == (mine, others, SHIPPED)
    monkeypatch.delenv("NOISEVOTE_CHECKPOINTS")
    path = tmp_path / "settings.toml"
    path.write_text(f"checkpoints = {[str(SHIPPED), str(mine)]}")
    assert load_settings(path).checkpoints == (mine, SHIPPED)
    path.write_text("checkpoints = 'shipped'")
    assert load_settings(path).checkpoints == (SHIPPED,)


@pytest.mark.parametrize("content", ["checkpoints = ''", "checkpoints = 3", "checkpoints = [3]"])
def test_checkpoints_that_name_no_folder_are_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(content)
    with pytest.raises(InputError, match=r"setting checkpoints in .* is wrong: .* it "):
        load_settings(path)


def test_the_default_may_lie_in_any_of_the_folders(tmp_path: Path) -> None:
    mine, other = tmp_path / "mine", tmp_path / "other"
    copy_of_checkpoint(mine, "theirs")
    copy_of_checkpoint(other)
    check_at_start(Settings(checkpoints=[mine, other]))
    with pytest.raises(InputError, match=rf"in .*mine and .*other there are: {CHECKPOINT}, theirs"):
        check_at_start(Settings(checkpoints=[mine, other], default_checkpoint="none"))


CONTRADICTIONS: dict[str, dict[str, object]] = {
    "checkpoints is FOLDER/none, which is no folder": {"checkpoints": "none"},
    f"default_checkpoint is other; in FOLDER there are: {CHECKPOINT}; name one of them by "
    "NOISEVOTE_DEFAULT_CHECKPOINT": {"default_checkpoint": "other"},
    "max_body_bytes is 8388608, but with max_held_bytes 8388608 no body above 8372224 can be": {
        "max_held_bytes": 2**23
    },
    "max_votes is 19, but requests that name no number ask for 20": {"max_votes": 19},
    "max_request_gmacs is 0.1, but 20 votes of mnist_cnn-mult-1.0 cost 0.": {
        "max_request_gmacs": 0.1
    },
    "rate_limit_burst_votes is set, but rate_limit_votes_per_s is not": {
        "rate_limit_burst_votes": 5
    },
    "api_keys has a key internal; that name stands": {"api_keys": {"internal": digest_of("a")}},
    "api_keys gives alice and bob the same key": {
        "api_keys": {"alice": digest_of("a"), "bob": digest_of("a")}
    },
}


@pytest.mark.parametrize("message", CONTRADICTIONS)
def test_settings_that_contradict_each_other_are_refused_at_the_start(
    message: str, tmp_path: Path
) -> None:
    copy_of_checkpoint(tmp_path)
    wrong = CONTRADICTIONS[message]
    if "checkpoints" in wrong:
        wrong = {"checkpoints": tmp_path / "none"}
    check_at_start(Settings(checkpoints=tmp_path))
    with pytest.raises(InputError) as refusal:
        check_at_start(Settings(**{"checkpoints": tmp_path, **wrong}))  # type: ignore[arg-type]
    assert str(refusal.value).startswith(message.replace("FOLDER", str(tmp_path)))


def test_every_setting_is_documented_as_it_is() -> None:
    assert all(setting.description for setting in Settings.model_fields.values())
    assert settings_table() in DOCUMENT.read_text()
    assert printed("settings").rstrip("\n") == settings_table()


def test_a_new_key_fits_what_is_printed_for_file_and_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = printed("new-key", "carol")
    key = output.splitlines()[0].rsplit(" ", 1)[1]
    path = tmp_path / "settings.toml"
    in_file, in_environment = output.split("settings file:\n", 1)[1].split("\nor in the env", 1)
    path.write_text(in_file)
    assert load_settings(path).api_keys == {"carol": digest_of(key)}
    monkeypatch.setenv("NOISEVOTE_API_KEYS", in_environment.split("'")[1])
    assert load_settings().api_keys == {"carol": digest_of(key)}
    assert key not in in_file + in_environment
    again = CliRunner().invoke(command_line, ["new-key", "carol"]).stdout
    assert again != output


@pytest.mark.parametrize("name", ["internal", 'in"ter', "", "-x", "a b", "naïve", "x" * 65])
def test_no_key_is_drawn_for_a_name_that_the_settings_refuse(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_main(monkeypatch, "new-key", "--", name) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "name" in captured.err


@pytest.mark.parametrize("value", ["alice=sha256:00", '{"alice": 3}', '["alice"]'])
def test_keys_in_the_environment_that_cannot_be_read_are_one_line_without_them(
    value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NOISEVOTE_API_KEYS", value)
    assert run_main(monkeypatch, "checkpoints") == 1
    line = capsys.readouterr().err
    assert line.startswith("error: the setting NOISEVOTE_API_KEYS is wrong: it maps names to ")
    assert line.count("\n") == 1
    assert "alice" not in line


def test_another_clone_has_a_folder_of_jobs_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert DOCUMENT.parents[1] == settings_module.INSTALLED
    first, again = user_jobs_dir(), Settings().jobs_dir
    monkeypatch.setattr(settings_module, "INSTALLED", tmp_path)
    other = Settings().jobs_dir
    assert first == again != other
    assert first.parent == other.parent
